"""The one judge of all contenders: loss and accuracy of their weights or outputs, in NumPy's float64."""

import numpy as np

from .recipes import scaled

PIECE = 10_000  # rows at once, to keep the float64 copies small
HIDDEN = {"relu": lambda z: np.maximum(z, 0), "sigmoid": lambda z: 0.5 * (np.tanh(0.5 * z) + 1), "tanh": np.tanh}


def outputs_of(recipe, weights, x):
    """Return the network's outputs (n, outputs) of x (n, inputs), yet unscaled, with weights (out, in) and biases."""
    pieces = []
    for start in range(0, len(x), PIECE):
        a = scaled(recipe, x[start : start + PIECE]).astype(np.float64)
        for layer, (weight, bias) in enumerate(weights):
            z = a @ weight.astype(np.float64).T + bias
            a = HIDDEN[recipe.hidden](z) if layer + 1 < len(weights) else z
        pieces.append(a)
    return np.concatenate(pieces)


def loss_of(recipe, outputs, y):
    """Return the recipe's mean loss of outputs (n, outputs) and targets of that shape."""
    outputs = outputs.astype(np.float64)
    if recipe.loss == "quadratic":
        each = 0.5 * (outputs - y) ** 2
    elif recipe.loss == "sigmoid":
        each = np.logaddexp(0, outputs) - outputs * y
    else:
        largest = outputs.max(axis=1, keepdims=True)
        log_sum = largest + np.log(np.exp(outputs - largest).sum(axis=1, keepdims=True))
        each = (log_sum - outputs) * y
    return float(each.sum(axis=1).mean())


def accuracy_of(recipe, outputs, labels):
    """Return the share of outputs that answer their label (n,), or None where the recipe has no classes."""
    if recipe.loss == "quadratic":
        return None
    answers = outputs[:, 0] > 0 if outputs.shape[1] == 1 else outputs.argmax(axis=1)
    return float(np.mean(answers == labels))


def judge(recipe, arrays, work):
    """Return {"loss", "accuracy"} of a contender's work: {"outputs"} of x_test, or its weights {"w0", "b0", "w1", …}.

    The loss of weights is over the whole training set, that of outputs over the test set; the accuracy is the test
    set's.
    """
    if recipe.kind == "predict":
        outputs, loss = work["outputs"], loss_of(recipe, work["outputs"], arrays["y_test"])
    else:
        weights = [(work[f"w{layer}"], work[f"b{layer}"]) for layer in range(len(work) // 2)]
        outputs = outputs_of(recipe, weights, arrays["x_test"])
        loss = loss_of(recipe, outputs_of(recipe, weights, arrays["x"]), arrays["y"])
    return {"loss": loss, "accuracy": accuracy_of(recipe, outputs, arrays["labels_test"])}
