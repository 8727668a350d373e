"""``check_gradients``: the hand-written, the automatic and the numerical gradient of any network, compared."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from ..errors import message
from ..jaxprs import NoRuleError
from ..layer import Layer, Params
from ..losses import Loss
from ..penalties import Penalty
from .agreement import Answers, Limits, agree, make_row
from .complex_step import NumericalGradient, complex_step_gradient
from .entry import WHERE, checked, double
from .faults import compare_parts, layer_name, misshapen, split_path
from .meaning import explain
from .problem import Data, Problem, automatic, by_hand, cost_of
from .report import GradientReport, GradientRow
from .richardson import richardson_gradient, sample
from .rounding import EPSILON, rounding_of

EXACT = 3e-14  # the automatic gradient, and the complex step, are exact but for rounding
RICHARDSON = 1e-10
ROUNDINGS = 16  # a few runs with changed last bits do not find the worst

# Programs that run once or a few times: compiling them is what takes the time.
QUICKLY = {"xla_backend_optimization_level": 0}
compiled_by_hand = jax.jit(by_hand, static_argnums=0, compiler_options=QUICKLY)
compiled_automatic = jax.jit(automatic, static_argnums=0, compiler_options=QUICKLY)


def check_gradients(
    network: Layer,
    loss: Loss,
    params: Params,
    x: Any,
    y: Any,
    *,
    key: jax.Array | None = None,
    weights: Any = None,
    penalty: Penalty | None = None,
    tolerance: float | None = None,
) -> GradientReport:
    """Compare three independent answers for every element of ∂C/∂params and of ∂C/∂x, and report on them.

    - By hand: the network's ``forward`` and ``backward`` and the loss's ``gradient``, as ``backprop`` takes them.
    - Automatic: ``jax.grad`` of the cost, as ``autodiff`` takes it.
    - Numerical: complex steps, ∂C/∂θₖ = Im C(θ + i h eₖ)/h with h about 1e-30 (Squire, Trapp 1998), and where an
      operation of the network has no complex form, central differences extrapolated to a vanishing step (Richardson
      1911).

    ``params`` are of floating dtypes, ``x`` is (batch, ...) and floating, ``y`` is as the loss takes it, ``weights``
    (batch,); ``key`` None means evaluation, without dropout. All is computed in float64 on the CPU,
    whatever the dtypes are, and no configuration is changed. The largest difference over the largest magnitude in
    each array must be at most ``tolerance``: 3e-14, and 1e-10 for Richardson, where it is None; what changed
    last bits on the way to a gradient change in it is allowed as well. The numerical gradient runs the network once for
    each element: take few samples and a small version of a large network.

    Raises ``TypeError`` and ``ValueError`` for what cannot be checked, naming it. ``print(report)`` shows a table,
    and in words what a mismatch means; ``report.ok`` says whether all agree. A gradient that is so ill-conditioned that
    rounding explains what differs, as before the log of a saturated sigmoid, is not proved, and not ``ok`` either.

    >>> import funcnet as fn
    >>> network, x, y = fn.mlp([3, 4, 2], hidden=fn.tanh), np.ones((5, 3)), np.zeros((5, 2))
    >>> params, _ = network.init(jax.random.key(0), (3,))
    >>> report = fn.check_gradients(network, fn.quadratic, params, x, y)
    >>> report.ok, report.method, len(report.rows), report.worst < 1e-14
    (True, 'complex step', 5, True)
    """
    given = checked(network, loss, params, x, y, key=key, weights=weights, penalty=penalty, tolerance=tolerance)
    with jax.enable_x64(True), jax.default_device(_cpu()):
        params, x, data = double(params), double(given.x), Data(double(given.y), double(given.weights), _on_cpu(key))
        return _report(Problem(network, loss, penalty), params, x, data, tolerance)


def _report(problem: Problem, params: Params, x: Any, data: Data, tolerance: float | None) -> GradientReport:
    jax.eval_shape(partial(cost_of, problem), params, x, data)  # raises what the network has to say about the shapes
    faults = misshapen(problem, params, x, data)
    hand = None if faults else _flat(compiled_by_hand(problem, params, x, data))
    machine, no_machine = _automatically(problem, params, x, data)
    method, number, no_complex = _numerically(problem, params, x, data)
    exact, numerical = EXACT, RICHARDSON if method == "Richardson" else EXACT
    if tolerance is not None:
        exact = numerical = tolerance
    cost = float(number.cost)
    if not np.isfinite(cost):
        raise ValueError(message(WHERE, f"a finite cost: does the output suit {problem.loss}?", cost))
    limits = Limits(exact, numerical, 0.0, 0.0, 1e-12 * abs(cost) if method == "Richardson" else 0.0)
    with np.errstate(invalid="ignore", over="ignore"):  # gradients that are not finite are told in words
        rows = _rows(problem, params, x, (hand, machine, number), limits)
        no_rounding = ""
        if (machine or hand) and not all(row.ok for row in rows):
            rounding, no_rounding = _rounding(partial(automatic if machine else by_hand, problem), params, x, data)
            rows = _rows(problem, params, x, (hand, machine, number), limits, rounding)
        if not faults and machine is not None and any(row.verdict == "MISMATCH" for row in rows):
            faults = _located(problem, params, x, data, limits)
    zero = ", ".join(row.name for row in rows if row.ok and not row.size)
    no_gradient = f"zero everywhere, so that nothing is proved of it: the gradient in {zero}" if zero else ""
    notes = [note for note in (no_complex, no_machine, no_rounding, no_gradient) if note]
    return GradientReport(tuple(rows), method, int(number.kinks), cost, numerical, tuple(faults), tuple(notes))


def _automatically(problem: Problem, params: Params, x: Any, data: Data) -> tuple[list[np.ndarray] | None, str]:
    """Return the automatic gradient's arrays, or None and why JAX cannot differentiate the network."""
    try:
        return _flat(compiled_automatic(problem, params, x, data)), ""
    except (ValueError, NotImplementedError) as error:  # as for a while loop; the forward pass itself has worked
        return None, f"no automatic gradient: {str(error).partition('. ')[0].splitlines()[0]}"


