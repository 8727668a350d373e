"""Functions that carry their own derivative rule (``jax.custom_jvp``, ``jax.custom_vjp``): the rule is followed.

What such a function computes may have another derivative than the one that its author wrote, at a kink or on purpose;
so it stays one operation of the graph. Its local derivative is what JAX makes of this one operation: the author's rule.
"""

from collections.abc import Callable
from typing import Any

import jax

from ...errors import message
from ...jaxprs import NoRuleError
from .base import LocalDerivative, Rule, Site


def _along(site: Site, index: int) -> Callable[[Any], list[Any]]:
    """Return the function of the operand of that position alone."""
    before, after = site.inputs[:index], site.inputs[index + 1 :]
    return lambda operand: site.operation.run(*before, operand, *after)


def _custom_jvp(site: Site, index: int) -> LocalDerivative:
    """The author wrote push."""

    def push(change: jax.Array) -> list[jax.Array]:
        return jax.jvp(_along(site, index), (site.inputs[index],), (change,))[1]

    return LocalDerivative(push, _pull(site, index))


def _custom_vjp(site: Site, index: int) -> LocalDerivative:
    """The author wrote pull."""

    def push(change: jax.Array) -> list[jax.Array]:
        expected = "an operation with a derivative rule for forward mode"
        raise NoRuleError(message("graph", expected, f"{site.operation}, whose author wrote one for reverse mode"))

    return LocalDerivative(push, _pull(site, index))


def _pull(site: Site, index: int) -> Callable[..., jax.Array]:
    def pull(*derivatives: jax.Array) -> jax.Array:
        _, transposed = jax.vjp(_along(site, index), site.inputs[index])
        return transposed(list(derivatives))[0]

    return pull


CUSTOM_DERIVATIVES: dict[str, Rule] = {"custom_jvp_call": _custom_jvp, "custom_vjp_call": _custom_vjp}
