import numpy as np
import pytest

from funcnet.rulecheck.likely_mistake import explain

RIGHT = np.array([[1.0, -2.0, 0.5], [3.0, 0.25, -1.5], [0.75, 4.0, 2.5]])
PARAMETER = np.array([[2.0, 1.0, -3.0], [0.5, -1.0, 1.5], [2.5, -0.5, 1.0]])
ONE_OFF = RIGHT.copy()
ONE_OFF[1, 2] *= 1 + 1e-12
NOT_FINITE = np.where(RIGHT > 2.6, np.inf, RIGHT)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (-RIGHT, "-1 times the correct gradient everywhere: a wrong sign"),
        (
            2 * RIGHT,
            "2 times the correct gradient everywhere: perhaps the ½ of a square is missing or a scale of √4 is missing",
        ),
        (
            0.5 * RIGHT,
            "0.5 times the correct gradient everywhere: perhaps the 2 of a square's derivative is missing or a scale "
            "of √4 is taken twice",
        ),
        (RIGHT / np.sqrt(5), "0.4472 times the correct gradient everywhere: perhaps a scale of √5 is taken twice"),
        (8 * RIGHT, "8 times the correct gradient everywhere: a mean over the batch, 8, is missing"),
        (
            -8 * RIGHT,
            "-8 times the correct gradient everywhere: a wrong sign, and a mean over the batch, 8, is missing",
        ),
        (RIGHT / 8, "0.125 times the correct gradient everywhere: a mean over the batch, 8, is taken twice"),
        (1.7 * RIGHT, "1.7 times the correct gradient everywhere"),
        (0 * RIGHT, "zero everywhere: a term is missing, or nothing is passed on"),
        (RIGHT.T, "the transpose of the correct gradient"),
        (RIGHT + 0.1 * PARAMETER, "off by 0.1 times the parameter itself: there is an extra penalty term"),
        (RIGHT - 0.1 * PARAMETER, "off by -0.1 times the parameter itself: a penalty term is missing"),
        (RIGHT - 0.1 * np.sign(PARAMETER), "off by -0.1 times the parameter's sign: a penalty term is missing"),
        (RIGHT + 0.25, "off by the constant 0.25 everywhere: a constant term is missing, or there is an extra one"),
        (ONE_OFF, "wrong in 1 of 9 elements, first at [1, 2]: 1.000000000001 times the correct value there"),
        (NOT_FINITE, "it is not finite in 2 of 9 elements, first at [1, 0]"),
    ],
)
def test_what_is_wrong_is_said_in_words(wrong, words):
    assert explain(wrong, RIGHT, 1e-13, samples=8, parameter=PARAMETER) == words


def test_two_causes_of_one_factor_are_both_named():
    words = explain(2 * RIGHT, RIGHT, 1e-13, samples=2, parameter=None)
    assert words.endswith(
        ": perhaps the ½ of a square is missing or a mean over the batch, 2, is missing or a scale of √4 is missing"
    )


def test_a_transposed_matrix_in_the_others_shape_is_recognized():
    wide = RIGHT[:2]
    words = explain(wide.T.reshape(2, 3), wide, 1e-13, samples=8, parameter=None)
    assert words == "the transpose of the correct gradient, in its shape"


def test_what_fits_no_pattern_says_so():
    wrong = RIGHT * np.linspace(1.1, 2.0, 9).reshape(3, 3)
    words = explain(wrong, RIGHT, 1e-13, samples=8, parameter=PARAMETER)
    assert words == (
        "wrong in 9 of 9 elements without a pattern: a term is missing or another function's derivative is taken; "
        "1.1 times the correct value at [0, 0]"
    )


def test_a_right_gradient_of_zero_or_not_finite():
    zero = np.zeros(3)
    assert explain(zero + 1, zero, 0.1, samples=8, parameter=None).startswith("the correct gradient is zero every")
    assert explain(zero, zero + np.nan, 0.1, samples=8, parameter=None) == (
        "the correct gradient is not finite in 3 of 3 elements, first at [0]"
    )


def test_a_single_element_has_a_factor():
    words = explain(np.array(-2.0), np.array(1.0), 0.1, samples=8, parameter=None)
    assert words == (
        "-2 times the correct gradient: a wrong sign, and perhaps the ½ of a square is missing "
        "or a scale of √4 is missing"
    )
