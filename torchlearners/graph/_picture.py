"""What is on the picture of a network, and where."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from dataclasses import dataclass, field
from typing import NamedTuple

from torchlearners.graph._ingress import Ingress
from torchlearners.graph._layout import Box, Edge, arrange
from torchlearners.graph._node import Node
from torchlearners.graph._op import Op
from torchlearners.graph._own import Head
from torchlearners.graph._plan import Plan, Step, Wire
from torchlearners.graph._segments import Residual
from torchlearners.graph._shape_table import n_parameters
from torchlearners.graph._specs import TensorSpec

# Characters of the fonts used are all of one width, at most this share of their size,
# so that boxes can be made to fit without measuring.
_ADVANCE = 0.62
_NAME, _TEXT, _SMALL = 12.0, 11.0, 9.5
_LEADING = 1.4
# From the middle of a line of text down to where its letters stand.
_BASELINE = 0.35
_PAD_X, _PAD_Y, _LEAST_WIDTH = 14.0, 8.0, 96.0
_WRAP, _MOST_LINES = 40, 3
# Distance of a shape from its box, and between the cells of several outputs.
_TAG_GAP, _CELL_GAP = 8.0, 16.0
# Room between the names of channels and the other texts, and under a shape.
_PORT_GAP, _TAG_BELOW = 4.0, 3.0


class Line(NamedTuple):
    """One line of text: at the middle of its width and on its baseline."""

    text: str
    size: float
    bold: bool = False
    faint: bool = False
    x: float = 0.0
    y: float = 0.0

    @property
    def width(self) -> float:
        """Most that the text is wide in any of the fonts."""
        cells = sum(
            2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in self.text
        )
        return cells * self.size * _ADVANCE

    @property
    def frame(self) -> tuple[float, float, float, float]:
        """Left, top, width and height of the room of the line."""
        height = self.size * _LEADING
        top = self.y - self.size * (_LEADING / 2 + _BASELINE)
        return self.x - self.width / 2, top, self.width, height


@dataclass
class Block:
    """What is said of one step.

    ``outputs`` and ``inputs`` are names of channels, empty where there is one that
    needs none; ``tags`` are the shapes of the outputs that are used.
    """

    kind: str
    name: str
    expression: str
    n_parameters: int
    inputs: list[str]
    outputs: list[str]
    tags: list[str]
    # The channels that the outputs are.
    channels: list[int]
    lines: list[Line] = field(default_factory=list)
    tag_lines: list[Line] = field(default_factory=list)


class Picture:
    """Boxes, lines and texts of a network, placed.

    Parameters
    ----------
    plan : Plan
    """

    def __init__(self, plan: Plan) -> None:
        self.blocks = describe(plan)
        self.edges = []
        steps = [*plan.steps, None]
        for target, step in enumerate(steps, 1):
            wires = [plan.end] if step is None else step.inputs
            given = [wire for wire in wires if wire is not None]
            named = bool(self.blocks[target].inputs)
            for i, wire in enumerate(given):
                source = wire.step + 1  # the first block is the input
                output = self.blocks[source].channels.index(wire.channel)
                self.edges.append(Edge(source, output, target, i if named else 0))
        self.boxes = [_box(block) for block in self.blocks]
        self.width, self.height = arrange(self.boxes, self.edges)
        for block, box in zip(self.blocks, self.boxes, strict=True):
            _set_lines(block, box)

    @property
    def title(self) -> str:
        """One sentence on the network."""
        total = count(sum(block.n_parameters for block in self.blocks))
        return f"Network of {len(self.blocks) - 2} steps with {total}"


def describe(plan: Plan) -> list[Block]:
    """Return what is said of the input, each step, and the output."""
    used: dict[int, set[int]] = {plan.end.step: {plan.end.channel}}
    for step in plan.steps:
        for wire in step.inputs:
            if wire is not None:
                used.setdefault(wire.step, set()).add(wire.channel)
    entering = [_shape(plan.source.spec)]
    blocks = [Block("end", "input", "", 0, [], [], entering, [0])]
    for i, step in enumerate(plan.steps):
        channels = sorted(used.get(i, {0}))
        tags = [_shape(plan.spec(Wire(i, channel))) for channel in channels]
        n = n_parameters(step)
        names = getattr(step.node, "outputs", ())
        outputs = [names[c] for c in channels] if channels != [0] else []
        blocks.append(
            Block(
                _kind(step, n),
                step.name,
                _expression(step.node),
                n,
                _input_names(step),
                outputs,
                tags,
                channels,
            )
        )
    return [*blocks, Block("end", "output", "", 0, [], [], [], [])]


def _kind(step: Step, n: int) -> str:
    if isinstance(step.node, Ingress):
        return "ingress"
    if isinstance(step.node, Head):
        return "head"
    several = len(step.inputs) > 1 and getattr(step.node, "variadic", False)
    if several or isinstance(step.node, Residual):
        return "merge"
    return "weights" if n else "plain"


def _input_names(step: Step) -> list[str]:
    """Return the names of the inputs that are given, where they need names."""
    op = step.node
    if not isinstance(op, Op) or op.variadic or len(step.inputs) < 2:
        return []
    names = [*op.inputs, *op.optional_inputs]
    return [n for n, w in zip(names, step.inputs, strict=False) if w is not None]


def _expression(node: Node) -> str:
    if isinstance(node, Residual):
        return "Residual(...)"  # what is inside is on the picture
    node = node.resolved()
    node.__dict__["name"] = None  # it is written above
    text = re.sub(r"<(?:built-in )?(?:function|method) (\S+).*?>", r"\1", repr(node))
    return " ".join(re.sub(r"[\w.<>]*<locals>\.", "", text).split())


def _shape(spec: TensorSpec) -> str:
    inside, _, dtype = str(spec)[1:].rpartition(")")
    return inside + dtype


def count(n: int) -> str:
    """Return a number of parameters in words."""
    return f"{n:,} parameter" + "s" * (n != 1)


# Sizes and places of texts


def _texts(block: Block) -> list[Line]:
    lines = [Line(block.name, _NAME, bold=block.kind != "end")]
    wrapped = textwrap.wrap(
        block.expression, _WRAP, max_lines=_MOST_LINES, placeholder=" ..."
    )
    lines += [Line(text, _TEXT) for text in wrapped]
    if block.n_parameters:
        lines.append(Line(count(block.n_parameters), _SMALL, faint=True))
    return lines


def _box(block: Block) -> Box:
    lines = _texts(block)
    tags = [Line(tag, _SMALL) for tag in block.tags]
    ports = [Line(name, _SMALL) for name in block.outputs]
    cells = [
        max(line.width for line in pair) + _CELL_GAP
        for pair in zip(tags, ports or tags, strict=True)
    ]
    named = [Line(name, _SMALL).width + _CELL_GAP for name in block.inputs]
    several = len(cells) > 1
    width = max(
        _LEAST_WIDTH,
        max(line.width for line in lines) + 2 * _PAD_X,
        sum(cells) if several else ports[0].width + 2 * _PAD_X if ports else 0.0,
        sum(named),
    )
    height = 2 * _PAD_Y + sum(line.size * _LEADING for line in lines)
    height += (_SMALL * _LEADING + _PORT_GAP) * (bool(named) + bool(ports))
    below = _TAG_GAP + _SMALL * _LEADING + _TAG_BELOW if tags else 0.0
    return Box(
        max(width, *cells) if cells else width,
        height,
        below,
        _middles(cells),
        _middles(named) or [0.0],
    )


def _middles(widths: list[float]) -> list[float]:
    """Return the middles of cells side by side, from the middle of them all."""
    middles, left = [], -sum(widths) / 2
    for width in widths:
        middles.append(left + width / 2)
        left += width
    return middles


def _set_lines(block: Block, box: Box) -> None:
    """Put the texts of a block where its box is."""
    top = box.y + _PAD_Y
    if block.inputs:
        block.lines += _row(block.inputs, box.x, box.inputs, top)
        top += _SMALL * _LEADING + _PORT_GAP
    for line in _texts(block):
        block.lines.append(_at(line, box.x, top))
        top += line.size * _LEADING
    if block.outputs:
        block.lines += _row(block.outputs, box.x, box.outputs, top + _PORT_GAP)
    tag_top = box.y + box.height + _TAG_GAP
    block.tag_lines = _row(block.tags, box.x, box.outputs, tag_top)


def _row(texts: list[str], x: float, offsets: list[float], top: float) -> list[Line]:
    return [
        _at(Line(text, _SMALL, faint=True), x + offset, top)
        for text, offset in zip(texts, offsets, strict=True)
    ]


def _at(line: Line, x: float, top: float) -> Line:
    return line._replace(x=x, y=top + line.size * (_LEADING / 2 + _BASELINE))
