"""Reading of JAX programs (jaxprs): what an equation calls, what a variable's value is, and which equations are known.

For rooms that run a function's program by rules of their own, the numerical gradients and the computation graph, and
for training, which looks at what a loop computes. The operations of JAX change with its versions: one is new, or a
parameter of one has another name. A reader that does not know an equation refuses it by name, with ``NoRuleError``.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jax.extend.core import Literal, jaxpr_as_fun

# The names of the parameters with which each operation is known, on JAX 0.10 to 0.12. An operation is known with one
# of its rows exactly: a parameter that is new, missing or renamed may change what the operation computes.
_PARAMETERS = (
    (  # none
        "",
        "abs acos acosh add add_any and asin asinh atan atan2 atanh ceil cholesky clamp copy digamma div "
        "dynamic_update_slice cosh eq erf erf_inv erfc floor ge gt is_finite le lgamma lt lu max min ne neg nextafter "
        "not one_minus_square optimization_barrier or polynomial pow random_fold_in random_unwrap rem "
        "select_n shift_left shift_right_arithmetic shift_right_logical sign sinh square stop_gradient sub xor",
    ),
    ("accuracy", "cbrt cos erfc exp exp2 expm1 log log1p log2 logistic rsqrt sin sqrt tan tanh"),
    ("axes", "reduce_and reduce_max reduce_min reduce_or reduce_prod"),
    ("axes index_dtype", "argmax argmin"),
    ("axes out_sharding", "reduce_max reduce_min reduce_sum"),
    ("axis", "stack unstack"),
    ("axis k", "top_k"),
    ("axis is_stable k", "top_k"),
    ("axis reverse", "cumlogsumexp cummax cummin cumprod cumsum"),
    ("axis sizes", "split"),
    ("base_dilation padding window_dilation window_dimensions window_strides", "reduce_window_sum"),
    ("bit_width shape", "random_bits"),
    ("body_jaxpr body_nconsts cond_jaxpr cond_nconsts", "while"),
    ("branches", "cond"),
    ("broadcast_dimensions shape sharding", "broadcast_in_dim"),
    ("bwd call_jaxpr fwd_jaxpr_thunk num_consts out_trees symbolic_zeros", "custom_vjp_call"),
    ("call_jaxpr", "closed_call eval_jaxpr"),
    ("call_jaxpr jvp_jaxpr_fun num_consts symbolic_zeros", "custom_jvp_call"),
    (
        "compiler_options_kvs ctx_mesh donated_invars in_layouts in_shardings inline jaxpr keep_unused name "
        "out_layouts out_shardings",
        "jit",
    ),
    ("conjugate_a left_side lower transpose_a unit_diagonal", "triangular_solve"),
    ("context_mesh layout sharding unconstrained_dims", "sharding_constraint"),
    ("copy_semantics devices srcs", "device_put"),
    ("differentiated jaxpr policy prevent_cse", "remat2"),
    ("dimension", "concatenate"),
    ("dimension dtype shape sharding", "iota"),
    ("dimension is_stable num_keys", "sort"),
    ("dimension_numbers fill_value indices_are_sorted mode slice_sizes unique_indices", "gather"),
    ("dimension_numbers indices_are_sorted mode unique_indices update_consts update_jaxpr", "scatter scatter-add"),
    ("dimension_numbers out_sharding precision preferred_element_type", "dot_general"),
    (
        "batch_group_count dimension_numbers feature_group_count lhs_dilation out_sharding padding precision "
        "preferred_element_type rhs_dilation window_strides",
        "conv_general_dilated",
    ),
    ("dimensions", "rev squeeze"),
    ("dimensions new_sizes sharding", "reshape"),
    ("exponent_bits mantissa_bits", "reduce_precision"),
    ("fft_lengths fft_type", "fft"),
    ("ft_in ft_out jaxpr length reverse unroll", "scan"),
    ("impl", "random_seed random_wrap"),
    ("jaxpr length num_carry num_consts reverse unroll", "scan"),
    ("limit_indices start_indices strides", "slice"),
    ("name", "name"),
    ("new_dtype", "bitcast_convert_type"),
    ("new_dtype sharding weak_type", "convert_element_type"),
    ("out_dtype", "mul"),
    ("padding_config", "pad"),
    ("permutation", "transpose"),
    ("reps", "tile"),
    ("rounding_method", "round"),
    ("shape", "random_split"),
    ("slice_sizes", "dynamic_slice"),
    ("unroll", "polynomial"),
    ("y", "integer_pow"),
)
KNOWN = {(name, frozenset(parameters.split())) for parameters, names in _PARAMETERS for name in names.split()}

# Primitives that call another program, and the parameter that holds it.
CALLS = {
    "jit": "jaxpr",
    "remat2": "jaxpr",
    "closed_call": "call_jaxpr",
    "eval_jaxpr": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
}


CONTROL = {"scan", "while", "cond"}  # primitives that run programs as often, or run the one, that they are told to


class NoRuleError(NotImplementedError):
    """An operation of a program that is not known, or not with these parameters, where a rule of its own is needed.

    >>> import funcnet as fn
    >>> import jax.numpy as jnp
    >>> graph = fn.graph.trace(lambda x: jnp.sum(jnp.linalg.cholesky(x)), jnp.eye(2))
    >>> graph.backward(graph.forward(jnp.eye(2)))
    Traceback (most recent call last):
    funcnet.programs.NoRuleError: graph: expected an operation with a hand-written local derivative, got
    cholesky in operation 3 (v4 = cholesky(v3))
    """


def is_known(equation: Any) -> bool:
    """Return whether an equation's operation is known with exactly these parameters."""
    return (equation.primitive.name, frozenset(equation.params)) in KNOWN


