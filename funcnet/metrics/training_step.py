"""What is recorded of training steps, rather than of predictions: the learning rate and the gradients' norm."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import accumulator_dtype, check_arrays
from ..configuration import Configuration, name_or_call
from ..errors import message


class StepMetric(Configuration):
    """The contract of a number of a training step, of which the history records the mean over an epoch.

    In that mean each step counts as much as its samples do, so that a partial last batch counts less.

    It stands among the metrics of a training, and has no value of the validation data. To define one, subclass this
    and write ``of_step``, a pure function. In histories it has its ``name``, by default the class's name.

    >>> import funcnet as fn, jax.numpy as jnp
    >>> class LargestGradient(fn.metrics.StepMetric):
    ...     def of_step(self, gradients, optimizer_state):
    ...         return jnp.max(jnp.array([jnp.max(jnp.abs(g)) for g in jax.tree.leaves(gradients)]))
    >>> x = jnp.ones((4, 1))
    >>> result = fn.fit(fn.mlp([1, 1]), fn.quadratic, fn.sgd(0.1), (x, 3 * x), key=jax.random.key(0), epochs=2,
    ...                 metrics=[LargestGradient(), fn.metrics.learning_rate], progress=False)
    >>> list(result.history), result.history["learning_rate"]
    (['loss', 'LargestGradient', 'learning_rate'], array([0.1, 0.1], dtype=float32))
    """

    described_as: ClassVar[str] = "a number of a step, such as fn.metrics.learning_rate"

    __repr__ = name_or_call

    @property
    def history_name(self) -> str:
        """The name of the values in histories."""
        return getattr(self, "name", type(self).__name__)

    def of_step(self, gradients: Any, optimizer_state: Any) -> jax.Array:
        """Return the number of one step: ().

        Args:
            gradients: of the batch's cost, a pytree like the parameters.
            optimizer_state: the optimizer's state before the step.
        """
        raise NotImplementedError(f"{type(self).__name__} has no of_step")


class LearningRate(StepMetric):
    """The learning rate of a step, which a schedule may change.

    It is the ``learning_rate`` in the optimizer's state, at any depth; optax keeps one there with
    ``inject_hyperparams`` only. Raises ``ValueError`` unless there is exactly one.

    >>> import funcnet as fn
    >>> state = fn.chain(fn.clip_by_value(1.0), fn.sgd(fn.schedules.exponential(0.1, 0.5, 1))).init(jnp.ones(2))
    >>> fn.metrics.learning_rate.of_step(jnp.ones(2), state)
    Array(0.1, dtype=float32)
    """

    name = "learning_rate"

    def of_step(self, gradients: Any, optimizer_state: Any) -> jax.Array:
        """Return the learning rate."""
        found = list(_learning_rates(optimizer_state))
        if len(found) != 1:
            raise ValueError(message(self, "one learning_rate in the optimizer's state", len(found)))
        rate = jnp.asarray(found[0])
        return rate if jnp.issubdtype(rate.dtype, jnp.floating) else rate.astype(jnp.float32)


def _learning_rates(state: Any) -> Any:
    """Yield the learning rates in an optimizer's state; a schedule is called with the number of steps taken."""
    fields = (
        state._asdict()
        if isinstance(state, tuple) and hasattr(state, "_asdict")
        else state
        if isinstance(state, dict)
        else {}
    )
    rate = fields.get("learning_rate")
    if rate is not None and not isinstance(rate, tuple | dict):  # optax keeps a schedule's state under that name too
        yield rate(fields["step"]) if callable(rate) else rate
    children = [value for name, value in fields.items() if name != "learning_rate"]
    children += list(state) if isinstance(state, tuple) and not fields else []
    for child in children:
        yield from _learning_rates(child)


class GradientNorm(StepMetric):
    """The Euclidean norm of all gradients of a step together, before the optimizer clips or scales them.

    Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks" (2013), section 3.2.

    >>> import funcnet as fn
    >>> fn.metrics.gradient_norm.of_step({"w": jnp.array([3.0]), "b": jnp.array([4.0])}, None)
    Array(5., dtype=float32)
    """

    name = "gradient_norm"

    def of_step(self, gradients: Any, optimizer_state: Any) -> jax.Array:
        """Return √(Σ g²) = m √(Σ (g/m)²) over all gradients of a floating dtype, with m the largest |g|.

        So no square overflows, and not all of them vanish.
        """
        check_arrays(self, "gradients", gradients)
        leaves = [g for g in jax.tree.leaves(gradients) if jnp.issubdtype(g.dtype, jnp.floating) and g.size]
        if not leaves:
            return jnp.zeros(())
        dtype = np.result_type(*(accumulator_dtype(g.dtype) for g in leaves))
        leaves = [g.astype(dtype) for g in leaves]
        largest = jnp.max(jnp.stack([jnp.max(jnp.abs(g)) for g in leaves]))
        m = jnp.where((largest > 0) & jnp.isfinite(largest), largest, jnp.ones((), dtype))
        return m * jnp.sqrt(sum((jnp.sum(jnp.square(g / m)) for g in leaves), start=jnp.zeros((), dtype)))


learning_rate = LearningRate()
gradient_norm = GradientNorm()
