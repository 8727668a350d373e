"""The verdict on one array, for every way in which three gradients can agree or differ."""

import numpy as np
import pytest

from funcnet.gradcheck.judgement import NO_GRADIENTS, ArrayGradients, Reason, Tolerances, Verdict, judge

A, B, C = np.array([1.0, -2.0]), np.array([1.0, -2.5]), np.array([1.5, 0.0])
SMOOTH, KINKED = np.zeros(2, bool), np.array([False, True])
EXACT = Tolerances(exact=1e-14, numerical=1e-14, difference=0.0, cancelled=1e-15, skips_kinks=False)
DIFFERENCES = EXACT._replace(numerical=1e-10, skips_kinks=True)

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
    with np.errstate(invalid="ignore"):
        judged = judge(ArrayGradients(hand, automatic, numerical, SMOOTH), EXACT)
    assert (judged.verdict, judged.reason) == (verdict, reason)
    assert (judged.suspect is None) == (verdict is not Verdict.MISMATCH)
    assert judged.size == np.abs(numerical).max()


def test_a_wrong_gradient_is_compared_with_a_correct_one():
    for gradients in (ArrayGradients(B, A, A.copy(), SMOOTH), ArrayGradients(B, None, A, SMOOTH)):
        suspect = judge(gradients, EXACT).suspect
        assert suspect.wrong is B
        assert suspect.right is A


def test_errors_are_between_each_two_and_nan_where_one_is_missing():
    judged = judge(ArrayGradients(B, A, A, SMOOTH), EXACT)
    assert (judged.hand_automatic, judged.hand_numerical, judged.automatic_numerical) == (0.2, 0.2, 0.0)
    assert judged.place == (1,)
    judged = judge(ArrayGradients(B, None, A, SMOOTH), EXACT)
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
    judged = judge(ArrayGradients(hand, automatic, automatic, np.zeros(hand.shape, bool)), EXACT)
    np.testing.assert_equal(judged.hand_automatic, error)
    assert judged.place == place


def test_what_rounding_explains_is_not_proved_unless_it_is_tiny_beside_the_largest_gradient():
    near = ArrayGradients(A * (1 + 1e-11), A, A, SMOOTH)
    assert judge(near, EXACT).verdict is Verdict.MISMATCH
    assert judge(near, EXACT, rounding=1e-10).verdict is Verdict.OK  # within 1e-9 of the array itself
    assert judge(ArrayGradients(B, A, A, SMOOTH), EXACT, rounding=1.0)[:2] == (Verdict.NOT_PROVED, Reason.ROUNDING)
    beside_larger = EXACT._replace(cancelled=1.0)
    assert judge(ArrayGradients(B, A, A, SMOOTH), beside_larger, rounding=1.0).verdict is Verdict.OK


def test_kinks_are_left_out_where_differences_cannot_see_them():
    judged = judge(ArrayGradients(A, A, B, KINKED), DIFFERENCES)
    assert (judged.verdict, judged.kinks) == (Verdict.OK, 1)
    assert judge(ArrayGradients(A, A, B, KINKED), EXACT).verdict is Verdict.MISMATCH
    assert judge(ArrayGradients(A, None, B, KINKED), DIFFERENCES)[:2] == (Verdict.NOT_PROVED, Reason.KINKS)


def test_running_statistics_are_not_trained():
    assert judge(NO_GRADIENTS, EXACT).verdict is Verdict.NOT_TRAINED


def test_a_verdict_is_the_text_that_the_report_shows():
    assert [str(verdict) for verdict in Verdict] == [
        *("ok", "MISMATCH", "NOT PROVED", "not trained", "declared", "not checked"),
    ]
    assert Verdict.NOT_PROVED == "NOT PROVED"
