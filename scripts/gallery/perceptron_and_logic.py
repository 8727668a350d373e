"""Perceptrons compute logic and sums, built from NAND alone, and learn what a line separates, and only that."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from example import parser

import funcnet as fn
from funcnet import neurons, plots

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
XOR = np.array([0, 1, 1, 0])
SETS, SAMPLES = 300, 50


def logic():
    """Print the truth tables of the gates and return how many of the 65,536 sums of two 8-bit numbers are correct."""
    a, b = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    print("a b " + "".join(f"{name:>6s}" for name in ("NAND", "AND", "OR", "XOR", "sum", "carry")))
    columns = [gate(a, b) for gate in (neurons.nand, neurons.and_, neurons.or_, neurons.xor)]
    for row in np.stack([a, b, *columns, *neurons.half_adder(a, b)], axis=1):
        print("{} {} ".format(*row[:2]) + "".join(f"{bit:6d}" for bit in row[2:]))
    print(f"NOT 0 = {neurons.not_(0)}, NOT 1 = {neurons.not_(1)}")
    a, b, carry = np.array(list(itertools.product((0, 1), repeat=3))).T
    total, carry_out = map(np.asarray, neurons.full_adder(a, b, carry))
    print("full adder: " + ", ".join(f"{x}+{y}+{c}={t + 2 * d}" for x, y, c, t, d in zip(a, b, carry, total, carry_out,
                                                                                        strict=True)))  # fmt: skip
    eight = np.zeros(8, np.uint8)
    gates = {"NOT": (neurons.not_, 0), "AND": (neurons.and_, 0, 0), "OR": (neurons.or_, 0, 0),
             "XOR": (neurons.xor, 0, 0), "half adder": (neurons.half_adder, 0, 0),
             "full adder": (neurons.full_adder, 0, 0, 0),
             "8-bit adder": (neurons.ripple_carry_adder, eight, eight)}  # fmt: skip
    print("NANDs: " + ", ".join(f"{name} {neurons.nand_count(*gate)}" for name, gate in gates.items()))
    x, y = np.divmod(np.arange(256 * 256), 256)
    right = int(np.sum(np.asarray(neurons.add(x, y, bits=8)) == x + y))
    print(f"8-bit sums right: {right} of {x.size}\n")
    return right


@jax.jit
@jax.vmap
def learn(key, margin):
    """Return a separable set, the perceptron that learned it, and Novikoff's bound on its mistakes."""
    data_key, key = jax.random.split(key)
    x, labels, teacher = neurons.separable_samples(data_key, SAMPLES, 2, margin=margin)
    result = neurons.train_perceptron(x, labels, key=key, steps=100_000)
    return x, labels, key, result, neurons.novikoff_bound(teacher, x, labels)


def learning(seed):
    """Learn ``SETS`` separable sets in one program; return them with their results and bounds."""
    keys, margins = jax.random.split(jax.random.key(seed), SETS), jnp.geomspace(0.02, 1, SETS)
    x, labels, keys, result, bound = learn(keys, margins)
    x, labels, result, bound = jax.tree.map(np.asarray, (x, labels, result, bound))
    print(f"separable sets of {SAMPLES} samples: {int(result.separated.sum())} of {SETS} separated")
    print(f"mistakes: median {np.median(result.mistakes):.0f}, most {result.mistakes.max()}; "
          f"largest share of Novikoff's bound {np.max(result.mistakes / bound):.3f}")  # fmt: skip
    return x, labels, keys, result, bound


