"""``check_optimizer``: whether an optimizer is its equation, and keeps to what training relies on."""

import enum
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import check_update_pair
from ..errors import message
from ..settings import Initial
from .rule import Optimizer, Params, apply_updates

Equation = Callable[[np.ndarray, np.ndarray, int, dict[str, Any]], Any]  # (g, θ, t, memory) -> update

_STEPS = 6
_TOLERANCE = 1e-9  # in float64, of an element's largest update: rounding, also where terms cancel, is below 1e-11


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

    Six compiled steps on three arrays, in float64, with gradients from 1e-9 to 1e3 in size and some of them 0, are
    compared with the equation. Besides: updates and states keep structures, shapes and dtypes in bfloat16, float32 and
    float64; compiled and uncompiled steps agree; another learning rate compiles nothing; states share no buffers.

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
      holds         compiled and uncompiled steps agree
      holds         another learning rate compiles nothing
    >>> fn.check_optimizer(fn.nesterov(0.1), momentum).ok
    False
    """
    check_update_pair("check_optimizer", optimizer)
    if equation is not None and not callable(equation):
        expected = "equation to be a function (g, theta, t, memory) -> update"
        raise TypeError(message("check_optimizer", expected, f"a {type(equation).__name__}"))
    findings = [_keeps_dtypes(optimizer), _shares_no_buffers(optimizer)]
    if findings[0].outcome is Outcome.HOLDS:  # else no steps can be taken
        findings += [_compiled_agrees(optimizer), _compiles_nothing(optimizer)]
        findings = _equation_findings(optimizer, equation) + findings
    return OptimizerReport(repr(optimizer), tuple(findings))


def _parameters(dtype: Any) -> Params:
    """Return parameters with two arrays of one shape, a broadcastable one and a node without arrays."""
    w, v, b = np.linspace(-2, 2, 12).reshape(3, 4), np.linspace(3, 1, 12).reshape(3, 4), np.linspace(-1, 1, 4)
    return {"layer": (jnp.asarray(w, dtype), jnp.asarray(v, dtype)), "bias": jnp.asarray(b, dtype), "none": ()}


def _gradients(dtype: Any) -> Iterator[Params]:
    """Yield the gradients of every step: of every size, and 0 at first in a part of the elements."""
    params, random = _parameters(dtype), np.random.default_rng(0)
    sizes = jax.tree.map(lambda p: 10.0 ** random.uniform(-9, 3, p.shape), params)
    late = jax.tree.map(lambda p: random.random(p.shape) < 0.2, params)
    for t in range(1, _STEPS + 1):
        yield jax.tree.map(
            lambda size, late: jnp.asarray(np.where(late & (t < 3), 0, size * random.normal(size=size.shape)), dtype),  # noqa: B023
            sizes,
            late,
        )


def _trajectory(optimizer: Any, update: Callable[..., Any], dtype: Any) -> Iterator[tuple[Params, Any, Params]]:
    """Yield the updates, the state and the gradients of every step."""
    params = _parameters(dtype)
    state = optimizer.init(params)
    for gradients in _gradients(dtype):
        updates, state = update(gradients, state, params)
        params = apply_updates(params, updates)
        yield updates, state, gradients


def _equation_findings(optimizer: Any, equation: Equation | None) -> list[Finding]:
    """Return the comparison with the equation; without one, with the optimizer on each element alone."""
    with jax.enable_x64(True):
        steps = list(_trajectory(optimizer, jax.jit(optimizer.update), jnp.float64))
        names = [jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(steps[0][0])]
        actual = [np.stack(each) for each in zip(*(jax.tree.leaves(updates) for updates, _, _ in steps), strict=True)]
        pushed = [np.stack(each) for each in zip(*(jax.tree.leaves(g) for _, _, g in steps), strict=True)]
        starts = [np.asarray(p) for p in jax.tree.leaves(_parameters(jnp.float64))]
        if equation is not None:
            expected = [_by_equation(equation, theta, g) for theta, g in zip(starts, pushed, strict=True)]
            return [_compared("the updates are those of the equation", names, actual, expected)]
        with jax.disable_jit():
            expected = [_by_element(optimizer, theta, g) for theta, g in zip(starts, pushed, strict=True)]
    return [
        Finding("the updates are those of the equation", Outcome.NOT_CHECKED, "no equation was given"),
        _compared("every element's updates are those of the element alone", names, actual, expected),
    ]


def _by_equation(equation: Equation, theta: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Return the updates (steps, …) of one array."""
    memory: dict[str, Any] = {}
    updates = []
    for t, g in enumerate(gradients, start=1):
        updates.append(np.broadcast_to(np.asarray(equation(g.copy(), theta.copy(), t, memory), float), theta.shape))
        theta = theta + updates[-1]
    return np.stack(updates)


