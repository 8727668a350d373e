import re

import numpy as np
import pytest

import funcnet as fn
from funcnet.rulecheck.report import Finding, Verdict
from tests.gradcheck.examples import Mistaken, problem


def columns(line):
    return re.split(r"  +", line)


def test_the_text_is_a_table_by_layer_and_parameter():
    network = fn.Sequential(fn.Dense(3), fn.Sequential(fn.relu, fn.Dense(3)))
    report = fn.check_gradients(network, fn.quadratic, *problem(network))
    lines = str(report).splitlines()
    assert lines[0] == "ok: 47 derivatives, by hand, automatic and numerical (complex step), agree"
    head = "layer parameter shape largest hand-automatic hand-numerical automatic-numerical worst-at kinks verdict"
    assert columns(lines[1]) == head.split()
    assert [columns(line)[:3] for line in lines[2:7]] == [
        ["Dense(3) (layer 0)", "weight", "(3, 4)"],
        ["Dense(3) (layer 0)", "bias", "(3,)"],
        ["Dense(3) (layer 1.1)", "weight", "(3, 3)"],
        ["Dense(3) (layer 1.1)", "bias", "(3,)"],
        ["(input)", "x", "(5, 4)"],
    ]
    for line, row in zip(lines[2:7], report.rows, strict=True):
        *_, size, first, second, third, place, kinks, verdict = columns(line)
        assert float(size) == pytest.approx(np.abs(row.numerical).max(), rel=0.05)
        errors = row.hand_automatic, row.hand_numerical, row.automatic_numerical
        assert [float(text) for text in (first, second, third)] == pytest.approx(errors, rel=0.05)
        assert place == str(list(row.place))
        assert (kinks, verdict) == ("0", "ok")
    assert lines[7:] == [
        "kinks met: 0",
        "checked: each element in float64 to 1e-14 of itself, or to its measured rounding",
        "checked: the gradients by hand in float32 against those in float64, within their measured rounding",
        "not exercised: where the gradient is 0: rows 0, 2 of weight of Dense(3) (layer 0); columns 0, 2 of weight of "
        "Dense(3) (layer 1.1); rows 0, 2 of the input x",
    ]


def test_a_mismatch_is_told_below_the_table():
    network = fn.Sequential(fn.Dense(3), Mistaken(3, mistake="wrong sign"))
    report = fn.check_gradients(network, fn.quadratic, *problem(network))
    lines = str(report).splitlines()
    mistake = "-1 times the correct gradient everywhere: a wrong sign"
    where = "Mistaken(3, mistake='wrong sign') (layer 1)"
    assert lines[:3] == [
        "MISMATCH: 47 derivatives, by hand, automatic and numerical (complex step), DO NOT AGREE in 1 of 5 arrays",
        f"start here: {where}.backward, gradient in weight: {mistake}",
        f"  also, which may follow from it: weight of {where}: the hand-written gradient is wrong",
    ]
    assert [line.endswith("MISMATCH") for line in lines[4:9]] == [False, False, True, False, False]
    assert report.rows[2].meaning == f"the hand-written gradient is wrong: {mistake}"
    with pytest.raises(fn.GradientError, match=r"^MISMATCH: 47 derivatives.*\nstart here: Mistaken\(3"):
        report.require()
    wrong = report.rows[2]
    assert wrong.hand_automatic == pytest.approx(2)
    assert abs(wrong.hand - wrong.automatic)[wrong.place] == abs(wrong.hand - wrong.automatic).max()
    assert report.worst == max(wrong.hand_automatic, wrong.hand_numerical)


def test_a_report_is_a_value_that_cannot_be_changed():
    network = fn.mlp([4, 3])
    data = problem(network)
    report = fn.check_gradients(network, fn.quadratic, *data)
    assert report == fn.check_gradients(network, fn.quadratic, *data)
    assert "array" not in repr(report)
    with pytest.raises(AttributeError, match="cannot assign to field 'kinks'"):
        report.kinks = 1


def test_what_could_not_be_checked_is_told_apart_from_what_is_proved():
    unchecked = Finding(Verdict.NOT_CHECKED, "log", "the function", "", reason="its value is not finite")
    proved = Finding(Verdict.OK, "sin", "reverse mode", "x")
    heads = [str(fn.DerivativeReport("cost", some)).splitlines()[0] for some in ((unchecked,), (unchecked, proved))]
    assert heads == [
        "not checked: nothing could be checked of cost",
        "not checked: nothing is wrong, but not everything could be checked of log",
    ]
