"""Layered layouts: positions of nodes and arrows with few crossings, so that no node overlaps a node or an arrow.

Sugiyama, Tagawa, Toda, "Methods for Visual Understanding of Hierarchical System Structures" (1981): a
node's layer is the length of the longest path to it; an arrow over several layers gets a passage, a virtual node, in
each layer between; the nodes of each layer are ordered by barycenters; then every node moves towards the nodes that it
is linked to, as far as the order and the distances in its layer allow.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np

from ..configuration import document_fields
from ..errors import message

CHARACTER_WIDTH, LINE_HEIGHT = 7.3, 16.0  # of a monospaced font of size 12
MARGIN, PADDING = 16.0, 9.0  # around the drawing, and around the text in a node
NODE_DISTANCE, LAYER_DISTANCE = 22.0, 30.0
SWEEPS = 60
MOST_PLACES = 10_000  # nodes and passages in a drawing
PASSAGE_WIDTH = 8.0  # the width of the passage of an arrow through a layer
PASSAGE_WEIGHT = 8.0  # the weight of a link between two passages, when other links have weight 1

Key = Hashable
Point = tuple[float, float]


class Look(NamedTuple):
    """How a kind of node is drawn."""

    kind: str
    fill: str  # a colour, #RRGGBB
    line: str  # a colour
    thickness: float
    is_round: bool
    is_dashed: bool


class Node(NamedTuple):
    """A node to draw: a box with lines of text."""

    look: Look
    lines: tuple[str, ...]


class Box(NamedTuple):
    """A node with its centre and size; a line of text is 16 units high, and y increases downwards."""

    node: Node
    x: float
    y: float
    width: float
    height: float


@document_fields
class Layout(NamedTuple):
    """A drawing: its size, the boxes by the keys of their nodes, and each arrow as a list of points to join.

    Attributes:
        width: the drawing's width.
        height: the drawing's height.
        boxes: the boxes by the keys of their nodes.
        arrows: each a list of points to join.
    """

    width: float
    height: float
    boxes: dict[Key, Box]
    arrows: tuple[tuple[Point, ...], ...]


def layout_of(nodes: Mapping[Key, Node], edges: Sequence[tuple[Key, Key]]) -> Layout:
    """Return the layout of a directed graph without cycles; each edge is given once.

    Raises ``ValueError`` for more than 10,000 nodes and passages.
    """
    layer = layers(nodes, edges)
    if (places := len(nodes) + sum(layer[b] - layer[a] - 1 for a, b in edges)) > MOST_PLACES:
        expected = f"at most {MOST_PLACES:,} nodes, and passages of arrows through layers, in a drawing"
        raise ValueError(message("layout", expected, f"{places:,}: Graphviz draws larger graphs, from to_dot"))
    chains = [_chain(edge, layer) for edge in edges]
    links = [link for chain in chains for link in pairwise(chain)]
    placed = layer | {key: layer[chain[0]] + offset for chain in chains for offset, key in enumerate(chain[:-1])}
    levels = range(max(layer.values(), default=-1) + 1)
    rows = ordered([[key for key, depth in placed.items() if depth == level] for level in levels], links)
    sizes = {key: _size(node) for key, node in nodes.items()}
    widths = {key: sizes[key][0] if key in sizes else PASSAGE_WIDTH for row in rows for key in row}
    across = coordinates(rows, links, widths)
    heights = [max((sizes[key][1] for key in row if key in sizes), default=0.0) for row in rows]
    tops = MARGIN + np.concatenate([[0.0], np.cumsum([height + LAYER_DISTANCE for height in heights])])
    boxes = {
        key: Box(node, across[key], float(tops[layer[key]] + heights[layer[key]] / 2), *sizes[key])
        for key, node in nodes.items()
    }
    bounds = [(float(tops[depth]), float(tops[depth] + height)) for depth, height in enumerate(heights)]
    arrows = _arrows(chains, boxes, across, placed, bounds)
    right = max((across[key] + widths[key] / 2 for row in rows for key in row), default=MARGIN)
    return Layout(right + MARGIN, max(float(tops[-1]) - LAYER_DISTANCE, MARGIN) + MARGIN, boxes, arrows)


def layers(nodes: Iterable[Key], edges: Sequence[tuple[Key, Key]]) -> dict[Key, int]:
    """Return each node's layer: the longest path to it, or a later one where that makes the arrows shorter in sum.

    >>> layers("abcd", [("a", "b"), ("b", "c"), ("d", "c")])
    {'a': 0, 'b': 1, 'c': 2, 'd': 1}
    """
    before, after = _linked(edges)
    nodes = list(nodes)
    waiting = {key: len(before[key]) for key in nodes}
    order = [key for key, count in waiting.items() if count == 0]
    depth = dict.fromkeys(nodes, 0)
    for key in order:  # it grows until it holds every node
        for target in after[key]:
            depth[target] = max(depth[target], depth[key] + 1)
            waiting[target] -= 1
            if waiting[target] == 0:
                order.append(target)
    for key in reversed(order):
        if after[key] and len(before[key]) <= len(after[key]):
            depth[key] = min(depth[target] for target in after[key]) - 1
    return depth


def _chain(edge: tuple[Key, Key], layer: Mapping[Key, int]) -> list[Key]:
    """Return the edge's ends, with the key of a passage between them for every layer that it crosses."""
    source, target = edge
    return [source, *((edge, depth) for depth in range(layer[source] + 1, layer[target])), target]


