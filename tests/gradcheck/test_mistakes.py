import jax
import numpy as np
import pytest

import funcnet as fn
from tests.gradcheck.examples import Mistaken, Scanned, problem

WHERE = "Mistaken(3, mistake={!r}) (layer 2)"
# mistake: the row that is wrong, and the words for it
WRONG = {
    "wrong sign": ("weight", "-1 times the correct gradient everywhere: a wrong sign"),
    "factor n": ("bias", "5 times the correct gradient everywhere: a mean over the batch, 5, is missing"),
    "factor 1/n": ("bias", "0.2 times the correct gradient everywhere: a mean over the batch, 5, is taken twice"),
    "factor 2": ("weight", "2 times the correct gradient everywhere: perhaps the ½ of a square is missing or"),
    "missing": ("bias", "zero everywhere: a term is missing, or nothing is passed on"),
    "misplaced": ("weight", "the transpose of the correct gradient"),
    "decay": ("weight", "off by 0.1 times the parameter itself: there is an extra penalty term"),
    "shift": ("bias", "off by the constant 0.25 everywhere: a constant term is missing, or there is an extra one"),
    "one sample": ("bias", "wrong in 3 of 3 elements without a pattern: a term is missing"),
    "1e-12": ("weight", "wrong in 1 of 9 elements, first at [1, 2]: 1.00000000000"),
    "not finite": ("weight", "it is not finite in 1 of 9 elements, first at [0, 1]"),
}


def mistaken(mistake):
    """Return the report on a network whose middle layer is mistaken, three units wide throughout."""
    network = fn.Sequential(fn.Dense(3), fn.sigmoid, Mistaken(3, mistake=mistake), fn.sigmoid, fn.Dense(3))
    return fn.check_gradients(network, fn.quadratic, *problem(network))


def test_no_mistake_is_no_fault():
    report = mistaken("none")
    assert report.ok
    assert report.faults == ()
    assert report.worst <= 1e-14


@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_gradient_is_found_named_and_explained(mistake):
    parameter, words = WRONG[mistake]
    report = mistaken(mistake)
    assert not report.ok
    (wrong,) = (row for row in report.rows if not row.ok)
    assert (wrong.layer, wrong.parameter) == (WHERE.format(mistake), parameter)
    assert wrong.meaning.startswith(f"the hand-written gradient is wrong: {words}")
    (fault,) = report.faults
    assert fault.startswith(f"{WHERE.format(mistake)}.backward, gradient in {parameter}: {words}")
    assert wrong.automatic_numerical <= 1e-14


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ("dx", "3 times the correct gradient everywhere"),
        ("dx zero", "zero everywhere: a term is missing, or nothing is passed"),
    ],
)
def test_what_is_passed_down_wrong_shows_below_and_is_put_down_to_the_layer_that_passes_it(mistake, words):
    report = mistaken(mistake)
    assert [row.ok for row in report.rows] == [False, False, True, True, True, True, False]
    assert all(words in row.meaning for row in report.rows if not row.ok)
    (fault,) = report.faults
    assert fault.startswith(f"{WHERE.format(mistake)}.backward, dx: {words}")


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (
            "a list",
            "expected gradients of the parameters' structure CustomNode(namedtuple[DenseParams], [*, *]), got [*",
        ),
        (
            "one field",
            "expected gradients of the parameters' structure CustomNode(namedtuple[DenseParams], [*, *]), got (*",
        ),
        ("shape", "gradient in bias: expected shape (2,), got (1, 2)"),
        ("flipped", "gradient in weight: expected shape (2, 4), got (4, 2), the transpose"),
        ("dtype", "gradient in bias: expected dtype float64, got float32"),
        ("dx shape", "dx: expected shape (5, 4), got (5, 1)"),
        ("no pair", "gradient"),
        ("three", "expected the pair (gradients, dx), got a tuple of 3"),
    ],
)
def test_a_gradient_of_another_structure_or_shape_is_explained(mistake, words):
    network = fn.Sequential(Mistaken(2, mistake=mistake), fn.sigmoid, fn.Dense(3))
    report = fn.check_gradients(network, fn.quadratic, *problem(network))
    assert not report.ok
    assert report.faults[0].startswith(f"Mistaken(2, mistake={mistake!r}) (layer 0).backward: ")
    assert words in report.faults[0]
    assert all(row.hand is None for row in report.rows)
    assert max(row.automatic_numerical for row in report.rows) <= 1e-14
    assert "39 derivatives, automatic and numerical (complex step), agree, but a part" in str(report)


class MistakenLoss(fn.Loss):
    mistake: str = "none"

    def value(self, output, target):
        return fn.quadratic.value(output, target)

    def gradient(self, output, target):
        right = fn.quadratic.gradient(output, target)
        return {"sign": -right, "shape": right[0], "mean": right / len(right)}[self.mistake]


def test_a_wrong_loss_is_wrong_everywhere_and_named():
    network = fn.mlp([4, 3])
    report = fn.check_gradients(network, MistakenLoss("sign"), *problem(network))
    assert not any(row.ok for row in report.rows)
    assert report.faults == (
        "MistakenLoss(mistake='sign').gradient: -1 times the correct gradient everywhere: a wrong sign",
    )
    taken_twice = fn.check_gradients(network, MistakenLoss("mean"), *problem(network)).faults[0]
    assert "a mean over the batch, 5, is taken twice" in taken_twice


