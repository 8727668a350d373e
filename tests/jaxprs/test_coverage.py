"""The cases of a program, the search for inputs that exercise them, and the checks at what is found."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import funcnet as fn
from funcnet.jaxprs.coverage import Coverage, depends

FAST = {"order": 1, "dtype": "float64"}


def program(x, rows):
    """A loop with a branch, a comparison with a number, a tie and a counter, which is no case."""

    def turn(carry, row):
        y, count = carry
        y = jnp.where(y > 3.5, y * row, lax.cond(row.sum() > 17.25, jnp.sin, jnp.cos, y))
        return (lax.cond(count > 1, lambda: y, lambda: -y), count + 1), jnp.max(row)

    (y, _), most = lax.scan(turn, (x, 0), rows)
    y = lax.while_loop(lambda s: s[1] < 2, lambda s: (jnp.abs(s[0]), s[1] + 1), (y, 0))[0]
    return [y, most]


def test_cases_are_found_in_loops_and_branches_and_those_of_constants_are_left_out(x64):
    given = [np.ones(3), np.arange(6.0).reshape(2, 3)]
    coverage = Coverage(program, given)
    words = [case.words.partition(" in test_coverage")[0] for case in coverage.cases]
    assert words == [
        "value below 3.5 in gt", "value equal to 3.5 in gt", "value above 3.5 in gt",
        "value below 17.25 in gt", "value equal to 17.25 in gt", "value above 17.25 in gt",
        "input that takes branch 0 of 2 of the cond", "input that takes branch 1 of 2 of the cond",
        "tie in the reduce_max", "value below 0 in abs", "value equal to 0 in abs", "value above 0 in abs",
    ]  # fmt: skip
    assert coverage.numbers[:2] == [3.5, 17.25]
    met = coverage.met([given, [np.full(3, np.nan), given[1]]])
    assert [words[at] for at in np.flatnonzero(met[0])][:3] == [words[0], words[3], words[6]]
    assert not met[1].any()  # its results are not finite
    found, left = coverage.search([given])
    after = coverage.met([given, *(leaves for leaves, _ in found)])
    assert left == [f"no {case.words}" for case in coverage.missed(after)]
    assert not [each for each in left if "branch" in each or "3.5" in each or "abs" in each]
    branches, left = coverage.search([given], branches_alone=True)
    assert len(branches) == 1
    assert not left


def test_a_program_depends_on_what_a_loop_carries_around():
    def around(x, y):
        return lax.fori_loop(0, 3, lambda _, c: (c[1], c[0]), (x, 2 * y))[0]

    traced = jax.make_jaxpr(around)(1.0, 1.0)
    assert depends(traced, [0])
    assert depends(traced, [1])
    assert not depends(jax.make_jaxpr(lambda x, y: around(y, y))(1.0, 1.0), [0])


def test_a_searched_point_finds_what_special_points_do_not_show():
    @jax.custom_vjp
    def square(x):
        return x * x

    # Wrong between 5 and 6 alone, which the program's own numbers tell.
    square.defvjp(lambda x: (x * x, x), lambda x, g: (jnp.where((x > 5.0) & (x < 6.0), 3, 2) * x * g,))
    report = fn.check_function(square, np.array([0.5]), search_points=True, **FAST)
    assert report.verdict.name == "MISMATCH"
    assert "reverse mode in x at 5.5: in its only element: 1.5 times the correct gradient" in str(report)


def test_rules_in_branches_that_are_not_taken_are_found_by_the_search():
    @jax.custom_jvp
    def hidden(x):
        return jnp.sin(x)

    hidden.defjvps(lambda tangent, y, x: 2 * tangent * jnp.cos(x))

    def branching(x):
        return lax.cond(x[0] > 40.0, hidden, lambda x: lax.cond(x[0] > 50.0, jnp.cos, jnp.exp, x), x)

    assert fn.check_rules(branching, np.ones(1), search_points=False, **FAST).verdict.name == "NOT_CHECKED"
    report = fn.check_rules(branching, np.ones(1), **FAST)
    assert report.verdict.name == "MISMATCH"
    assert "start here: hidden (test_coverage.py:" in str(report)
    assert any(
        "no input that takes branch 1 of 2 of the cond in test_coverage.py" in words for words in report.not_exercised
    )
