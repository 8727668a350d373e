import jax
import local_minima
import numpy as np
import pytest


def rates(problem, methods):
    keys = jax.random.split(jax.random.key(1), 30)
    return {
        method: float(np.mean(local_minima.solve(problem, method, keys).cost <= problem.goal)) for method in methods
    }


@pytest.mark.usefixtures("standard_promotion")
def test_every_search_is_above_plain_descent_on_rastrigin_in_two_dimensions():
    problem = local_minima.rastrigin_problem(2, 300, 16)
    found = rates(problem, ("plain descent", "restarts", "annealing", "genetic"))
    assert found.pop("plain descent") < 0.2
    assert min(found.values()) > 0.8


@pytest.mark.usefixtures("standard_promotion")
def test_the_picture_is_drawn(tmp_path):
    problems = [local_minima.rastrigin_problem(2, 30, 2)]
    rates = {(problems[0].name, method): 0.5 for method in local_minima.METHODS}
    local_minima.draw(problems, rates, 30, jax.random.key(0), tmp_path / "local_minima.png")
    assert (tmp_path / "local_minima.png").stat().st_size < 150_000


def test_at_the_goal_of_xor_all_four_are_right():
    """Mean of ½ e² over four cases at most the goal, so no single error reaches ½."""
    assert np.sqrt(2 * 4 * local_minima.xor_problem().goal) < 0.5
