"""A search made of the function of one step."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnet as fn
from funcnet.search import Point, Scale, StepResult, from_step
from funcnet.search.points import better, evaluated, perturbed
from tests.search import problems


@from_step()
def random_descent(cost, at, scale: Scale = 0.1):
    """Propose θ′ = θ + σε, and accept it if its cost is lower."""
    proposal = evaluated("random_descent", cost, perturbed(at.key, at.current.params, 1.0, scale))
    return StepResult(proposal, better(proposal, at.current), {})


def test_a_search_of_ones_own_is_like_the_others():
    method = random_descent(0.5)
    assert repr(method) == "random_descent(scale=0.5)"
    assert method == random_descent(0.5) != random_descent(0.6)
    assert method.step is random_descent(0.6).step
    result = problems.run(method, problems.cost, problems.start, steps=300)
    assert result.cost < 2
    assert result.evaluations == 301
    assert isinstance(result.state, random_descent.State)
    assert result.state._fields == ("key", "step", "scale", "current", "best", "evaluations")
    with pytest.raises(ValueError, match=r"^random_descent: expected scale to be finite and above 0, got 0$"):
        random_descent(0)


def test_settings_are_in_the_state_under_their_names():
    for method, names in (
        (fn.annealing(1.0), {"temperature", "cooling", "scale", "scale_decay", "move_rate"}),
        (
            fn.genetic(),
            {"tournament", "crossover_rate", "mutation_rate", "scale", "scale_decay", "elite"},
        ),
    ):
        state = method.init(problems.valleys, problems.near_one, jax.random.key(0))
        assert set(state._fields) == names | {"key", "step", "current", "best", "evaluations"}
        assert isinstance(state.best, Point)
        floats = [getattr(state, name) for name in names - {"elite"}]
        assert {setting.dtype for setting in floats} == {np.dtype(np.float32)}


def test_settings_are_checked_as_the_numbers_that_they_become(x64):
    method = fn.annealing(1.0, scale=1e-50)
    method.init(lambda x: x**2, lambda key: jnp.ones((), jnp.float64), jax.random.key(0))
    with pytest.raises(ValueError, match=r"^annealing: expected scale that float32 does not round to 0, got 1e-50"):
        method.init(lambda x: x**2, lambda key: jnp.ones((), jnp.float32), jax.random.key(0))


def test_a_step_that_cannot_become_a_search_is_refused_where_it_is_defined():
    expected = r"^from_step: expected @from_step\(\) with parentheses, got @from_step on the function random_ascent$"
    with pytest.raises(TypeError, match=expected):

        @from_step
        def random_ascent(cost, at, scale: Scale = 0.1): ...

    with pytest.raises(TypeError, match=r"^from_step: expected state_name to be a str, got 3$"):
        from_step(3)

    def named(name):
        exec(f"def rule(objective, at, {name}: Scale): ...", {"Scale": Scale}, made := {})
        return made["rule"]

    names = ("key", "step", "current", "best", "evaluations", "cost", "start", "settings")
    for name in names:
        words = f"the parameter name '{name}' is in use; names in use: {', '.join(names)}"
        with pytest.raises(ValueError, match=rf"^rule: {words}$"):
            from_step()(named(name))
    with pytest.raises(ValueError, match=r"^rule: the parameter name '_scale' begins with an underscore$"):
        from_step()(named("_scale"))


def test_what_a_step_returns_is_checked():
    def after_a_step(result):
        @from_step()
        def rule(cost, at, scale: Scale = 0.1):
            return result(at.current)

        state = rule().init(problems.valleys, problems.near_one, jax.random.key(0))
        return rule().step(problems.valleys, state)

    expected = r"^rule: expected a StepResult\(evaluated, current, settings\) from the step"
    with pytest.raises(TypeError, match=rf"{expected}, got None$"):
        after_a_step(lambda point: None)
    with pytest.raises(TypeError, match=rf"{expected}, got a tuple$"):
        after_a_step(lambda point: (point, point, {}))
    with pytest.raises(ValueError, match=r"^rule: expected changed settings among \['scale'\] .*, got \['sigma'\]$"):
        after_a_step(lambda point: StepResult(point, point, {"sigma": 1.0}))
    assert after_a_step(lambda point: StepResult(point, point, {})).step == 1


def test_people_see_names_defaults_and_ranges():
    signature = str(inspect.signature(fn.genetic)).replace("typing.", "")
    assert "population: Annotated[int, an integer of at least 1] = 50" in signature
    assert "crossover_rate: Annotated[float, in [0, 1]] = 0.9" in signature


def test_a_point_of_a_cost_that_is_nan_is_never_the_best():
    @from_step()
    def scattered(cost, at, count: fn.search.Points = 3, scale: Scale = 1.0):
        costs = jnp.stack([jnp.float32(jnp.nan), jnp.float32(-1), jnp.float32(-jnp.inf)])
        points = Point(jnp.arange(3.0), costs)
        return StepResult(points, points, {})

    result = problems.run(scattered(), lambda x: x**2, lambda key: jnp.float32(1), steps=1)
    assert (result.params, result.cost) == (1, -1)
