"""Each bug of the list fits the code, and a sample is caught; ``python -m tests.campaigns mutation`` tries all."""

import ast
import tempfile

import pytest

from tests.campaigns.mutation.campaign import ROOT, verdict
from tests.campaigns.mutation.mutants import MUTANTS, Mutant
from tests.campaigns.mutation.syntax import apply, not_found


def test_there_are_enough_bugs_and_no_two_alike():
    assert len(MUTANTS) >= 83
    assert len({mutant[:3] for mutant in MUTANTS}) == len(MUTANTS)
    assert all(ast.dump(ast.parse(mutant.old)) != ast.dump(ast.parse(mutant.new)) for mutant in MUTANTS)


def test_each_bug_stands_where_the_list_says():
    assert not not_found(MUTANTS, ROOT / "funcnet")


def test_one_weight_wrong_by_a_trillionth_is_caught():
    (mutant,) = (mutant for mutant in MUTANTS if mutant.bug == "BP3: one weight wrong by 1e-12")
    with tempfile.TemporaryDirectory() as cache:
        caught, words = verdict(mutant, cache)
    assert caught
    assert "by hand and automatic differ by" in words


CODE = """
class Product:
    def backward(self, x, y):
        gradients = (x *
                     y)  # as it was formatted
        return gradients

def twice(x, y):
    return x * y + x * y
"""


def test_code_is_found_by_name_and_syntax(tmp_path):
    module = tmp_path / "moved" / "elsewhere.py"
    module.parent.mkdir()
    module.write_text(CODE)
    apply(Mutant("Product.backward", "x*y", "x + y", "a sum"), tmp_path)
    apply(Mutant("Product.backward", "return gradients", "x = 2\nreturn gradients, x", "a statement more"), tmp_path)
    assert "gradients = x + y\n        x = 2\n        return (gradients, x)" in module.read_text()
    assert "return x * y + x * y" in module.read_text()


@pytest.mark.parametrize(
    ("where", "words"),
    [("Product.forward", "no function is called Product.forward"), ("twice", r"elsewhere\.py.* 2 times, not once")],
)
def test_what_is_not_found_once_is_named(where, words, tmp_path):
    (tmp_path / "elsewhere.py").write_text(CODE)
    mutant = Mutant(where, "x * y", "x", "a factor less")
    with pytest.raises(LookupError, match=words):
        apply(mutant, tmp_path)
    assert len(not_found([mutant], tmp_path)) == 1
