"""The verdict on one array, for every way in which three gradients can agree or differ."""

import numpy as np
import pytest

from funcnet.gradcheck.judgement import (
    NO_GRADIENTS,
    ArrayGradients,
    Reason,
    Rounding,
    Tolerances,
    Verdict,
    judge,
    without_comparison,
)

A, B, C = np.array([1.0, -2.0]), np.array([1.0, -2.5]), np.array([1.5, 0.0])
SMOOTH, KINKED = np.zeros(2, bool), np.array([False, True])
BY_DIFFERENCES = Tolerances(by_differences=True)

CASES = {
    "all agree": ((A, A, A), Verdict.OK, None),
    "by hand wrong": ((B, A, A), Verdict.MISMATCH, Reason.HAND),
    "automatic wrong": ((A, B, A), Verdict.MISMATCH, Reason.AUTOMATIC),
    "numerical differs": ((A, A, B), Verdict.MISMATCH, Reason.NUMERICAL),
    "all differ": ((A, B, C), Verdict.MISMATCH, Reason.ALL_DIFFER),
    "no automatic": ((A, None, A), Verdict.OK, None),
    "no automatic, by hand wrong": ((B, None, A), Verdict.MISMATCH, Reason.HAND),
    "none by hand": ((None, A, A), Verdict.OK, None),
    "none by hand, automatic wrong": ((None, B, A), Verdict.MISMATCH, Reason.AUTOMATIC),
    "numerical alone": ((None, None, A), Verdict.OK, None),
    "not finite": ((A, A * np.nan, A), Verdict.MISMATCH, Reason.AUTOMATIC),
}


@pytest.mark.parametrize("name", CASES)
def test_which_gradient_is_wrong_follows_from_those_that_agree(name):
    (hand, automatic, numerical), verdict, reason = CASES[name]
    judged = judge(ArrayGradients(hand, automatic, numerical, SMOOTH))
    assert (judged.verdict, judged.reason) == (verdict, reason)
    assert (judged.suspect is None) == (verdict is not Verdict.MISMATCH)
    assert judged.size == np.abs(numerical).max()


def test_a_wrong_gradient_is_compared_with_a_correct_one_where_it_is_wrong():
    for gradients in (ArrayGradients(B, A, A.copy(), SMOOTH), ArrayGradients(B, None, A, SMOOTH)):
        suspect = judge(gradients).suspect
        assert suspect.wrong is B
        assert suspect.right is A
        assert suspect.mask.tolist() == [False, True]


def test_errors_are_between_each_two_and_nan_where_one_is_missing():
    judged = judge(ArrayGradients(B, A, A, SMOOTH))
    assert (judged.hand_automatic, judged.hand_numerical, judged.automatic_numerical) == (0.2, 0.2, 0.0)
    assert judged.place == (1,)
    judged = judge(ArrayGradients(B, None, A, SMOOTH))
    assert np.isnan([judged.hand_automatic, judged.automatic_numerical]).all()
    assert judged.hand_numerical == 0.2


@pytest.mark.parametrize(
    ("hand", "automatic", "error", "place"),
    [
        (np.zeros(2), np.zeros(2), 0.0, (0,)),
        (np.zeros(2), np.array([0.0, 3.0]), 1.0, (1,)),
        (np.array([[1.0, 2.0]]), np.array([[1.0, 4.0]]), 0.5, (0, 1)),
        (np.zeros(0), np.zeros(0), 0.0, ()),
        (np.array([np.nan]), np.ones(1), np.nan, (0,)),
        (np.array(1.0), np.array(2.0), 0.5, ()),
    ],
)
def test_errors_are_relative_to_the_largest_magnitude_of_either(hand, automatic, error, place):
    judged = judge(ArrayGradients(hand, automatic, automatic, np.zeros(hand.shape, bool)))
    np.testing.assert_equal(judged.hand_automatic, error)
    assert judged.place == place


@pytest.mark.parametrize(
    ("off", "allowed", "verdict"),
    [
        (1e-14, 0.0, Verdict.OK),  # within 64 last bits
        (1e-12, 0.0, Verdict.MISMATCH),
        (1e-12, 1e-11, Verdict.OK),  # explained, and less than 1e-9 of the element
        (1e-8, 1e-9, Verdict.MISMATCH),
        (1e-8, 1e-7, Verdict.NOT_PROVED),
    ],
)
def test_what_rounding_explains_is_not_proved_unless_it_is_small_beside_the_element(off, allowed, verdict):
    gradients = ArrayGradients(A * (1 + off), A, A, SMOOTH)
    judged = judge(gradients, rounding=Rounding(hand=allowed))
    assert judged.verdict is verdict
    assert (judged.reason is Reason.ROUNDING) == (verdict is Verdict.NOT_PROVED)


