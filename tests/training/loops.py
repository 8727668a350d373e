"""A loop around any function, as small loops are compiled."""

import jax
from jax import lax

from funcnet.training.one_kernel import as_one_kernel


def looped(function, *operands):
    """Return whether a loop of three calls of a function on its first operand is one kernel, and how to run it."""

    def thrice(x, *rest):
        return as_one_kernel(lambda x: lax.fori_loop(0, 3, lambda _, x: function(x, *rest), x), x)

    program = jax.jit(thrice).lower(*operands)
    return 'xla_cpu_small_call = "true"' in program.as_text(), lambda: program.compile()(*operands)
