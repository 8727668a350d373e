"""Accuracy, predicted classes, the confusion matrix and misclassified samples."""

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import check_count, check_known, check_values, integer_array, is_concrete, is_label_dtype, real_array
from ..errors import ShapeError

MOST_CLASSES = 46_340  # whose matrix an int32 can index: XLA ends the process for a larger one


def accuracy(prediction: jax.Array, target: jax.Array) -> jax.Array:
    """Return 1 for each sample that is classified correctly, else 0: (batch,) of float32.

    The prediction (batch, outputs) is what the loss's ``predict`` makes of the network's output, such as
    probabilities, not logits: one output of logits is warned of where its values are known. With several outputs
    the class is the index of the largest, in the prediction and in the target. With one output the class is 1 where
    the output is at least ½, else 0. A row with NaN names no class, nor does a target of several equal outputs,
    such as zeros: these samples are never classified correctly. The target may also be the class labels (batch,),
    of an integer dtype; a label that is no class is never right.

    >>> accuracy(jnp.array([[0.1, 0.9], [0.6, 0.4]]), jnp.array([[0, 1], [0, 1]]))
    Array([1., 0.], dtype=float32)
    >>> accuracy(jnp.array([[0.7], [0.7]]), jnp.array([[1], [0]]))
    Array([1., 0.], dtype=float32)
    >>> accuracy(jnp.array([[0.1, 0.9], [0.6, 0.4]]), jnp.array([1, 1]))
    Array([1., 0.], dtype=float32)
    """
    prediction = real_array("accuracy", "prediction", prediction)
    labels = target_classes("accuracy", prediction, target)
    if np.shape(prediction)[1] == 1:
        warn_of_logits("accuracy", prediction, target, stacklevel=3)
    return is_right(predicted_classes(prediction), labels).astype(jnp.float32)


def warn_of_logits(where: object, prediction: Any, target: Any = None, *, stacklevel: int = 4) -> None:
    """Warn where predictions are known to lie far outside [0, 1], as logits do, and targets, where given, do not.

    Up to ½ outside they may be those of a linear output that was trained on 0 and 1.
    """
    if is_concrete(prediction) and is_concrete(target):
        values, targets = np.asarray(prediction), np.asarray(0 if target is None else target)
        if np.any((values < -0.5) | (values > 1.5)) and np.all((targets >= 0) & (targets <= 1)):
            remedy = "if they are logits, pass loss.predict of them, such as fn.sigmoid_cross_entropy.predict(logits)"
            warnings.warn(f"{where}: predictions outside [0, 1] are not probabilities: {remedy}", stacklevel=stacklevel)


def is_right(answers: jax.Array, labels: jax.Array) -> jax.Array:
    """Return whether each answer is the label, and a class at all: bool (batch,)."""
    return (answers == labels) & (answers >= 0)


def target_classes(where: object, prediction: Any, target: Any) -> jax.Array:
    """Return the class of each row's target, −1 for one that names no class: int32 (batch,).

    The target is either like the prediction (batch, outputs), and its class is as in ``accuracy``, or holds the labels
    (batch,), of an integer dtype: with several outputs those in [0, outputs) are classes, with one output 0 and 1.
    Raises ``ShapeError``.

    >>> target_classes("accuracy", jnp.zeros((3, 2)), jnp.array([[0, 1], [1, 0], [0, 0]]))
    Array([ 1,  0, -1], dtype=int32)
    >>> target_classes("accuracy", jnp.zeros((3, 2)), jnp.array([1, 0, 2]))
    Array([ 1,  0, -1], dtype=int32)
    """
    shape, target = real_array(where, "prediction", prediction).shape, real_array(where, "target", target)
    are_labels = target.ndim == 1 and is_label_dtype(target.dtype)
    if len(shape) != 2 or target.shape != (shape[:1] if are_labels else shape):
        expected = "prediction and target of one shape (batch, outputs), or integer labels of shape (batch,) as target"
        raise ShapeError(where, expected, f"{shape} and {target.shape}")
    if are_labels:
        return _classes_or_none(target, max(shape[1], 2))
    classes = predicted_classes(target)
    if shape[1] == 1:
        return classes
    return jnp.where(jnp.any(target != target[:, :1], axis=1), classes, -1)


def _classes_or_none(labels: Any, classes: int) -> jax.Array:
    """Return integer labels as int32, with −1 for one outside [0, classes); no wide label wraps to a narrow one."""
    if labels.dtype.itemsize < 4:
        labels = labels.astype(np.int32)  # so that ``classes`` is a number of its dtype
    inside = (labels >= 0) & (labels < classes)
    return jnp.where(inside, labels.astype(np.int32), -1)


