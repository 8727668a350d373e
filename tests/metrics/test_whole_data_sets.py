"""Metrics of whole data sets are scikit-learn's, or those of plain loops, however the rows are divided into batches."""

import warnings
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import funcnet as fn
from funcnet import metrics
from funcnet.metrics.base import Sum, metric_name
from tests import oracles, registry

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of packages that scikit-learn imports
    import sklearn
    from sklearn import metrics as peer

ROWS, BATCHES = 60, 4  # of every case: one program for each number of outputs
OF_REGRESSION = [metrics.mean_absolute_error, metrics.r2]
COUNTING = [each for each in registry.METRICS if isinstance(each, metrics.Precision | metrics.Recall | metrics.F1)]
OTHERS = [each for each in registry.METRICS if each not in COUNTING]
NAMES = [metric_name(each) for each in [*COUNTING, *OTHERS]]


class Case(NamedTuple):
    prediction: np.ndarray  # (n, outputs)
    labels: np.ndarray  # (n,)
    estimate: np.ndarray  # (n, outputs), of values
    values: np.ndarray  # (n, outputs)
    weights: np.ndarray  # (n,)


# What fills a batch and must not count.
FILLER = Case(np.nan, 99, np.inf, np.nan, 0.0)


def make_case(random, outputs):
    """Return a random case: ties, classes that do not occur, constant targets, perfect outputs, weights of 0."""
    n = int(random.integers(1, ROWS + 1))
    shape, classes = (n, outputs), max(outputs, 2)
    z = random.normal(size=shape)
    exponentials = np.exp(z)
    smooth = exponentials / exponentials.sum(axis=1, keepdims=True) if outputs > 1 else 1 / (1 + np.exp(-z))
    prediction = random.integers(0, 5, shape) / 4 if random.integers(2) else smooth
    labels = random.integers(0, random.integers(1, classes + 1), n)
    kind = random.integers(3)
    weights = [np.ones(n), 1.0 * random.integers(0, 4, n), random.uniform(size=n) * random.integers(0, 3, n)][kind]
    weights[random.integers(n)] = 2.0
    values = random.normal(size=shape) + random.choice([0.0, 1000.0])
    if kind < 2:  # scikit-learn's weighted mean of a constant may be off by a rounding, and its R² then -1e30
        values[:, random.integers(3, size=outputs) == 0] = 2.0
    estimate = values + random.integers(2, size=outputs) * random.normal(size=shape)
    return Case(prediction, labels, estimate, values, weights)


def divided(case, cuts, dtype):
    """Return the case as ``BATCHES`` batches of ``ROWS`` rows: its rows from cut to cut, and fillers."""
    filled = []
    for name, filler, array in zip(Case._fields, FILLER, case, strict=True):
        kind = np.int32 if name == "labels" else dtype
        batches = np.full((BATCHES, ROWS, *array.shape[1:]), filler, kind)
        for batch, part in zip(batches, np.split(array, cuts), strict=True):
            batch[: len(part)] = part
        filled.append(batches)
    return Case(*filled)


def stacked(cases):
    return Case(*map(np.stack, zip(*cases, strict=True)))


@partial(jax.jit, static_argnames="one_hot")
def results(cases, one_hot):
    """Return the values of every metric on the cases."""
    return lax.map(partial(values_of, one_hot=one_hot), cases)


def values_of(batches, one_hot):
    """Return the value of every metric on one case, by a scan over its batches."""
    outputs = batches.prediction.shape[2]
    updated = [metrics.f1, *OTHERS]  # precision, recall and F1 count alike

    def step(states, batch):
        target = batch.labels
        if one_hot:
            target = jax.nn.one_hot(batch.labels, outputs) if outputs > 1 else batch.labels[:, None]
        pairs = dict.fromkeys(OF_REGRESSION, (batch.estimate, batch.values))
        updates = [
            metric.update(state, *pairs.get(metric, (batch.prediction, target)), batch.weights)
            for metric, state in zip(updated, states, strict=True)
        ]
        return updates, None

    start = [metric.init(ROWS, outputs, batches.prediction.dtype) for metric in updated]
    (counts, *states), _ = lax.scan(step, start, batches)
    values = [metric.value(counts) for metric in COUNTING]
    return values + [metric.value(state) for metric, state in zip(OTHERS, states, strict=True)]


def answers_of(prediction):
    return prediction.argmax(axis=1) if prediction.shape[1] > 1 else (prediction[:, 0] >= 0.5).astype(int)


