"""The list of bugs stays a list of bugs in the code as it is; ``python -m tests.mutation`` runs them all."""

import tempfile
from pathlib import Path

import pytest

from tests.mutation import checks
from tests.mutation.__main__ import verdict
from tests.mutation.mutants import MUTANTS

PACKAGE = Path(__file__).parent.parent.parent / "funcnet"


def test_there_are_enough_bugs_and_no_two_alike():
    assert len(MUTANTS) >= 60
    assert len({mutant[:3] for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.bug)
def test_each_bug_stands_where_the_list_says(mutant):
    assert (PACKAGE / mutant.file).read_text().count(mutant.old) == 1
    assert mutant.old not in mutant.new or mutant.new != mutant.old


def test_the_checks_pass_on_the_code_as_it_is():
    checks.main()


def test_one_weight_wrong_by_a_trillionth_is_caught():
    (mutant,) = (mutant for mutant in MUTANTS if mutant.bug == "BP3: one weight wrong by 1e-12")
    with tempfile.TemporaryDirectory() as cache:
        caught, words = verdict(mutant, cache)
    assert caught
    assert "by hand and automatic differ by" in words
