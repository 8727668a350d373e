"""Pictures of networks: units and weights, and circuits of NAND gates."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from ..checks import check_arrays, check_known, check_part
from ..drawing.layout import Look, Node, layout_of
from ..errors import message
from ..layer import Layer, Params
from ..layers import Dense, DenseParams, opened
from ..neurons import gates_of
from .figures import COLOURS, check_names, label
from .pictures import diagram

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_UNITS = 32  # of a layer: more cannot be told apart
_MOST_WRITTEN = 8  # weights between two layers whose numbers are written beside the lines
_POSITIVE, _NEGATIVE = COLOURS[0], COLOURS[1]
_GATE = Look("gate", "#DCEBF7", COLOURS[0], 1.2, is_round=False, is_dashed=False)
_BIT = Look("bit", "#FFFFFF", "#333333", 1.2, is_round=True, is_dashed=False)


class _Column(NamedTuple):
    """A column of units: the inputs, or what a dense layer makes of the column before it."""

    units: int
    names: Sequence[str]  # of the units, one each, or none
    below: str = ""  # the text below the column
    params: DenseParams | None = None  # of the dense layer, None for the inputs


def network(
    axes: "Axes",
    network: Layer,
    params: Params,
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    title: str = "",
) -> None:
    """Draw the units of a small network as circles and its weights as lines between them.

    The width of a line grows with |w|; it is blue and solid for w > 0, and orange and dashed for w < 0. The number in
    a circle is the unit's bias. Weights are written where there are few. Below each column stands its activation.

    Args:
        axes: Matplotlib axes, such as ``figure`` makes.
        network: dense layers, frozen or not, and layers without parameters between them.
        params: its parameters.
        inputs: the names of the inputs; none by default.
        outputs: the names of the outputs; none by default.
        title: the title above the axes; none by default.

    Raises:
        ValueError: another layer has parameters, there is no dense layer, a layer has more than 32 units, or the number
            of names is not that of the units.

    >>> import funcnet as fn
    >>> from funcnet.plots import figure
    >>> nand = fn.DenseParams(weight=np.array([[-2.0, -2.0]]), bias=np.array([3.0]))
    >>> _, axes = figure()
    >>> fn.plots.network(axes[0, 0], fn.Sequential(fn.Dense(1), fn.step), (nand, ()), inputs=["a", "b"])
    >>> [text.get_text() for text in axes[0, 0].texts]
    ['a', 'b', 'inputs', '3', 'step', '−2', '−2']
    """
    check_part("network", "network", network, Layer)
    check_arrays("network", "params", params)
    check_known("network", "params", *jax.tree.leaves(params))
    check_names("network", "inputs", inputs)
    check_names("network", "outputs", outputs)
    columns = _columns(network, params, inputs, outputs)
    weights = [np.asarray(column.params.weight, np.float64) for column in columns if column.params is not None]
    largest = max(float(np.abs(weight).max()) for weight in weights) or 1.0
    places = [_heights(column) for column in columns]
    tallest = max(map(len, places))
    for place, (column, heights) in enumerate(zip(columns, places, strict=True)):
        _draw_units(axes, place, heights, column, tallest)
    for place, (ends, weight) in enumerate(zip(pairwise(places), weights, strict=True)):
        _draw_weights(axes, place, ends, weight, largest)
    span = (tallest - 1) / 2
    axes.set(xlim=(-0.6, len(columns) - 0.4), ylim=(-span - 1.1, span + 0.7))
    from matplotlib.lines import Line2D

    lines = [
        Line2D([], [], color=_POSITIVE, linestyle="-", label="w > 0"),
        Line2D([], [], color=_NEGATIVE, linestyle="--", label="w < 0"),
    ]
    axes.legend(handles=lines, fontsize="small", loc="upper right", title=f"line width: |w|, widest {largest:.3g}")
    label(axes, "", "", title)
    axes.axis("off")


def _columns(network: Layer, params: Params, inputs: Sequence[str], outputs: Sequence[str]) -> list[_Column]:
    """Return the columns of a network; ``ValueError`` where it cannot be drawn."""
    columns: list[_Column] = []
    for layer, own in opened(network, params):
        if isinstance(layer, Dense):
            if isinstance(own, DenseParams):
                own = layer.checked_params(own)
            if not (isinstance(own, DenseParams) and np.isfinite(own.weight).all() and np.isfinite(own.bias).all()):
                raise ValueError(message("network", f"params of {layer} that are finite DenseParams", _shortly(own)))
            columns = columns or [_Column(own.weight.shape[1], list(inputs), "inputs")]
            if own.weight.shape != (len(own.bias), columns[-1].units):
                expected = f"a weight of {layer} of shape ({len(own.bias)}, {columns[-1].units})"
                raise ValueError(message("network", expected, own.weight.shape))
            columns.append(_Column(len(own.bias), (), params=own))
        elif not jax.tree.leaves(own):
            if columns:
                columns[-1] = columns[-1]._replace(below=f"{columns[-1].below}\n{layer}".strip())
        else:
            raise ValueError(message("network", "dense layers, and others without parameters", layer))
    if not columns:
        raise ValueError(message("network", "at least one dense layer", network))
    columns[-1] = columns[-1]._replace(names=list(outputs))
    for column in columns:
        if column.units > MOST_UNITS:
            raise ValueError(message("network", f"layers of at most {MOST_UNITS} units", column.units))
        if column.names and len(column.names) != column.units:
            expected = f"{column.units} names, one for each unit"
            raise ValueError(message("network", expected, f"{len(column.names)} of them"))
    return columns


def _shortly(params: Params) -> str:
    """Return what parameters are, for errors."""
    return "values that are not finite" if isinstance(params, DenseParams) else f"a {type(params).__name__}"


def _heights(column: _Column) -> np.ndarray:
    """Return the vertical places of a column's units, the first at the top."""
    return (column.units - 1) / 2 - np.arange(column.units)


