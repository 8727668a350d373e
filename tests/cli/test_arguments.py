from argparse import ArgumentTypeError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funcnet.cli.arguments import count, positive, seed, sizes


@given(st.integers(1, 10**12))
def test_count_reads_whole_numbers_from_1(number):
    assert count(f"{number}") == count(f" {number} ") == number


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "1e3", "", " ", "none", "1 2", "²"])
def test_count_refuses_all_else(text):
    with pytest.raises(ArgumentTypeError, match=f"^expected a whole number from 1, got {text!r}$"):
        count(text)


@given(st.integers(0, 2**32 - 1))
def test_seed_reads_whole_numbers_of_32_bits(number):
    assert seed(f"{number}") == number


@pytest.mark.parametrize("text", ["-1", "4294967296", "1.0", "", "random"])
def test_seed_refuses_all_else(text):
    with pytest.raises(ArgumentTypeError, match=rf"^expected a whole number in \[0, 2\*\*32\), got {text!r}$"):
        seed(text)


@given(st.floats(min_value=2.0**-126, max_value=1e38))
def test_positive_reads_numbers_above_0(number):
    assert positive(f"{number!r}") == number


@pytest.mark.parametrize("text", ["0", "-0.1", "1e-400", "1e-50", "nan", "inf", "1e400", "1e40", "", "0,1", "fast"])
def test_positive_refuses_all_else(text):
    with pytest.raises(ArgumentTypeError, match=f"^expected a number above 0, such as 0.001, got {text!r}$"):
        positive(text)


@given(st.lists(st.integers(1, 10**6), min_size=1))
def test_sizes_reads_a_list(numbers):
    assert sizes(",".join(map(str, numbers))) == sizes(", ".join(map(str, numbers))) == numbers


def test_sizes_reads_0_as_none():
    assert sizes("0") == []


@pytest.mark.parametrize(("text", "wrong"), [("", ""), ("0,10", "0"), ("10,", ""), ("10;20", "10;20"), ("5,-1", "-1")])
def test_sizes_refuses_all_else(text, wrong):
    with pytest.raises(ArgumentTypeError, match=f"^expected a whole number from 1, got {wrong!r}$"):
        sizes(text)