def predicted_classes(prediction: jax.Array) -> jax.Array:
    """Return the class that each row of a prediction (batch, outputs) names: (batch,) of int32.

    The prediction is what the loss's ``predict`` makes of the network's output, or targets, of any real dtype. With
    several outputs the class is the index of the largest, the smallest index of equals; with one output it is 1 where
    that is at least ½, and else 0. It is −1, which is no class, for a row with NaN. Raises ``ShapeError`` and
    ``DtypeError``.
    Bishop, *Pattern Recognition and Machine Learning* (2006), section 1.5.1: the decision with the fewest mistakes.

    >>> predicted_classes(jnp.array([[0.1, 0.7, 0.2], [0.6, 0.3, 0.1]]))
    Array([1, 0], dtype=int32)
    >>> predicted_classes(jnp.array([[0.7], [0.2]]))
    Array([1, 0], dtype=int32)
    """
    prediction = jnp.asarray(real_array("predicted_classes", "prediction", prediction))
    if prediction.ndim != 2 or prediction.shape[1] == 0:
        raise ShapeError("predicted_classes", "prediction of shape (batch, outputs)", prediction.shape)
    floating = jnp.issubdtype(prediction.dtype, jnp.floating)
    if prediction.shape[1] == 1:
        classes = (prediction if floating else prediction.astype(jnp.float32))[:, 0] >= 0.5
    else:
        classes = jnp.argmax(prediction, axis=1)
    if floating:
        return jnp.where(jnp.any(jnp.isnan(prediction), axis=1), -1, classes.astype(jnp.int32))
    return classes.astype(jnp.int32)


def confusion_matrix(labels: Any, answers: Any, classes: int) -> jax.Array:
    """Return the number of predictions by true and predicted class: counts (classes, classes) of int32.

    Nᵢⱼ = Σₙ [labelₙ = i][answerₙ = j], with a row for each class and a column for each answer, so that the diagonal
    counts what is right. Labels and answers are integers (n,) in [0, classes); inside a traced program a pair with
    one outside is not counted. Raises ``ShapeError``, ``DtypeError``, and ``ValueError`` that names the first one
    outside. Fawcett, "An introduction to ROC analysis" (2006), section 2, transposed.

    >>> import funcnet as fn
    >>> fn.confusion_matrix([0, 0, 1, 1], [0, 1, 1, 1], classes=2)
    Array([[1, 1],
           [0, 2]], dtype=int32)
    """
    check_count("confusion_matrix", "classes", classes, maximum=MOST_CLASSES)
    labels, answers = _classes("labels", labels, classes), _classes("answers", answers, classes)
    if labels.shape != answers.shape:
        raise ShapeError("confusion_matrix", f"answers of the labels' shape {labels.shape}", answers.shape)
    inside = (labels >= 0) & (answers >= 0)  # a negative index would count from the end
    counts = jnp.zeros((classes, classes), jnp.int32)
    return counts.at[labels, answers].add(inside.astype(jnp.int32), mode="drop")


def worst_mistakes(prediction: Any, labels: Any, most: int | None = None) -> np.ndarray:
    """Return the rows (mistakes,) of the prediction that name a wrong class, the most confident first; int64.

    ``prediction`` (n, outputs) is as in ``predicted_classes``, ``labels`` are integers (n,). How sure a row is of its
    answer is the largest of its outputs, and max(p, 1 − p) for one output p; equally sure ones keep their order. A row
    with NaN is a mistake, and comes last.
    At most ``most`` rows are returned, all of them for None. On the host: how many there are depends on the values.
    Raises ``ShapeError`` and ``DtypeError``, and ``TypeError`` or ``ValueError`` unless ``most`` is a positive integer.

    >>> import funcnet as fn
    >>> prediction = jnp.array([[0.6, 0.4], [0.1, 0.9], [0.2, 0.8], [0.7, 0.3]])
    >>> fn.worst_mistakes(prediction, [1, 0, 1, 1])
    array([1, 3, 0])
    """
    if most is not None:
        check_count("worst_mistakes", "most", most)
    for name, given in (("prediction", prediction), ("labels", labels)):
        check_known("worst_mistakes", name, given)
    outputs = np.asarray(real_array("worst_mistakes", "prediction", prediction))
    answers = np.asarray(predicted_classes(prediction))
    labels = np.asarray(integer_array("worst_mistakes", "labels", labels))
    if labels.shape != answers.shape:
        raise ShapeError("worst_mistakes", f"labels of shape {answers.shape}, one a row", labels.shape)
    outputs = outputs.astype(np.float64)  # in which every dtype can be negated
    both = np.concatenate([1 - outputs, outputs], axis=1) if outputs.shape[1] == 1 else outputs
    wrong = np.flatnonzero(answers != labels)
    return wrong[np.argsort(-both[wrong].max(axis=1), kind="stable")][:most]


def _classes(name: str, values: Any, classes: int) -> jax.Array:
    """Return labels as an int32 array; every one must be in [0, classes), if they are concrete."""
    array = integer_array("confusion_matrix", name, values)
    if array.ndim != 1:
        raise ShapeError("confusion_matrix", f"{name} of shape (n,)", array.shape)
    if is_concrete(array):
        values = np.asarray(array)
        check_values("confusion_matrix", f"{name} in [0, {classes})", values, (values >= 0) & (values < classes))
    return jnp.asarray(array).astype(jnp.int32)
