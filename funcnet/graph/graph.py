"""The computation graph of a function: run forward with every value kept, and back with every derivative kept."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..drawing import Layout, dot_of, layout_of, svg_of
from ..errors import DtypeError, ShapeError, message
from .accumulation import Values, active, edges, forward, reverse, run, varying
from .display import CAPTION, nodes_and_edges, table
from .nodes import Program, Variable, names_in
from .tracing import argument_names, program_of


class Counts(NamedTuple):
    """What the derivatives of one output in P parameters cost, in local derivatives: see ``Graph.counts``."""

    operations: int  # N: those on a way from a parameter to the output
    parameters: int  # P: numbers, the elements of arrays each by itself
    reverse: int  # local derivatives that reverse mode uses, in its one sweep
    forward: int  # local derivatives that forward mode uses, in its P sweeps


@dataclass(frozen=True, eq=False, repr=False)
class Graph(Program):
    """A function's computation graph, which ``trace`` makes: variables and operations, and nothing hidden.

    ``variables`` are the ``Variable`` nodes by name, ``operations`` the ``Operation`` nodes in the order of the run,
    ``inputs`` the names of the arguments' leaves and ``outputs`` those of the results. All methods are pure, and may
    be used under ``jax.jit`` and ``jax.vmap``.

    >>> import funcnet as fn
    >>> from jax.ad_checkpoint import checkpoint_name
    >>> def cost(w, x, b, y):
    ...     d = checkpoint_name(w * x + b - y, "d")
    ...     return checkpoint_name(0.5 * d**2, "J")
    >>> graph = fn.graph.trace(cost, 2.0, -2.0, 8.0, 2.0)
    >>> print(graph)
    v1 = mul(w, x)
    v2 = add(v1, b)
    d = sub(v2, y)
    v3 = integer_pow(d, 2)
    J = mul(0.5, v3)
    >>> values = graph.forward(2.0, -2.0, 8.0, 2.0)
    >>> derivatives = graph.backward(values)
    >>> [f"{name}: {values[name]}, {derivatives[name]}" for name in ("J", "d", "b", "w")]
    ['J: 2.0, 1.0', 'd: 2.0, 2.0', 'b: 8.0, 2.0', 'w: 2.0, -4.0']
    """

    arguments: Any  # the structure of the arguments
    result: Any  # the structure of what the function returns

    def __str__(self) -> str:
        return "\n".join(map(str, self.operations))

    def __repr__(self) -> str:
        return f"<Graph of {len(self.variables)} variables and {len(self.operations)} operations>"

    def forward(self, *arguments: Any) -> Values:
        """Run the function and return the value of every variable, by name.

        The arguments are like those that were traced; ``TypeError``, ``ShapeError`` and ``DtypeError`` where not.
        """
        leaves, structure = jax.tree.flatten(arguments)
        if structure != self.arguments:
            raise TypeError(message("graph.forward", f"arguments of the structure {self.arguments}", structure))
        return run(self, [_like(self.variables[name], leaf) for name, leaf in zip(self.inputs, leaves, strict=True)])

    def output(self, values: Values) -> Any:
        """Return what the function returns, from the values of a run."""
        return self.result.unflatten([values[each] if isinstance(each, str) else each for each in self.outputs])

    def backward(
        self, values: Values, seeds: Mapping[str, Any] | None = None, *, inputs: Iterable[str] | None = None
    ) -> Values:
        """Return ∂J/∂v for every variable v that varies with the inputs, by name: reverse accumulation.

        J is the function's one scalar result, whose own derivative is 1; for another result give ``seeds``, the
        derivatives of J in outputs by name, of their shapes and dtypes. With v̄ = ∂J/∂v, from the last operation to the
        first,

            ūⱼ = Σᵢ (∂vᵢ/∂uⱼ)ᵀ v̄ᵢ   over the results vᵢ of the operations that use uⱼ,

        each local derivative by hand, used once. ``inputs`` names the inputs to which the derivative is wanted; all
        floating ones where it is None. Variables without influence on J have a derivative of 0; integers, booleans,
        keys and what does not vary with the inputs have none. At a kink the derivative is what ``jax.grad`` takes.

        Raises ``NoRuleError`` where an operation between an input and J has no local derivative here, ``ValueError``
        for unknown names and where J is not one real number. Linnainmaa (1976); Griewank, Walther (2008),
        section 3.2.
        """
        chosen_inputs = self._checked_inputs(inputs)
        seeds = self._seeds(seeds)
        chosen = active(self, chosen_inputs, seeds)
        found = reverse(self, chosen, values, {name: seed for name, seed in seeds.items() if name in chosen})
        varies = varying(self, chosen_inputs)
        rest = {name: seeds.get(name, jnp.zeros_like(values[name])) for name in varies if name not in found}
        return {name: (found | rest)[name] for name in self.variables if name in varies}

    def gradients(self, derivatives: Values) -> tuple[Any, ...]:
        """Return the derivatives in the inputs laid out as the arguments are; None in the place of those without."""
        return self.arguments.unflatten([derivatives.get(name) for name in self.inputs])

    def tangents(self, values: Values, changes: Mapping[str, Any]) -> Values:
        """Return how every variable between inputs and outputs changes with the inputs: forward accumulation.

        ``changes`` gives the direction u̇ by the inputs' names, of their shapes and dtypes; all others stay. From the
        first operation to the last, v̇ᵢ = Σⱼ (∂vᵢ/∂uⱼ) u̇ⱼ. Griewank, Walther (2008), section 3.1.
        """
        chosen = active(self, self._checked_inputs(changes), names_in(self.outputs))
        seeds = {name: _like(self.variables[name], change) for name, change in changes.items()}
        return forward(self, chosen, values, {name: seed for name, seed in seeds.items() if name in chosen})

    def counts(self, inputs: Iterable[str] | None = None) -> Counts:
        """Return how many local derivatives ∂v/∂u the derivatives in P parameters take, over N operations.

        One sweep of reverse mode (``backward``) gives them all and uses every local derivative on the way once: where
        each variable is used once, that is N + P − 1, and with the output's own derivative, 1, it is N + P. One sweep
        of forward mode (``tangents``) gives the derivative in one parameter, and uses one local derivative at least
        of every operation after it: with P sweeps, N × P where all operations come after all parameters, and of that
        order elsewhere. ``inputs`` names the parameters; all floating inputs where it is None. The cheap gradient
        principle: Baur, Strassen (1983); Griewank, Walther (2008), section 3.3.
        """
        names = self._checked_inputs(inputs)
        outputs = list(names_in(self.outputs))
        chosen = active(self, names, outputs)
        used = list(edges(self, chosen))
        sweeps = {name: len(list(edges(self, active(self, [name], outputs)))) for name in names}
        return Counts(
            operations=len({operation.place for operation, *_ in used}),
            parameters=sum(self.variables[name].size for name in names),
            reverse=len(used),
            forward=sum(self.variables[name].size * sweep for name, sweep in sweeps.items()),
        )

    def table(self, values: Values | None = None, derivatives: Values | None = None) -> str:
        """Return a table with a line for each variable: the operation that computes it, its value, its derivative.

        >>> graph = trace(lambda w, x: w * x, 3.0, 2.0)
        >>> values = graph.forward(3.0, 2.0)
        >>> print(graph.table(values, graph.backward(values)))
        variable  operation  value  derivative
        w         input      3.0    2.0
        x         input      2.0    3.0
        output    mul(w, x)  6.0    1.0
        """
        return table(self, values, derivatives)

    def layout(self, values: Values | None = None, derivatives: Values | None = None) -> Layout:
        """Return where the nodes and arrows are drawn, for a drawing of one's own."""
        return layout_of(*nodes_and_edges(self, values, derivatives))

    def to_svg(self, values: Values | None = None, derivatives: Values | None = None) -> str:
        """Return a drawing as an SVG document: rounded nodes are variables, square ones operations.

        With ``values`` and ``derivatives`` every number is written on its node, and arrays by their shape.
        """
        return svg_of(self.layout(values, derivatives), title="Computation graph", caption=CAPTION)

    def to_dot(self, values: Values | None = None, derivatives: Values | None = None) -> str:
        """Return the same for Graphviz, in its language DOT."""
        return dot_of(*nodes_and_edges(self, values, derivatives))

    def _checked_inputs(self, inputs: Iterable[str] | None) -> tuple[str, ...]:
        if inputs is None:
            return tuple(name for name in self.inputs if self.variables[name].may_vary)
        if isinstance(inputs, str):
            raise TypeError(message("graph", "inputs to be names, such as ['w']", repr(inputs)))
        for name in (chosen := tuple(inputs)):
            if name not in self.inputs or not self.variables[name].may_vary:
                raise ValueError(message("graph", f"a floating input among {', '.join(self.inputs)}", repr(name)))
        return chosen

    def _seeds(self, seeds: Mapping[str, Any] | None) -> Values:
        outputs = list(names_in(self.outputs))
        if seeds is None:
            if len(self.outputs) != 1 or (outputs and not _is_real_number(self.variables[outputs[0]])):
                got = ", ".join(map(_described, map(self.variables.__getitem__, outputs))) or "no output"
                raise ValueError(message("graph.backward", "seeds, or a function of one real number", got))
            return {name: jnp.ones((), self.variables[name].dtype) for name in outputs}
        for name in seeds:
            if name not in outputs:
                raise ValueError(message("graph.backward", f"seeds of {', '.join(outputs)}", repr(name)))
        return {name: _like(self.variables[name], seed) for name, seed in seeds.items()}