def _by_element(optimizer: Any, theta: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Return the updates (steps, …) of one array, each element by itself as the only parameter."""
    updates = np.empty_like(gradients)
    for index in np.ndindex(theta.shape):
        element = jnp.asarray(theta[index])
        state = optimizer.init(element)
        for t, g in enumerate(gradients):
            update, state = optimizer.update(jnp.asarray(g[index]), state, element)
            element, updates[(t, *index)] = element + update, update
    return updates


def _compared(claim: str, names: list[str], actual: list[np.ndarray], expected: list[np.ndarray]) -> Finding:
    """Return the finding on updates (steps, …) of every array, with the first step at which they differ."""
    first = None
    for name, ours, theirs in zip(names, actual, expected, strict=True):
        scale = np.abs(theirs).max(axis=0)
        off = ~(np.abs(ours - theirs) <= _TOLERANCE * scale)
        if off.any():
            t, *index = (int(i) for i in np.argwhere(off)[0])
            if first is None or t < first[0]:
                got, wanted = ours[(t, *index)], theirs[(t, *index)]
                first = t, f"step {t + 1}, params{name}{index}: expected {wanted:.9g}, got {got:.9g}"
    return Finding(claim, Outcome.HOLDS) if first is None else Finding(claim, Outcome.FAILS, first[1])


def _keeps_dtypes(optimizer: Any) -> Finding:
    """Return the finding on structures, shapes and dtypes of updates and states, while tracing."""
    claim = "updates and states keep structure, shapes and dtypes"
    with jax.enable_x64(True):
        for dtype in (jnp.bfloat16, jnp.float32, jnp.float64):
            params = _parameters(dtype)
            state = jax.eval_shape(optimizer.init, params)
            updates, after = jax.eval_shape(optimizer.update, params, state, params)
            for what, before, now in (("updates", params, updates), ("state", state, after)):
                if (difference := _difference(before, now)) is not None:
                    return Finding(claim, Outcome.FAILS, f"{what} for {jnp.dtype(dtype)} parameters: {difference}")
    return Finding(claim, Outcome.HOLDS)


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


def _compiled_agrees(optimizer: Any) -> Finding:
    """Return the finding on compiled and uncompiled steps, in float32."""
    claim = "compiled and uncompiled steps agree"
    pairs = zip(
        _trajectory(optimizer, jax.jit(optimizer.update), jnp.float32),
        _trajectory(optimizer, optimizer.update, jnp.float32),
        strict=True,
    )
    for t, ((compiled, _, _), (uncompiled, _, _)) in enumerate(pairs, start=1):
        for (path, one), other in zip(jax.tree.leaves_with_path(compiled), jax.tree.leaves(uncompiled), strict=True):
            if not np.allclose(one, other, rtol=1e-4, atol=1e-6 * np.abs(other).max(), equal_nan=True):
                return Finding(claim, Outcome.FAILS, f"step {t}, params{jax.tree_util.keystr(path)}")
    return Finding(claim, Outcome.HOLDS)


def _compiles_nothing(optimizer: Any) -> Finding:
    """Return the finding on a second optimizer with another learning rate."""
    claim, other = "another learning rate compiles nothing", _with_another_rate(optimizer)
    if other is None:
        return Finding(claim, Outcome.NOT_CHECKED, "it does not name its learning rate")
    traces = []

    def step(update: Callable[..., Any], state: Any, params: Params) -> Any:
        traces.append(update)
        return update(params, state, params)

    compiled, params = jax.jit(step, static_argnums=0), _parameters(jnp.float32)
    for each in (optimizer, other):
        compiled(each.update, each.init(params), params)
    if len(traces) > 1:
        return Finding(claim, Outcome.FAILS, "update is another function, or the state has other types")
    return Finding(claim, Outcome.HOLDS)


def _with_another_rate(optimizer: Any) -> Optimizer | None:
    """Return the same optimizer with half the learning rate; None where it cannot be told which that is."""
    init = optimizer.init
    settings = dict(init.settings) if isinstance(init, Initial) else {}
    rate = settings.get("learning_rate")
    if rate is None:
        return None
    rate = jax.tree.map(lambda r: r if callable(r) or isinstance(r, int) else r / 2, rate)
    other = replace(init, settings=tuple({**settings, "learning_rate": rate}.items()))
    return Optimizer(other, optimizer.update)


def _shares_no_buffers(optimizer: Any) -> Finding:
    """Return the finding on the buffers of the parameters and two states, since a donating call takes each once."""
    params = _parameters(jnp.float32)
    leaves = jax.tree.leaves_with_path((params, optimizer.init(params), optimizer.init(params)))
    owners: dict[int, str] = {}
    for path, leaf in leaves:
        place = jax.tree_util.keystr(path)
        if (owner := owners.setdefault(leaf.unsafe_buffer_pointer(), place)) != place:
            detail = f"{owner} and {place} of (params, state, another state)"
            return Finding("states share no buffers", Outcome.FAILS, detail)
    return Finding("states share no buffers", Outcome.HOLDS)
