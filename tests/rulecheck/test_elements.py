"""The verdict on each element, the rounding measured for it, and where wrong elements are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from funcnet.derivatives.matrix import Numerical
from funcnet.derivatives.rounding import Shaken
from funcnet.rulecheck.element_verdicts import describe, judge_elements, judge_low


def numerical(matrix, low=None, high=None):
    return Numerical(
        matrix, np.zeros_like(matrix), matrix if low is None else low, matrix if high is None else high,
        "complex step", "",
    )  # fmt: skip


def test_each_element_is_judged_by_itself_and_by_its_own_rounding():
    exact = np.array([[1.0, 1e-12, 1e20, 0.0]])
    found = exact * [1.0, 1 + 1e-12, 1.0, 1.0] + [0.0, 0.0, 0.0, 1e-30]
    assert judge_elements(found, numerical(exact)).wrong.tolist() == [[False, True, False, True]]
    moved = np.array([[0.0, 1e-24, 0.0, 1e-30]])
    judged = judge_elements(found, numerical(exact), moved)
    assert judged.wrong.tolist() == [[False, False, False, False]]
    assert judged.unproved.tolist() == [[False, False, False, True]]  # its rounding is as large as itself


def test_what_is_not_finite_is_compared_only_where_the_numerical_derivative_is():
    exact = np.array([[1.0, np.nan, np.inf]])
    judged = judge_elements(np.array([[np.nan, 1.0, 2.0]]), numerical(exact), np.full((1, 3), np.inf))
    assert judged.wrong.tolist() == [[True, False, False]]
    assert judged.compared.tolist() == [[True, False, False]]


def test_at_a_kink_what_lies_between_the_sides_is_a_convention():
    middle = np.full((1, 4), 0.5)
    judged = judge_elements(np.array([[0.0, 1.0, 0.3, 1.1]]), numerical(middle, 0 * middle, 2 * middle))
    assert judged.wrong.tolist() == [[False, False, False, True]]
    assert judged.kinked.all()


def test_a_lower_precision_is_held_to_its_own_last_bits_or_to_the_measured_bound():
    exact, info = np.array([[1.0], [1e39], [1e-3]]), jnp.finfo(np.float32)
    found = np.array([[1 + 2e-7], [np.inf], [2e-3]])
    assert judge_low(found, exact, info).wrong.ravel().tolist() == [False, False, True]
    judged = judge_low(found, exact, info, np.full((3, 1), 1e-3))
    assert judged.wrong.ravel().tolist() == [False, False, False]
    assert judged.unproved.ravel().tolist() == [False, False, True]  # no digit is right


def test_rounding_is_measured_within_loops_and_by_operation(x64):
    def loop(x):
        return [lax.scan(lambda c, _: (c * 1.01 + 1e6 - 1e6, None), x, None, length=5)[0]]

    shaken = Shaken(loop, np.array([0.1, 0.2]))
    (moves,) = shaken.moves(np.array([0.1, 0.2]))
    assert ((moves > 1e-11) & (moves < 1e-8)).all()
    words = shaken.cause(np.array([0.1, 0.2]), result=0, index=(0,))
    assert words.startswith(("cancellation: add in test_elements.py:", "cancellation: sub in test_elements.py:"))


def test_an_unknown_operation_is_taken_to_round_its_operands_and_results(x64):
    near = np.array([[1.0, 1.0], [1.0, 1.0 + 1e-8]])
    (moves,) = Shaken(lambda a: [jnp.linalg.inv(a)], near).moves(near)
    assert (moves > 1e-1).all()


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.ones((3, 2), bool), "everywhere"),
        (np.array([[0, 0], [1, 1], [0, 0]], bool), "all of row 1 of 3"),
        (np.array([[1, 0], [1, 0], [1, 0]], bool), "all of column 0 of 2"),
        (np.array([[0, 1], [0, 0], [1, 0]], bool), "where it is negative"),
        (np.array([[0, 0], [0, 1], [0, 0]], bool), "where it is largest"),
        (np.array([[1, 0], [0, 0], [0, 0]], bool), "at [0, 0]"),
        (np.array([[1, 0], [1, 0], [0, 1]], bool), "in 3 of 6 elements, first at [0, 0]"),
    ],
)
def test_the_wrong_part_is_described(mask, words):
    assert describe(mask, np.array([[0.3, -1.2], [0.7, 2.1], [-0.4, 0.9]])) == words


def test_jax_is_left_as_it_was():
    assert not jax.config.jax_enable_x64
