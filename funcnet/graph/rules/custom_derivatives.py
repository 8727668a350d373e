"""Functions with their own derivative rule (``jax.custom_jvp``, ``jax.custom_vjp``).

The author's rule may differ from the derivative of the operations inside, at a kink or on purpose. So such a function
is one operation of the graph, and its local derivative is the author's rule, which JAX applies to this one operation.
"""

from collections.abc import Callable
from typing import Any

import jax

from ...errors import message
from ...jaxprs import NoRuleError
from .base import LocalDerivative, Rule, Site


def _along(site: Site, index: int) -> Callable[[Any], list[Any]]:
    """Return the operation as a function of the operand at ``index`` alone."""
    before, after = site.inputs[:index], site.inputs[index + 1 :]
    return lambda operand: site.operation.run(*before, operand, *after)


def _custom_jvp(site: Site, index: int) -> LocalDerivative:
    """The author's rule is ``push``."""

    def push(change: jax.Array) -> list[jax.Array]:
        return jax.jvp(_along(site, index), (site.inputs[index],), (change,))[1]

    return LocalDerivative(push, _pull(site, index))


def _custom_vjp(site: Site, index: int) -> LocalDerivative:
    """The author's rule is ``pull``."""

    def push(change: jax.Array) -> list[jax.Array]:
        expected = "an operation with a derivative rule for forward mode"
        raise NoRuleError(message("graph", expected, f"{site.operation}, which has one for reverse mode alone"))

    return LocalDerivative(push, _pull(site, index))


def _pull(site: Site, index: int) -> Callable[..., jax.Array]:
    def pull(*derivatives: jax.Array) -> jax.Array:
        _, transposed = jax.vjp(_along(site, index), site.inputs[index])
        return transposed(list(derivatives))[0]

    return pull


CUSTOM_DERIVATIVES: dict[str, Rule] = {"custom_jvp_call": _custom_jvp, "custom_vjp_call": _custom_vjp}
