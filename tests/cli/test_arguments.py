from argparse import ArgumentTypeError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funcnet.cli.arguments import parse_seed, parse_sizes, positive_integer, positive_number


@given(st.integers(1, 2**31 - 1))
def test_positive_integer_reads_integers_from_1(number):
    assert positive_integer(f"{number}") == positive_integer(f" {number} ") == number


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "1e3", "", " ", "none", "1 2", "²"])
def test_positive_integer_refuses_all_else(text):
    with pytest.raises(ArgumentTypeError, match=f"^expected an integer of at least 1, got {text!r}$"):
        positive_integer(text)


@pytest.mark.parametrize("text", ["2147483648", "99999999999999999999"])
def test_an_integer_that_is_too_large_is_refused(text):
    with pytest.raises(ArgumentTypeError, match=f"^expected an integer of at most 2147483647, got {text!r}$"):
        positive_integer(text)


@given(st.integers(0, 2**32 - 1))
def test_parse_seed_reads_integers_of_32_bits(number):
    assert parse_seed(f"{number}") == number


@pytest.mark.parametrize("text", ["-1", "4294967296", "1.0", "", "random"])
def test_parse_seed_refuses_all_else(text):
    with pytest.raises(ArgumentTypeError, match=rf"^expected an integer in \[0, 2\*\*32\), got {text!r}$"):
        parse_seed(text)


@given(st.floats(min_value=2.0**-126, max_value=1e38))
def test_positive_number_reads_numbers_above_0(number):
    assert positive_number(f"{number!r}") == number


@pytest.mark.parametrize("text", ["0", "-0.1", "1e-400", "1e-50", "nan", "inf", "1e400", "1e40", "", "0,1", "fast"])
def test_positive_number_refuses_all_else(text):
    with pytest.raises(ArgumentTypeError, match=f"^expected a number above 0, such as 0.001, got {text!r}$"):
        positive_number(text)


@given(st.lists(st.integers(1, 10**6), min_size=1))
def test_parse_sizes_reads_a_list(numbers):
    assert parse_sizes(",".join(map(str, numbers))) == parse_sizes(", ".join(map(str, numbers))) == numbers


def test_parse_sizes_reads_0_as_none():
    assert parse_sizes("0") == []


@pytest.mark.parametrize(("text", "wrong"), [("", ""), ("0,10", "0"), ("10,", ""), ("10;20", "10;20"), ("5,-1", "-1")])
def test_parse_sizes_refuses_all_else(text, wrong):
    with pytest.raises(ArgumentTypeError, match=f"^expected an integer of at least 1, got {wrong!r}$"):
        parse_sizes(text)