def expected_values(case):
    """Return what scikit-learn, or a plain loop, says of the rows that count; rows of weight 3 stand there three times.

    With weights that are no integers, scikit-learn takes them as its ``sample_weight``.
    """
    kept = Case(*(array[case.weights > 0] for array in case))
    whole = np.all(kept.weights % 1 == 0)
    times = kept.weights.astype(int) if whole else 1
    prediction, labels, estimate, values, weights = (np.repeat(array, times, axis=0) for array in kept)
    shares = np.ones(len(labels)) if whole else weights
    weights = None if whole else weights
    answers = answers_of(prediction)
    confidence = prediction.max(axis=1) if prediction.shape[1] > 1 else np.maximum(prediction, 1 - prediction)[:, 0]
    r2 = partial(peer.r2_score, values, estimate, sample_weight=weights)
    if len(kept.labels) == 1:  # of which scikit-learn has no R²; two equal rows have a mean without rounding
        r2 = partial(peer.r2_score, np.repeat(kept.values, 2, axis=0), np.repeat(kept.estimate, 2, axis=0))
    return [
        *counting_values(labels, answers, prediction.shape[1], weights),
        *(top_k_value(labels, prediction, k, shares) for k in (5, 1, 2)),
        auc_value(labels, prediction, weights),
        *(oracles.calibration_error(confidence, answers == labels, shares, bins) for bins in (15, 4)),
        peer.mean_absolute_error(values, estimate, sample_weight=weights),
        r2(),
    ]


def counting_values(labels, answers, outputs, weights):
    """Return precision, recall and F1, each with every average, in the order of the registry."""
    scores = partial(peer.precision_recall_fscore_support, labels, answers, sample_weight=weights, zero_division=0)
    classes = list(range(outputs)) if outputs > 1 else [1]
    macro = scores(average="macro" if outputs > 1 else "binary")  # over the classes that occur
    micro, by_class = scores(average="micro", labels=classes), scores(average=None, labels=classes)
    return [each[i] for i in range(3) for each in (macro, micro, by_class)]


def top_k_value(labels, prediction, k, weights):
    """Return the top-k accuracy; of equal outputs scikit-learn takes the last one first, hence the reversed classes."""
    outputs = prediction.shape[1]
    if k == 1:
        return peer.accuracy_score(labels, answers_of(prediction), sample_weight=weights)
    if k >= max(outputs, 2):
        return 1.0
    reverse, classes = outputs - 1 - labels, np.arange(outputs)
    return peer.top_k_accuracy_score(reverse, prediction[:, ::-1], k=k, labels=classes, sample_weight=weights)


def auc_value(labels, prediction, weights):
    classes = range(prediction.shape[1]) if prediction.shape[1] > 1 else [1]
    areas = []
    for score, each in zip(prediction.T, classes, strict=True):
        if len({*(labels == each)}) < 2:
            return np.nan
        areas.append(peer.roc_auc_score(labels == each, score, sample_weight=weights))
    return np.mean(areas)


@pytest.mark.parametrize("outputs", [1, 6])
def test_every_metric_is_scikit_learns_however_the_rows_are_divided(outputs, x64):
    random = np.random.default_rng(outputs)
    cases = [make_case(random, outputs) for _ in range(67)]
    whole = [divided(case, [len(case.labels)] * (BATCHES - 1), float) for case in cases]
    parts = [divided(case, sorted(random.integers(0, len(case.labels) + 1, BATCHES - 1)), float) for case in cases]
    found = results(stacked(whole + parts), one_hot=outputs in (1, 6))
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        expected = list(map(expected_values, cases))
    for name, ours, theirs in zip(NAMES, found, zip(*expected, strict=True), strict=True):
        assert ours.dtype == jnp.float64
        np.testing.assert_allclose(ours, [*theirs, *theirs], rtol=1e-12, atol=1e-12, err_msg=name)


