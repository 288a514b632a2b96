"""Places for boxes and the lines between them, from top to bottom."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from torchlearners.graph._rows import SKIP, Item, Link, order_rows, place_items

# Distances, in points.
_GAP = 16.0
_MARGIN = 16.0
# A line that goes far to the side gets more height to do so, up to a limit.
_SLOPE, _MOST_GAP = 0.12, 64.0


@dataclass
class Box:
    """A box to place: its size, and where lines leave and arrive.

    Parameters
    ----------
    width, height : float
    below : float
        Room under the box that belongs to it.
    outputs, inputs : list of float
        Where lines leave below and arrive above, from the middle of the box.
    x, y : float
        Middle and top, set by `arrange`.
    """

    width: float
    height: float
    below: float = 0.0
    outputs: list[float] = field(default_factory=lambda: [0.0])
    inputs: list[float] = field(default_factory=lambda: [0.0])
    x: float = 0.0
    y: float = 0.0


@dataclass
class Edge:
    """A line from an output of one box to an input of a later one.

    Parameters
    ----------
    source, output : int
        Number of the box, and which of its outputs.
    target, input : int
    points : list of (float, float)
        Its course, set by `arrange`: points under each other are joined by straight
        lines, the others by curves that begin and end upright.
    """

    source: int
    output: int
    target: int
    input: int
    points: list[tuple[float, float]] = field(default_factory=list)


def arrange(boxes: list[Box], edges: list[Edge]) -> tuple[float, float]:
    """Place boxes in layers, and lines between them so that they pass no box.

    A box comes one layer below the lowest of those it has lines from. The order within
    a layer is found by barycenters [1]_, the places by least squares.

    Parameters
    ----------
    boxes : list of Box
        The first has no line from another; lines go from earlier to later ones. Their
        ``x`` and ``y`` are set.
    edges : list of Edge
        Their ``points`` are set.

    Returns
    -------
    width, height : float
        Of the whole picture, which begins at (0, 0).

    References
    ----------
    .. [1] Sugiyama, Tagawa and Toda (1981). Methods for visual understanding of
       hierarchical system structures. IEEE Transactions on Systems, Man, and
       Cybernetics.

    Examples
    --------
    >>> from torchlearners.graph._layout import Box, Edge, arrange
    >>> boxes = [Box(100, 30), Box(60, 30), Box(60, 30)]
    >>> edges = [Edge(0, 0, 1, 0), Edge(0, 0, 2, 0)]
    >>> size = arrange(boxes, edges)
    >>> [box.x for box in boxes]
    [89.0, 46.0, 132.0]
    >>> boxes[0].y < boxes[1].y == boxes[2].y
    True
    """
    layer = _layers(len(boxes), edges)
    items = [Item(b.width, layer[i], is_box=True) for i, b in enumerate(boxes)]
    trunks: dict[tuple[int, int], list[Item]] = {}
    paths = [_path(e, items, layer, trunks) for e in edges]
    links = _links(boxes, edges, paths)
    everything = [*items, *(item for trunk in trunks.values() for item in trunk)]
    rows: list[list[Item]] = [[] for _ in range(max(layer) + 1)]
    for item in everything:
        rows[item.layer].append(item)
    order_rows(rows, links)
    place_items(rows, links)

    left = min(item.x - item.width / 2 for item in everything) - _MARGIN
    right = max(item.x + item.width / 2 for item in everything) + _MARGIN
    for item in everything:
        item.x -= left
    for box, item in zip(boxes, items, strict=True):
        box.x = item.x
    tops, bottoms = _heights(boxes, layer, links)
    for i, box in enumerate(boxes):
        box.y = tops[layer[i]]
    for edge, path in zip(edges, paths, strict=True):
        edge.points = _points(boxes, edge, path, tops, bottoms)
    return right - left, bottoms[-1] + _MARGIN


def _layers(n: int, edges: list[Edge]) -> list[int]:
    layer = [0] * n
    for edge in sorted(edges, key=lambda e: e.target):
        layer[edge.target] = max(layer[edge.target], layer[edge.source] + 1)
    return layer


def _path(
    edge: Edge,
    items: list[Item],
    layer: list[int],
    trunks: dict[tuple[int, int], list[Item]],
) -> list[Item]:
    """Return the items on the way of a line; lines of one output share theirs."""
    trunk = trunks.setdefault((edge.source, edge.output), [])
    first, last = layer[edge.source] + 1, layer[edge.target]
    for at in range(first + len(trunk), last):
        trunk.append(Item(0.0, at, is_box=False))
    return [items[edge.source], *trunk[: last - first], items[edge.target]]


def _links(boxes: list[Box], edges: list[Edge], paths: list[list[Item]]) -> list[Link]:
    n_lines: dict[tuple[int, int], int] = {}
    for edge in edges:
        key = (edge.source, edge.output)
        n_lines[key] = n_lines.get(key, 0) + 1
    links: dict[tuple[int, int, float, float], Link] = {}
    for edge, path in zip(edges, paths, strict=True):
        alone = n_lines[edge.source, edge.output] == 1
        weight = 1.0 if alone or len(path) == 2 else SKIP
        for i, (above, below) in enumerate(pairwise(path)):
            start = boxes[edge.source].outputs[edge.output] if i == 0 else 0.0
            end = boxes[edge.target].inputs[edge.input] if i == len(path) - 2 else 0.0
            link = Link(above, start, below, end, weight)
            links[id(above), id(below), start, end] = link
    return list(links.values())


def _heights(
    boxes: list[Box], layer: list[int], links: list[Link]
) -> tuple[list[float], list[float]]:
    """Return tops and bottoms of the layers."""
    n = max(layer) + 1
    heights, gaps = [0.0] * n, [_GAP] * n
    for box, at in zip(boxes, layer, strict=True):
        heights[at] = max(heights[at], box.height + box.below)
    for k in links:
        far = abs(k.above.x + k.aside - k.below.x)
        gap = min(_GAP + _SLOPE * far, _MOST_GAP)
        gaps[k.above.layer] = max(gaps[k.above.layer], gap)
    tops = [_MARGIN]
    for height, gap in zip(heights, gaps, strict=True):
        tops.append(tops[-1] + height + gap)
    return tops[:-1], [top + h for top, h in zip(tops, heights, strict=False)]


def _points(
    boxes: list[Box],
    edge: Edge,
    path: list[Item],
    tops: list[float],
    bottoms: list[float],
) -> list[tuple[float, float]]:
    source, target = boxes[edge.source], boxes[edge.target]
    x = source.x + source.outputs[edge.output]
    points = [(x, source.y + source.height), (x, bottoms[path[0].layer])]
    for item in path[1:-1]:
        points += [(item.x, tops[item.layer]), (item.x, bottoms[item.layer])]
    return [*points, (target.x + target.inputs[edge.input], target.y)]
