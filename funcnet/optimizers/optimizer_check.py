"""``check_optimizer``: whether an optimizer is its equation, and keeps to what training relies on."""

import enum
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from html import escape
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import check_update_pair
from ..configuration import document_fields
from ..errors import message
from ..settings import Initial, described
from .rule import Params, apply_updates

Equation = Callable[[np.ndarray, np.ndarray, int, dict[str, Any]], Any]  # (g, θ, t, memory) -> update

_STEPS = 6
# Relative tolerances, of an element's largest update.
_FLOAT64_TOLERANCE = 1e-9  # rounding, also where terms cancel, is below 1e-11
_COMPILED_TOLERANCE = 1e-4  # in float32
# Every step may round an accumulator by half a last bit. Two more operations may round by as much. Hyper-parameters are
# at least float32, in which 1 - 0.9999, as in a bias correction, keeps 10 of 23 bits: therefore 2⁻¹⁰.
_LOW_PRECISION_TOLERANCE = {
    dtype: (_STEPS + 2) / 2 * float(jnp.finfo(dtype).eps) + 2.0**-10 for dtype in (jnp.float32, jnp.bfloat16)
}


class Outcome(enum.StrEnum):
    """What a check found; its value is how a report says it."""

    HOLDS = "holds"
    FAILS = "FAILS"
    NOT_CHECKED = "not checked"


@document_fields
class Finding(NamedTuple):
    """One thing that was checked.

    Attributes:
        claim: what was checked.
        outcome: whether it holds, fails, or was not checked.
        detail: what was found, where that says more.
    """

    claim: str
    outcome: Outcome
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.outcome:<12}  {self.claim}{self.detail and f': {self.detail}'}"


