"""Entropy, cross-entropy and KL divergence in bits: of a coin, of a wrong distribution, and of Huffman's code.

The mean length of Huffman's code of a text is compared with the entropy of the text.
"""

from collections import Counter

import numpy as np
from example import parser

import funcnet as fn
from funcnet import plots
from funcnet.information import binary_entropy, cross_entropy, empirical, entropy, huffman, kl_divergence

P = np.array([1 / 2, 1 / 4, 1 / 8, 1 / 8], np.float32)
# Lewis Carroll, Alice's Adventures in Wonderland (1865), chapter I.
TEXT = (
    "Alice was beginning to get very tired of sitting by her sister on the bank, and of having nothing to do: once or "
    "twice she had peeped into the book her sister was reading, but it had no pictures or conversations in it, and "
    "what is the use of a book, thought Alice, without pictures or conversations?"
)


def beliefs(steps):
    """Return shares t (steps,) from 0 to 1, and for each the distribution Q, at t between P and P in reverse order."""
    t = np.linspace(0, 1, steps, dtype=np.float32)
    return t, (1 - t)[:, None] * P[None, :] + t[:, None] * P[None, ::-1]


def wrong_belief(steps=101):
    """Return the shares t, and H(P), H(P, Q) and KL(P‖Q) at each."""
    t, q = beliefs(steps)
    p = np.tile(P, (steps, 1))
    return t, np.asarray(entropy(p)), np.asarray(cross_entropy(p, q)), np.asarray(kl_divergence(p, q))


def coded(text):
    """Return Huffman's code of a text, and the entropy of its characters as samples."""
    code = huffman(Counter(text))
    place = {symbol: index for index, symbol in enumerate(code.symbols)}
    return code, float(entropy(empirical([place[character] for character in text], len(place))))


def draw_words(axes, code, bound):
    """Draw for every character the length of its word beside its information −log₂ p."""
    order = sorted(range(len(code.symbols)), key=lambda i: -code.probabilities[i])
    names = [{" ": "␣"}.get(code.symbols[i], code.symbols[i]) for i in order]
    axes.bar(range(len(order)), [len(code.words[i]) for i in order], color=plots.COLOURS[5], label="length of the word")
    information = [-np.log2(code.probabilities[i]) for i in order]
    axes.plot(range(len(order)), information, "o", color=plots.COLOURS[1], markersize=4, label="information −log₂ p")
    axes.set_xticks(range(len(order)), names, fontsize="x-small")
    title = f"Huffman's code: mean length {code.mean_length:.3f}, H = {bound:.3f}"
    axes.set(xlabel="character, the most frequent first", ylabel="bits", title=title)
    axes.title.set_fontsize("medium")
    axes.legend(fontsize="small", loc="upper left")
    axes.grid(axis="y", alpha=0.3)


def draw(code, text_entropy, path):
    """Draw the binary entropy, the cost of a wrong distribution, and the code."""
    picture, ((left, middle, right),) = plots.figure(1, 3, size=(14, 4.2))
    p = np.linspace(0, 1, 201, dtype=np.float32)
    plots.curves(left, {"H(p)": binary_entropy(p)}, x=p, xlabel="probability p of heads", ylabel="H(p) in bits",
                 title="Binary entropy: a fair coin is worth one bit")  # fmt: skip
    left.plot(0.5, 1, "o", color=plots.COLOURS[1])
    t, h, across, divergence = wrong_belief()
    series = {"cross-entropy H(P, Q)": across, "entropy H(P)": h, "KL(P‖Q), their difference": divergence}
    plots.curves(middle, series, x=t, xlabel="how far Q is from P = (½, ¼, ⅛, ⅛) towards (⅛, ⅛, ¼, ½)",
                 ylabel="bits", title="A wrong belief Q costs bits")  # fmt: skip
    middle.set_ylim(0, None)
    draw_words(right, code, text_entropy)
    plots.save(picture, path)


def main(argv=None):
    """Print the figures, draw the picture, and return the figures."""
    chosen = parser(__file__, __doc__).parse_args(argv)
    print("binary entropy in bits: " + ", ".join(f"H({p}) = {binary_entropy(p):.4f}" for p in (0.01, 0.11, 0.5, 0.89)))
    print("\nP = (1/2, 1/4, 1/8, 1/8); Q moves from P to P in reverse order")
    print(f"{'moved':>6}{'H(P)':>9}{'H(P, Q)':>9}{'KL':>9}")
    t, h, across, divergence = wrong_belief()
    for at in range(0, len(t), 25):
        print(f"{t[at]:6.2f}{h[at]:9.4f}{across[at]:9.4f}{divergence[at]:9.4f}")
    code, text_entropy = coded(TEXT)
    bits = code.encode(TEXT)
    fixed = int(np.ceil(np.log2(len(code.symbols))))
    print(f"\na text of {len(TEXT)} characters, {len(code.symbols)} of them different")
    words = zip(code.symbols, code.words, code.probabilities, strict=True)
    for symbol, word, p in sorted(words, key=lambda entry: -entry[2])[:5]:
        print(f"  {symbol!r} comes with p = {p:.4f}, −log₂ p = {-np.log2(p):.3f}, and has the word {word}")
    print(f"entropy H = {text_entropy:.4f}, mean length {code.mean_length:.4f}, H + 1 = {text_entropy + 1:.4f} bits")
    print(f"the text takes {len(bits)} bits, {fixed * len(TEXT)} with words of one length, {8 * len(TEXT)} in ASCII")
    print(f"decoded, it is the text: {''.join(code.decode(bits)) == TEXT}")
    draw(code, text_entropy, chosen.picture)
    print(f"picture: {chosen.picture}")
    return {
        "H(1/2)": float(fn.information.binary_entropy(0.5)),
        "entropy": h,
        "cross-entropy": across,
        "KL": divergence,
        "text entropy": text_entropy,
        "mean length": code.mean_length,
        "bits": len(bits),
        "decoded": "".join(code.decode(bits)),
    }


if __name__ == "__main__":
    main()