def _draw_units(axes: "Axes", place: int, heights: np.ndarray, column: _Column, tallest: int) -> None:
    size, area = ("small", 700) if tallest <= 6 else ("x-small", 400) if tallest <= 12 else (4, 90)
    centres = np.stack([np.full(len(heights), float(place)), heights], axis=1)
    points = axes.scatter(centres[:, 0], centres[:, 1], area, "white", edgecolor="black", zorder=3)
    points.set_linewidth(1.2)
    for unit, (x, y) in enumerate(centres):
        name = column.names[unit] if column.names else ""
        axes.text(
            x,
            y,
            name if column.params is None else _number(column.params.bias[unit]),
            ha="center",
            va="center",
            fontsize=size,
            zorder=4,
        )
        if column.params is not None and name:
            axes.text(x + 0.18, y, name, ha="left", va="center", fontsize="small")
    axes.text(place, -(tallest - 1) / 2 - 0.55, column.below, ha="center", va="top", fontsize="small")


def _draw_weights(
    axes: "Axes", place: int, ends: tuple[np.ndarray, np.ndarray], weight: np.ndarray, largest: float
) -> None:
    left, right = ends
    for (target, source), w in np.ndenumerate(weight):
        if w == 0:
            continue
        y, width = [left[source], right[target]], 0.3 + 3.2 * abs(w) / largest
        colour, dash = (_POSITIVE, "-") if w > 0 else (_NEGATIVE, "--")
        axes.plot([place, place + 1], y, dash, color=colour, linewidth=width, zorder=1)
        if weight.size <= _MOST_WRITTEN:
            at = 0.7 if len(right) >= len(left) else 0.3  # where the lines are far from each other
            middle = y[0] + at * (y[1] - y[0])
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85}
            axes.text(place + at, middle, _number(w), ha="center", va="center", fontsize="small", bbox=box, zorder=2)


def _number(value: Any) -> str:
    """Return a number with two digits, and a minus sign as it is printed.

    >>> _number(-2.0), _number(0.123), _number(12.6)
    ('−2', '0.12', '13')
    """
    return f"{float(value):.2g}".replace("-", "−")


def circuit(
    axes: "Axes",
    function: Callable[..., Any],
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    title: str = "",
) -> None:
    """Draw the NAND gates of a circuit of ``neurons``, such as ``neurons.half_adder``, and the wires between them.

    Args:
        axes: Matplotlib axes, such as ``figure`` makes.
        function: a function of bits that is made of ``neurons.nand``.
        inputs: the names of its bits.
        outputs: the names of its results.
        title: the title above the axes; none by default.

    Raises:
        ValueError: the number of the outputs' names is not that of the results.
        NoRuleError: the function computes a bit by something else than ``neurons.nand``.

    >>> import funcnet as fn
    >>> from funcnet.plots import figure
    >>> _, axes = figure()
    >>> fn.plots.circuit(axes[0, 0], fn.neurons.xor, inputs=["a", "b"], outputs=["a XOR b"])
    >>> [text.get_text() for text in axes[0, 0].texts]
    ['a', 'b', 'NAND', 'NAND', 'NAND', 'NAND', 'a XOR b']
    """
    check_names("circuit", "inputs", inputs)
    check_names("circuit", "outputs", outputs)
    gates, results = gates_of(function, len(inputs))
    if len(outputs) != len(results):
        raise ValueError(message("circuit", f"{len(results)} names of outputs", f"{len(outputs)} of them"))
    nodes: dict[Any, Node] = {index: Node(_BIT, (str(name),)) for index, name in enumerate(inputs)}
    nodes |= {len(inputs) + index: Node(_GATE, ("NAND",)) for index in range(len(gates))}
    nodes |= {("output", index): Node(_BIT, (str(name),)) for index, name in enumerate(outputs)}
    edges: list[tuple[Any, Any]] = [
        (wire, len(inputs) + index) for index, wires in enumerate(gates) for wire in sorted(set(wires))
    ]
    edges += [(wire, ("output", index)) for index, wire in enumerate(results)]
    diagram(axes, layout_of(nodes, edges), title=title)