@document_fields
class OptimizerReport(NamedTuple):
    """What ``check_optimizer`` found. ``str()`` is a table.

    Attributes:
        optimizer: as it prints.
        findings: what was checked, one by one.
    """

    optimizer: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Return whether nothing failed; what was not checked does not count."""
        return all(finding.outcome is not Outcome.FAILS for finding in self.findings)

    def __repr__(self) -> str:
        return f"OptimizerReport(ok={self.ok}, {self.optimizer}, {len(self.findings)} findings)"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

    def __str__(self) -> str:
        return "\n".join((self.optimizer, *(f"  {finding}" for finding in self.findings)))


def check_optimizer(optimizer: Any, equation: Equation | None = None) -> OptimizerReport:
    """Return a report on whether an optimizer's steps are those of its equation, and on its contract.

    Six compiled steps on four arrays, one of them a number (), in float64, with gradients from 1e-9 to 1e3 in size and
    some of them 0, are compared with the equation. Besides: updates and states keep structures, shapes and dtypes in
    bfloat16, float32 and float64; steps in float32 and bfloat16 differ from those in float64 by rounding alone;
    compiled and uncompiled steps agree; another learning rate compiles nothing; states share no buffers.

    Args:
        optimizer: A pair (init, update): funcnet's, your own, or optax's.
        equation: The rule in NumPy for one array, ``equation(g, theta, t, memory) -> update``, with t = 1, 2, …;
            ``memory`` is a dict, empty before the first step, in which it keeps its accumulators. The number is given
            to it as arrays (1,). Without an equation the optimizer is compared with itself, applied to each element
            alone and uncompiled: that finds state shared between arrays, but no error in the equation, and the report
            says so. A rule whose elements depend on each other, as when clipping by a norm, fails that comparison; it
            needs an equation.

    Raises ``TypeError`` for what is not a pair, and for an equation that is not a function.

    >>> import funcnet as fn
    >>> def momentum(g, theta, t, memory):
    ...     memory["v"] = 0.9 * memory.get("v", 0.0) - 0.1 * g
    ...     return memory["v"]
    >>> print(fn.check_optimizer(fn.momentum(0.1), momentum))
    momentum(learning_rate=0.1, momentum=0.9)
      holds         the updates are those of the equation
      holds         updates and states keep structure, shapes and dtypes
      holds         states share no buffers
      holds         steps in float32 and bfloat16 differ from those in float64 by rounding alone
      holds         compiled and uncompiled steps agree
      holds         another learning rate compiles nothing
    >>> fn.check_optimizer(fn.nesterov(0.1), momentum).ok
    False
    """
    check_update_pair("check_optimizer", optimizer, descends=False)
    if equation is not None and not callable(equation):
        expected = "equation to be a function (g, theta, t, memory) -> update"
        raise TypeError(message("check_optimizer", expected, described(equation)))
    form = _finding("updates and states keep structure, shapes and dtypes", _changed_form(optimizer))
    if form.outcome is Outcome.FAILS:  # no steps can be taken
        return OptimizerReport(repr(optimizer), (form,))
    with jax.enable_x64(True):
        by_equation, low_precision = _equation_findings(optimizer, equation), _low_precision_finding(optimizer)
    buffers = _finding("states share no buffers", _shared_buffer(optimizer))
    others = form, buffers, low_precision, _compilation_finding(optimizer), _rate_finding(optimizer)
    return OptimizerReport(repr(optimizer), (*by_equation, *others))


def _finding(claim: str, fault: str | None) -> Finding:
    return Finding(claim, Outcome.HOLDS) if fault is None else Finding(claim, Outcome.FAILS, fault)


class _Step(NamedTuple):
    """One step of a run: what ``update`` was given, and what it returned, as lists of arrays."""

    params: list[jax.Array]
    gradients: list[jax.Array]
    updates: list[jax.Array]


def _parameters(dtype: Any) -> Params:
    """Return parameters with two arrays of one shape, a broadcastable one, a number and a node without arrays."""
    w, v, b = np.linspace(-2, 2, 12).reshape(3, 4), np.linspace(3, 1, 12).reshape(3, 4), np.linspace(-1, 1, 4)
    arrays = {"layer": (w, v), "bias": b, "none": (), "scale": np.array(1.5)}
    return jax.tree.map(lambda array: jnp.asarray(array, dtype), arrays)


def _run(optimizer: Any, update: Callable[..., Any], dtype: Any) -> list[_Step]:
    """Return the steps of a run. The gradients are of every size, and at first 0 in a part of the elements."""
    params, random = _parameters(dtype), np.random.default_rng(0)
    leaves, structure = jax.tree.flatten(params)
    sizes = [10.0 ** random.uniform(-9, 3, p.shape) for p in leaves]
    is_late = [random.random(p.shape) < 0.2 for p in leaves]
    state, steps = optimizer.init(params), []
    for t in range(1, _STEPS + 1):
        drawn = [size * random.normal(size=size.shape) for size in sizes]
        g = [jnp.asarray(np.where(late & (t < 3), 0, each), dtype) for each, late in zip(drawn, is_late, strict=True)]
        updates, state = update(jax.tree.unflatten(structure, g), state, params)
        steps.append(_Step(jax.tree.leaves(params), g, jax.tree.leaves(updates)))
        params = apply_updates(params, updates)
    return steps


def _first_difference(steps: list[_Step], expected: Iterable[list[Any]], tolerance: float) -> str | None:
    """Return in words at which step and where updates first differ from those expected; None where they do not.

    Two NaNs do not differ.
    """
    tiny = float(jnp.finfo(steps[0].updates[0].dtype).tiny)  # smaller numbers may be flushed to 0

    def differ(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
        size = np.abs(theirs).max(axis=0, initial=0.0, where=np.isfinite(theirs))
        same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        return ~(same | (np.abs(ours - theirs) <= tolerance * size + tiny))

    got, wanted = _stacked(step.updates for step in steps), _stacked(expected)
    with np.errstate(invalid="ignore"):  # of infinities
        first = _first([*map(differ, got, wanted)])
    if first is None:
        return None
    array, index, place = first
    return f"{place}: expected {wanted[array][index]:.9g}, got {got[array][index]:.9g}"


def _first_not_finite(steps: list[_Step]) -> str | None:
    """Return in words at which step and where an update is first not finite; None where all are."""
    got = _stacked(step.updates for step in steps)
    first = _first([~np.isfinite(each) for each in got])
    if first is None:
        return None
    array, index, place = first
    return f"{place}: the update is not finite, {got[array][index]}"


def _stacked(updates: Iterable[list[Any]]) -> list[np.ndarray]:
    """Return the updates of every array, (steps, ...), out of lists of arrays, one list for each step."""
    return [np.stack([np.asarray(each, np.float64) for each in column]) for column in zip(*updates, strict=True)]


def _first(marked: list[np.ndarray]) -> tuple[int, tuple[int, ...], str] | None:
    """Return the array, the index and the place in words of the first step's first True in arrays (steps, ...)."""
    found = [(place, tuple(index)) for place, each in enumerate(marked) for index in np.argwhere(each)[:1].tolist()]
    if not found:
        return None
    array, index = min(found, key=lambda each: each[1][0])
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(_parameters(jnp.float32))]
    t, *within = index
    return array, index, f"step {t + 1}, params{paths[array]}{within or ''}"


