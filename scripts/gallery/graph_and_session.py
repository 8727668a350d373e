"""Graphs and sessions in JAX: graphs that share nothing, a part of a graph run alone, and the words of both.

Frameworks with graphs and sessions build a graph of constants, variables and placeholders, and run a node of it with
values fed by name (Abadi et al., "TensorFlow: A System for Large-Scale Machine Learning", 2016, section 3). In JAX the
graph is the program of a function, and its variables are arguments. The picture shows which operations of a graph run
when one node is asked for.
"""

import jax
import jax.numpy as jnp
import numpy as np
from example import parser
from jax.ad_checkpoint import checkpoint_name

import funcnet as fn
from funcnet import plots

FED = {"w": 2.0, "x": -2.0, "b": 8.0, "y": 2.0}
VOCABULARY = [  # of frameworks with graphs and sessions, of JAX, and how funcnet has it
    ("graph", "the program of a function (jaxpr)", "fn.graph.trace(function, *arguments)"),
    ("session", "none: a function is called", "graph.forward(*arguments)"),
    ("run a node", "the function of a part", "graph.part([name], given)"),
    ("feed", "an argument", "given, by name"),
    ("placeholder", "an argument: the data", "x, y"),
    ("constant", "a value that a function closes over", 'a variable of the kind "constant"'),
    ("variable", "an argument that is returned anew", "params"),
    ("trainable variable", "a parameter with a gradient", "params outside of fn.Frozen"),
    ("variable, not trainable", "a parameter without one", "params of fn.Frozen"),
    ("initializer", "a function of a random key", "network.init(key, input_shape)"),
]


def two_graphs():
    """Return what two graphs compute, each with a variable v of its own: zeros in one, ones in the other."""
    graphs = {
        "zeros": (fn.graph.trace(lambda v: 2.0 * v + 1.0, jnp.zeros(2)), jnp.zeros(2)),
        "ones": (fn.graph.trace(lambda v: 3.0 * v, jnp.ones(2)), jnp.ones(2)),
    }
    return {name: (graph, graph.forward(v)) for name, (graph, v) in graphs.items()}


def cost(w, x, b, y):
    """Return J = ½(z − y)² of a linear neuron z = wx + b."""
    z = checkpoint_name(w * x + b, "z")
    return checkpoint_name(0.5 * (z - y) ** 2, "J")


def kinds():
    """Return each variable of a network's cost and what it is: trained, frozen, data or constant."""
    scale = jnp.asarray(0.5)  # closed over
    network = fn.Sequential(fn.Frozen(fn.Dense(2)), fn.Dense(1))
    params, _ = network.init(jax.random.key(0), (3,))
    x, y = jnp.ones((1, 3)), jnp.ones((1, 1))

    def scaled_cost(params, x, y):
        return scale * jnp.sum((network.apply(params, x) - y) ** 2)

    _, gradients = fn.autodiff(network, fn.squared_error)(params, x, y)
    found = {}
    for name, variable in fn.graph.trace(scaled_cost, params, x, y).variables.items():
        if variable.kind != "computed":
            found[name] = "constant" if variable.kind == "constant" else "data"
    names = [name for name in found if name.startswith("params")]
    for name, gradient in zip(names, jax.tree.leaves(gradients), strict=True):
        found[name] = "variable, trained" if np.any(gradient) else "variable, frozen"
    return found


def draw(graph, parts, path):
    """Draw the graph once for each part, with the values of what runs."""
    picture, axes = plots.figure(1, len(parts), size=(4.2 * len(parts), 6.4))
    for place, (title, values) in zip(axes[0], parts.items(), strict=True):
        plots.diagram(place, graph.layout(values), title=title)
    plots.save(picture, path)


def main(argv=None):
    """Print the graphs, the parts and the table, draw the picture, and return what was computed."""
    chosen = parser(__file__, __doc__).parse_args(argv)
    print("Two graphs, each with a variable v of its own")
    graphs = two_graphs()
    for name, (graph, values) in graphs.items():
        shown = ", ".join(f"{each} = {np.asarray(value)}" for each, value in values.items())
        print(f"  {name:6} {str(graph).replace(chr(10), '; ')}:  {shown}")
    graph = fn.graph.trace(cost, *FED.values())
    parts = {
        "z alone is computed, from w, x and b": graph.part(
            ["w", "x", "b", "v1", "z"], {name: FED[name] for name in "wxb"}
        ),
        "J is computed from z = 5: w, x and b have no value": graph.part(
            ["z", "y", "v2", "v3", "J"], {"z": 5.0, "y": 2.0}
        ),
    }
    print("\nA part of the graph of J = ½(wx + b − y)², with inputs given by name")
    for title, values in parts.items():
        print(f"  {title}: " + ", ".join(f"{name} = {float(value):g}" for name, value in values.items()))
    variables = kinds()
    print("\nWhat the variables of a network's cost are")
    for name, kind in variables.items():
        print(f"  {name:26}{kind}")
    print(f"\n{'graphs and sessions':25}{'JAX':37}funcnet")
    for theirs, ours, here in VOCABULARY:
        print(f"{theirs:25}{ours:37}{here}")
    draw(graph, parts, chosen.picture)
    print(f"\npicture: {chosen.picture}")
    return {"graphs": {name: values for name, (_, values) in graphs.items()}, "parts": parts, "kinds": variables}


if __name__ == "__main__":
    main()
