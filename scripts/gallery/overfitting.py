"""Overfitting and its cures: a small training set with wrong labels in it, early stopping, and L2 and L1 penalties.

A network of 19,210 parameters learns 300 handwritten digits, of which a fifth of the labels were drawn at random. Left
alone it learns the wrong labels too. The cures are measured on test images, which nothing of the training has seen.
"""

import jax
import numpy as np
from example import parser

import funcnet as fn
from funcnet import plots

NETWORK, LOSS, OPTIMIZER = fn.mlp([64, 256, 10]), fn.softmax_cross_entropy, fn.adam(0.001)
TRAINED, HELD_OUT, WRONG = 300, 100, 0.2
CURES = {
    "no cure": {},
    "early stopping": {"early_stopping": fn.EarlyStopping(patience=20)},
    "L2 penalty": {"penalty": fn.l2(0.03)},
    "L1 penalty": {"penalty": fn.l1(0.001)},
}


def prepared(images, labels):
    """Return pixels in [0, 1] (n, 64) and one-hot targets (n, 10)."""
    return images.reshape(len(images), -1).astype(np.float32) / 16, fn.data.one_hot(labels, 10)


def small_set(seed):
    """Return a training and a validation set with a share of wrong labels, and the unchanged test set."""
    (x, labels), test = fn.data.load_digits()
    random = np.random.default_rng(seed)
    rows = random.permutation(len(x))[: TRAINED + HELD_OUT]
    drawn = random.random(len(rows)) < WRONG
    noisy = np.where(drawn, random.integers(0, 10, len(rows)), labels[rows])
    x, y = prepared(x[rows], noisy)
    return (x[:TRAINED], y[:TRAINED]), (x[TRAINED:], y[TRAINED:]), prepared(*test)


def run(seed, epochs):
    """Return the result and the test accuracy of the run with each cure."""
    train, validation, test = small_set(seed)
    runs = {}
    for name, cure in CURES.items():
        settings = {"key": jax.random.key(seed), "epochs": epochs, "batch_size": 32, "progress": False}
        result = fn.fit(
            NETWORK, LOSS, OPTIMIZER, train, validation=validation, metrics=[fn.accuracy], **settings, **cure
        )
        tested = fn.evaluate(NETWORK, LOSS, result.params, test, metrics=[fn.accuracy])
        runs[name] = result, tested["accuracy"]
    return runs


def draw(runs, accuracies, path):
    """Draw the first seed's losses, and every seed's test accuracy."""
    picture, ((left, right),) = plots.figure(1, 2, size=(10, 4.2))
    history, stopped = runs["no cure"][0].history, runs["early stopping"][0]
    series = {
        "training, no cure": history["loss"],
        "validation, no cure": history["val_loss"],
        "validation, L2": runs["L2 penalty"][0].history["val_loss"],
        "validation, L1": runs["L1 penalty"][0].history["val_loss"],
    }
    title = "The training loss falls, the validation loss rises"
    plots.curves(left, series, xlabel="epoch", ylabel="cross-entropy in nats (lower is better)", title=title)
    left.legend(fontsize="small", loc="lower right", bbox_to_anchor=(1, 0.18))
    left.axvline(stopped.best_epoch, color="black", linewidth=1, linestyle=":")
    left.annotate(
        f"early stopping gives back\nthe parameters of epoch {stopped.best_epoch}",
        (stopped.best_epoch, 2.1),
        xytext=(stopped.best_epoch + 12, 2.07),
        fontsize="small",
        arrowprops={"arrowstyle": "->"},
    )
    for place, values in enumerate(accuracies.values()):
        colour, marker = plots.COLOURS[place], plots.MARKERS[place]
        right.plot(values, np.full(len(values), place), marker, color=colour, alpha=0.7)
        right.plot(np.mean(values), place, "|", color="black", markersize=24)
        right.text(np.mean(values), place - 0.33, f"{np.mean(values):.3f}", ha="center", fontsize="small")
    right.set(yticks=range(len(accuracies)), yticklabels=accuracies, ylim=(len(accuracies) - 0.5, -0.6))
    right.set(xlabel="test accuracy: a mark for each seed, a bar for the mean", title="What the cures are worth")
    right.grid(axis="x", alpha=0.3)
    plots.save(picture, path)


def main(argv=None):
    """Train with and without cures, print the table, draw the picture, and return the figures."""
    options = parser(__file__, __doc__)
    options.add_argument("--seeds", type=int, default=5, help="the number of runs, with seed, seed + 1, … (default: 5)")
    options.add_argument("--epochs", type=int, default=200, help="of a run that does not stop early (default: 200)")
    chosen = options.parse_args(argv)
    every = [run(seed, chosen.epochs) for seed in range(chosen.seed, chosen.seed + chosen.seeds)]
    accuracies = {name: [runs[name][1] for runs in every] for name in CURES}
    print(f"{TRAINED} training images, {WRONG:.0%} of their labels drawn at random; {chosen.seeds} seeds")
    print(f"{'':16}{'test accuracy':>14}{'lowest':>9}{'highest':>9}{'gain':>9}")
    base = np.mean(accuracies["no cure"])
    for name, values in accuracies.items():
        gain = f"{np.mean(values) - base:+9.4f}" if name != "no cure" else ""
        print(f"{name:16}{np.mean(values):14.4f}{min(values):9.4f}{max(values):9.4f}{gain}")
    stops = [runs["early stopping"][0].best_epoch for runs in every]
    print(f"early stopping gave back the parameters of epochs {', '.join(map(str, stops))} of {chosen.epochs}")
    draw(every[0], accuracies, chosen.picture)
    print(f"picture: {chosen.picture}")
    return {"accuracies": accuracies, "best epochs": stops}


if __name__ == "__main__":
    main()