def _equation_findings(optimizer: Any, equation: Equation | None) -> list[Finding]:
    """Return the comparison with the equation; without one, with the optimizer on each element alone."""
    claim, steps = "the updates are those of the equation", _run(optimizer, jax.jit(optimizer.update), jnp.float64)
    expected = _by_element(optimizer, steps) if equation is None else _by_equation(equation, steps)
    fault = _first_difference(steps, expected, _FLOAT64_TOLERANCE) or _first_not_finite(steps)
    if equation is not None:
        return [_finding(claim, fault)]
    return [
        Finding(claim, Outcome.NOT_CHECKED, "no equation was given"),
        _finding("each element is updated as if it were the only parameter", fault),
    ]


def _by_equation(equation: Equation, steps: list[_Step]) -> Iterator[list[np.ndarray]]:
    """Yield the updates of every step. The number is given as arrays (1,), since NumPy makes scalars of arrays ()."""
    memories: list[dict[str, Any]] = [{} for _ in steps[0].params]
    for t, (params, gradients, _) in enumerate(steps, start=1):
        updates = []
        for g, theta, memory in zip(gradients, params, memories, strict=True):
            update = equation(np.array(g, ndmin=1), np.array(theta, ndmin=1), t, memory)
            kept = np.array(update, float)  # a copy: the equation may change its own array in the next step
            updates.append(np.broadcast_to(kept, theta.shape or (1,)).reshape(theta.shape))
        yield updates


def _by_element(optimizer: Any, steps: list[_Step]) -> list[list[np.ndarray]]:
    """Return the updates of every step, each element by itself as the only parameter, uncompiled."""
    expected = [[np.empty(theta.shape) for theta in step.params] for step in steps]
    with jax.disable_jit():
        for place, array in enumerate(steps[0].params):
            for index in np.ndindex(array.shape):
                state = optimizer.init(array[index])
                for (params, gradients, _), updates in zip(steps, expected, strict=True):
                    g, theta = gradients[place][index], params[place][index]
                    updates[place][index], state = optimizer.update(g, state, theta)
    return expected


def _low_precision_finding(optimizer: Any) -> Finding:
    """Return the comparison of steps below float64 with those in float64 on the same numbers."""
    claim = "steps in float32 and bfloat16 differ from those in float64 by rounding alone"
    update = jax.jit(optimizer.update)
    structure = jax.tree.structure(_parameters(jnp.float64))

    def in_float64(arrays: list[jax.Array]) -> Params:
        return jax.tree.unflatten(structure, [each.astype(jnp.float64) for each in arrays])

    for dtype, tolerance in _LOW_PRECISION_TOLERANCE.items():
        steps, expected = _run(optimizer, update, dtype), []
        state = optimizer.init(in_float64(steps[0].params))
        for params, gradients, _ in steps:
            updates, state = update(in_float64(gradients), state, in_float64(params))
            expected.append(jax.tree.leaves(updates))
        if (fault := _first_difference(steps, expected, tolerance)) is not None:
            return _finding(claim, f"in {jnp.dtype(dtype)}, {fault}")
    return _finding(claim, None)