def test_each_element_has_an_allowance_of_its_own():
    """An element that is small in its row and column, one that is small in its row alone, and the allowance beside."""
    right = np.array([[1e16, 1e10], [1.0, 1e-3]])
    for place in np.ndindex(2, 2):
        wrong = right.copy()
        wrong[place] *= 1 + 1e-12
        judged = judge(ArrayGradients(wrong, right, right, np.zeros((2, 2), bool)))
        assert (judged.verdict, judged.place) == (Verdict.MISMATCH, place)
    wrong = right * [[1, 1], [1, 2]]
    beside = np.where(right > 1, 1e3, 0)
    assert judge(ArrayGradients(wrong, right, right, wrong < 0), rounding=Rounding(beside)).verdict is Verdict.MISMATCH
    moved = np.full((2, 2), 1e-3)
    assert judge(ArrayGradients(wrong, right, right, wrong < 0), rounding=Rounding(moved)).verdict is Verdict.NOT_PROVED


def test_an_array_that_is_0_to_rounding_is_judged_by_those_beside_it():
    zeros = ArrayGradients(np.array([1e-17, 0]), np.array([-2e-17, 3e-17]), np.zeros(2), SMOOTH)
    moved = Rounding(1e-16, 1e-16)
    judged = judge(zeros, Tolerances(beside=1.0), moved)
    assert judged.verdict is Verdict.OK
    assert max(judged.hand_automatic, judged.hand_numerical, judged.automatic_numerical) < 1e-16
    assert judge(zeros, Tolerances(beside=1e-10), moved).verdict is Verdict.NOT_PROVED
    assert judge(ArrayGradients(A, A, 0 * A, SMOOTH), Tolerances(beside=1e20), moved).verdict is Verdict.MISMATCH


def test_at_a_kink_a_derivative_lies_between_those_of_both_sides():
    low, high = np.array([1.0, -3.0]), np.array([1.0, -1.0])
    for hand, verdict in ((-3.0, Verdict.OK), (-1.0, Verdict.OK), (-0.9, Verdict.MISMATCH), (-3.1, Verdict.MISMATCH)):
        judged = judge(ArrayGradients(np.array([1.0, hand]), None, A, KINKED, low, high))
        assert (judged.verdict, judged.kinks) == (verdict, 1)
    assert judge(ArrayGradients(low, high, A, KINKED, low, high)).verdict is Verdict.OK
    assert judge(ArrayGradients(low * [1.1, 1], high, A, KINKED, low, high)).verdict is Verdict.MISMATCH


def test_where_all_but_zeros_lies_on_a_kink_nothing_is_proved():
    sides = np.array([0.0, -3.0]), np.array([0.0, -1.0])
    alone = ArrayGradients(np.array([0, -2.0]), None, np.array([0, -2.0]), KINKED, *sides)
    judged = judge(alone)
    assert judged.verdict is Verdict.OK
    assert without_comparison([alone], [judged])[0][:2] == (Verdict.NOT_PROVED, Reason.KINKS)
    other = ArrayGradients(A, A, A, SMOOTH)
    both = [judged, judge(other)]
    assert without_comparison([alone, other], both) == both
    assert without_comparison([other], both[1:]) == both[1:]


def test_differences_that_are_not_precise_enough_prove_nothing():
    def verdict(off, error):
        gradients = ArrayGradients(A * (1 + off), None, A, SMOOTH, error=np.full(2, error))
        judged = judge(gradients, BY_DIFFERENCES)
        return judged.verdict, judged.reason

    assert verdict(1e-11, 0.0) == (Verdict.OK, None)
    assert verdict(1e-8, 0.0) == (Verdict.MISMATCH, Reason.HAND)
    assert verdict(1e-8, 1e-8) == (Verdict.OK, None)
    assert verdict(1e-8, 1e-4) == (Verdict.NOT_PROVED, Reason.DIFFERENCES)
    assert verdict(0.0, 1e-4) == (Verdict.NOT_PROVED, Reason.DIFFERENCES)


def test_only_the_elements_with_a_numerical_gradient_are_compared_with_it():
    compared = np.array([True, False])
    assert judge(ArrayGradients(B, B, A, SMOOTH, compared=compared)).verdict is Verdict.OK
    assert judge(ArrayGradients(B, A, A, SMOOTH, compared=compared)).reason is Reason.HAND
    assert judge(ArrayGradients(B, B, A, SMOOTH, compared=~compared)).reason is Reason.NUMERICAL


def test_a_tolerance_of_a_users_is_relative_to_the_largest_magnitude():
    assert judge(ArrayGradients(B, A, A, SMOOTH), Tolerances(largest=0.21)).verdict is Verdict.OK
    assert judge(ArrayGradients(B, A, A, SMOOTH), Tolerances(largest=0.19)).verdict is Verdict.MISMATCH


def test_running_statistics_are_not_trained():
    assert judge(NO_GRADIENTS).verdict is Verdict.NOT_TRAINED


def test_a_verdict_is_the_text_that_the_report_shows():
    assert [str(verdict) for verdict in Verdict] == [
        *("ok", "MISMATCH", "NOT PROVED", "not trained", "declared", "not checked"),
    ]
    assert Verdict.NOT_PROVED == "NOT PROVED"