def ordered(rows: list[list[Key]], links: Sequence[tuple[Key, Key]]) -> list[list[Key]]:
    """Return the layers' keys in an order with few crossings: the best of several sweeps by barycenters."""
    above, below = _linked(links)
    best, least = [list(row) for row in rows], crossings(rows, links)
    current = [list(row) for row in rows]
    for sweep in range(SWEEPS):
        if not least:
            break
        down = sweep % 2 == 0
        for depth in range(1, len(rows)) if down else range(len(rows) - 2, -1, -1):
            linked, row = above if down else below, current[depth]
            place = {key: at for at, key in enumerate(current[depth - 1 if down else depth + 1])}
            means = {key: np.mean([place[each] for each in linked[key]] or [at]) for at, key in enumerate(row)}
            row.sort(key=means.__getitem__)
        count = crossings(current, links)
        if count < least:
            best, least = [list(row) for row in current], count
    return best


def crossings(rows: Sequence[Sequence[Key]], links: Sequence[tuple[Key, Key]]) -> int:
    """Return how many pairs of links between neighbouring layers cross.

    >>> crossings([["a", "b"], ["c", "d"]], [("a", "d"), ("b", "c")])
    1
    """
    depth = {key: level for level, row in enumerate(rows) for key in row}
    place = {key: at for row in rows for at, key in enumerate(row)}
    by_level = defaultdict(list)
    for a, b in links:
        by_level[depth[a]].append((place[a], place[b]))
    count = 0
    for ends in by_level.values():
        before: list[int] = []  # where the links that start further to the left end, in order
        for _, end in sorted(ends):
            at = bisect_right(before, end)
            count += len(before) - at
            before.insert(at, end)
    return count


def coordinates(
    rows: Sequence[Sequence[Key]], links: Sequence[tuple[Key, Key]], widths: Mapping[Key, float]
) -> dict[Key, float]:
    """Return each key's x: near the mean of the keys linked to it, in the order of its layer and without overlap."""
    above, below = _linked(links)

    def wanted(key: Key) -> float:
        """Return the mean x of the linked keys; links between passages weigh more, so that a long arrow is straight."""
        linked = above[key] + below[key]
        weights = [PASSAGE_WEIGHT if widths[key] == widths[each] == PASSAGE_WIDTH else 1.0 for each in linked]
        return float(np.average([across[each] for each in linked], weights=weights)) if linked else across[key]

    across: dict[Key, float] = {}
    gaps = [np.array([(widths[a] + widths[b]) / 2 + NODE_DISTANCE for a, b in pairwise(row)]) for row in rows]
    for row, gap in zip(rows, gaps, strict=True):
        places = np.concatenate([[0.0], np.cumsum(gap)])
        across.update(zip(row, places - places[-1] / 2, strict=False))
    for sweep in range(SWEEPS):
        for depth in range(len(rows)) if sweep % 2 == 0 else reversed(range(len(rows))):
            places = spaced(np.array([wanted(key) for key in rows[depth]]), gaps[depth])
            across.update(zip(rows[depth], places, strict=True))
    for row, gap in zip(rows, gaps, strict=True):  # at last, directly below the start of a single incoming arrow
        straight = [across[above[key][0]] if len(above[key]) == 1 else across[key] for key in row]
        across.update(zip(row, spaced(np.array(straight), gap), strict=True))
    left = min((across[key] - widths[key] / 2 for row in rows for key in row), default=0.0)
    return {key: float(place - left + MARGIN) for key, place in across.items()}