def _compilation_finding(optimizer: Any) -> Finding:
    """Return the comparison of compiled and uncompiled steps, in float32."""
    compiled, uncompiled = (_run(optimizer, f, jnp.float32) for f in (jax.jit(optimizer.update), optimizer.update))
    fault = _first_difference(compiled, (step.updates for step in uncompiled), _COMPILED_TOLERANCE)
    return _finding("compiled and uncompiled steps agree", fault)


def _rate_finding(optimizer: Any) -> Finding:
    """Return whether the same optimizer with half the learning rate compiles anything."""
    claim, init = "another learning rate compiles nothing", optimizer.init
    settings = dict(init.settings) if isinstance(init, Initial) else {}
    if "learning_rate" not in settings:
        return Finding(claim, Outcome.NOT_CHECKED, "the optimizer has no setting named learning_rate")
    rate = jax.tree.map(lambda r: r if callable(r) or isinstance(r, int) else r / 2, settings["learning_rate"])
    other = replace(init, settings=tuple({**settings, "learning_rate": rate}.items()))
    traces, params = [], _parameters(jnp.float32)

    @jax.jit
    def step(state: Any, params: Params) -> Any:
        traces.append(state)
        return optimizer.update(params, state, params)

    step(init(params), params)
    step(other(params), params)
    return _finding(claim, "another rate changes the types in the state" if len(traces) > 1 else None)


def _changed_form(optimizer: Any) -> str | None:
    """Return in words where updates or states change structure, shapes or dtypes; None where they do not.

    An error that the optimizer raises for a number and not for an array (1,) is returned in words too.
    """

    def step(params: Params) -> tuple[Any, Any, Any]:
        state = jax.eval_shape(optimizer.init, params)
        return state, *jax.eval_shape(optimizer.update, params, state, params)

    with jax.enable_x64(True):
        for dtype in (jnp.bfloat16, jnp.float32, jnp.float64):
            params = _parameters(dtype)
            try:
                state, updates, after = step(params)
            except Exception as error:
                step(jax.tree.map(jnp.atleast_1d, params))  # where arrays fail too, the caller gets the error
                first_line = str(error).partition("\n")[0]
                return f"for a number (), it raised {type(error).__name__}: {first_line}"
            for what, before, now in (("updates", params, updates), ("state", state, after)):
                if (difference := _difference(before, now)) is not None:
                    return f"{what} for {jnp.dtype(dtype)} parameters: {difference}"
    return None


def _difference(before: Any, after: Any) -> str | None:
    """Return in words where two trees differ in structure, shapes or dtypes; None where they do not."""
    structure: Any = jax.tree.structure(before)
    if structure != jax.tree.structure(after):
        return f"expected {structure}, got {jax.tree.structure(after)}"
    for (path, one), other in zip(jax.tree.leaves_with_path(before), jax.tree.leaves(after), strict=True):
        if (one.shape, one.dtype) != (other.shape, other.dtype):
            place = jax.tree_util.keystr(path)
            return f"expected {one.dtype}{list(one.shape)} at {place}, got {other.dtype}{list(other.shape)}"
    return None


def _shared_buffer(optimizer: Any) -> str | None:
    """Return in words which of the parameters and two states share a buffer, since a donating call takes each once."""
    params = _parameters(jnp.float32)
    owners: dict[int, str] = {}
    for path, leaf in jax.tree.leaves_with_path((params, optimizer.init(params), optimizer.init(params))):
        place = jax.tree_util.keystr(path)
        if (owner := owners.setdefault(leaf.unsafe_buffer_pointer(), place)) != place:
            return f"{owner} and {place} of (params, state, another state)"
    return None