def test_in_float32_many_batches_are_one_and_odd_cases_have_their_values():
    random = np.random.default_rng(0)
    cases = [make_case(random, 3) for _ in range(30)]
    whole = [divided(case, [len(case.labels)] * (BATCHES - 1), np.float32) for case in cases]
    parts = [divided(case, sorted(random.integers(0, len(case.labels) + 1, 3)), np.float32) for case in cases]
    wide = make_case(random, 3)
    values = (1e4 + random.normal(size=(BATCHES, ROWS, 3))).astype(np.float32)
    estimate = (values + 0.5 * random.normal(size=values.shape)).astype(np.float32)
    more_rows_than_said = Case(*(np.resize(a, b.shape) for a, b in zip(wide, whole[0], strict=True)))._replace(
        labels=np.resize(np.arange(3), (BATCHES, ROWS)),
        values=values,
        estimate=estimate,
        weights=np.ones((BATCHES, ROWS)),
    )
    nothing = whole[0]._replace(weights=np.zeros((BATCHES, ROWS), np.float32))
    negative = parts[0]._replace(weights=np.where(parts[0].weights > 0, -1.0, 0.0).astype(np.float32))
    odd = [more_rows_than_said, nothing, negative]
    odd = [Case(*(a.astype(b.dtype) for a, b in zip(case, whole[0], strict=True))) for case in odd]
    found = results(stacked(whole + parts + odd), one_hot=False)
    for name, value in zip(NAMES, found, strict=True):
        one, many = value[:30], value[30:60]
        assert value.dtype == jnp.float32
        np.testing.assert_allclose(many, one, rtol=8 * 2.0**-24, atol=8 * 2.0**-24, err_msg=name)
        np.testing.assert_array_equal(value[61], np.nan if name == "auc" else np.zeros_like(value[61]), err_msg=name)
        assert np.isnan(value[62]).all(), name
    of_many = {name: value[60] for name, value in zip(NAMES, found, strict=True)}
    assert np.isnan(of_many["auc"])
    exact = peer.r2_score(values.reshape(-1, 3).astype(float), estimate.reshape(-1, 3).astype(float))
    assert float(of_many["r2"]) == pytest.approx(exact, abs=1e-6)  # Σy² − nȳ² in float32 has no digit right


def test_counts_in_float32_do_not_stick_at_2_to_the_24():
    """The first row has a weight of 2²⁴ and is right, then come 1000 of weight 1 that are wrong."""
    many = 1000
    weights = np.ones((many + 1, 1), np.float32)
    weights[0] = 2**24
    labels = (np.arange(many + 1)[:, None] == 0).astype(np.int32)
    used = [metrics.TopK(1), metrics.precision, metrics.calibration_error, metrics.mean_absolute_error]

    @jax.jit
    def values(labels, weights):
        def step(states, batch):
            labels, weights = batch
            prediction = jnp.ones((1, 1))
            targets = [labels, labels, labels, labels[:, None].astype(jnp.float32)]
            updated = zip(used, states, targets, strict=True)
            return [metric.update(state, prediction, target, weights) for metric, state, target in updated], None

        states, _ = lax.scan(step, [metric.init(many + 1, 1, jnp.float32) for metric in used], (labels, weights))
        return [metric.value(state) for metric, state in zip(used, states, strict=True)]

    wrong = many / (2**24 + many)
    np.testing.assert_allclose(values(labels, weights), [1 - wrong, 1 - wrong, wrong, wrong], rtol=2e-7)


def test_without_weights_all_rows_count_alike():
    """AUC and R² have a way of their own for this."""
    random = np.random.default_rng(0)
    prediction, target = random.integers(0, 4, (2, 5, 1)) / 4, np.arange(10.0).reshape(2, 5, 1) % 4

    def values(weights):
        found = []
        for metric, truth in [(metrics.auc, target > 1), (metrics.r2, target)]:
            state = metric.init(10, 1, jnp.float32)
            for batch, other in zip(prediction, truth, strict=True):
                state = metric.update(state, batch, other, weights)
            found.append(metric.value(state))
        return found

    with_ones, without = jax.jit(lambda: (values(jnp.ones(5)), values(None)))()
    flat = target.ravel(), prediction.ravel()
    assert with_ones == without
    np.testing.assert_allclose(without, [peer.roc_auc_score(flat[0] > 1, flat[1]), peer.r2_score(*flat)], rtol=1e-6)


def test_a_sum_keeps_what_rounding_takes_and_stays_infinite():
    terms = jnp.array([1.0, 1e8, 1.0, -1e8, 1.0])
    total, _ = lax.scan(lambda so_far, term: (so_far.plus(term), None), Sum.zeros((), jnp.float32), terms)
    assert total.value == 3.0
    infinite = Sum.zeros((), jnp.float32).plus(jnp.float32(np.inf)).plus(jnp.float32(1.0))
    assert infinite.value == np.inf