def _numerically(problem: Problem, params: Params, x: Any, data: Data) -> tuple[str, NumericalGradient, str]:
    """Return the method, the numerical gradient and why there is no complex step."""
    try:
        found = _numerical(problem, "complex step", params, x, data)
        return "complex step", NumericalGradient(*map(np.asarray, found)), ""
    except NoRuleError as error:
        found = richardson_gradient(_numerical(problem, "Richardson", params, x, data))
        note = f"no complex step: the operation {error} has no complex form"
        return "Richardson", found, note


def _rounding(gradients: Callable[..., Any], *arguments: Any) -> tuple[list[float] | None, str]:
    """Return what rounding does to each array of the gradients, or None and why it is not known."""
    try:
        return rounding_of(gradients, *arguments), ""
    except NoRuleError as error:
        return None, f"no allowance for rounding: whether the operation {error} rounds is not known"


@partial(jax.jit, static_argnums=(0, 1), compiler_options={"xla_backend_optimization_level": 1})
def _numerical(problem: Problem, method: str, params: Params, x: Any, data: Data) -> Any:
    leaves, structure = jax.tree.flatten((params, x))

    def cost(*leaves: jax.Array) -> jax.Array:
        params, x = jax.tree.unflatten(structure, leaves)
        return cost_of(problem, params, x, data)

    return {"complex step": complex_step_gradient, "Richardson": sample}[method](cost, leaves)


def _rows(
    problem: Problem,
    params: Params,
    x: Any,
    gradients: tuple[list[np.ndarray] | None, list[np.ndarray] | None, NumericalGradient],
    limits: Limits,
    rounding: Sequence[float] | None = None,
) -> list[GradientRow]:
    """Return a row for each parameter, and for the input; ``rounding`` is what it does to each, None for nothing."""
    hand, machine, number = gradients
    leaves = [(*_label(problem, keys), leaf) for keys, leaf in jax.tree_util.tree_leaves_with_path(params)]
    leaves.append(("", "x", x))
    ends = np.cumsum([leaf.size for *_, leaf in leaves])[:-1]
    missing: list[None] = [None] * len(leaves)
    columns = zip(
        leaves,
        hand or missing,
        machine or missing,
        np.split(number.gradient, ends),
        np.split(number.kinked, ends),
        rounding or np.zeros(len(leaves)),
        strict=True,
    )
    cancelled = 64 * EPSILON * np.abs(number.gradient).max(initial=0.0)
    return [
        make_row(
            layer,
            name,
            leaf,
            Answers(by_hand, by_machine, numerical.reshape(leaf.shape), kinked.reshape(leaf.shape)),
            limits._replace(rounding=ROUNDINGS * moved, cancelled=cancelled),
            counts=_counts(x, leaf),
            masked=bool(limits.difference),
        )
        for (layer, name, leaf), by_hand, by_machine, numerical, kinked, moved in columns
    ]


def _located(problem: Problem, params: Params, x: Any, data: Data, limits: Limits) -> list[str]:
    """Return in words which parts of the hand-written gradient are wrong by themselves."""
    found = []
    for part in compare_parts(problem, params, x, data):
        if not agree(part.hand, part.right, limits, tolerance=limits.exact):
            counts = _counts(x, part.right)
            words = explain(part.hand, part.right, tolerance=limits.exact, counts=counts, parameter=part.parameter)
            found.append(f"{part.name}: {words}")
    return found or ["each part is right alone, as JAX differentiates it: look at how they are put together"]


def _counts(x: Any, leaf: Any) -> dict[str, float]:
    return {"the batch": len(x)} | {f"axis {axis} of it": size for axis, size in enumerate(leaf.shape)}


def _label(problem: Problem, keys: tuple[Any, ...]) -> tuple[str, str]:
    layer, path, name = split_path(problem.network, keys)
    return layer_name(layer, path), name


def _flat(tree: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def _cpu() -> Any:
    """Return the CPU, on which float64 is exact everywhere, or None where JAX has been told not to use it."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        return None


def _on_cpu(key: jax.Array | None) -> jax.Array | None:
    return key if key is None or _cpu() is None else jax.device_put(key, _cpu())
