"""Information theory: entropy, cross-entropy, the Kullback-Leibler divergence, and Huffman's code.

- ``entropy(p)``, ``binary_entropy(p)``, ``cross_entropy(p, q)`` and ``kl_divergence(p, q)`` are in bits, or in nats
  with ``unit="nats"``, of distributions along the last axis. They take (p, q), of which p is the true distribution,
  while a loss such as ``fn.kl_divergence`` takes (output, target).
- ``empirical(labels, classes)`` is the distribution of samples.
- ``differential_entropy(density, low, high)`` is −∫ p log p by quadrature, ``estimated_differential_entropy(samples)``
  an estimate of it, and ``Normal``, ``Uniform`` and ``Exponential`` have it in closed form.
- ``huffman(weights)`` is the prefix-free code of the smallest mean length.

Shannon, "A Mathematical Theory of Communication" (1948).
"""

from .coding import HuffmanCode, huffman
from .differential import Density, Exponential, Normal, Uniform, differential_entropy, estimated_differential_entropy
from .measures import binary_entropy, cross_entropy, empirical, entropy, kl_divergence

__all__ = [
    "Density",
    "Exponential",
    "HuffmanCode",
    "Normal",
    "Uniform",
    "binary_entropy",
    "cross_entropy",
    "differential_entropy",
    "empirical",
    "entropy",
    "estimated_differential_entropy",
    "huffman",
    "kl_divergence",
]
