"""Penalties on the size of weights, which training adds to the cost: value and hand-written gradient side by side.

A penalty applies to the weights only: the parameters in a field named ``weight`` of a NamedTuple or dataclass, anywhere
in the network. Biases, the scale and shift of a ``LayerNorm`` and other parameters are not penalized. A penalty is a
value that prints as the call that builds it, and a pytree whose strength is a leaf, so that another strength does not
recompile.
"""

import warnings
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from .checks import (
    accumulator_dtype,
    as_dtype,
    check_arrays,
    check_is_no_result,
    check_number,
    floating_array,
    is_concrete,
    outside,
    params_dtype,
)
from .configuration import Configuration
from .layer import Params


class Penalty(Configuration):
    """The contract of a penalty: ``value`` and ``gradient``, pure functions of the parameters; ``+`` adds two.

    To define a penalty, subclass this and write both methods. Its fields are the leaves of a pytree.
    """

    described_as: ClassVar[str] = "None or a penalty, such as fn.l2(0.0001)"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        jax.tree_util.register_dataclass(cls)

    def value(self, params: Params) -> jax.Array:
        """Return the penalty Ω(params): a scalar, in float32 at least."""
        raise NotImplementedError(f"{type(self).__name__} has no value")

    def gradient(self, params: Params) -> Params:
        """Return ∂Ω/∂params, like ``params`` in structure, shapes and dtypes. By hand."""
        raise NotImplementedError(f"{type(self).__name__} has no gradient")

    def acts_on(self, params: Params) -> bool:
        """Return whether the penalty acts on one of the parameters, by default True. Training warns where it does not.

        A penalty that finds its parameters by their names overrides it.
        """
        return True

    def __add__(self, other: "Penalty") -> "Penalty":
        if not isinstance(other, Penalty):
            return NotImplemented
        return _Sum((*_terms(self), *_terms(other)))


class _Sum(Penalty):
    """The sum of penalties: Ω = Ω₁ + Ω₂ + …, ∂Ω = ∂Ω₁ + ∂Ω₂ + …."""

    terms: tuple[Penalty, ...]

    def __repr__(self) -> str:
        return " + ".join(map(repr, self.terms))

    def acts_on(self, params: Params) -> bool:
        """Return whether each term acts on one of the parameters."""
        return all(term.acts_on(params) for term in self.terms)

    def value(self, params: Params) -> jax.Array:
        """Return Ω₁ + Ω₂ + …."""
        first, *rest = (term.value(params) for term in self.terms)
        return sum(rest, start=first)

    def gradient(self, params: Params) -> Params:
        """Return ∂Ω₁ + ∂Ω₂ + …."""
        return jax.tree.map(lambda *each: sum(each[1:], start=each[0]), *(term.gradient(params) for term in self.terms))


def _terms(penalty: Penalty) -> tuple[Penalty, ...]:
    return penalty.terms if isinstance(penalty, _Sum) else (penalty,)


class _Norm(Penalty):
    """A penalty s ‖w‖ of every weight w; a subclass defines the norm and its derivative."""

    strength: Any  # s: a number, or an array () while a program is traced

    def norm(self, w: jax.Array) -> jax.Array:
        """Return ‖w‖, a scalar."""
        raise NotImplementedError(f"{type(self).__name__} has no norm")

    def derivative(self, w: jax.Array) -> jax.Array:
        """Return ∂‖w‖/∂w."""
        raise NotImplementedError(f"{type(self).__name__} has no derivative")

    def acts_on(self, params: Params) -> bool:
        """Return whether there is a weight among the parameters; True where no parameter is floating."""
        leaves = jax.tree.leaves_with_path(params)
        is_floating = [jnp.issubdtype(leaf.dtype, jnp.floating) for _, leaf in leaves if hasattr(leaf, "dtype")]
        return not any(is_floating) or any(_is_weight(path) for path, _ in leaves)

    def value(self, params: Params) -> jax.Array:
        """Return s Σ ‖w‖ over the weights."""
        self._check(params)
        dtype = accumulator_dtype(params_dtype(params))
        total = jnp.zeros((), dtype)
        for path, leaf in jax.tree.leaves_with_path(params):
            if _is_weight(path):
                total += self.norm(self._wide(leaf)).astype(dtype)
        return jnp.asarray(as_dtype(self, "strength", self.strength, dtype), dtype) * total

    def gradient(self, params: Params) -> Params:
        """Return s ∂‖w‖/∂w for the weights, and 0 for the other parameters."""
        self._check(params)

        def of_leaf(path: tuple[Any, ...], leaf: jax.Array) -> jax.Array:
            if not _is_weight(path):
                return jnp.zeros_like(leaf)
            w = self._wide(leaf)
            strength = as_dtype(self, "strength", self.strength, w.dtype)
            return (jnp.asarray(strength, w.dtype) * self.derivative(w)).astype(leaf.dtype)

        return jax.tree.map_with_path(of_leaf, params)

    def _check(self, params: Params) -> None:
        check_is_no_result(self.name, params)
        check_arrays(self.name, "params", params)
        if not self.acts_on(params) and all(map(is_concrete, jax.tree.leaves(params))):  # training says so itself
            warn_of_idleness(self.name, self)

    def _wide(self, weight: jax.Array) -> jax.Array:
        weight = floating_array(self, "weight", weight)
        return weight.astype(accumulator_dtype(weight.dtype))


