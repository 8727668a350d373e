"""Single neurons, and circuits built from them.

- The perceptron: ``perceptron``, ``train_perceptron``, ``novikoff_bound``, ``separable_samples``.
- Logic from NAND alone: ``nand``, ``not_``, ``and_``, ``or_``, ``xor``.
- Adders from NAND alone: ``half_adder``, ``full_adder``, ``ripple_carry_adder``, ``add``; ``to_bits``, ``from_bits``,
  ``nand_count``, ``gates_of``.
- The linear neuron and its closed forms: ``linear_neuron``, ``from_two_points``, ``from_points``, ``least_squares``.
- ``neuron``: a neuron with any activation, as a network.

The parameters of one neuron, or of several in parallel, are ``fn.DenseParams``: weight (units, inputs) and bias
(units,). So the closed forms return parameters for ``fn.Dense`` and for the network that ``neuron`` returns.
"""

from .arithmetic import add, from_bits, full_adder, gates_of, half_adder, nand_count, ripple_carry_adder, to_bits
from .learning import PerceptronResult, novikoff_bound, separable_samples, train_perceptron
from .linear import SingularError, from_points, from_two_points, least_squares, linear_neuron
from .logic import and_, nand, not_, or_, xor
from .networks import neuron
from .threshold import perceptron

__all__ = [
    "PerceptronResult",
    "SingularError",
    "add",
    "and_",
    "from_bits",
    "from_points",
    "from_two_points",
    "full_adder",
    "gates_of",
    "half_adder",
    "least_squares",
    "linear_neuron",
    "nand",
    "nand_count",
    "neuron",
    "not_",
    "novikoff_bound",
    "or_",
    "perceptron",
    "ripple_carry_adder",
    "separable_samples",
    "to_bits",
    "train_perceptron",
    "xor",
]
