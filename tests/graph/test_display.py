"""Drawings are well-formed, hold every node and edge of the graph, and no node or arrow lies on another node."""

import itertools
import re
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.ad_checkpoint import checkpoint_name

import funcnet as fn
from funcnet import graph
from funcnet.drawing.layout import CHARACTER_WIDTH
from tests.graph.examples import LAYERS, NEURON, chain, neuron_cost, two_layers

SVG = "{http://www.w3.org/2000/svg}"
AWKWARD = 'a<b> & "c\\d"\n]]>'


def network_cost(params, x):
    return jnp.mean(fn.categorical_cross_entropy.value(network().apply(params, x), jnp.full((5, 2), 0.5)))


def awkward(x):
    return checkpoint_name(jnp.sin(x), AWKWARD) * x


def network():
    return fn.mlp([3, 4, 2], hidden=fn.tanh, output=fn.softmax)


PARAMS = jax.eval_shape(lambda: network().init(jax.random.key(0), (3,))[0])
GRAPHS = {
    "neuron": (neuron_cost, tuple(NEURON.values())),
    "two layers": (two_layers, tuple(LAYERS.values())),
    "chain": (chain, ([(0.5, 0.1)] * 5, 1.0)),
    "a network's cost": (network_cost, (PARAMS, jax.ShapeDtypeStruct((5, 3), jnp.float32))),
    "many to many": (lambda a, b, c: (a * b + c, b * c + a, c * a + b, a + b + c), (1.0, 2.0, 3.0)),
    "sort": (lambda x, y: jax.lax.sort((x, y), num_keys=1), (jnp.ones(2), jnp.ones(2))),
    "dropout": (lambda key, x: fn.Dropout(0.5).apply((), x, key=key), (jax.random.key(0), jnp.ones((2, 3)))),
    "awkward text": (awkward, (2.0,)),
    "nothing done": (lambda x: x, (2.0,)),
    "nothing in": (lambda: 3.0, ()),
}


@pytest.fixture(scope="module")
def traced():
    return {name: graph.trace(function, *arguments) for name, (function, arguments) in GRAPHS.items()}


def edges(drawn):
    """Return every edge of a graph once: pairs of a variable's name and an operation's index."""
    into = {(name, o.place) for o in drawn.operations for name in o.operands if isinstance(name, str)}
    return into | {(o.place, name) for o in drawn.operations for name in o.results}


def meets(point, other, box):
    """Return whether a line from point to point passes through the inside of a box."""
    along = np.linspace(0, 1, 101)[:, None] * (np.array(other) - point) + point
    inside = np.abs(along - [box.x, box.y]) < np.array([box.width, box.height]) / 2 - 0.01
    return bool(inside.all(axis=1).any())


@pytest.mark.parametrize("name", GRAPHS)
def test_a_layout(name, traced):
    drawn = traced[name]
    placed = drawn.layout()
    assert set(placed.boxes) == {*drawn.variables, *(operation.place for operation in drawn.operations)}
    for box in placed.boxes.values():
        assert box.width / 2 <= box.x <= placed.width - box.width / 2
        assert box.height / 2 <= box.y <= placed.height - box.height / 2
        assert CHARACTER_WIDTH * max(map(len, box.node.lines)) < box.width
    for one, other in itertools.combinations(placed.boxes.values(), 2):
        apart = (
            abs(one.x - other.x) - (one.width + other.width) / 2,
            abs(one.y - other.y) - (one.height + other.height) / 2,
        )
        assert max(apart) > 10, (one, other)
    ends = set()
    for arrow in placed.arrows:
        assert all(above[1] <= below[1] for above, below in itertools.pairwise(arrow))
        (source,) = (key for key, box in placed.boxes.items() if on_side(arrow[0], box, +1))
        (target,) = (key for key, box in placed.boxes.items() if on_side(arrow[-1], box, -1))
        ends.add((source, target))
        for above, below in itertools.pairwise(arrow):
            assert not any(meets(above, below, box) for box in placed.boxes.values())
    assert ends == edges(drawn)
    assert len(placed.arrows) == len(ends)


def on_side(point, box, side):
    """Return whether a point lies on a box's lower (side 1) or upper (−1) edge."""
    return abs(point[0] - box.x) <= box.width / 2 and abs(point[1] - box.y - side * box.height / 2) < 0.01


@pytest.mark.parametrize("name", GRAPHS)
def test_svg_is_xml_that_holds_every_node(name, traced):
    drawn = traced[name]
    root = ElementTree.fromstring(drawn.to_svg())
    assert root.tag == f"{SVG}svg"
    boxes = [group for group in root.iter(f"{SVG}g") if group.get("class")]
    kinds = [group.get("class") for group in boxes]
    assert kinds.count("operation") == len(drawn.operations)
    assert len(kinds) == len(drawn.operations) + len(drawn.variables)
    arrows = [line for line in root.iter(f"{SVG}polyline") if line.get("class") == "arrow"]
    assert len(arrows) == len(edges(drawn))
    x, y, width, height = map(float, root.get("viewBox").split())
    for kind, rectangle in zip(kinds, (box.find(f"{SVG}rect") for box in boxes), strict=True):
        left, top, wide, high = (float(rectangle.get(key)) for key in ("x", "y", "width", "height"))
        assert x <= left <= left + wide <= width
        assert y <= top <= top + high <= height
        assert rectangle.get("rx") == ("2" if kind == "operation" else "18")


