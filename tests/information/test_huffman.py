import math
from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import funcnet as fn
from funcnet.information import HuffmanCode, huffman

probabilities = (
    st.lists(st.floats(1e-6, 1), min_size=1, max_size=30)
    .map(np.array)
    .map(lambda mass: dict(enumerate((mass / mass.sum()).tolist())))
)


def entropy(weights):
    """Return the entropy in bits, in plain Python."""
    total = math.fsum(weights)
    return -math.fsum(w / total * math.log2(w / total) for w in weights if w)


def least_mean_length(counts):
    """Return the smallest Σ cᵢ lᵢ over all lengths of prefix-free codes, by Kraft's inequality."""
    lengths = range(1, len(counts))
    admissible = (ls for ls in product(lengths, repeat=len(counts)) if sum(2 ** (9 - length) for length in ls) <= 2**9)
    return min(sum(c * length for c, length in zip(counts, ls, strict=True)) for ls in admissible)


@settings(max_examples=250)
@given(weights=probabilities)
def test_the_mean_length_is_less_than_a_bit_above_the_entropy(weights):
    code = huffman(weights)
    h = entropy(weights.values())
    assert h - 1e-12 <= code.mean_length < h + 1
    np.testing.assert_allclose(
        code.mean_length, sum(weights[s] * len(word) for s, word in zip(code.symbols, code.words, strict=True))
    )


@settings(max_examples=200)
@given(counts=st.lists(st.integers(1, 1000), min_size=1, max_size=30))
def test_no_word_starts_another_and_the_tree_is_full(counts):
    """Kraft's sum, in integers, is exactly 1: no word could be added or shortened."""
    words = huffman(dict(enumerate(counts))).words
    longest = max(map(len, words))
    assert sum(2 ** (longest - len(word)) for word in words) == 2**longest
    assert not any(a != b and b.startswith(a) for a in words for b in words)
    assert len(set(words)) == len(counts)
    assert set("".join(words)) <= {"0", "1"}


@settings(max_examples=60)
@given(counts=st.lists(st.integers(1, 100), min_size=2, max_size=5))
def test_no_prefix_free_code_is_shorter(counts):
    code = huffman(dict(enumerate(counts)))
    assert sum(c * len(word) for c, word in zip(counts, code.words, strict=True)) == least_mean_length(counts)


@settings(max_examples=100)
@given(text=st.text(min_size=1, max_size=200).filter(lambda text: len(set(text)) > 1))
def test_decoding_undoes_encoding(text):
    code = huffman(Counter(text))
    bits = code.encode(text)
    assert "".join(code.decode(bits)) == text
    assert len(bits) == round(len(text) * code.mean_length)


def test_half_a_probability_is_a_bit():
    """If every probability is a power of ½, the mean length equals the entropy."""
    code = huffman({"a": 0.125, "b": 0.5, "c": 0.125, "d": 0.25})
    assert dict(zip(code.symbols, map(len, code.words), strict=True)) == {"a": 3, "b": 1, "c": 3, "d": 2}
    assert code.mean_length == 1.75 == fn.information.entropy(np.array(code.probabilities, np.float32))


def test_the_textbook_code():
    """Cover and Thomas (2006), example 5.6.1: mean length 2.3."""
    code = huffman({1: 0.25, 2: 0.25, 3: 0.2, 4: 0.15, 5: 0.15})
    np.testing.assert_allclose(code.mean_length, 2.3, rtol=1e-15)
    assert sorted(map(len, code.words)) == [2, 2, 2, 3, 3]


def test_fibonacci_weights_make_the_longest_words():
    fibonacci = [1, 1]
    while len(fibonacci) < 40:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    code = huffman(dict(enumerate(fibonacci)))
    assert sorted(map(len, code.words)) == [*range(1, 39), 39, 39]


def test_labels_of_a_data_set_are_symbols():
    labels = np.random.default_rng(0).binomial(6, 0.3, size=500)
    code = huffman(Counter(labels.tolist()))
    assert code.decode(code.encode(labels)) == labels.tolist()
    h = float(fn.information.entropy(fn.information.empirical(labels, 7)))
    assert h <= code.mean_length < h + 1


def test_weights_are_counts_or_probabilities_of_any_kind_of_number():
    code = huffman({"a": 0.625, "b": 0.25, "c": 0.125})
    assert code == huffman({"a": 5, "b": 2, "c": 1})
    assert code == huffman({"a": np.uint8(200), "b": np.uint8(80), "c": np.uint8(40)})  # sums would overflow in uint8
    assert code == huffman({"a": np.float32(0.625), "b": np.float64(0.25), "c": np.array(0.125)})


def test_a_symbol_that_never_comes_has_no_word():
    code = huffman({"a": 1, "b": 0, "c": 3})
    assert code.symbols == ("a", "c")
    with pytest.raises(ValueError, match=r"^encode: expected symbols that have a word, got 'b' at index 1$"):
        code.encode("ab")


def test_one_symbol_needs_no_bit():
    code = huffman({"a": 7})
    assert (code.words, code.mean_length, code.encode("aaa")) == (("",), 0.0, "")
    with pytest.raises(ValueError, match=r"^decode: expected a code of at least two symbols, got one of 'a' alone$"):
        code.decode("")


def test_a_code_is_a_value():
    code = huffman({"a": 5, "b": 2, "c": 1})
    assert eval(repr(code), {"HuffmanCode": HuffmanCode}) == code
    assert hash(code) == hash(huffman({"a": 5, "b": 2, "c": 1}))
    assert code != huffman({"a": 1, "b": 2, "c": 5})


def test_bits_that_are_no_words_are_named():
    code = huffman({"a": 5, "b": 2, "c": 1})
    with pytest.raises(ValueError, match=r"^decode: expected bits that end with a word, got '0' left over$"):
        code.decode(code.encode("abac")[:-1])
    with pytest.raises(ValueError, match=r"^decode: expected bits of the characters 0 and 1, got '2' at index 1$"):
        code.decode("020")
    assert code.decode("") == []


def test_weights_that_are_none_are_named():
    for weight in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"^huffman: expected the weight of 'b' to be finite and at least 0, got"):
            huffman({"a": 1, "b": weight})
    for weight in ("1", None, 1j, True):
        with pytest.raises(TypeError, match=r"^huffman: expected the weight of 'b' to be a real number, got"):
            huffman({"a": 1, "b": weight})
    with pytest.raises(
        TypeError, match=r"^huffman: expected weights to map symbols to numbers, such as .*, got a list$"
    ):
        huffman([0.5, 0.5])
    for weights in ({}, {"a": 0}):
        with pytest.raises(ValueError, match=r"^huffman: expected a symbol with a weight above 0, got . symbols"):
            huffman(weights)


def test_weights_whose_sum_overflows():
    code = huffman({"a": 1e308, "b": 1e308, "c": 1e308, "d": 1e308})
    assert code.probabilities == (0.25,) * 4
    assert code.mean_length == 2