def test_a_loss_whose_gradient_has_another_shape_is_named():
    network = fn.mlp([4, 3])
    report = fn.check_gradients(network, MistakenLoss("shape"), *problem(network))
    assert report.faults == ("MistakenLoss(mistake='shape').gradient: expected shape (5, 3), got (3,)",)


def test_a_wrong_penalty_is_named():
    class Halved(type(fn.l2(1.0))):
        def gradient(self, params):
            return fn.l2(0.5 * self.strength).gradient(params)

    network = fn.mlp([4, 3])
    report = fn.check_gradients(network, fn.quadratic, *problem(network), penalty=Halved(0.5))
    assert [row.ok for row in report.rows] == [False, True, True]
    assert "off by -0.25 times the parameter itself: a penalty term is missing" in report.rows[0].meaning
    (fault,) = report.faults
    assert "gradient, weight of Dense(3, inputs=4) (layer 0): 0.5 times the correct gradient everywhere" in fault


def test_a_custom_derivative_that_is_wrong_is_told_from_a_wrong_backward():
    @jax.custom_jvp
    def cube(x):
        return x**3

    cube.defjvp(lambda primals, tangents: (cube(*primals), 2 * primals[0] ** 2 * tangents[0]))

    class Cube(Scanned):
        def forward(self, params, x, *, key=None):
            return cube(x), x

        def backward(self, params, cache, dy):
            return (), 3 * cache**2 * dy

    network = fn.Sequential(fn.Dense(3), Cube())
    report = fn.check_gradients(network, fn.quadratic, *problem(network))
    assert not report.ok
    assert all(row.hand_numerical <= 1e-14 for row in report.rows)
    assert all(
        row.meaning.startswith("the automatic gradient is wrong, because of a custom der") for row in report.rows
    )


def test_a_gradient_that_is_stopped_on_both_routes_is_found_by_the_numerical_one():
    class Stopped(Scanned):
        def forward(self, params, x, *, key=None):
            return x * jax.lax.stop_gradient(x), x

        def backward(self, params, cache, dy):
            return (), cache * dy

    network = fn.Sequential(fn.Dense(3), Stopped())
    report = fn.check_gradients(network, fn.quadratic, *problem(network))
    assert not report.ok
    assert all("the numerical gradient differs from the other two" in row.meaning for row in report.rows)


def test_parts_that_are_right_but_put_together_wrongly_are_told_so():
    class Forgetful(fn.Residual):
        def __init__(self, *layers):
            super().__init__(*layers)

        def backward(self, params, cache, dy):
            gradients, dx = super().backward(params, cache, dy)
            return gradients, dx - dy

    class Doubling(fn.Sequential):
        def __init__(self, *layers):
            super().__init__(*layers)

        def backward(self, params, cache, dy):
            gradients, dx = super().backward(params, cache, dy)
            return gradients, 2 * dx

    network = fn.Sequential(fn.Dense(3), Forgetful(fn.Dense(3), fn.sigmoid))
    (fault,) = fn.check_gradients(network, fn.quadratic, *problem(network)).faults
    assert fault.startswith("Forgetful(Dense(3), sigmoid) (layer 1).backward, dx: ")
    network = Doubling(fn.Dense(3), fn.sigmoid)
    report = fn.check_gradients(network, fn.quadratic, *problem(network))
    assert [row.ok for row in report.rows] == [True, True, False]
    assert report.faults == ("each part is correct alone, as JAX differentiates it: look at how they are put together",)


def test_a_backward_that_raises_raises():
    class Broken(Scanned):
        def backward(self, params, cache, dy):
            raise RuntimeError("not yet written")

    network = fn.Sequential(fn.Dense(3), Broken())
    with pytest.raises(RuntimeError, match="not yet written"):
        fn.check_gradients(network, fn.quadratic, *problem(network))


def test_a_single_weight_off_by_1e_12_is_caught_wherever_its_gradient_is_not_tiny():
    network = fn.Sequential(fn.Dense(3), fn.sigmoid, Mistaken(3, mistake="1e-12"), fn.sigmoid, fn.Dense(3))
    caught, cases = 0, 0
    for seed in range(12):
        report = fn.check_gradients(network, fn.quadratic, *problem(network, seed=seed))
        gradient = np.abs(report.rows[2].numerical)
        if gradient[1, 2] > 0.05 * gradient.max():
            cases += 1
            caught += not report.rows[2].ok
    assert caught == cases >= 5


def test_a_penalty_whose_gradient_has_another_structure_is_named():
    class Bare(type(fn.l2(1.0))):
        def gradient(self, params):
            return super().gradient(params)[0].weight

    network = fn.mlp([4, 3])
    report = fn.check_gradients(network, fn.quadratic, *problem(network), penalty=Bare(0.5))
    assert not report.ok
    (fault,) = report.faults
    assert fault.startswith(
        "l2(0.5).gradient: expected gradients of the parameters' structure (CustomNode(namedtuple[Dens"
    )


def test_weights_of_zero_do_not_hide_a_wrong_gradient_of_the_loss():
    class WrongInTheFirst(MistakenLoss):
        def gradient(self, output, target):
            return fn.quadratic.gradient(output, target).at[0].multiply(2)

    network = fn.mlp([4, 3])
    data = problem(network)
    assert fn.check_gradients(network, WrongInTheFirst(), *data, weights=np.array([0.0, 1, 1, 1, 1])).ok
    (fault,) = fn.check_gradients(network, WrongInTheFirst(), *data).faults
    assert fault.startswith(
        "WrongInTheFirst().gradient: wrong in 3 of 15 elements, first at [0, 0]: 2 times the correct v"
    )
