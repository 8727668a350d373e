"""Where the nodes and the arrows of a drawing go: layer under layer, with few crossings, and nothing on anything else.

Sugiyama, Tagawa, Toda, "Methods for Visual Understanding of Hierarchical System Structures" (1981): nodes go into
layers by the longest path to them, an arrow over several layers gets a place to pass in each, layers are ordered by
barycenters, and then every node moves towards its neighbours as far as its own neighbours in the layer let it.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

CHARACTER, LINE = 7.3, 16.0  # a character's width and a line's height, of a monospaced font of size 12
MARGIN, PADDING, SIDE, BETWEEN = 16.0, 9.0, 22.0, 30.0  # around the drawing, in a node, beside one, between layers
SWEEPS = 60
STRAIGHT = 8.0  # how much more the parts of one long arrow pull each other than nodes do
PASSAGE = 8.0  # the width of the place where an arrow passes a layer

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
    """What is drawn: a box that looks so, with lines of text."""

    look: Look
    lines: tuple[str, ...]


class Box(NamedTuple):
    """A node in its place: centre, width and height, in units of which a line of text is 16 high; y goes down."""

    node: Node
    x: float
    y: float
    width: float
    height: float


class Layout(NamedTuple):
    """A drawing: its size, the boxes by the keys of their nodes, and the arrows as lines from point to point."""

    width: float
    height: float
    boxes: dict[Key, Box]
    arrows: tuple[tuple[Point, ...], ...]


def layout_of(nodes: Mapping[Key, Node], edges: Sequence[tuple[Key, Key]]) -> Layout:
    """Return where the nodes and the arrows of a directed graph without cycles go; each edge is given once."""
    layer = layers(nodes, edges)
    chains = [_chain(edge, layer) for edge in edges]
    links = [link for chain in chains for link in pairwise(chain)]
    rows: list[list[Key]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    placed = layer | {key: layer[chain[0]] + offset for chain in chains for offset, key in enumerate(chain[:-1])}
    for key, depth in placed.items():
        rows[depth].append(key)
    rows = ordered(rows, links)
    sizes = {key: _size(node) for key, node in nodes.items()}
    widths = {key: sizes[key][0] if key in sizes else PASSAGE for row in rows for key in row}
    across = coordinates(rows, links, widths)
    heights = [max((sizes[key][1] for key in row if key in sizes), default=0.0) for row in rows]
    tops = MARGIN + np.concatenate([[0.0], np.cumsum([height + BETWEEN for height in heights])])
    boxes = {
        key: Box(node, across[key], float(tops[layer[key]] + heights[layer[key]] / 2), *sizes[key])
        for key, node in nodes.items()
    }
    bounds = [(float(tops[depth]), float(tops[depth] + height)) for depth, height in enumerate(heights)]
    arrows = _arrows(chains, boxes, across, placed, bounds)
    right = max((across[key] + widths[key] / 2 for row in rows for key in row), default=MARGIN)
    return Layout(right + MARGIN, max(float(tops[-1]) - BETWEEN, MARGIN) + MARGIN, boxes, arrows)


def layers(nodes: Iterable[Key], edges: Sequence[tuple[Key, Key]]) -> dict[Key, int]:
    """Return each node's layer: the longest path to it, or later where that makes arrows shorter in all.

    >>> layers("abcd", [("a", "b"), ("b", "c"), ("d", "c")])
    {'a': 0, 'b': 1, 'c': 2, 'd': 1}
    """
    after, before = defaultdict(list), defaultdict(list)
    for source, target in edges:
        after[source].append(target)
        before[target].append(source)
    nodes = list(nodes)
    waiting = {key: len(before[key]) for key in nodes}
    order = [key for key, count in waiting.items() if count == 0]
    depth = dict.fromkeys(nodes, 0)
    for key in order:  # which grows until every node is in it
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
    """Return the edge's ends, with a key between for every layer that it passes."""
    source, target = edge
    return [source, *((edge, depth) for depth in range(layer[source] + 1, layer[target])), target]


