"""The computation graph of two small functions, run forward and backward, and the cost of derivatives in both modes.

A neuron's cost J = ½(wx + b − y)² at w = 2, x = −2, b = 8, y = 2, then two linear layers of one neuron each,
y2 = (x w1 + b1) w2 + b2, whose chain rule is checked, then networks that grow: reverse mode uses about N + P local
derivatives for all P parameters over N operations, forward mode about N × P.
"""

from pathlib import Path

import jax.numpy as jnp
from example import parser
from jax.ad_checkpoint import checkpoint_name

import funcnet as fn
from funcnet import plots

NEURON = {"w": 2.0, "x": -2.0, "b": 8.0, "y": 2.0}
LAYERS = {"x": 3.0, "w1": -1.5, "b1": 2.0, "w2": 4.0, "b2": -0.5}
DEPTHS = (1, 2, 4, 8, 16, 32, 64)


def neuron_cost(w, x, b, y):
    """Return J = ½(wx + b − y)²."""
    d = checkpoint_name(w * x + b - y, "d")
    return checkpoint_name(0.5 * d**2, "J")


def two_layers(x, w1, b1, w2, b2):
    """Return y2 = (x w1 + b1) w2 + b2."""
    y1 = checkpoint_name(x * w1 + b1, "y1")
    return checkpoint_name(y1 * w2 + b2, "y2")


def chain_cost(params, x):
    """Return the output of layers a ← tanh(a w + b) of one neuron each."""
    for w, b in params:
        x = jnp.tanh(x * w + b)
    return x


def evaluated(title, function, arguments):
    """Print a function's graph with every value and derivative, and return them."""
    graph = fn.graph.trace(function, *arguments.values())
    values = graph.forward(*arguments.values())
    derivatives = graph.backward(values)
    print(f"{title}\n{graph.table(values, derivatives)}\n")
    return graph, values, derivatives


def counted():
    """Print and return the local derivatives used for a chain of layers, as it grows."""
    print("layers a ← tanh(a w + b): local derivatives used for the derivatives in all P parameters, N operations")
    print(f"{'layers':>6}{'N':>6}{'P':>6}{'reverse':>10}{'N + P':>8}{'forward':>10}{'N × P':>8}")
    rows = []
    for depth in DEPTHS:
        params = [(0.5, 0.1)] * depth
        graph = fn.graph.trace(chain_cost, params, 1.0)
        counts = graph.counts([name for name in graph.inputs if name != "x"])
        n, p = counts.operations, counts.parameters
        print(f"{depth:6}{n:6}{p:6}{counts.reverse:10}{n + p:8}{counts.forward:10}{n * p:8}")
        rows.append(counts)
    return rows


def draw(path, layout, rows):
    """Draw the neuron's graph, and the counts beside it."""
    picture, axes = plots.figure(1, 2, size=(11.4, 8.8))
    shapes = "round: variable, blue: input, orange: output; grey rectangle: operation"
    plots.diagram(axes[0, 0], layout, title=f"J = ½(wx + b − y)²: values and derivatives ∂J/∂v\n{shapes}")
    series = {
        "N × P": [each.operations * each.parameters for each in rows],
        "forward mode, counted": [each.forward for each in rows],
        "N + P": [each.operations + each.parameters for each in rows],
        "reverse mode, counted": [each.reverse for each in rows],
    }
    title = "All derivatives of a chain of one-neuron layers"
    parameters, label = [each.parameters for each in rows], "local derivatives (log scale, lower is better)"
    plots.curves(
        axes[0, 1], series, x=parameters, xlabel="parameters P (log scale)", ylabel=label, title=title, log=True
    )
    axes[0, 1].set_xscale("log", base=2)
    axes[0, 1].set_xticks(parameters, parameters)
    plots.save(picture, path)


def main(argv=None):
    """Print both graphs and the counts, and write the drawings."""
    options = parser(__file__, __doc__)
    folder = Path(__file__).parent / "pictures"
    for name in ("svg", "dot"):
        default = folder / f"computation_graph.{name}"
        shown = f"scripts/gallery/pictures/{default.name}"
        text = f"where the neuron's graph goes as {name.upper()} (default: {shown})"
        options.add_argument(f"--{name}", type=Path, default=default, help=text)
    options = options.parse_args(argv)
    graph, values, derivatives = evaluated("J = ½(wx + b − y)²", neuron_cost, NEURON)
    _, values2, derivatives2 = evaluated("y2 = (x w1 + b1) w2 + b2", two_layers, LAYERS)
    x, w1, w2 = (LAYERS[name] for name in ("x", "w1", "w2"))
    chain = {"w1": w2 * x, "b1": w2, "w2": float(values2["y1"]), "b2": 1.0, "x": w2 * w1}
    print("by the chain rule: " + ", ".join(f"∂y2/∂{name} = {value}" for name, value in chain.items()) + "\n")
    rows = counted()
    for path, text in ((options.svg, graph.to_svg), (options.dot, graph.to_dot)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(values, derivatives), encoding="utf-8")
    draw(options.picture, graph.layout(values, derivatives), rows)
    print(f"picture: {options.picture}")
    return {
        "neuron": {name: (float(values[name]), float(derivatives[name])) for name in values},
        "two layers": {name: float(derivatives2[name]) for name in chain},
        "chain rule": chain,
        "counts": rows,
    }


if __name__ == "__main__":
    main()
