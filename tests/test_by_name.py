"""Losses, optimizers and activations by their names."""

import pytest

import funcnet as fn
from funcnet.losses import LOSSES
from funcnet.optimizers import OPTIMIZERS
from tests import registry


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_by_name_is_the_public_one(name):
    found = fn.loss(name)
    assert isinstance(found, fn.Loss)
    assert getattr(fn, name, found) == found
    assert found in (each.loss if hasattr(each, "loss") else each for each in registry.LOSSES) or name in (
        "huber",
        "focal",
    )


def test_losses_and_optimizers_take_settings():
    assert fn.loss("softmax_cross_entropy", label_smoothing=0.1) == fn.SoftmaxCrossEntropy(label_smoothing=0.1)
    assert fn.loss("focal", gamma=1.0) == fn.Focal(gamma=1.0)
    assert str(fn.optimizer("momentum", learning_rate=0.1, momentum=0.5)) == str(fn.momentum(0.1, 0.5))
    with pytest.raises(TypeError, match="loss huber: expected settings among delta, got delt"):
        fn.loss("huber", delt=1)
    with pytest.raises(TypeError, match="optimizer momentum: expected settings among learning_rate, momentum, got lr"):
        fn.optimizer("momentum", lr=0.1)


def test_every_optimizer_has_its_name():
    assert list(OPTIMIZERS) == [case.make.__name__ for case in registry.OPTIMIZERS]
    for case in registry.OPTIMIZERS:
        assert str(fn.optimizer(case.make.__name__, **case.settings)) == str(case.make(**case.settings))


@pytest.mark.parametrize(
    ("function", "name", "nearest"),
    [
        (fn.loss, "quadratc", "quadratic"),
        (fn.loss, "Softmax_Cross_Entropy", "softmax_cross_entropy"),
        (fn.optimizer, "rmspropp", "rmsprop"),
        (fn.activation, "Sigmoid", "sigmoid"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(function, name, nearest):
    with pytest.raises(
        ValueError, match=rf"^{function.__name__}: expected one of .*, got '{name}': '{nearest}' is the"
    ):
        function(name)


@pytest.mark.parametrize("function", [fn.loss, fn.optimizer, fn.activation])
def test_a_name_without_a_near_one_lists_all(function):
    with pytest.raises(ValueError, match=rf"^{function.__name__}: expected one of \w+(, \w+)+, got 'zzz'$"):
        function("zzz")
    with pytest.raises(TypeError, match=rf"^{function.__name__}: expected a name, such as '\w+', got a Quadratic"):
        function(fn.quadratic)
