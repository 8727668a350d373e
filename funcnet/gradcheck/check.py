"""``check_gradients``: the hand-written, the automatic and the numerical gradient of any network, compared."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import check_key, check_known, check_number, check_param_arrays, check_part, host_array
from ..errors import message
from ..layer import Layer, Params, check_contained_layers
from ..losses import Loss
from ..objective import Batch, Objective
from ..penalties import Penalty
from ..rulecheck.environment import double_precision, lowest_dtype, training_dtype
from ..rulecheck.report import Verdict
from .comparing import Settings, compare
from .network_report import GradientReport
from .routes import Given
from .searching import searched

WHERE = "check_gradients"
MOST_ELEMENTS = 10_000_000  # of parameters and inputs


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
    dtype: Any = None,
    expected: Mapping[str, Any] | None = None,
    search_points: bool = False,
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
    proved, and not ``ok`` either; the report names the operation. Running statistics, and parameters of frozen layers,
    are listed as not trained. Besides, ``backward`` has to be linear in dy, ``apply`` has to return ``forward``'s
    output, a function with a rule of its own for ``jax.vmap`` the same under it, and the gradients by hand have to be
    right in the training dtype too. The report says what the data do not show, such as a branch that is not taken.

    Args:
        network: the network, a layer.
        loss: the loss of its output.
        params: the network's parameters, of floating dtypes.
        x: the input (batch, ...), floating. The numerical gradient runs the network once for each element of ``params``
            and ``x``, at most 10,000,000. Where that takes long, for a sample of elements and along random directions;
            the report says how many, and what could escape.
        y: the targets (batch, ...), as the loss takes them.
        key: a JAX random key for training, as dropout needs it; None, the default, for evaluation.
        weights: the samples' weights (batch,), None where all count alike.
        penalty: a penalty that is added to the cost, None for none.
        tolerance: how large the largest difference over the largest magnitude in each array may be. The default, None,
            holds each element to 64 last bits of its own, and to the rounding that is measured for it; for Richardson
            to 1e-10 of the largest in its row and column, or to the error of the extrapolation.
        dtype: the training dtype, such as ``"bfloat16"``, in which the gradients by hand are compared with those in
            float64. The default, None, is the lowest dtype of ``params`` and ``x``, or float32; ``"float64"`` leaves
            this out.
        expected: intended differences by the name of a layer as the report prints it, or of the loss: a reason, as in
            ``{"Round()": "straight-through"}``, with which the gradient by hand is taken as it is, or a function whose
            derivative is intended, of x, or of (params, x) where the layer has parameters.
        search_points: also check at parameters and data that exercise what the given ones do not: with a key, another
            number of rows, weights, columns that are not 0, equal rows, branches that are not taken, ties and other
            outcomes of comparisons. The report is that of the first point where a gradient is wrong, and else names the
            points, and the cases for which none is found. The default is False.

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
    if expected is not None and not _is_declaration(expected):
        wanted = "expected to be a dict of names, each with a reason in words or a function"
        raise TypeError(message(WHERE, wanted, type(expected).__name__))
    with double_precision() as cpu:
        batch = _double_batch(x, y, weights)
        leaves, structure = jax.tree_util.tree_flatten_with_path(params)
        doubled = [_double(f"params{jax.tree_util.keystr(keys)}", leaf) for keys, leaf in leaves]
        check_element_count(WHERE, sum(array.size for array in doubled) + batch.x.size)
        key = key if key is None or cpu is None else jax.device_put(key, cpu)
        given = Objective(network, loss, penalty), jax.tree.unflatten(structure, doubled), batch, key
        arrays = [x, *(leaf for _, leaf in leaves)]
        low = training_dtype(WHERE, dtype, arrays)
        settings = Settings(tolerance, low, low == lowest_dtype(arrays), expected or {})
        report = compare(given, settings)
        return _with_search(report, given, settings) if search_points and report.ok else report


def _with_search(report: GradientReport, given: Given, settings: Settings) -> GradientReport:
    """Return the report of the first searched point where a gradient is wrong, else the given one with the points."""
    points, left = searched(given)
    checked = []
    for point, words in points:
        try:
            found = compare(point, settings)
        except ValueError:  # such as a cost that is not finite there
            left.append(f"{words}: the gradients cannot be computed there")
            continue
        if found.verdict is Verdict.MISMATCH:
            findings = tuple(replace(finding, point=f"with {words}") for finding in found.findings)
            return replace(found, findings=findings, notes=(f"found by the search for points: {words}", *found.notes))
        checked.append(words)
    also = (f"also at points that were searched: {'; '.join(checked)}",) if checked else ()
    return replace(report, checked=report.checked + also, not_exercised=tuple(left))


def _is_declaration(expected: Any) -> bool:
    return isinstance(expected, Mapping) and all(
        isinstance(name, str) and (isinstance(each, str) or callable(each)) for name, each in expected.items()
    )


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
