"""Items in rows under each other: their order, and how far to the right they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

_SIDE = 26.0
# How much a line past other boxes pulls at its ends; the rest should stay straight.
# Others pull with 1, and those within a column more.
SKIP = 1e-3
_FIRM = 10.0
_AWAY = 1000.0
_SWEEPS = 12


@dataclass(eq=False)
class Item:
    """A box, or the place where a long line passes a layer."""

    width: float
    layer: int
    is_box: bool
    place: int = 0
    x: float = 0.0


@dataclass
class Link:
    """A line between two items of neighbouring layers."""

    above: Item
    above_offset: float
    below: Item
    below_offset: float
    weight: float

    @property
    def aside(self) -> float:
        """How far the item below is to the right of the one above, if upright."""
        return self.above_offset - self.below_offset

    def start(self) -> float:
        """Return where in the order of its layer the line begins."""
        return self.above.place + self.above_offset / (self.above.width + 1)

    def end(self) -> float:
        """Return where in the order of its layer the line ends."""
        return self.below.place + self.below_offset / (self.below.width + 1)


def order_rows(rows: list[list[Item]], links: list[Link]) -> None:
    """Order the items of each row so that few lines cross."""
    up, down = _by_item(links)
    between: list[list[Link]] = [[] for _ in rows]
    for link in links:
        between[link.above.layer].append(link)
    _number(rows)
    best, fewest = [list(row) for row in rows], _n_crossings(between)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        downwards = sweep % 2 == 0
        for row in rows if downwards else rows[::-1]:
            keys: dict[int, float] = {}
            for item in row:
                starts = [k.start() for k in up[id(item)]]
                ends = [k.end() for k in down[id(item)]]
                others = starts if downwards else ends
                keys[id(item)] = _mean(others or [item.place])
            row.sort(key=lambda item: keys[id(item)])
            _number([row])
        n = _n_crossings(between)
        if n < fewest:
            best, fewest = [list(row) for row in rows], n
    for row, chosen in zip(rows, best, strict=True):
        row[:] = chosen
    _number(rows)


def place_items(rows: list[list[Item]], links: list[Link]) -> None:
    """Set x: each item near those it has lines to, in order, none on another."""
    columns = _columns(rows, links)
    up, down = _by_item(links)
    for row in rows:
        _spread(row, [0.0] * len(row), [1.0] * len(row))
    for sweep in range(2 * _SWEEPS):
        downwards = sweep % 2 == 0
        for row in rows if downwards else rows[::-1]:
            wanted, weights = [], []
            for item in row:
                above = [(k.weight, k.above.x + k.aside) for k in up[id(item)]]
                below = [(k.weight, k.below.x - k.aside) for k in down[id(item)]]
                # In the end both sides count, so that both are looked after.
                late = sweep >= _SWEEPS
                pulls = above + below if late else above if downwards else below
                total = sum(w for w, _ in pulls)
                wanted.append(sum(w * x for w, x in pulls) / total if pulls else item.x)
                weights.append(1.0 if item.is_box else max(SKIP, min(total, 0.1)))
            _spread(row, wanted, weights)
    _straighten(rows, columns, up, down)


def _spread(row: list[Item], wanted: list[float], weights: list[float]) -> None:
    """Set x as near to what is wanted as the widths allow, by least squares.

    Without the widths to the left, x only has to grow, which is isotonic regression:
    neighbours in the wrong order are merged at their mean.
    """
    offsets = [0.0]
    for a, b in pairwise(row):
        offsets.append(offsets[-1] + _distance(a, b))
    blocks: list[list[float]] = []  # mean, weight, number of items
    for x, offset, weight in zip(wanted, offsets, weights, strict=True):
        blocks.append([x - offset, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, total, n = blocks.pop()
            other = blocks[-1]
            other[0] = (other[0] * other[1] + mean * total) / (other[1] + total)
            other[1] += total
            other[2] += n
    means = [mean for mean, _, n in blocks for _ in range(int(n))]
    for item, mean, offset in zip(row, means, offsets, strict=True):
        item.x = mean + offset


def _straighten(
    rows: list[list[Item]],
    columns: list[list[tuple[Item, float]]],
    up: dict[int, list[Link]],
    down: dict[int, list[Link]],
) -> None:
    """Bring columns upright, where there is room for it."""
    for attempt in range(_SWEEPS):  # some can only move after others did
        for column in columns if attempt % 2 else columns[::-1]:
            wanted = _wanted(column, up, down)
            if attempt < _SWEEPS / 2 and not any(item.is_box for item, _ in column):
                # Lines without boxes make way at first, and come back later.
                wanted += _AWAY if column[0][0].x > wanted else -_AWAY
            run: list[tuple[Item, float]] = []
            low, high = -float("inf"), float("inf")
            for item, offset in column:
                left, right = (end - offset for end in _room(rows, item))
                if max(low, left) > min(high, right):
                    _move(run, min(max(wanted, low), high))
                    run, low, high = [], left, right
                run.append((item, offset))
                low, high = max(low, left), min(high, right)
            _move(run, min(max(wanted, low), high))


def _columns(
    rows: list[list[Item]], links: list[Link]
) -> list[list[tuple[Item, float]]]:
    """Return items that should stand under each other, with distances to the side.

    A link keeps its ends together if it is the middle one of the links of both; it then
    pulls more than others.
    """
    firm = [
        k for k in links if k.weight == 1.0 or not (k.above.is_box or k.below.is_box)
    ]
    up, down = _by_item(firm)
    columns: dict[int, list[tuple[Item, float]]] = {}
    for row in rows:
        for item in row:
            link = _middle(up[id(item)], Link.start)
            if link is None or _middle(down[id(link.above)], Link.end) is not link:
                columns[id(item)] = [(item, 0.0)]
                continue
            column = columns[id(item)] = columns[id(link.above)]
            offset = column[-1][1] + link.aside
            link.weight = _FIRM
            column.append((item, offset))
    return list({id(column): column for column in columns.values()}.values())


def _middle(links: list[Link], key: Callable[[Link], float]) -> Link | None:
    return sorted(links, key=key)[len(links) // 2] if len(links) % 2 else None


def _wanted(
    column: list[tuple[Item, float]],
    up: dict[int, list[Link]],
    down: dict[int, list[Link]],
) -> float:
    """Return where the first item of a column should be, if there is room."""
    (first, _), (last, offset) = column[0], column[-1]
    boxes = [item.x - aside for item, aside in column if item.is_box]
    above = [k for k in up[id(first)] if k.weight > SKIP]
    below = [k for k in down[id(last)] if k.weight > SKIP]
    # An output among several has a place of its own to stand under.
    if not boxes or (len(above) == 1 and above[0].above_offset):
        return up[id(first)][0].above.x + up[id(first)][0].aside
    # Where lines meet or part, in the middle of them.
    middles = [_mean([k.above.x + k.aside for k in above])] if len(above) > 1 else []
    if len(below) > 1:
        middles.append(_mean([k.below.x - k.aside for k in below]) - offset)
    return _mean(middles or boxes)


def _move(run: list[tuple[Item, float]], x: float) -> None:
    for item, offset in run:
        item.x = x + offset


def _room(rows: list[list[Item]], item: Item) -> tuple[float, float]:
    row, i = rows[item.layer], item.place
    low, high = -float("inf"), float("inf")
    if i > 0:
        low = row[i - 1].x + _distance(row[i - 1], item)
    if i + 1 < len(row):
        high = row[i + 1].x - _distance(item, row[i + 1])
    return low, high


# Small parts


def _by_item(
    links: list[Link],
) -> tuple[dict[int, list[Link]], dict[int, list[Link]]]:
    """Return the lines to each item from above, and those from it down."""
    up: dict[int, list[Link]] = defaultdict(list)
    down: dict[int, list[Link]] = defaultdict(list)
    for link in links:
        up[id(link.below)].append(link)
        down[id(link.above)].append(link)
    return up, down


def _number(rows: list[list[Item]]) -> None:
    for row in rows:
        for place, item in enumerate(row):
            item.place = place


def _n_crossings(between: list[list[Link]]) -> int:
    n = 0
    for links in between:
        ends = [(link.start(), link.end()) for link in links]
        for i, (a, b) in enumerate(ends):
            n += sum((a - c) * (b - d) < 0 for c, d in ends[:i])
    return n


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _distance(a: Item, b: Item) -> float:
    side = _SIDE if a.is_box or b.is_box else _SIDE / 2
    return (a.width + b.width) / 2 + side
