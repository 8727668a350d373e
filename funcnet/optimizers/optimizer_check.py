"""``check_optimizer``: whether an optimizer is its equation, and keeps to what training relies on."""

import enum
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import check_update_pair
from ..errors import message
from ..settings import Initial
from .rule import Params, apply_updates

Equation = Callable[[np.ndarray, np.ndarray, int, dict[str, Any]], Any]  # (g, θ, t, memory) -> update

_STEPS = 6
# Relative tolerances, of an element's largest update.
_FLOAT64_TOLERANCE = 1e-9  # rounding, also where terms cancel, is below 1e-11
_COMPILED_TOLERANCE = 1e-4  # in float32
# Below float64: half a last bit for every step, which rounds an accumulator, and for two more operations. Besides,
# 1 - 0.9999, as in a bias correction, keeps 10 of the 23 bits of float32, the lowest dtype for hyper-parameters.
_LOW_PRECISION_TOLERANCE = {
    dtype: (_STEPS + 2) / 2 * float(jnp.finfo(dtype).eps) + 2.0**-10 for dtype in (jnp.float32, jnp.bfloat16)
}


class Outcome(enum.StrEnum):
    """What a check found; its value is how a report says it."""

    HOLDS = "holds"
    FAILS = "FAILS"
    NOT_CHECKED = "not checked"


class Finding(NamedTuple):
    """One thing that was checked."""

    claim: str
    outcome: Outcome
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.outcome:<12}  {self.claim}{self.detail and f': {self.detail}'}"


class OptimizerReport(NamedTuple):
    """What ``check_optimizer`` found. ``str()`` is a table."""

    optimizer: str  # as it prints
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Return whether nothing failed; what was not checked does not count."""
        return all(finding.outcome is not Outcome.FAILS for finding in self.findings)

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
            ``memory`` is a dict, empty before the first step, in which it keeps its accumulators. Without it the
            optimizer is compared with itself, applied to each element alone and uncompiled: that finds state shared
            between arrays, but no error in the equation, and the report says so. A rule whose elements depend on each
            other, as when clipping by a norm, fails that comparison; it needs an equation.

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
      holds         steps in float32 and bfloat16 are those in float64 but for rounding
      holds         compiled and uncompiled steps agree
      holds         another learning rate compiles nothing
    >>> fn.check_optimizer(fn.nesterov(0.1), momentum).ok
    False
    """
    check_update_pair("check_optimizer", optimizer)
    if equation is not None and not callable(equation):
        expected = "equation to be a function (g, theta, t, memory) -> update"
        raise TypeError(message("check_optimizer", expected, f"a {type(equation).__name__}"))
    findings = [
        _finding("updates and states keep structure, shapes and dtypes", _changed_form(optimizer)),
        _finding("states share no buffers", _shared_buffer(optimizer)),
    ]
    if findings[0].outcome is Outcome.HOLDS:  # else no steps can be taken
        with jax.enable_x64(True):
            findings = [*_equation_findings(optimizer, equation), *findings, _low_precision_finding(optimizer)]
        findings += [_compilation_finding(optimizer), _rate_finding(optimizer)]
    return OptimizerReport(repr(optimizer), tuple(findings))


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
    """Return in words at which step and where updates first differ from those expected; None where they do not."""
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(_parameters(jnp.float32))]
    tiny = float(jnp.finfo(steps[0].updates[0].dtype).tiny)  # smaller numbers may be flushed to 0
    found = []
    columns = zip(*(step.updates for step in steps), strict=True), zip(*expected, strict=True)
    for path, got, wanted in zip(paths, *columns, strict=True):
        ours, theirs = (np.stack([np.asarray(each, np.float64) for each in column]) for column in (got, wanted))
        off = ~(np.abs(ours - theirs) <= tolerance * np.abs(theirs).max(axis=0) + tiny)
        for t, *index in np.argwhere(off)[:1].tolist():
            place = f"step {t + 1}, params{path}{index or ''}"
            found.append((t, f"{place}: expected {theirs[(t, *index)]:.9g}, got {ours[(t, *index)]:.9g}"))
    return min(found, key=lambda each: each[0])[1] if found else None


