"""Functions that carry their own derivative rule (``jax.custom_jvp``, ``jax.custom_vjp``): the rule is followed.

What such a function computes may have another derivative than the one that its author wrote, at a kink or on purpose;
so it stays one operation of the graph, and the rule, which is written by hand too, is its local derivative.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import message
from .local import Local, NoRuleError, Rule, Site


def _custom_jvp(site: Site, index: int) -> Local:
    """The author wrote push; pull is reverse mode through the program of push."""

    def push(change: jax.Array) -> list[jax.Array]:
        changes = [change if at == index else _no_change(each) for at, each in enumerate(site.inputs)]
        _, rule = _parts(site)
        results = rule.call_wrapped(*site.inputs, *changes)
        return [
            moved if isinstance(moved, jax.Array) else jnp.zeros_like(result)
            for moved, result in zip(results[len(results) // 2 :], site.results, strict=True)
        ]

    return Local(push, None)


def _custom_vjp(site: Site, index: int) -> Local:
    """The author wrote pull, in two parts: what to keep of the forward run, and the derivative from that."""

    def pull(derivatives: list[jax.Array]) -> jax.Array:
        _, forward, backward = _parts(site)
        kept_and_results = forward.call_wrapped(*(each for value in site.inputs for each in (value, True)))
        _, tree, forwarded = site.params["out_trees"]()
        kept = iter(kept_and_results[: tree.num_leaves - sum(at is not None for at in forwarded)])
        residuals = [next(kept) if at is None else site.inputs[at] for at in forwarded]
        share = backward.call_wrapped(*residuals, *derivatives)[index]
        return share if isinstance(share, jax.Array) else jnp.zeros_like(site.inputs[index])

    def push(change: jax.Array) -> list[jax.Array]:
        expected = "an operation with a derivative rule for forward mode"
        raise NoRuleError(message("graph", expected, f"{site.operation}, whose author wrote one for reverse mode"))

    return Local(push, pull)


def _parts(site: Site) -> Any:
    """Return the function, and after it the one rule or the two that JAX keeps with it."""
    equation = site.operation.equation
    return equation.primitive.get_bind_params(equation.params)["subfuns"]


def _no_change(operand: Any) -> Any:
    if jnp.issubdtype(operand.dtype, jnp.floating):
        return jnp.zeros_like(operand)
    return np.zeros(operand.shape, jax.dtypes.float0)


OWN_RULES: dict[str, Rule] = {"custom_jvp_call": _custom_jvp, "custom_vjp_call": _custom_vjp}