def test_rows_that_name_no_class_are_never_right():
    """A row of NaN, and labels outside; what is left are two rows that are right and one that is wrong."""
    prediction = jnp.array([[0.5, np.nan, 0.1], [0.8, 0.1, 0.1], [0.6, 0.2, 0.2], [0.1, 0.1, 0.8], [0.2, 0.7, 0.1],
                            [0.2, 0.1, 0.7]])  # fmt: skip
    labels = jnp.array([0, 0, -1, 2, 3, 0])
    used = [metrics.F1(None), metrics.Precision("micro"), metrics.Recall("micro"), metrics.TopK(1), metrics.TopK(3)]
    asked = [*used, metrics.auc, metrics.calibration_error]
    found = jax.jit(lambda p, y: [metric.of(p, y) for metric in asked])(prediction, labels)
    np.testing.assert_allclose(found[0], [2 / 5, 0, 2 / 3], rtol=1e-6)  # of class 0: 3 labels, 2 answers, 1 right
    np.testing.assert_allclose(found[1:5], [2 / 5, 2 / 4, 2 / 6, 3 / 6], rtol=1e-6)
    assert np.isnan(found[5:]).all()


def test_names_say_which_metric_and_which_setting():
    assert len(set(NAMES)) == len(NAMES)
    said = {metric_name(each) for each in [metrics.F1(), metrics.F1(None), metrics.Recall("micro"), metrics.TopK(3)]}
    assert said == {"f1", "f1_by_class", "recall_micro", "top_3"}
    assert metric_name(metrics.CalibrationError(10)) == "calibration_error_10"
    smaller = {metric_name(each) for each in registry.METRICS if not each.larger_is_better}
    assert smaller == {"calibration_error", "calibration_error_4", "mean_absolute_error"}

    class ShareWithin(metrics.Metric):
        distance: float
        norm: int = 2

    class HTTPErrors(metrics.Metric):
        name = "errors"

    made = [ShareWithin(0.5), ShareWithin(1.0, norm=1), HTTPErrors()]
    assert [metric_name(each) for each in made] == ["share_within_0.5", "share_within_1.0_1", "errors"]
    assert [repr(each) for each in made] == ["ShareWithin(0.5)", "ShareWithin(1.0, norm=1)", "errors"]
    for call in (lambda m: m.init(1, 1, jnp.float32), lambda m: m.update((), 1, 1, None), lambda m: m.value(())):
        with pytest.raises(NotImplementedError, match=r"^ShareWithin has no (init|update|value)$"):
            call(made[0])


TWO = np.ones((3, 2), np.float32)
LABELS = np.zeros(3, np.int32)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: metrics.F1("weighted"), ValueError, "^F1: expected average to be 'macro', 'micro', or None .* 'weigh"),
        (lambda: metrics.Recall(1), ValueError, "^Recall: expected average to be 'macro', 'micro', or None .* got 1$"),
        (lambda: metrics.TopK(0), ValueError, "^TopK: expected k to be an integer of at least 1, got 0"),
        (lambda: metrics.TopK(2.0), TypeError, "^TopK: expected k to be an integer of at least 1, got 2.0"),
        (lambda: metrics.CalibrationError(0), ValueError, "^CalibrationError: expected bins to be an integer of at"),
        (
            lambda: metrics.f1.of(TWO[0], LABELS),
            fn.ShapeError,
            r"^f1: expected prediction of shape \(batch, outputs\), got \(2,\)",
        ),
        (lambda: metrics.auc.of(TWO[:, :0], LABELS), fn.ShapeError, r"^auc: expected prediction .* got \(3, 0\)"),
        (
            lambda: metrics.TopK(2).of(TWO, LABELS.astype(np.float32)),
            fn.ShapeError,
            r"^TopK\(k=2\): expected .* one shape .*, or integer labels of shape \(batch,\) as target, .* and \(3,\)",
        ),
        (lambda: metrics.calibration_error.of(TWO, LABELS[:2]), fn.ShapeError, r"expected .* got \(3, 2\) and \(2,\)"),
        (lambda: metrics.r2.of(TWO, LABELS), fn.ShapeError, r"^r2: expected target of the prediction's shape \(3, 2\)"),
        (lambda: metrics.r2.of(TWO, TWO * 1j), fn.DtypeError, "^r2: expected target of a real dtype, got complex64"),
        (lambda: metrics.f1.of(TWO * 1j, LABELS), fn.DtypeError, "^f1: expected prediction of a real dtype, got compl"),
        (
            lambda: metrics.mean_absolute_error.of(TWO, TWO, np.ones(2)),
            fn.ShapeError,
            r"^mean_absolute_error: expected weights of shape \(3,\), one per row, got \(2,\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