def _equation_findings(optimizer: Any, equation: Equation | None) -> list[Finding]:
    """Return the comparison with the equation; without one, with the optimizer on each element alone."""
    claim, steps = "the updates are those of the equation", _run(optimizer, jax.jit(optimizer.update), jnp.float64)
    if equation is not None:
        return [_finding(claim, _first_difference(steps, _by_equation(equation, steps), _FLOAT64_TOLERANCE))]
    fault = _first_difference(steps, _by_element(optimizer, steps), _FLOAT64_TOLERANCE)
    return [
        Finding(claim, Outcome.NOT_CHECKED, "no equation was given"),
        _finding("every element's updates are those of the element alone", fault),
    ]


def _by_equation(equation: Equation, steps: list[_Step]) -> Iterator[list[np.ndarray]]:
    """Yield the updates of every step."""
    memories: list[dict[str, Any]] = [{} for _ in steps[0].params]
    for t, (params, gradients, _) in enumerate(steps, start=1):
        given = zip(gradients, params, memories, strict=True)
        updates = [equation(np.array(g), np.array(theta), t, memory) for g, theta, memory in given]
        yield [np.broadcast_to(np.asarray(u, float), theta.shape) for u, theta in zip(updates, params, strict=True)]


def _by_element(optimizer: Any, steps: list[_Step]) -> list[list[np.ndarray]]:
    """Return the updates of every step, each element by itself as the only parameter, uncompiled."""
    expected = [[np.empty(theta.shape) for theta in step.params] for step in steps]
    with jax.disable_jit():
        for place, array in enumerate(steps[0].params):
            for index in np.ndindex(array.shape):
                state = optimizer.init(array[index])
                for (params, gradients, _), updates in zip(steps, expected, strict=True):
                    updates[place][index], state = optimizer.update(
                        gradients[place][index], state, params[place][index]
                    )
    return expected


def _low_precision_finding(optimizer: Any) -> Finding:
    """Return the comparison of steps below float64 with those in float64 on the same numbers."""
    claim, update = "steps in float32 and bfloat16 are those in float64 but for rounding", jax.jit(optimizer.update)
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
    compiled, uncompiled = (
        _run(optimizer, update, jnp.float32) for update in (jax.jit(optimizer.update), optimizer.update)
    )
    fault = _first_difference(compiled, (step.updates for step in uncompiled), _COMPILED_TOLERANCE)
    return _finding("compiled and uncompiled steps agree", fault)


def _rate_finding(optimizer: Any) -> Finding:
    """Return whether the same optimizer with half the learning rate compiles anything."""
    claim, init = "another learning rate compiles nothing", optimizer.init
    settings = dict(init.settings) if isinstance(init, Initial) else {}
    if "learning_rate" not in settings:
        return Finding(claim, Outcome.NOT_CHECKED, "it does not name its learning rate")
    rate = jax.tree.map(lambda r: r if callable(r) or isinstance(r, int) else r / 2, settings["learning_rate"])
    other = replace(init, settings=tuple({**settings, "learning_rate": rate}.items()))
    traces, params = [], _parameters(jnp.float32)

    @jax.jit
    def step(state: Any, params: Params) -> Any:
        traces.append(state)
        return optimizer.update(params, state, params)

    step(init(params), params)
    step(other(params), params)
    return _finding(claim, "the state has other types" if len(traces) > 1 else None)


def _changed_form(optimizer: Any) -> str | None:
    """Return in words where updates or states change structure, shapes or dtypes; None where they do not."""
    with jax.enable_x64(True):
        for dtype in (jnp.bfloat16, jnp.float32, jnp.float64):
            params = _parameters(dtype)
            state = jax.eval_shape(optimizer.init, params)
            updates, after = jax.eval_shape(optimizer.update, params, state, params)
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
