"""What an equation of a JAX program holds: the program that it calls, the loop that it runs, all programs within."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from .known import is_known

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


def jaxpr_and_consts(program: Any) -> tuple[Any, Sequence[Any]]:
    """Return the jaxpr and the constants of a program, which some versions of JAX keep in one object."""
    return getattr(program, "jaxpr", program), getattr(program, "consts", ())


def called_program(equation: Any) -> Any:
    """Return the program that an equation calls, None where the equation is no call or not known.

    >>> import jax
    >>> (equation,) = jax.make_jaxpr(jax.jit(lambda x: 2 * x))(1.0).eqns
    >>> [inner.primitive.name for inner in called_program(equation).eqns]
    ['mul']
    """
    return equation.params[CALLS[equation.primitive.name]] if _is_one_of(CALLS, equation) else None


def called_name(equation: Any) -> str | None:
    """Return the name of the function that an equation calls, None where the equation is no call or not known."""
    called = called_program(equation)
    return None if called is None else jaxpr_and_consts(called)[0].debug_info.func_name


class Scan(NamedTuple):
    """A loop of a known number of turns (``jax.lax.scan``)."""

    body: Any  # the program of one turn: (*consts, *carry, *row) -> [*carry, *row of the results]
    consts: int  # the number of operands that stay the same
    carried: int  # the number of operands after them that are carried from turn to turn
    length: int
    reverse: bool  # whether the last row comes first

    @property
    def turns(self) -> Sequence[int]:
        """The rows' places in the order in which they are used."""
        turns = range(self.length)
        return turns[::-1] if self.reverse else turns

    def split(self, operands: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
        """Return the constants, the first carry and the arrays of rows among the loop's operands."""
        rest = self.consts + self.carried
        return operands[: self.consts], operands[self.consts : rest], operands[rest:]


def scan_of(equation: Any) -> Scan | None:
    """Return the parts of a loop of a known number of turns, None where the equation is no such loop or not known."""
    if not _is_one_of({"scan"}, equation):
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
    for equation in jaxpr_and_consts(program)[0].eqns:
        yield equation, within
        for inner in _inner_programs(equation):
            yield from walk(inner, (*within, equation))


def operations(program: Any, opened: Collection[str] = CONTROL | set(CALLS)) -> Iterator[Any]:
    """Yield the equations of a program that are operations, also those within calls, loops and branches of ``opened``.

    >>> import jax
    >>> program = jax.make_jaxpr(lambda x: jax.lax.fori_loop(0, 3, lambda _, x: 2 * x, x))(1.0)
    >>> sorted({operation.primitive.name for operation in operations(program)})
    ['add', 'mul']
    """
    for equation, within in walk(program):
        if not _is_one_of(opened, equation) and all(_is_one_of(opened, outer) for outer in within):
            yield equation


def _is_one_of(names: Collection[str], equation: Any) -> bool:
    return equation.primitive.name in names and is_known(equation)


def _inner_programs(equation: Any) -> list[Any]:
    """Return all programs among an equation's parameters."""
    groups = (value if isinstance(value, tuple | list) else (value,) for value in equation.params.values())
    return [each for group in groups for each in group if hasattr(jaxpr_and_consts(each)[0], "eqns")]