def test_svg_shows_every_number_and_escapes_text(traced):
    drawn = traced["neuron"]
    values = drawn.forward(*NEURON.values())
    root = ElementTree.fromstring(drawn.to_svg(values, drawn.backward(values)))
    shown = {
        box.find(f"{SVG}text").text: [text.text for text in box.iter(f"{SVG}text")][1:]
        for box in root.iter(f"{SVG}g") if box.get("class") in ("input", "computed", "output")
    }  # fmt: skip
    assert shown["w"] == ["value 2.0", "derivative -4.0"]
    assert shown["J"] == ["value 2.0", "derivative 1.0"]
    assert len(shown) == 9
    escaped = traced["awkward text"].to_svg()
    assert "a&lt;b&gt; &amp;" in escaped
    assert any(
        AWKWARD.split("\n")[0] in (text.text or "") for text in ElementTree.fromstring(escaped).iter(f"{SVG}text")
    )


def parsed(text):
    """Return the nodes with their attributes and the edges of a text in DOT, by the part of its grammar that is used.

    Gansner, North (2000); an identifier is a word, a number or a quoted string with \\" in it; nothing is left over.
    """
    token = re.compile(r'\s*(?:(->|[{}\[\];,=])|("(?:\\.|[^"\\])*")|([A-Za-z_][A-Za-z_0-9]*|-?\d+(?:\.\d+)?))')
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = token.match(text, at)
        assert match, text[at : at + 40]
        tokens.append(match.group().strip())
        at = match.end()
    assert tokens[:2] == ["digraph", "{"]
    assert tokens[-1] == "}"
    nodes, found = {}, []
    statements = [list(group) for end, group in itertools.groupby(tokens[2:-1], ";".__eq__) if not end]
    for first, *rest in statements:
        if rest[0] == "->":
            assert len(rest) == 2
            found.append((first, rest[1]))
        else:
            assert (rest[0], rest[-1]) == ("[", "]")
            settings = rest[1:-1]
            assert settings[1::4] == ["="] * len(settings[1::4])
            assert settings[3::4] == [","] * len(settings[3::4])
            nodes[first] = {key: value.strip('"') for key, value in zip(settings[::4], settings[2::4], strict=True)}
    return nodes, found


@pytest.mark.parametrize("name", GRAPHS)
def test_dot_holds_every_node_and_edge(name, traced):
    drawn = traced[name]
    nodes, found = parsed(drawn.to_dot())
    nodes.pop("node")
    assert len(nodes) == len(drawn.variables) + len(drawn.operations)
    assert len(found) == len(set(found)) == len(edges(drawn))
    assert {end for edge in found for end in edge} <= set(nodes)
    if name in ("neuron", "two layers"):
        named = {key: settings["label"].split("\\n")[0] for key, settings in nodes.items()}
        expressions = {operation.place: operation.expression for operation in drawn.operations}
        assert {tuple(named[end] for end in edge) for edge in found} == {
            tuple(expressions.get(end, end) for end in edge) for edge in edges(drawn)
        }


def test_dot_escapes_text_and_shows_every_number(traced):
    assert r"a<b> & \"c\\d\"\n]]>" in traced["awkward text"].to_dot()
    drawn = traced["neuron"]
    values = drawn.forward(*NEURON.values())
    nodes, _ = parsed(drawn.to_dot(values, drawn.backward(values)))
    labels = {settings.get("label") for settings in nodes.values()}
    assert {r"d\nvalue 2.0\nderivative 2.0", r"w\nvalue 2.0\nderivative -4.0", "mul(w, x)"} <= labels


def test_arrays_are_shown_by_their_shapes():
    drawn = graph.trace(lambda w: jnp.sum(w * w), jnp.ones((2, 3)))
    values = drawn.forward(jnp.ones((2, 3)))
    derivatives = drawn.backward(values)
    assert "float32 [2, 3]" in drawn.to_svg(values, derivatives)
    assert "derivative [2, 3]" in drawn.to_svg(values, derivatives)
    row = drawn.table(values, derivatives).splitlines()[1]
    assert re.split(" {2,}", row) == ["w", "input", "float32 [2, 3]", "float32 [2, 3]"]


def test_the_same_graph_is_drawn_the_same(traced):
    function, arguments = GRAPHS["chain"]
    again = graph.trace(function, *arguments)
    assert again.to_svg() == traced["chain"].to_svg()
    assert again.to_dot() == traced["chain"].to_dot()
