"""The three answers for every gradient of a network: by hand, automatic and numerical, array by array."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from ..derivatives.complex_rules import Convention
from ..derivatives.numerical import (
    SIDE,
    Directions,
    NumericalGradient,
    complex_step_gradient,
    richardson_gradient,
    sample,
    with_sides,
)
from ..errors import message
from ..jaxprs import NoRuleError
from .code import Code
from .judgement import NO_GRADIENTS, ArrayGradients
from .network_report import layer_name, owner_of
from .parts import PARTS_CORRECT, wrong_shapes
from .routes import (
    Given,
    chosen_directions,
    compiled_gradients,
    compiled_numerically,
    compiled_on_a_sample,
    cost_of,
    uncrossed_directions,
)

NEARBY = (0.0, SIDE, -SIDE, 4 * SIDE, -4 * SIDE)  # relative distances at which a derivative changes by rounding alone


class Problem:
    """What is checked, and what follows from it: the arrays, the cost's program, and along what it is differentiated.

    Args:
        given: the objective, the parameters, the data and the key, in float64.
    """

    def __init__(self, given: Given) -> None:
        self.given = given
        objective, params, batch, _ = given
        self.code = Code(objective.network, objective.loss, objective.penalty)
        fixed = objective.statistics(params, batch) if objective.network.keeps_statistics else ()
        self.statistics = tuple(place for place, is_fixed in enumerate(jax.tree.leaves(fixed)) if is_fixed)
        self.arrays = [*jax.tree.leaves(params), batch.x]
        self.trained = [place for place in range(len(self.arrays)) if place not in self.statistics]
        self.keys = [*(keys for keys, _ in jax.tree_util.tree_leaves_with_path(params)), None]
        cost, self.leaves = cost_of(given, self.statistics)
        self.program = jax.make_jaxpr(cost)(*self.leaves)
        self.directions: Directions | None
        self.directions, self.elements = chosen_directions(self.program, self.leaves)

    def name_of(self, place: int) -> str:
        """Return the name of an array: the parameter and its layer."""
        if (keys := self.keys[place]) is None:
            return "the input x"
        layer, path, name = owner_of(self.given[0].network, keys)
        return f"{name} of {layer_name(layer, path)}"


class Together(NamedTuple):
    """Numerical derivatives at kinks along directions that move many elements at once."""

    directions: Directions
    low: np.ndarray  # (directions,) the smallest of those at the point and close to it; they differ by rounding
    high: np.ndarray  # the largest
    crossed: np.ndarray  # (directions,) bool: a value leaves the edge of a comparison, so that it is a convention


@dataclass(frozen=True)
class Answers:
    """The answers: the arrays by hand and automatic, None where there are none, and the numerical ones."""

    hand: list[np.ndarray] | None
    automatic: list[np.ndarray] | None
    numerical: NumericalGradient
    samples: Any  # of differences; None for complex steps
    faults: tuple[str, ...] = field(default=())  # why there is nothing by hand
    notes: tuple[str, ...] = field(default=())  # why there is no complex step, or nothing automatic
    together: Together | None = None  # None where no element lies on a kink, and by differences

    @property
    def by_differences(self) -> bool:
        """Whether the numerical gradient is by differences."""
        return self.samples is not None


def answers_to(problem: Problem) -> Answers:
    """Return the answers; raise ``ValueError`` for a cost that is not finite."""
    gradient, samples, notes = _numerical(problem)
    if not np.isfinite(cost := float(gradient.cost)):
        loss = problem.given[0].loss
        raise ValueError(message("check_gradients", f"a finite cost: does the output suit {loss}?", cost))
    automatic, why = _automatic(problem)
    hand, faults = _by_hand(problem)
    together = _together(problem, gradient) if samples is None and gradient.kinked.any() else None
    return Answers(hand, automatic, gradient, samples, faults, notes + why, together)


def _numerical(problem: Problem) -> tuple[NumericalGradient, Any, tuple[str, ...]]:
    """Return the numerical gradient, the samples if it is by differences, and why there is no complex step."""
    compiled = compiled_numerically if problem.directions is None else compiled_on_a_sample
    given = problem.statistics, problem.code, problem.given, problem.directions
    try:
        found = NumericalGradient(*map(np.asarray, compiled(complex_step_gradient, *given)))
    except NoRuleError as error:
        samples = compiled(sample, *given)
        return richardson_gradient(samples), samples, (f"no complex step: the operation {error} has no complex form",)
    if found.kinked.any():
        found = with_sides(found, partial(compiled, complex_step_gradient, *given))
    return found, None, ()


def _together(problem: Problem, found: NumericalGradient) -> Together:
    """Return the derivatives along directions that move many elements at once.

    A tie that is counted twice is within the two sides of every element alone.
    """
    x = problem.leaves[-1]
    kinked = np.zeros(x.shape, bool) if problem.directions is not None else found.kinked[-x.size :].reshape(x.shape)
    directions = uncrossed_directions(problem.leaves, kinked)
    given = problem.statistics, problem.code, problem.given, directions
    gradients = [compiled_on_a_sample(complex_step_gradient, *given, side, Convention()) for side in NEARBY]
    values = np.stack([np.asarray(each.gradient) for each in gradients])
    return Together(directions, values.min(axis=0), values.max(axis=0), np.asarray(gradients[0].kinked))


def _automatic(problem: Problem) -> tuple[list[np.ndarray] | None, tuple[str, ...]]:
    """Return the automatic gradient's arrays, or None and why JAX cannot differentiate the network."""
    try:
        _, found = compiled_gradients("automatic", problem.code, problem.given)
    except (ValueError, NotImplementedError) as error:  # as for a while loop; the forward pass itself has worked
        return None, (f"no automatic gradient: {str(error).partition('. ')[0].splitlines()[0]}",)
    return [*map(np.asarray, jax.tree.leaves(found))], ()