def name_of(equation: Any) -> str:
    """Return the operation's name, with its parameters where it is known with others alone.

    >>> import jax
    >>> (equation,) = jax.make_jaxpr(jax.lax.neg)(1.0).eqns
    >>> name_of(equation), name_of(equation.replace(params={"hue": 3}))
    ('neg', 'neg with the parameters hue')
    """
    name = equation.primitive.name
    if is_known(equation) or all(known != name for known, _ in KNOWN):
        return name
    return f"{name} with the parameters {', '.join(sorted(equation.params)) or 'none'}"


def called_program(equation: Any) -> tuple[Any, Sequence[Any]] | None:
    """Return the program and the constants that an equation calls, None where it is an operation of its own.

    >>> import jax
    >>> (equation,) = jax.make_jaxpr(jax.jit(lambda x: 2 * x))(1.0).eqns
    >>> jaxpr, consts = called_program(equation)
    >>> [inner.primitive.name for inner in jaxpr.eqns]
    ['mul']
    """
    if equation.primitive.name not in CALLS or not is_known(equation):
        return None
    called = equation.params[CALLS[equation.primitive.name]]
    return getattr(called, "jaxpr", called), getattr(called, "consts", ())


def run(equation: Any, *inputs: Any) -> Any:
    """Return what an equation's operation computes: an array, or a list of them where it has several results.

    JAX differentiates it as it does the operation, by the function's own rule where it has one.
    """
    return equation.primitive.bind(*inputs, **equation.primitive.get_bind_params(equation.params))


class Scan(NamedTuple):
    """A loop of a known number of turns (``jax.lax.scan``)."""

    body: Callable[..., Sequence[Any]]  # (*consts, *carry, *row) -> [*carry, *row of the results]
    result_avals: Sequence[Any]  # of the body
    consts: int  # how many of the operands stay
    carried: int  # how many of the operands after them are carried from turn to turn
    turns: Sequence[int]  # in the order in which they are run


def scan_of(equation: Any) -> Scan | None:
    """Return the parts of a loop of a known number of turns, None where the equation is no such loop or not known."""
    if equation.primitive.name != "scan" or not is_known(equation):
        return None
    params = equation.params
    if "ft_in" in params:  # JAX 0.11 and later keep the operands' structure
        consts, carried, _ = map(len, params["ft_in"].unpack())
    else:
        consts, carried = params["num_consts"], params["num_carry"]
    turns = range(params["length"])
    program = params["jaxpr"]
    return Scan(jaxpr_as_fun(program), program.out_avals, consts, carried, turns[::-1] if params["reverse"] else turns)


def operations(jaxpr: Any) -> Iterator[Any]:
    """Yield the equations of a program that are operations of their own, also within its calls, loops and branches.

    >>> import jax
    >>> program = jax.make_jaxpr(lambda x: jax.lax.fori_loop(0, 3, lambda _, x: 2 * x, x))(1.0)
    >>> sorted({operation.primitive.name for operation in operations(program.jaxpr)})
    ['add', 'mul']
    """
    for equation in jaxpr.eqns:
        programs = inner_programs(equation)
        if not programs or equation.primitive.name not in CONTROL | set(CALLS):
            yield equation
        else:
            for program in programs:
                yield from operations(program)


def inner_programs(equation: Any) -> list[Any]:
    """Return all programs among an equation's parameters."""
    groups = (value if isinstance(value, tuple | list) else (value,) for value in equation.params.values())
    parts = [getattr(each, "jaxpr", each) for group in groups for each in group]
    return [part for part in parts if hasattr(part, "eqns")]


def literal(variable: Any) -> np.ndarray | None:
    """Return the value that is written into a program in a variable's place, None for a variable."""
    if not isinstance(variable, Literal):
        return None
    aval: Any = variable.aval
    return np.asarray(variable.val, aval.dtype)


def reader(values: dict[Any, Any]) -> Callable[[Any], Any]:
    """Return the function that gives a variable's or a literal's value."""

    def read(variable: Any) -> Any:
        value = literal(variable)
        return values[variable] if value is None else value

    return read