def spaced(wanted: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Return the places nearest to those wanted, by least squares, that keep their order and at least these gaps.

    After the gaps are subtracted this is isotonic regression, by pooling adjacent violators: Ayer and others (1955).

    >>> spaced(np.array([0.0, 0.0, 9.0]), np.array([2.0, 2.0]))
    array([-1.,  1.,  9.])
    """
    offsets = np.concatenate([[0.0], np.cumsum(gaps)])
    pools: list[tuple[float, int]] = []
    for value in wanted - offsets:
        mean, count = float(value), 1
        while pools and pools[-1][0] > mean:
            other, members = pools.pop()
            mean, count = (mean * count + other * members) / (count + members), count + members
        pools.append((mean, count))
    return np.concatenate([np.full(count, mean) for mean, count in pools]) + offsets if pools else offsets[:0]


def _linked(links: Sequence[tuple[Key, Key]]) -> tuple[dict[Key, list[Key]], dict[Key, list[Key]]]:
    """Return the sources of every target, and the targets of every source."""
    above: dict[Key, list[Key]] = defaultdict(list)
    below: dict[Key, list[Key]] = defaultdict(list)
    for source, target in links:
        above[target].append(source)
        below[source].append(target)
    return above, below


def _size(node: Node) -> tuple[float, float]:
    width = CHARACTER_WIDTH * max(map(len, node.lines)) + 2 * PADDING
    return width + (2 * PADDING if node.look.is_round else 0), LINE_HEIGHT * len(node.lines) + PADDING


def _arrows(
    chains: Sequence[Sequence[Key]],
    boxes: Mapping[Key, Box],
    across: Mapping[Key, float],
    placed: Mapping[Key, int],
    bounds: Sequence[tuple[float, float]],
) -> tuple[tuple[Point, ...], ...]:
    """Return the points of the arrows, which are vertical within layers and slanted only between them."""
    leaving, arriving = defaultdict(list), defaultdict(list)
    for index, chain in enumerate(chains):
        leaving[chain[0]].append((across[chain[1]], index))
        arriving[chain[-1]].append((across[chain[-2]], index))
    start, end = _ports(leaving, boxes), _ports(arriving, boxes)
    arrows = []
    for index, (source, *passed, target) in enumerate(chains):
        x, bottom = start[index], boxes[source].y + boxes[source].height / 2
        points = [(x, bottom), (x, bounds[placed[source]][1])]
        for key in passed:
            points += [(across[key], edge) for edge in bounds[placed[key]]]
        x, top = end[index], boxes[target].y - boxes[target].height / 2
        points += [(x, bounds[placed[target]][0]), (x, top)]
        arrows.append(tuple(point for point, _ in groupby(points)))
    return tuple(arrows)


def _ports(ends: Mapping[Key, list[tuple[float, int]]], boxes: Mapping[Key, Box]) -> dict[int, float]:
    """Return the x at which each arrow leaves or enters its node, by index, in the order of the arrows' other ends."""
    return {
        index: boxes[key].x + boxes[key].width / 2 * ((at + 0.5) / len(arrows) - 0.5)
        for key, arrows in ends.items()
        for at, (_, index) in enumerate(sorted(arrows))
    }