def _by_hand(problem: Problem) -> tuple[list[np.ndarray] | None, tuple[str, ...]]:
    """Return the hand-written gradient's arrays, or None and which parts return another structure or shape."""
    _, params, batch, _ = problem.given
    structure: Any
    try:
        found, structure = jax.tree.flatten(compiled_gradients("hand", problem.code, problem.given)[1])
    except Exception:  # a gradient of another shape may make the backward pass of the layers below fail
        if mistakes := wrong_shapes(*problem.given):
            return None, tuple(mistakes)
        raise
    expected, expected_structure = jax.tree.flatten((params, batch.x))
    forms, expected_forms = ([(each.shape, each.dtype) for each in arrays] for arrays in (found, expected))
    if structure == expected_structure and forms == expected_forms:
        return [*map(np.asarray, found)], ()
    return None, tuple(wrong_shapes(*problem.given) or [PARTS_CORRECT])


def by_array(problem: Problem, answers: Answers, numerical: NumericalGradient) -> list[ArrayGradients]:
    """Return the gradients in each array: the numerical one is a vector of all arrays but running statistics."""
    trained, directions = [problem.arrays[place] for place in problem.trained], problem.directions
    ends = np.cumsum([array.size for array in trained])
    of_sample = slice(None) if directions is None else slice(0, problem.elements)

    def split(values: Any) -> list[np.ndarray]:
        whole = np.asarray(values)[of_sample]
        if directions is not None:
            whole, some = np.zeros(ends[-1], whole.dtype), whole
            whole[directions.elements] = some
        return np.split(whole, ends[:-1])

    vectors = [
        split(each) for each in (numerical.gradient, numerical.kinked, numerical.low, numerical.high, numerical.error)
    ]
    compared = [None] * len(trained) if directions is None else split(np.ones(len(numerical.gradient), bool))
    missing: list[None] = [None] * len(problem.arrays)
    result = [NO_GRADIENTS] * len(problem.arrays)
    for number, place in enumerate(problem.trained):
        shape = problem.arrays[place].shape
        numbers, kinked, low, high, error = (vector[number].reshape(shape) for vector in vectors)
        mask = compared[number]
        chosen = None if mask is None else mask.reshape(shape)
        hand, automatic = (answers.hand or missing)[place], (answers.automatic or missing)[place]
        result[place] = ArrayGradients(hand, automatic, numbers, kinked, low, high, error, chosen)
    return result
