"""Functions with a rule of their own for ``vmap``: mapped calls are seen in a program, and their rules are checked."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from funcnet.rulecheck.mapping import marked_calls

X, Y = np.array([0.5, 1.5, -1.0]), np.array([[2.0], [0.5], [1.0]])


def product(factor):
    """Return x sum(y), whose rule for ``vmap`` multiplies by a factor more."""

    @jax.custom_batching.custom_vmap
    def times(x, y):
        return x * jnp.sum(y)

    @times.def_vmap
    def mapped(size, batched, x, y):
        y = y if batched[1] else jnp.broadcast_to(y, (size, *y.shape))
        return factor * x * jnp.sum(y, 1), True

    return times


PROGRAMS = {
    "mapped": lambda times: jax.vmap(times),
    "mapped within jit": lambda times: jax.vmap(jax.jit(times)),
    "mapped twice, the second along another axis": lambda times: (
        lambda x, y: jax.vmap(jax.vmap(times, (0, 1)), (None, 0))(x[:1], y[:, :, None])
    ),
    "alone": lambda times: lambda x, y: times(x[0], y[0]),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_wrong_rule_is_found_where_it_is_mapped(name):
    report = fn.check_rules(PROGRAMS[name](product(0.5)), X, Y)
    assert report.verdict.name == "MISMATCH"
    assert "its vmap rule returns another output than the function, row by row" in str(report)
    assert "times (test_mapping.py:" in str(report)


def test_a_right_rule_is_proved():
    report = fn.check_rules(jax.vmap(product(1.0)), X, Y)
    assert report.ok, str(report)


def test_programs_that_jax_traced_before_are_seen_too():
    mapped = jax.vmap(jax.jit(product(0.5)))
    assert [fn.check_rules(mapped, X, Y).verdict.name for _ in range(2)] == ["MISMATCH"] * 2


def test_jax_is_left_as_it_was():
    call = jax.custom_batching.custom_vmap.__call__
    with pytest.raises(ZeroDivisionError):
        fn.check_rules(lambda x: x / (1 // 0), X)
    assert jax.custom_batching.custom_vmap.__call__ is call


def mapped_by(function, rule):
    plain = jax.custom_batching.custom_vmap(function)
    plain.def_vmap(lambda size, batched, *args: (rule(*args), True))
    return plain


def test_each_element_is_held_against_its_own_rounding():
    a, b = X * 1e8, np.array([1.0, -2.0, 3.0])
    cases = [
        (mapped_by(lambda x: 1e-20 * x, lambda x: 2e-20 * x), (X,), "MISMATCH"),
        (mapped_by(lambda x: jnp.sqrt(0.6 - x), lambda x: jnp.sqrt(0.6 - x)), (X[:1],), "OK"),  # NaN elsewhere
        (mapped_by(lambda x, y: (x + y) - x, lambda x, y: (x + (y + 1)) - (x + 1)), (a, b), "OK"),
    ]
    for function, args, verdict in cases:
        report = fn.check_rules(jax.vmap(function), *args, order=1, dtype="float64", search_points=False)
        assert report.verdict.name == verdict, str(report)


def test_two_threads_check_at_once_and_jax_is_left_as_it_was():
    call, inside, finish = jax.custom_batching.custom_vmap.__call__, threading.Event(), threading.Event()

    def slow(x):
        inside.set()
        finish.wait(20)
        return jnp.sin(x)

    other = threading.Thread(target=lambda: fn.check_function(slow, 1.0, order=1, dtype="float64"))
    with marked_calls():
        other.start()
        assert inside.wait(20)
    assert jax.custom_batching.custom_vmap.__call__ is not call
    assert product(1.0)(2.0, Y[0]) == 4.0  # this thread marks nothing
    finish.set()
    other.join(60)
    assert jax.custom_batching.custom_vmap.__call__ is call