def trace(function: Callable[..., Any], *arguments: Any) -> Graph:
    """Return the computation graph of a function, from its JAX program at arguments like these.

    Arguments and results may be any pytrees of arrays and numbers; only shapes and dtypes of the arguments matter.
    Called functions (``jax.jit``, ``jax.checkpoint``) are written out in their place, and loops of a known number of
    turns (``jax.lax.scan``) turn by turn; a function with a derivative rule of its own (``jax.custom_jvp``,
    ``jax.custom_vjp``) is one operation with that rule. Variables are named after the parameters, with the path inside
    a pytree, after what ``jax.ad_checkpoint.checkpoint_name`` calls them, and else v1, v2, …. Wengert, "A Simple
    Automatic Derivative Evaluation Program" (1964).

    Raises ``TypeError`` for what is no function or no array.

    >>> import funcnet as fn
    >>> graph = fn.graph.trace(lambda x, w: jnp.sum(jnp.tanh(x @ w)), jnp.ones((4, 3)), jnp.ones((3, 2)))
    >>> print(graph)
    v1 = dot_general(x, w)
    v2 = tanh(v1)
    output = reduce_sum(v2)
    >>> graph.variables["v1"]
    Variable(name='v1', shape=(4, 2), dtype=dtype('float32'), kind='computed')
    """
    if not callable(function):
        raise TypeError(message("graph.trace", "a function", type(function).__name__))
    leaves, structure = jax.tree.flatten(arguments)
    names = argument_names(function, arguments)
    for name, leaf in zip(names, leaves, strict=True):
        if not isinstance(leaf, jax.Array | np.ndarray | np.generic | jax.ShapeDtypeStruct | float | int):
            raise TypeError(message("graph.trace", f"{name} to be an array or a number", type(leaf).__name__))
    program, result = program_of(function, arguments, names)
    return Graph(program.variables, program.operations, program.inputs, program.outputs, structure, result)


def _like(variable: Variable, value: Any) -> jax.Array:
    """Return a value as an array of the variable's shape and dtype, or say what is wrong."""
    where = f"graph: {variable.name}"
    array = jnp.asarray(value, variable.dtype) if isinstance(value, bool | int | float) else jnp.asarray(value)
    if array.shape != variable.shape:
        raise ShapeError(where, f"shape {variable.shape}", array.shape)
    if array.dtype != variable.dtype:
        raise DtypeError(where, f"dtype {variable.dtype}", array.dtype)
    return array


def _is_real_number(variable: Variable) -> bool:
    return variable.shape == () and bool(jnp.issubdtype(variable.dtype, jnp.floating))


def _described(variable: Variable) -> str:
    return f"{variable.name} of shape {variable.shape} and dtype {variable.dtype}"
