"""Huffman's code: the prefix-free binary code of the smallest mean length."""

import heapq
import math
from collections.abc import Hashable, Iterable, Mapping
from itertools import count
from typing import Any

from ..checks import brief, check_number
from ..configuration import Configuration
from ..errors import message


class HuffmanCode(Configuration):
    """A prefix-free binary code: what ``huffman`` returns.

    ``words[i]``, of the characters 0 and 1, is the code word of ``symbols[i]``, whose probability is
    ``probabilities[i]``. No word is a prefix of another, so a sequence of words can be decoded in only one way.

    >>> code = huffman({"a": 5, "b": 2, "c": 1})
    >>> code.encode("abac")
    '101100'
    >>> code.decode("101100")
    ['a', 'b', 'a', 'c']
    """

    symbols: tuple[Hashable, ...]
    words: tuple[str, ...]
    probabilities: tuple[float, ...]

    @property
    def mean_length(self) -> float:
        """The mean length Σ pᵢ lᵢ of a word, in bits: at least the entropy H, and less than H + 1."""
        return math.fsum(p * len(word) for p, word in zip(self.probabilities, self.words, strict=True))

    def encode(self, symbols: Iterable[Hashable]) -> str:
        """Return the words of the symbols, joined. Raises ``ValueError`` for a symbol without a word."""
        _check_iterable("encode", "symbols", symbols)
        word_of = dict(zip(self.symbols, self.words, strict=True))
        words = []
        for index, symbol in enumerate(symbols):
            if not isinstance(symbol, Hashable) or symbol not in word_of:
                raise ValueError(message("encode", "symbols that have a word", f"{symbol!r} at index {index}"))
            words.append(word_of[symbol])
        return "".join(words)

    def decode(self, bits: str) -> list[Hashable]:
        """Return the symbols whose joined words are ``bits``: the inverse of ``encode``.

        Raises ``ValueError`` for bits that end within a word, for characters other than 0 and 1, and for the code of a
        single symbol, whose word is empty, so that the number of symbols is unknown.
        """
        _check_iterable("decode", "bits", bits)
        if len(self.words) == 1:
            raise ValueError(message("decode", "a code of at least two symbols", f"one of {self.symbols[0]!r} alone"))
        symbol_of = dict(zip(self.words, self.symbols, strict=True))
        symbols, word = [], ""
        for index, bit in enumerate(bits):
            if bit not in ("0", "1"):
                raise ValueError(message("decode", "bits of the characters 0 and 1", f"{bit!r} at index {index}"))
            word += bit
            if word in symbol_of:
                symbols.append(symbol_of[word])
                word = ""
        if word:
            raise ValueError(message("decode", "bits that end with a word", f"{word!r} left over"))
        return symbols


def _check_iterable(where: str, name: str, value: Any) -> None:
    if not isinstance(value, Iterable):
        raise TypeError(message(where, f"{name} to be a sequence", brief(value)))


def huffman(weights: Mapping[Hashable, float]) -> HuffmanCode:
    """Return Huffman's code for symbols with their weights: counts, or probabilities.

    The two nodes of smallest weight are joined until one is left; each join adds one bit in front of the words of its
    two branches, 0 and 1. No prefix-free code has a smaller mean length L = Σ pᵢ lᵢ; H ≤ L < H + 1, and
    Σ 2^(−lᵢ) = 1. Among nodes of equal weight the older one is taken first, so the same weights in the same order
    give the same code. A symbol of weight 0 gets no word; a single symbol gets the empty word. Raises ``TypeError``
    unless ``weights`` maps symbols to numbers, and ``ValueError`` for a weight that is negative or not finite, and if
    no weight is above 0. Huffman, "A Method for the Construction of Minimum-Redundancy Codes" (1952).

    >>> code = huffman({"a": 0.4, "b": 0.3, "c": 0.2, "d": 0.1})
    >>> code.words, round(code.mean_length, 12)
    (('0', '10', '111', '110'), 1.9)
    """
    weights = _positive(weights)
    total = sum(weights.values())
    order = count()
    nodes = [(weight, next(order), [symbol]) for symbol, weight in weights.items()]
    heapq.heapify(nodes)
    words = dict.fromkeys(weights, "")
    while len(nodes) > 1:
        (light, _, left), (heavy, _, right) = heapq.heappop(nodes), heapq.heappop(nodes)
        for bit, leaves in (("0", left), ("1", right)):
            words.update((symbol, bit + words[symbol]) for symbol in leaves)
        heapq.heappush(nodes, (light + heavy, next(order), left + right))
    return HuffmanCode(tuple(words), tuple(words.values()), tuple(weight / total for weight in weights.values()))


def _positive(weights: Mapping[Hashable, float]) -> dict[Hashable, float]:
    """Return the symbols whose weight is above 0, with their weights as shares of the largest."""
    if not isinstance(weights, Mapping):
        expected = "weights to map symbols to numbers, such as collections.Counter(text)"
        raise TypeError(message("huffman", expected, f"a {type(weights).__name__}"))
    for symbol, weight in weights.items():
        name = f"the weight of {symbol!r}"
        check_number("huffman", name, weight, lambda w: math.isfinite(w) and w >= 0, "to be finite and at least 0")
    largest = max(weights.values(), default=0) or 1  # so that no sum overflows
    positive = {symbol: float(weight) / float(largest) for symbol, weight in weights.items() if weight > 0}
    if not positive:
        raise ValueError(message("huffman", "a symbol with a weight above 0", f"{len(weights)} symbols without one"))
    return positive
