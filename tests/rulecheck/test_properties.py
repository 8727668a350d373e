"""What a backward pass has to be besides right: planted mistakes, each seen by one check alone."""

import io
from contextlib import redirect_stdout

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcnet.derivatives.matrix import floating_results
from funcnet.rulecheck.environment import double_precision
from funcnet.rulecheck.first_order import first_order
from funcnet.rulecheck.linearity import linearity
from funcnet.rulecheck.properties import consistency, side_effects
from funcnet.rulecheck.report import Verdict
from funcnet.rulecheck.subject import Examination, Point, Subject

X = np.array([0.3, -1.2])
CALLS = []


def sine(back, forward=lambda x: (jnp.sin(x), x)):
    """Return the sine with another backward pass, and perhaps another forward pass."""

    @jax.custom_vjp
    def planted(x):
        return jnp.sin(x)

    planted.defvjp(forward, lambda x, g: (back(x, g),))
    return planted


@jax.custom_batching.custom_vmap
def cosine(x):
    return jnp.cos(x)


@cosine.def_vmap
def mapped_cosine(size, batched, x):
    return jnp.cos(x) * 0.5, True


def counted(x, g):
    CALLS.append(0)
    return g * jnp.cos(x) * (1 + len(CALLS))


def traced_forward(x):
    return jnp.sin(x), x * (1.0 if isinstance(x, jax.core.Tracer) else 2.0)


def printing(x, g):
    jax.debug.print("{}", g)
    jax.experimental.io_callback(lambda: None, None)
    return g * jnp.cos(x)


# function, check, what it says
PLANTED = {
    "huge": (sine(lambda x, g: jnp.clip(g, -1e9, 1e9) * jnp.cos(x)), linearity, "not linear for a huge cotangent"),
    "small": (
        sine(lambda x, g: jnp.where(jnp.abs(g) < 1e-9, 0, g) * jnp.cos(x)), linearity, "not linear for a small cot",
    ),
    "sign": (sine(lambda x, g: jnp.abs(g) * jnp.cos(x)), linearity, "not linear for a negated cotangent"),
    "sum": (sine(lambda x, g: jnp.roll(g, 1) * (g[0] == 0)), linearity, "not linear for a sum of cotangents"),
    "zero": (sine(lambda x, g: g * jnp.cos(x) + 1e-9), linearity, "not 0 for a cotangent of 0"),
    "NaN": (sine(lambda x, g: g * jnp.cos(x) + 0 * (1 / jnp.max(jnp.abs(g)))), linearity, "not 0 for a cotangent of 0"),
    "vmap": (sine(lambda x, g: g * cosine(x)), consistency, "the derivative is another one than under jit"),
    "no jit": (sine(lambda x, g: g * jnp.cos(x), traced_forward), consistency, "the derivative is another one"),
    "counted": (sine(counted), consistency, "the derivative is another one than under jit"),
    "output": (
        sine(lambda x, g: g * jnp.cos(x), lambda x: (jnp.sin(x) + 1e-9, x)),
        first_order,
        "the rule's forward pass returns another output than the function",
    ),
    "shape": (sine(lambda x, g: (g * jnp.cos(x))[:1]), first_order, "it raises ValueError: Custom VJP bwd rule"),
    "structure": (sine(lambda x, g: (g, g)), first_order, "it raises TypeError: Custom VJP bwd rule"),
    "two results": (
        sine(lambda x, g: g, lambda x: ((x, x), x)),
        first_order,
        "the rule's forward pass returns float64[2], float64[2], the function float64[2]",
    ),
    "forward's dtype": (
        sine(lambda x, g: g * jnp.cos(x), lambda x: (jnp.sin(x).astype(jnp.float32), x)),
        first_order,
        "the rule's forward pass returns float32[2], the function float64[2]",
    ),
}  # fmt: skip


def examined(function, *routes):
    def listed(x):
        return floating_results(function(x))

    found = Examination(Subject("planted", listed, lambda x: [jnp.sin(x)], ("x",), None, None), [X])
    found.routes = [*routes]
    return found


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_mistake_is_seen(name):
    function, check, text = PLANTED[name]
    with double_precision():
        found = examined(function, *(["reverse"] if check is not first_order else []))
        check(found, Point([X], "", is_given=True))
    wrong = [finding.reason for finding in found.findings if finding.verdict is Verdict.MISMATCH]
    assert any(text in reason for reason in wrong), found.findings


def test_side_effects_of_a_derivative_are_noted():
    with double_precision(), redirect_stdout(io.StringIO()):
        found = examined(sine(printing), "reverse")
        side_effects(found, Point([X], "", is_given=True))
    noted = " ".join(found.notes)
    assert "side effects of planted in reverse mode: io_callback in test_properties.py:" in noted
    assert "reverse mode: debug_" in noted


def test_a_right_backward_pass_has_all_properties():
    with double_precision():
        found = examined(sine(lambda x, g: g * jnp.cos(x)), "reverse")
        for check in (linearity, consistency, side_effects):
            check(found, Point([X], "", is_given=True))
    assert {finding.verdict for finding in found.findings} == {Verdict.OK}
    assert len(found.findings) == 5
    assert not found.notes
