"""How many multiply-adds a JAX program computes."""

import math
from typing import Any

from .equations import NoRuleError, called_program, inner_programs, is_known, name_of, rule_of, scan_of


def multiply_adds(program: Any) -> int:
    """Return how many multiply-adds the matrix products and convolutions of a program compute.

    One multiply-add is one product of two numbers that is added to a sum. A loop counts as often as it runs, and of
    several branches the largest counts. The products of a convolution with padding and with the zeros of a dilated
    input count too. No other operation counts: not a sum, nor an elementwise product.

    Raises ``NoRuleError`` for a loop of an unknown number of iterations with products in it, and for an operation that
    is not known and computes products.

    >>> import jax, jax.numpy as jnp
    >>> multiply_adds(jax.make_jaxpr(lambda a, b: jnp.tanh(a @ b))(jnp.ones((2, 3)), jnp.ones((3, 5))))
    30
    """
    return sum(map(_of_equation, program.eqns))


def _of_equation(equation: Any) -> int:
    if rule := rule_of(equation, {"dot_general": _of_dot, "conv_general_dilated": _of_convolution}):
        return rule(equation)
    if scan := scan_of(equation):
        return scan.length * multiply_adds(scan.body)
    if (called := called_program(equation)) is not None:
        return multiply_adds(called)
    name = equation.primitive.name
    if name == "cond" and is_known(equation):
        return max(map(multiply_adds, equation.params["branches"]))
    is_product = name == "conv_general_dilated" or "dot" in name or "matmul" in name
    if is_product or any(map(multiply_adds, inner_programs(equation))):
        raise NoRuleError(name_of(equation))
    return 0


def _of_dot(equation: Any) -> int:
    """Return the elements of the result, times the length of the sum that each of them is."""
    (contracted, _), _ = equation.params["dimension_numbers"]
    left, result = equation.invars[0].aval, equation.outvars[0].aval
    return result.size * math.prod(left.shape[axis] for axis in contracted)


def _of_convolution(equation: Any) -> int:
    """Return the elements of the result, times the elements of the kernel that belong to one channel of the result."""
    kernel, result = equation.invars[1].aval, equation.outvars[0].aval
    channels, *_ = equation.params["dimension_numbers"].rhs_spec
    return result.size * math.prod(size for axis, size in enumerate(kernel.shape) if axis != channels)