def warn_of_idleness(where: str, penalty: Penalty) -> None:
    """Warn that a penalty acts on none of the parameters that it was given."""
    remedy = "weights are the fields named weight of a NamedTuple or dataclass, as in fn.DenseParams"
    warnings.warn(f"{where}: {penalty} finds no weights in the parameters: {remedy}", UserWarning, stacklevel=outside())


def _is_weight(path: tuple[Any, ...]) -> bool:
    """Return whether a leaf is in a field named ``weight``."""
    return bool(path) and isinstance(path[-1], jax.tree_util.GetAttrKey) and path[-1].name == "weight"


class _L2(_Norm):
    name = "l2"

    def norm(self, w: jax.Array) -> jax.Array:
        """Return ½ Σ w²."""
        return 0.5 * jnp.sum(w**2)

    def derivative(self, w: jax.Array) -> jax.Array:
        """Return w."""
        return w


class _L1(_Norm):
    name = "l1"

    def norm(self, w: jax.Array) -> jax.Array:
        """Return Σ |w| as Σ w sign w, whose automatic derivative at 0 is 0, while that of ``jnp.abs`` is 1."""
        return jnp.sum(w * jnp.sign(w))

    def derivative(self, w: jax.Array) -> jax.Array:
        """Return sign w, with sign 0 = 0."""
        return jnp.sign(w)


def l2(strength: float | jax.Array) -> Penalty:
    """Return the penalty ½ s Σ w² over the weights, with gradient s w: weight decay. s = ``strength`` ≥ 0.

    Raises ``TypeError`` or ``ValueError`` unless the strength is a finite number of at least 0. Nielsen (2015),
    chapter 3, on L2 regularization, with s = λ/n.

    >>> import funcnet as fn
    >>> penalty, params = fn.l2(0.1), fn.DenseParams(weight=jnp.array([[3.0, -4.0]]), bias=jnp.array([5.0]))
    >>> penalty.value(params)
    Array(1.25, dtype=float32)
    >>> penalty.gradient(params)
    DenseParams(weight=Array([[ 0.3, -0.4]], dtype=float32), bias=Array([0.], dtype=float32))
    """
    return _L2(_checked("l2", strength))


def l1(strength: float | jax.Array) -> Penalty:
    """Return the penalty s Σ |w| over the weights, with gradient s sign w, which drives weights to 0. s ≥ 0.

    At w = 0 every slope in [−s, s] is a subgradient. The hand-written and the automatic gradient are 0 there, so that a
    weight at 0 stays 0; the right-hand convention of the activations would push it away. Raises ``TypeError`` or
    ``ValueError`` unless the strength is a finite number of at least 0. Tibshirani, "Regression Shrinkage and Selection
    via the Lasso" (1996); Nielsen (2015), chapter 3, on L1 regularization, with s = λ/n.

    >>> import funcnet as fn
    >>> penalty, params = fn.l1(0.1), fn.DenseParams(weight=jnp.array([[3.0, 0.0, -4.0]]), bias=jnp.array([5.0]))
    >>> penalty.value(params)
    Array(0.7, dtype=float32)
    >>> penalty.gradient(params).weight
    Array([[ 0.1,  0. , -0.1]], dtype=float32)
    >>> fn.l1(0.1) + fn.l2(0.01)
    l1(0.1) + l2(0.01)
    """
    return _L1(_checked("l1", strength))


def _checked(where: str, strength: Any) -> Any:
    """Return a strength that is a finite number of at least 0: as a float, which is hashable, unless it is a tracer."""
    check_number(where, "strength", strength, lambda s: (s >= 0) & np.isfinite(s), "to be finite and at least 0")
    return float(np.asarray(strength)) if is_concrete(strength) else strength
