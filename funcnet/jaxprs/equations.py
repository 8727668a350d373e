"""What one equation of a JAX program (a jaxpr) holds: its operation, and the programs that it calls or repeats.

The operations of JAX change with its versions: one is new, or a parameter of one has another name. So an equation is
read only where its operation is known with exactly its parameters; every other one is refused by name, with
``NoRuleError``.
"""

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

Rule = TypeVar("Rule")

# The names of the parameters with which each operation is known, on JAX 0.10 to 0.12. An operation is known with one
# of its rows exactly: a parameter that is new, missing or renamed may change what the operation computes.
_PARAMETERS = (
    (  # none
        "",
        "abs acos acosh add add_any and asin asinh atan atan2 atanh ceil cholesky clamp complex copy digamma div "
        "dynamic_update_slice cosh eq erf erf_inv erfc floor ge gt imag is_finite le lgamma lt lu max min ne neg "
        "nextafter not one_minus_square optimization_barrier or polynomial pow random_fold_in random_unwrap real rem "
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
    ("call in_tree out_tree rule", "custom_vmap_call"),
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
    ("input_dtype", "conj"),
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


# Operations that call another program once, and the parameter that holds it.
CALLS = {
    "jit": "jaxpr",
    "remat2": "jaxpr",
    "closed_call": "call_jaxpr",
    "eval_jaxpr": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vmap_call": "call",
}
CONTROL = {"scan", "while", "cond"}  # operations that run a program several times, or one of several programs


class NoRuleError(NotImplementedError):
    """A program has an operation without a rule, or one that is not known with its parameters.

    >>> import funcnet as fn
    >>> import jax.numpy as jnp
    >>> graph = fn.graph.trace(lambda x: jnp.sum(jnp.linalg.cholesky(x)), jnp.eye(2))
    >>> graph.backward(graph.forward(jnp.eye(2)))
    Traceback (most recent call last):
    funcnet.jaxprs.equations.NoRuleError: graph: expected an operation with a hand-written local derivative, got
    cholesky in operation 3 (v4 = cholesky(v3))
    """


def is_known(equation: Any) -> bool:
    """Return whether an equation's operation is known with exactly these parameters."""
    return (equation.primitive.name, frozenset(equation.params)) in KNOWN


def name_of(equation: Any) -> str:
    """Return the operation's name, with its parameters where it is known with other parameters only.

    >>> import jax
    >>> (equation,) = jax.make_jaxpr(jax.lax.neg)(1.0).eqns
    >>> name_of(equation), name_of(equation.replace(params={"hue": 3}))
    ('neg', 'neg with the parameters hue')
    """
    name = equation.primitive.name
    if is_known(equation) or all(known != name for known, _ in KNOWN):
        return name
    return f"{name} with the parameters {', '.join(sorted(equation.params)) or 'none'}"


def rule_of(equation: Any, rules: Mapping[str, Rule]) -> Rule | None:
    """Return the rule of an equation's operation by its name, None where there is none or the equation is not known.

    >>> import jax
    >>> (equation,) = jax.make_jaxpr(jax.lax.neg)(1.0).eqns
    >>> rule_of(equation, {"neg": "minus"}), rule_of(equation.replace(params={"hue": 3}), {"neg": "minus"})
    ('minus', None)
    """
    return rules.get(equation.primitive.name) if is_known(equation) else None


def called_program(equation: Any) -> Any:
    """Return the program that an equation calls, None where the equation is no call or not known.

    >>> import jax
    >>> (equation,) = jax.make_jaxpr(jax.jit(lambda x: 2 * x))(1.0).eqns
    >>> [inner.primitive.name for inner in called_program(equation).eqns]
    ['mul']
    """
    parameter = rule_of(equation, CALLS)
    return None if parameter is None else equation.params[parameter]


def called_name(equation: Any) -> str | None:
    """Return the name of the function that an equation calls, None where the equation is no call or not known."""
    program = called_program(equation)
    return None if program is None else getattr(program, "jaxpr", program).debug_info.func_name


class Scan(NamedTuple):
    """A loop of a known number of iterations (``jax.lax.scan``)."""

    body: Any  # the program of one iteration: (*consts, *carry, *row) -> [*carry, *row of the results]
    consts: int  # the number of operands that stay the same
    carried: int  # the number of operands after them that are carried from one iteration to the next
    length: int
    reverse: bool  # whether the last row comes first

    def split(self, operands: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
        """Return the constants, the first carry and the arrays of rows among the loop's operands."""
        rest = self.consts + self.carried
        return operands[: self.consts], operands[self.consts : rest], operands[rest:]


def scan_of(equation: Any) -> Scan | None:
    """Return the parts of a loop of a known number of iterations, None where the equation is another or not known."""
    if equation.primitive.name != "scan" or not is_known(equation):
        return None
    params = equation.params
    if "ft_in" in params:  # JAX 0.11 and later keep the operands' structure
        consts, carried, _ = map(len, params["ft_in"].unpack())
    else:
        consts, carried = params["num_consts"], params["num_carry"]
    return Scan(params["jaxpr"], consts, carried, params["length"], params["reverse"])


def walk(program: Any, within: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Yield all equations of a program and of the programs within, each with the equations around it, outermost first.

    >>> import jax
    >>> program = jax.make_jaxpr(jax.jit(lambda x: 2 * x))(1.0)
    >>> [(equation.primitive.name, len(within)) for equation, within in walk(program)]
    [('jit', 0), ('mul', 1)]
    """
    for equation in program.eqns:
        yield equation, within
        for inner in inner_programs(equation):
            yield from walk(inner, (*within, equation))


def inner_programs(equation: Any) -> Iterator[Any]:
    """Yield the programs that an equation holds: the one that it calls, the parts of a loop, the branches."""
    for value in equation.params.values():
        for inner in value if isinstance(value, tuple | list) else (value,):
            if hasattr(inner, "eqns"):
                yield inner


def fingerprint(program: Any) -> str:
    """Return a text that two programs share if they compute the same in the same way, with the same constants.

    >>> import jax
    >>> one, other = (jax.make_jaxpr(lambda x, k=k: k * x)(1.0) for k in (1.0, 3.0))
    >>> fingerprint(one) == fingerprint(one), fingerprint(one) == fingerprint(other)
    (True, False)
    """
    found = hashlib.blake2b(without_addresses(str(program)).encode())
    for each in (program, *(inner for equation, _ in walk(program) for inner in inner_programs(equation))):
        for constant in getattr(each, "consts", ()):
            is_key = not isinstance(getattr(constant, "dtype", None), np.dtype)
            found.update(str(constant).encode() if is_key else np.asarray(constant).tobytes())
    return found.hexdigest()


def without_addresses(text: str) -> str:
    """Return a text without the addresses of objects, which differ between two of the same kind."""
    return re.sub("0x[0-9a-f]+", "", text)


def operations(program: Any, opened: Collection[str] = CONTROL | set(CALLS)) -> Iterator[Any]:
    """Yield the equations of a program that are operations, also those within calls, loops and branches of ``opened``.

    >>> import jax
    >>> program = jax.make_jaxpr(lambda x: jax.lax.fori_loop(0, 3, lambda _, x: 2 * x, x))(1.0)
    >>> sorted({operation.primitive.name for operation in operations(program)})
    ['add', 'mul']
    """
    for equation, within in walk(program):
        *outer_are_open, is_open = (each.primitive.name in opened and is_known(each) for each in (*within, equation))
        if all(outer_are_open) and not is_open:
            yield equation