def xor(seed):
    """Return the result of the perceptron on XOR, and a small network that solves it, as a function of points."""
    key = jax.random.key(seed)
    result = neurons.train_perceptron(CORNERS, 2 * XOR - 1, key=key)
    print(f"a perceptron on XOR: {result.reason}")
    network, loss = fn.mlp([2, 4, 1], hidden=fn.tanh), fn.sigmoid_cross_entropy
    targets = XOR[:, None].astype(CORNERS.dtype)
    params = fn.fit(network, loss, fn.adam(0.05), (CORNERS, targets), key=key, epochs=500, batch_size=None,
                    progress=False).params  # fmt: skip

    def probability(points):
        return np.asarray(loss.predict(fn.predict(network, params, points.astype(np.float32)))[:, 0])

    shown = ", ".join(f"{p:.3f}" for p in probability(CORNERS))
    print(f"a 2-4-1 network on XOR: {shown} for {', '.join(map(str, XOR))}")
    return result, probability


def draw_path(axes, x, labels, key, mistakes):
    """Draw the line after each correction; later lines are darker."""
    cut = jax.vmap(lambda steps: neurons.train_perceptron(x, labels, key=key, steps=steps))(jnp.arange(1, mistakes + 1))
    w, b = np.asarray(cut.params.weight[:, 0]), np.asarray(cut.params.bias)
    feet = -b * w / (w**2).sum(axis=1, keepdims=True)  # the point of each line that is nearest to the origin
    ways = np.stack([-w[:, 1], w[:, 0]], axis=1)
    (low, high) = np.min(x, axis=0) - 0.4, np.max(x, axis=0) + 0.4
    for index, (foot, way) in enumerate(zip(feet, ways, strict=True), start=1):
        line = foot + 20 * np.array([[-1], [1]]) * way / np.hypot(*way)
        if index < mistakes:
            label = "after each correction" if index == mistakes - 1 else None
            axes.plot(*line.T, color=plots.COLOURS[4], alpha=0.15 + 0.6 * index / mistakes, linewidth=1, label=label)
        else:
            axes.plot(*line.T, color="black", linewidth=2, label=f"after the last, number {mistakes}")
    for label, marker, colour in ((-1, "o", plots.COLOURS[0]), (1, "^", plots.COLOURS[1])):
        axes.plot(*x[labels == label].T, marker, color=colour, markersize=4, label=f"label {label:+d}")
    axes.set(xlim=(low[0], high[0]), ylim=(low[1] - 0.25 * (high[1] - low[1]), high[1]), xlabel="x₁", ylabel="x₂")
    axes.set_title("the line as it moved", fontsize="medium")
    axes.legend(fontsize="x-small", loc="lower center", ncols=2)


def main(argv=None):
    """Run the example and return its key figures."""
    options = parser(__file__, __doc__).parse_args(argv)
    right = logic()
    x, labels, keys, result, bound = learning(options.seed)
    on_xor, probability = xor(options.seed)
    figure, ((path, counts, solved),) = plots.figure(1, 3, size=(12.5, 3.9))
    shown = int(np.argmin(abs(result.mistakes - 12)))  # a set with about a dozen mistakes, to be seen singly
    draw_path(path, x[shown], labels[shown], keys[shown], int(result.mistakes[shown]))
    counts.loglog(bound, result.mistakes, "o", color=plots.COLOURS[0], markersize=3, label="a separable set")
    ends = np.array([float(bound.min()), float(bound.max())])
    counts.loglog(ends, ends, "--", color=plots.COLOURS[1], label="as many as the bound")
    counts.set(xlabel="Novikoff's bound (R/γ)² on the mistakes", ylabel="mistakes made")
    counts.set_title("mistakes never exceed the bound", fontsize="medium")
    counts.legend(fontsize="small")
    plots.decision(solved, probability, CORNERS, XOR, title="XOR: no line does it, a 2-4-1 network does")
    print(f"picture: {plots.save(figure, options.picture)}")
    return {"sums right": right, "separated": int(result.separated.sum()), "sets": SETS,
            "largest share of the bound": float(np.max(result.mistakes / bound)), "xor": on_xor.reason,
            "xor network": [bool(p > 0.5) for p in probability(CORNERS)]}  # fmt: skip


if __name__ == "__main__":
    main()
