"""``check_gradients``: the hand-written, the automatic and the numerical gradient of any network, compared."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import check_key, check_known, check_number, check_param_arrays, check_part, host_array
from ..errors import message
from ..jaxprs import NoRuleError
from ..layer import Layer, Params, check_contained_layers
from ..losses import Loss
from ..objective import Batch, Objective
from ..penalties import Penalty
from .judgement import NO_GRADIENTS, ArrayGradients, Tolerances, Verdict, judge, largest
from .likely_mistake import explain, wrong_parts, wrong_shapes
from .numerical import NumericalGradient, complex_step_gradient, richardson_gradient, sample
from .report import GradientReport, GradientRow
from .rounding import EPSILON, rounding_of

WHERE = "check_gradients"
EXACT_TOLERANCE = 3e-14  # the automatic gradient and the complex step differ from the derivative by rounding alone
RICHARDSON_TOLERANCE = 1e-10
ROUNDING_FACTOR = 16  # a few runs with changed last bits do not find the largest change
MOST_ELEMENTS = 10_000_000  # of parameters and inputs
PARTS_CORRECT = "each part is correct alone, as JAX differentiates it: look at how they are put together"

# What everything below is given: an objective, parameters, data and a key, all in float64.
Given = tuple[Objective, Params, Batch, jax.Array | None]


def gradients(route: str, given: Given) -> tuple[Params, jax.Array | None]:
    """Return (∂C/∂params, ∂C/∂x) by the route "hand" or "automatic"."""
    objective, params, batch, key = given
    if route == "hand":
        return objective.by_hand(params, batch, key)[1]
    return objective.automatic(params, batch, key, in_x=True)[1]


def numerically(method: Callable[..., Any], statistics: tuple[int, ...], given: Given) -> Any:
    """Return what a method of numerical differentiation makes of the cost, a function of its arrays but statistics."""
    objective, params, batch, key = given
    leaves, structure = jax.tree.flatten((params, batch.x))
    places = [place for place in range(len(leaves)) if place not in statistics]

    def cost(*trained: jax.Array) -> jax.Array:
        arrays = dict(enumerate(leaves)) | dict(zip(places, trained, strict=True))
        params, x = jax.tree.unflatten(structure, arrays.values())
        return objective.value(params, batch._replace(x=x), key)[0]

    return method(cost, [leaves[place] for place in places])


# Both run once or a few times, so that most of their time is compilation.
compiled_gradients = jax.jit(gradients, static_argnums=0, compiler_options={"xla_backend_optimization_level": 0})
compiled_numerically = jax.jit(
    numerically, static_argnums=(0, 1), compiler_options={"xla_backend_optimization_level": 1}
)


def check_element_count(where: str, count: int) -> None:
    """Raise ``ValueError`` for more elements than the network can be run for, once each.

    >>> check_element_count("verify", 10**10)
    Traceback (most recent call last):
    ValueError: verify: expected at most 10,000,000 elements of params and x, for each of which the network is run, got
        10,000,000,000
    """
    if count > MOST_ELEMENTS:
        expected = f"at most {MOST_ELEMENTS:,} elements of params and x, for each of which the network is run"
        raise ValueError(message(where, expected, f"{count:,}"))


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
    """Return a report that compares three independent answers for every element of ∂C/∂params and of ∂C/∂x.

    - By hand: the network's ``forward`` and ``backward`` and the loss's ``gradient``, as ``backprop`` computes them.
    - Automatic: ``jax.grad`` of the cost, as ``autodiff`` computes it.
    - Numerical: complex steps, ∂C/∂θₖ = Im C(θ + i h eₖ)/h with h about 1e-30 (Squire, Trapp 1998), and where an
      operation of the network has no complex form, central differences extrapolated to a vanishing step (Richardson
      1911).

    All is computed in float64 on the CPU, whatever the dtypes are, and no configuration is changed. ``print(report)``
    shows a table and says in words what a mismatch means; ``report.ok`` says whether all gradients agree. A gradient
    that is so ill-conditioned that rounding explains the differences, as before the log of a saturated sigmoid, is not
    proved, and not ``ok`` either. Running statistics, and parameters of frozen layers, are listed as not trained.

    Args:
        network: the network, a layer.
        loss: the loss of its output.
        params: the network's parameters, of floating dtypes.
        x: the input (batch, ...), floating. The numerical gradient runs the network once for each element of ``params``
            and ``x``, at most 10,000,000: take few samples, and a small version of a large network.
        y: the targets (batch, ...), as the loss takes them.
        key: a JAX random key for training, as dropout needs it; None, the default, for evaluation.
        weights: the samples' weights (batch,), None where all count alike.
        penalty: a penalty that is added to the cost, None for none.
        tolerance: how large the largest difference over the largest magnitude in each array may be. The default, None,
            is 3e-14, and 1e-10 for Richardson. A difference that rounding on the way to a gradient explains is allowed
            too.

    Raises:
        TypeError, ValueError: an argument cannot be checked; the message names it.

    >>> import funcnet as fn
    >>> network, x, y = fn.mlp([3, 4, 2], hidden=fn.tanh), np.ones((5, 3)), np.zeros((5, 2))
    >>> params, _ = network.init(jax.random.key(0), (3,))
    >>> report = fn.check_gradients(network, fn.quadratic, params, x, y)
    >>> report.ok, report.method, len(report.rows), report.worst < 1e-14
    (True, 'complex step', 5, True)
    """
    for name, value, kind in (("network", network, Layer), ("loss", loss, Loss)):
        check_part(WHERE, name, value, kind)
    check_contained_layers(network)
    check_param_arrays(WHERE, params)
    check_part(WHERE, "penalty", penalty, Penalty, optional=True)
    if key is not None:
        check_key(WHERE, key)
        check_known(WHERE, "key", key)
    if tolerance is not None:
        check_number(WHERE, "tolerance", tolerance, lambda value: (value > 0) & np.isfinite(value), "above 0")
        check_known(WHERE, "tolerance", tolerance)
        tolerance = float(np.asarray(tolerance))
    try:
        cpu = jax.local_devices(backend="cpu")[0]
    except RuntimeError:  # JAX is set up without it
        cpu = None
    with jax.enable_x64(True), jax.default_device(cpu):  # float64 is exact everywhere on a CPU
        batch = _double_batch(x, y, weights)
        leaves, structure = jax.tree_util.tree_flatten_with_path(params)
        doubled = [_double(f"params{jax.tree_util.keystr(keys)}", leaf) for keys, leaf in leaves]
        check_element_count(WHERE, sum(array.size for array in doubled) + batch.x.size)
        key = key if key is None or cpu is None else jax.device_put(key, cpu)
        given = Objective(network, loss, penalty), jax.tree.unflatten(structure, doubled), batch, key
        with np.errstate(invalid="ignore", over="ignore"):  # the report says where a gradient is not finite
            return _report(given, tolerance)


def _report(given: Given, tolerance: float | None) -> GradientReport:
    """Return the report on checked data in float64."""
    objective, params, batch, _ = given
    fixed = objective.statistics(params, batch) if objective.network.keeps_statistics else ()
    statistics = tuple(place for place, is_fixed in enumerate(jax.tree.leaves(fixed)) if is_fixed)
    notes: list[str] = []
    method, numerical = _numerical_gradient(given, statistics, notes)
    cost = float(numerical.cost)
    if not np.isfinite(cost):
        raise ValueError(message(WHERE, f"a finite cost: does the output suit {objective.loss}?", cost))
    automatic = _automatic_gradient(given, notes)
    hand, mistakes = _hand_gradient(given)
    arrays = [*jax.tree.leaves(params), batch.x]
    found = _by_array(arrays, statistics, hand, automatic, numerical)

    differences = method == "Richardson"
    tolerances = Tolerances(
        exact=tolerance or EXACT_TOLERANCE,
        numerical=tolerance or (RICHARDSON_TOLERANCE if differences else EXACT_TOLERANCE),
        difference=1e-12 * abs(cost) if differences else 0.0,
        cancelled=64 * EPSILON * largest(numerical.gradient),
        skips_kinks=differences,
    )
    judged = [judge(each, tolerances) for each in found]
    if (automatic or hand) and any(each.reason for each in judged):
        rounding = _rounding("automatic" if automatic else "hand", given, notes)
        judged = [judge(each, tolerances, ROUNDING_FACTOR * moved) for each, moved in zip(found, rounding, strict=True)]
    if automatic and not mistakes and any(each.verdict is Verdict.MISMATCH for each in judged):
        mistakes = wrong_shapes(*given) or wrong_parts(*given, tolerances.exact) or [PARTS_CORRECT]

    places = [*(keys for keys, _ in jax.tree_util.tree_leaves_with_path(params)), None]
    rows = []
    for keys, array, each, judgement in zip(places, arrays, found, judged, strict=True):
        suspect = judgement.suspect
        mistake = "" if suspect is None else explain(*suspect, samples=len(batch.x), parameter=array)
        facts = judgement._asdict() | each._asdict()
        rows.append(GradientRow(objective.network, keys, array.shape, mistake, **facts))
    if zero := ", ".join(row.name for row in rows if row.verdict is Verdict.OK and not row.size):
        notes.append(f"zero everywhere, so that nothing is proved: the gradient in {zero}")
    kinks = int(numerical.kinks)
    return GradientReport(tuple(rows), method, kinks, cost, tolerances.numerical, tuple(mistakes), tuple(notes))


def _numerical_gradient(given: Given, statistics: tuple[int, ...], notes: list[str]) -> tuple[str, NumericalGradient]:
    """Return the method and the numerical gradient; note why there is no complex step."""
    try:
        found = compiled_numerically(complex_step_gradient, statistics, given)
        return "complex step", NumericalGradient(*map(np.asarray, found))
    except NoRuleError as error:
        notes.append(f"no complex step: the operation {error} has no complex form")
        return "Richardson", richardson_gradient(compiled_numerically(sample, statistics, given))


def _automatic_gradient(given: Given, notes: list[str]) -> list[np.ndarray] | None:
    """Return the automatic gradient's arrays; None where JAX cannot differentiate the network, and note why."""
    try:
        return [*map(np.asarray, jax.tree.leaves(compiled_gradients("automatic", given)))]
    except (ValueError, NotImplementedError) as error:  # as for a while loop; the forward pass itself has worked
        notes.append(f"no automatic gradient: {str(error).partition('. ')[0].splitlines()[0]}")
        return None


