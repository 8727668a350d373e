"""Information theory: entropy, cross-entropy, the Kullback-Leibler divergence, and the code that comes nearest to them.

Entropies are in bits, or in nats with ``unit="nats"``, of distributions along the last axis, and of samples through
``empirical``. Shannon, "A Mathematical Theory of Communication" (1948).
"""

from .huffman import HuffmanCode as HuffmanCode
from .huffman import huffman as huffman
from .measures import binary_entropy as binary_entropy
from .measures import cross_entropy as cross_entropy
from .measures import empirical as empirical
from .measures import entropy as entropy
from .measures import kl_divergence as kl_divergence
