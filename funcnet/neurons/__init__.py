"""Single neurons and what is made of them: perceptrons, logic out of NAND alone, perceptron learning, linear neurons.

The parameters of one neuron, or of a row of them, are ``fn.DenseParams``: weight (units, inputs) and bias (units,). So
what is computed here in closed form is at once the parameters of ``fn.Dense``, and of the network ``neuron`` returns.
"""

from .arithmetic import add as add
from .arithmetic import from_bits as from_bits
from .arithmetic import full_adder as full_adder
from .arithmetic import half_adder as half_adder
from .arithmetic import nand_count as nand_count
from .arithmetic import ripple_carry_adder as ripple_carry_adder
from .arithmetic import to_bits as to_bits
from .learning import PerceptronResult as PerceptronResult
from .learning import novikoff_bound as novikoff_bound
from .learning import separable_samples as separable_samples
from .learning import train_perceptron as train_perceptron
from .linear import SingularError as SingularError
from .linear import from_points as from_points
from .linear import from_two_points as from_two_points
from .linear import least_squares as least_squares
from .linear import linear_neuron as linear_neuron
from .logic import and_ as and_
from .logic import nand as nand
from .logic import not_ as not_
from .logic import or_ as or_
from .logic import xor as xor
from .neuron import neuron as neuron
from .perceptron import perceptron as perceptron

__all__ = [name for name in globals() if not name.startswith("_")]  # so that help(funcnet.neurons) tells all of them