def _hand_gradient(given: Given) -> tuple[list[np.ndarray] | None, list[str]]:
    """Return the hand-written gradient's arrays, or None and which parts return another structure, shape or dtype."""
    _, params, batch, _ = given
    structure: Any
    try:
        found, structure = jax.tree.flatten(compiled_gradients("hand", given))
    except Exception:  # a gradient of another shape may make the backward pass of the layers below fail
        if mistakes := wrong_shapes(*given):
            return None, mistakes
        raise
    expected, expected_structure = jax.tree.flatten((params, batch.x))
    forms, expected_forms = ([(each.shape, each.dtype) for each in arrays] for arrays in (found, expected))
    if structure == expected_structure and forms == expected_forms:
        return [*map(np.asarray, found)], []
    return None, wrong_shapes(*given) or [PARTS_CORRECT]


def _rounding(route: str, given: Given, notes: list[str]) -> list[float]:
    """Return the change that rounding makes in each array of the gradients; 0 where it is not known, and note why."""
    try:
        return rounding_of(partial(gradients, route), given)
    except NoRuleError as error:
        notes.append(f"no allowance for rounding: whether the operation {error} rounds is not known")
        _, params, batch, _ = given
        return [0.0] * len(jax.tree.leaves((params, batch.x)))


def _by_array(
    arrays: list[Any],
    statistics: tuple[int, ...],
    hand: list[np.ndarray] | None,
    automatic: list[np.ndarray] | None,
    numerical: NumericalGradient,
) -> list[ArrayGradients]:
    """Return the gradients in each array: the numerical one is a vector of all arrays but the running statistics."""
    ends = np.cumsum([0 if place in statistics else array.size for place, array in enumerate(arrays)])[:-1]
    missing: list[None] = [None] * len(arrays)
    vectors = np.split(numerical.gradient, ends), np.split(numerical.kinked, ends)
    columns = zip(arrays, hand or missing, automatic or missing, *vectors, strict=True)
    return [
        NO_GRADIENTS
        if place in statistics
        else ArrayGradients(by_hand, by_jax, derivative.reshape(array.shape), kinked.reshape(array.shape))
        for place, (array, by_hand, by_jax, derivative, kinked) in enumerate(columns)
    ]


def _double_batch(x: Any, y: Any, weights: Any) -> Batch:
    """Return the data in float64, integer targets as they are; an error names the argument that does not fit."""
    x = _double("x", x)
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(message(WHERE, "x of shape (batch, ...) with at least one row", x.shape))
    y = host_array(WHERE, "y", y)
    if y.ndim == 0 or len(y) != len(x):
        raise ValueError(message(WHERE, f"y with as many rows as x, {len(x)}", f"shape {y.shape}"))
    if jnp.issubdtype(y.dtype, jnp.floating):
        y = y.astype(np.float64)
    if weights is not None:
        weights = _double("weights", weights)
        if weights.shape != (len(x),):
            raise ValueError(message(WHERE, f"weights of shape ({len(x)},)", weights.shape))
        if weights.min() < 0 or weights.max() == 0:
            got = f"values from {weights.min():g} to {weights.max():g}"
            raise ValueError(message(WHERE, "weights to be at least 0, and one of them above 0", got))
    return Batch(x, y, weights)


def _double(name: str, value: Any) -> np.ndarray:
    """Return a floating array in float64."""
    array = host_array(WHERE, name, value)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise TypeError(message(WHERE, f"{name} of a floating dtype", array.dtype))
    return array.astype(np.float64)