def ordered(rows: list[list[Key]], links: Sequence[tuple[Key, Key]]) -> list[list[Key]]:
    """Return the layers' keys in an order with few crossings: the best of some sweeps by barycenters."""
    above, below = _neighbours(links)
    best, least = [list(row) for row in rows], crossings(rows, links)
    current = [list(row) for row in rows]
    for sweep in range(SWEEPS):
        if not least:
            break
        down = sweep % 2 == 0
        for depth in range(1, len(rows)) if down else range(len(rows) - 2, -1, -1):
            beside = {key: at for at, key in enumerate(current[depth - 1 if down else depth + 1])}
            places = {key: at for at, key in enumerate(current[depth])}
            near = above if down else below
            means = {
                key: float(np.mean([beside[each] for each in near[key]])) if near[key] else float(places[key])
                for key in current[depth]
            }
            current[depth].sort(key=means.__getitem__)
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
    count = 0
    for level in range(len(rows)):
        ends = np.array([(place[a], place[b]) for a, b in links if depth[a] == level]).reshape(-1, 2)
        differences = ends[:, None, :] - ends[None, :, :]
        count += int((differences[..., 0] * differences[..., 1] < 0).sum()) // 2
    return count


def coordinates(
    rows: Sequence[Sequence[Key]], links: Sequence[tuple[Key, Key]], widths: Mapping[Key, float]
) -> dict[Key, float]:
    """Return each key's horizontal place: near the mean of its neighbours, in order and side by side."""
    above, below = _neighbours(links)
    across: dict[Key, float] = {}
    gaps = [np.array([(widths[a] + widths[b]) / 2 + SIDE for a, b in pairwise(row)]) for row in rows]
    for row, gap in zip(rows, gaps, strict=True):
        places = np.concatenate([[0.0], np.cumsum(gap)])
        across.update(zip(row, places - places[-1] / 2, strict=False))
    for sweep in range(SWEEPS):
        for depth in range(len(rows)) if sweep % 2 == 0 else reversed(range(len(rows))):
            row = rows[depth]
            wanted = [_middle(key, above[key] + below[key], across, widths) for key in row]
            across.update(zip(row, spaced(np.array(wanted), gaps[depth]), strict=True))
    for row, gap in zip(rows, gaps, strict=True):  # at last straight down where only one arrow comes in
        wanted = [across[above[key][0]] if len(above[key]) == 1 else across[key] for key in row]
        across.update(zip(row, spaced(np.array(wanted), gap), strict=True))
    left = min((across[key] - widths[key] / 2 for row in rows for key in row), default=0.0)
    return {key: float(place - left + MARGIN) for key, place in across.items()}


def _middle(key: Key, near: Sequence[Key], across: Mapping[Key, float], widths: Mapping[Key, float]) -> float:
    """Return the mean of the neighbours' places, in which a long arrow's own course counts most: it runs straight."""
    if not near:
        return across[key]
    weights = [STRAIGHT if widths[key] == widths[each] == PASSAGE else 1.0 for each in near]
    return float(np.average([across[each] for each in near], weights=weights))


def spaced(wanted: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Return the places nearest to those wanted, by squares, that keep their order and at least these gaps.

    Less the gaps that is isotonic regression, by pooling adjacent violators: Ayer and others (1955).

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


def _neighbours(links: Sequence[tuple[Key, Key]]) -> tuple[dict[Key, list[Key]], dict[Key, list[Key]]]:
    above: dict[Key, list[Key]] = defaultdict(list)
    below: dict[Key, list[Key]] = defaultdict(list)
    for source, target in links:
        above[target].append(source)
        below[source].append(target)
    return above, below


def _size(node: Node) -> tuple[float, float]:
    width = CHARACTER * max(map(len, node.lines)) + 2 * PADDING
    return width + (2 * PADDING if node.look.is_round else 0), LINE * len(node.lines) + PADDING


def _arrows(
    chains: Sequence[Sequence[Key]],
    boxes: Mapping[Key, Box],
    across: Mapping[Key, float],
    placed: Mapping[Key, int],
    bounds: Sequence[tuple[float, float]],
) -> tuple[tuple[Point, ...], ...]:
    """Return the arrows, straight down through the layers and slanted only between them, so that no node is crossed."""
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
        arrows.append(tuple(point for at, point in enumerate(points) if at == 0 or point != points[at - 1]))
    return tuple(arrows)


def _ports(ends: Mapping[Key, list[tuple[float, int]]], boxes: Mapping[Key, Box]) -> dict[int, float]:
    """Return where on its node's side each arrow starts or ends: side by side, in the order of their other ends."""
    ports = {}
    for key, arrows in ends.items():
        box, room = boxes[key], boxes[key].width / 2
        for at, (_, index) in enumerate(sorted(arrows)):
            ports[index] = box.x + room * ((at + 0.5) / len(arrows) - 0.5)
    return ports
