"""The computation graph of a function: the value of every variable, and the derivative in every variable."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..checks import array_of_numbers, brief
from ..configuration import document_fields
from ..drawing import Layout, dot_of, layout_of, svg_of
from ..errors import DtypeError, ShapeError, message
from .accumulation import Values, active, edges, forward, needed_operations, reverse, run, varying
from .display import CAPTION, nodes_and_edges, table
from .nodes import Program, Variable, names_in
from .tracing import argument_names, program_of


@document_fields
class Counts(NamedTuple):
    """The cost of the derivatives of one output in P parameters, in local derivatives: see ``Graph.counts``.

    Attributes:
        operations: N: the operations on a path from a parameter to the output.
        parameters: P: the number of elements of all parameters.
        reverse: local derivatives used by the one sweep of reverse mode.
        forward: local derivatives used by the P sweeps of forward mode.
    """

    operations: int
    parameters: int
    reverse: int
    forward: int


@dataclass(frozen=True, eq=False, repr=False)
class Graph(Program):
    """A function's computation graph, which ``trace`` makes.

    ``variables`` are the ``Variable`` nodes by name, ``operations`` the ``Operation`` nodes in the order of execution,
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

        Raises ``TypeError``, ``ShapeError`` or ``DtypeError`` for arguments whose structure, shape or dtype is not
        that of the traced arguments.
        """
        leaves, structure = jax.tree.flatten(arguments)
        if structure != self.arguments:
            raise TypeError(message("graph.forward", f"arguments of the structure {self.arguments}", structure))
        return run(
            self, {name: _like(self.variables[name], leaf) for name, leaf in zip(self.inputs, leaves, strict=True)}
        )

    def part(self, names: Iterable[str], given: Mapping[str, Any]) -> Values:
        """Return the values of some variables, by name, and run only the operations that they need.

        Frameworks with graphs and sessions call this running a node, with values fed to others.

        Args:
            names: the variables to compute.
            given: values by name: of inputs, or of other variables, whose operations then do not run.

        Raises:
            TypeError: ``names`` is a single text.
            ValueError: a name is unknown, or an input that is needed is not given.
            ShapeError, DtypeError: a value is not like its variable.

        >>> import funcnet as fn
        >>> from jax.ad_checkpoint import checkpoint_name
        >>> graph = fn.graph.trace(lambda w, x, b: jnp.tanh(checkpoint_name(w * x, "z") + b), 2.0, 3.0, 1.0)
        >>> graph.part(["z"], {"w": 2.0, "x": 5.0})
        {'z': Array(10., dtype=float32)}
        >>> graph.part(["output"], {"z": -1.0, "b": 1.0})
        {'output': Array(0., dtype=float32)}
        """
        where = "graph.part"
        if isinstance(names, str) or not isinstance(names, Iterable):
            raise TypeError(message(where, "names of variables, such as ['z']", brief(names)))
        if not isinstance(given, Mapping):
            raise TypeError(message(where, "given to be a dict of values by name", f"a {type(given).__name__}"))
        chosen = tuple(names)
        for name in (*chosen, *given):
            if not isinstance(name, str) or name not in self.variables:
                raise ValueError(message(where, f"names among {', '.join(self.variables)}", repr(name)))
        values = {name: _like(self.variables[name], value) for name, value in given.items()}
        operations, needed = needed_operations(self, chosen, values)
        if missing := [name for name in self.inputs if name in needed and name not in values]:
            raise ValueError(message(where, f"given to hold {', '.join(missing)}", ", ".join(values) or "nothing"))
        found = run(replace(self, operations=operations), values)
        return {name: found[name] for name in chosen}

    def output(self, values: Values) -> Any:
        """Return the function's result, from the values that ``forward`` returns."""
        self._check_values("graph.output", names_in(self.outputs), values)
        return self.result.unflatten([values[each] if isinstance(each, str) else each for each in self.outputs])

    def backward(
        self, values: Values, seeds: Mapping[str, Any] | None = None, *, inputs: Iterable[str] | None = None
    ) -> Values:
        """Return ∂J/∂v for every variable v that depends on the inputs, by name: reverse accumulation.

        With v̄ = ∂J/∂v, from the last operation to the first,

            ūⱼ = Σᵢ (∂vᵢ/∂uⱼ)ᵀ v̄ᵢ   over the results vᵢ of the operations that use uⱼ,

        where each hand-written local derivative is used once. Variables without influence on J have a derivative of 0;
        integers, booleans, keys and what does not depend on the inputs have none. At a kink the derivative is that of
        ``jax.grad``. Linnainmaa (1976); Griewank, Walther (2008), section 3.2.

        Args:
            values: the values that ``forward`` returns.
            seeds: ∂J/∂v for outputs v by name, of their shapes and dtypes. By default J is the function's one scalar
                result, with the seed 1.
            inputs: the names of the inputs; all floating ones by default.

        Raises:
            NoRuleError: an operation between an input and J has no hand-written local derivative.
            ValueError: a name is unknown, or without seeds the result is not one real number.
        """
        self._check_values("graph.backward", self.variables, values)
        chosen_inputs = self._checked_inputs(inputs)
        seeds = self._seeds(seeds)
        chosen = active(self, chosen_inputs, seeds)
        found = reverse(self, chosen, values, {name: seed for name, seed in seeds.items() if name in chosen})
        varies = varying(self, chosen_inputs)
        rest = {name: seeds.get(name, jnp.zeros_like(values[name])) for name in varies if name not in found}
        return {name: (found | rest)[name] for name in self.variables if name in varies}

    def gradients(self, derivatives: Values) -> tuple[Any, ...]:
        """Return the derivatives in the inputs, in the structure of the arguments; None for inputs without one."""
        if not isinstance(derivatives, Mapping):
            expected = "derivatives to be the dict that backward returns"
            raise TypeError(message("graph.gradients", expected, brief(derivatives)))
        return self.arguments.unflatten([derivatives.get(name) for name in self.inputs])

    def tangents(self, values: Values, changes: Mapping[str, Any]) -> Values:
        """Return the changes v̇ of the variables on the paths from inputs to outputs, by name: forward accumulation.

        ``changes`` gives u̇ by the inputs' names, of their shapes and dtypes; other inputs do not change. From the first
        operation to the last, v̇ᵢ = Σⱼ (∂vᵢ/∂uⱼ) u̇ⱼ. Griewank, Walther (2008), section 3.1.
        """
        if not isinstance(changes, Mapping):
            raise TypeError(message("graph.tangents", "changes to be a dict of values by name", brief(changes)))
        self._check_values("graph.tangents", self.variables, values)
        chosen = active(self, self._checked_inputs(changes), names_in(self.outputs))
        seeds = {name: _like(self.variables[name], change) for name, change in changes.items()}
        return forward(self, chosen, values, {name: seed for name, seed in seeds.items() if name in chosen})

    def counts(self, inputs: Iterable[str] | None = None) -> Counts:
        """Return how many local derivatives ∂v/∂u the derivatives in P parameters need, with N operations.

        One sweep of reverse mode (``backward``) gives the derivatives in all parameters and uses every local derivative
        once: N + P − 1 of them where each variable is used once, and N + P with the derivative 1 of the output itself.
        One sweep of forward mode (``tangents``) gives the derivative in one parameter and uses at least one local
        derivative of every operation that depends on it: P sweeps use about N × P. ``inputs`` names the parameters; all
        floating inputs by default. The cheap gradient principle: Baur, Strassen (1983); Griewank, Walther (2008),
        section 3.3.
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
        """Return a table with a row for each variable: the operation that computes it, its value and its derivative.

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
        """Return the positions of the nodes and arrows, for a drawing by other means."""
        return layout_of(*nodes_and_edges(self, values, derivatives))

    def to_svg(self, values: Values | None = None, derivatives: Values | None = None) -> str:
        """Return a drawing as an SVG document: rounded nodes are variables, square ones operations.

        With ``values`` and ``derivatives`` each node shows its numbers; arrays are shown by their shapes.
        """
        return svg_of(self.layout(values, derivatives), title="Computation graph", caption=CAPTION)

    def to_dot(self, values: Values | None = None, derivatives: Values | None = None) -> str:
        """Return the graph in DOT, the language of Graphviz."""
        return dot_of(*nodes_and_edges(self, values, derivatives))

    def _checked_inputs(self, inputs: Iterable[str] | None) -> tuple[str, ...]:
        if inputs is None:
            return tuple(name for name in self.inputs if self.variables[name].may_vary)
        if isinstance(inputs, str) or not isinstance(inputs, Iterable):
            raise TypeError(message("graph", "inputs to be names, such as ['w']", brief(inputs)))
        for name in (chosen := tuple(inputs)):
            if name not in self.inputs or not self.variables[name].may_vary:
                raise ValueError(message("graph", f"a floating input among {', '.join(self.inputs)}", repr(name)))
        return chosen

    def _check_values(self, where: str, names: Iterable[str], values: Any) -> None:
        """Raise an error where a variable has no value, as after ``part``, or one that is not like it."""
        if not isinstance(values, Mapping):
            raise TypeError(message(where, "values to be the dict that forward returns", brief(values)))
        names = list(names)
        if missing := [name for name in names if name not in values]:
            raise ValueError(message(where, "the values that graph.forward returns", f"none of {', '.join(missing)}"))
        for name in names:
            _like(self.variables[name], values[name])

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

    Arguments and results may be any pytrees of arrays and numbers; only the arguments' shapes and dtypes matter. A
    called function (``jax.jit``, ``jax.checkpoint``) is replaced by its operations, and a loop of known length
    (``jax.lax.scan``) by the operations of all iterations. A function with its own derivative rule
    (``jax.custom_jvp``, ``jax.custom_vjp``) is one operation with that rule. A variable has the name of its parameter,
    with the path inside a pytree, or the name given by ``jax.ad_checkpoint.checkpoint_name``; the others are
    v1, v2, …. Wengert, "A Simple Automatic Derivative Evaluation Program" (1964).

    Raises ``TypeError`` unless ``function`` is a function and every leaf of the arguments is an array or a number.

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
        if isinstance(leaf, np.ndarray):
            array_of_numbers("graph.trace", name, leaf)
    program, result = program_of(function, arguments, names)
    return Graph(program.variables, program.operations, program.inputs, program.outputs, structure, result)


def _like(variable: Variable, value: Any) -> jax.Array:
    """Return a value as an array; raise ``ShapeError`` or ``DtypeError`` unless it is like the variable."""
    where = f"graph: {variable.name}"
    if isinstance(value, bool | int | float):
        array = jnp.asarray(value, variable.dtype)
    elif isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        array = value
    else:
        array = jnp.asarray(array_of_numbers(where, "it", value))
    if array.shape != variable.shape:
        raise ShapeError(where, f"shape {variable.shape}", array.shape)
    if array.dtype != variable.dtype:
        raise DtypeError(where, f"dtype {variable.dtype}", array.dtype)
    return array


def _is_real_number(variable: Variable) -> bool:
    return variable.shape == () and bool(jnp.issubdtype(variable.dtype, jnp.floating))


def _described(variable: Variable) -> str:
    return f"{variable.name} of shape {variable.shape} and dtype {variable.dtype}"
