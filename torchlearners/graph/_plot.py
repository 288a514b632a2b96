"""Formats in which the picture of a network is drawn."""

from __future__ import annotations

import textwrap
from html import escape
from itertools import pairwise
from typing import Any, NamedTuple

from torchlearners.graph._layout import Edge
from torchlearners.graph._picture import Block, Line, Picture, count, describe
from torchlearners.graph._plan import Plan, Wire

FORMATS = ("matplotlib", "svg", "dot", "text")

_FONTS = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
# Length and width of the head of an arrow.
_ARROW, _ARROW_WIDTH = 7.0, 7.0
_MOST_RADIUS = 16.0
# A figure is at most this long, so that its pixels can be held; larger ones shrink.
_MOST_INCHES = 200.0

_INK, _FAINT_INK, _LINE = "#1f2933", "#52606d", "#7b8794"


class _Style(NamedTuple):
    fill: str
    line: str
    text: str
    faint: str
    line_width: float
    # Corner radius as a share of the height; 0.5 gives round ends.
    round: float


# Lightness, outline and corners differ too, so that no kind is told by colour alone.
_STYLES = {
    "end": _Style("#ffffff", "#7b8794", _FAINT_INK, _FAINT_INK, 1.0, 0.5),
    "ingress": _Style("#fdf0d5", "#b7791f", _INK, "#7a5a1e", 1.0, 0.5),
    "weights": _Style("#cfe0f3", "#2b6cb0", _INK, "#2f5478", 1.6, 0.12),
    "plain": _Style("#ffffff", "#9aa5b1", _INK, _FAINT_INK, 1.0, 0.12),
    "merge": _Style("#e4e7eb", "#616e7c", _INK, _FAINT_INK, 1.0, 0.5),
    "head": _Style("#243b53", "#102a43", "#ffffff", "#d9e2ec", 1.0, 0.12),
}


def plot_plan(plan: Plan, format: str, ax: Any) -> Any:
    """Draw the steps of a plan; see `Node.plot`."""
    if format not in FORMATS:
        raise ValueError(
            f"format={format!r} is unknown. Choose one of {', '.join(FORMATS)}."
        )
    if ax is not None and format != "matplotlib":
        raise ValueError(f"ax= is for format='matplotlib'; format={format!r}.")
    if format == "text":
        return _as_text(plan)
    picture = Picture(plan)
    if format == "matplotlib":
        return _on_axes(picture, ax)
    return _as_svg(picture) if format == "svg" else _as_dot(picture)


# Drawn from the places of a picture


def _as_svg(picture: Picture) -> str:
    width, height = _n(picture.width), _n(picture.height)
    title = escape(picture.title)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{title}" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'style="max-width:100%;height:auto" font-family="{_FONTS}" '
        'text-anchor="middle">',
        f"<title>{title}</title>",
        f'<rect width="{width}" height="{height}" rx="6" fill="#ffffff"/>',
    ]
    for edge in picture.edges:
        course = "".join(
            f" {letter}" + " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
            for letter, points in _course(edge)
        )
        parts.append(
            f'<path d="{course.strip()}" fill="none" stroke="{_LINE}" '
            'stroke-width="1.2"/>'
        )
    for edge in picture.edges:
        corners = " ".join(f"{_n(x)},{_n(y)}" for x, y in _arrow(edge))
        parts.append(f'<polygon points="{corners}" fill="{_LINE}"/>')
    for block, box in zip(picture.blocks, picture.boxes, strict=True):
        style = _STYLES[block.kind]
        said = f"{block.name}: {block.expression}" if block.expression else block.name
        parts += [
            f"<g><title>{escape(said)}</title>",
            f'<rect x="{_n(box.x - box.width / 2)}" y="{_n(box.y)}" '
            f'width="{_n(box.width)}" height="{_n(box.height)}" '
            f'rx="{_n(_radius(style, box.height))}" fill="{style.fill}" '
            f'stroke="{style.line}" stroke-width="{style.line_width}"/>',
            *(
                _svg_text(line, style.faint if line.faint else style.text)
                for line in block.lines
            ),
            "</g>",
        ]
        for line in block.tag_lines:
            x, y, w, h = line.frame
            parts += [
                f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(w)}" height="{_n(h)}" '
                'fill="#ffffff"/>',
                _svg_text(line, _FAINT_INK),
            ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _svg_text(line: Line, color: str) -> str:
    weight = ' font-weight="bold"' if line.bold else ""
    return (
        f'<text x="{_n(line.x)}" y="{_n(line.y)}" font-size="{_n(line.size)}"'
        f'{weight} fill="{color}">{escape(line.text)}</text>'
    )


def _on_axes(picture: Picture, ax: Any) -> Any:
    try:
        import matplotlib.pyplot as plt
        from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon, Rectangle
        from matplotlib.path import Path
    except ImportError as error:
        raise ImportError(
            "format='matplotlib' needs matplotlib: pip install 'torchlearners[plot]'. "
            "format='svg' and format='text' need nothing."
        ) from error
    if ax is None:
        inches = picture.width / 72, picture.height / 72
        shrink = min(1.0, _MOST_INCHES / max(inches))
        figure = plt.figure(figsize=(inches[0] * shrink, inches[1] * shrink))
        ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, picture.width), ylim=(picture.height, 0), aspect="equal")
    ax.set_axis_off()
    # Sizes of texts and lines are points on paper, not data; here is what one point
    # of the picture is there.
    extent = ax.get_window_extent()
    pixels = min(extent.width / picture.width, extent.height / picture.height)
    scale = pixels * 72 / ax.get_figure().dpi

    codes = {
        "M": [Path.MOVETO],
        "L": [Path.LINETO],
        "C": [Path.CURVE4] * 3,
    }

    def write(line: Line, color: str) -> None:
        ax.text(
            line.x,
            line.y,
            line.text,
            fontsize=line.size * scale,
            fontfamily="DejaVu Sans Mono",
            fontweight="bold" if line.bold else "normal",
            color=color,
            ha="center",
            va="baseline",
            parse_math=False,
            zorder=4,
        )

    for edge in picture.edges:
        course = _course(edge)
        path = Path(
            [point for _, points in course for point in points],
            [code for letter, _ in course for code in codes[letter]],
        )
        stroke = {"edgecolor": _LINE, "linewidth": 1.2 * scale}
        ax.add_patch(PathPatch(path, fill=False, **stroke))
        ax.add_patch(Polygon(_arrow(edge), color=_LINE, linewidth=0, zorder=2))
    for block, box in zip(picture.blocks, picture.boxes, strict=True):
        style = _STYLES[block.kind]
        rounded = f"round,pad=0,rounding_size={_radius(style, box.height)}"
        ax.add_patch(
            FancyBboxPatch(
                (box.x - box.width / 2, box.y),
                box.width,
                box.height,
                boxstyle=rounded,
                facecolor=style.fill,
                edgecolor=style.line,
                linewidth=style.line_width * scale,
                zorder=3,
            )
        )
        for line in block.lines:
            write(line, style.faint if line.faint else style.text)
        for line in block.tag_lines:
            x, y, w, h = line.frame
            patch = Rectangle((x, y), w, h, facecolor="white", linewidth=0, zorder=3)
            ax.add_patch(patch)
            write(line, _FAINT_INK)
    return ax


def _course(edge: Edge) -> list[tuple[str, list[tuple[float, float]]]]:
    """Return a line as the commands of SVG's paths, up to the head of its arrow."""
    points = [*edge.points[:-1], (edge.points[-1][0], edge.points[-1][1] - _ARROW)]
    course = [("M", points[:1])]
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 == x1:
            course.append(("L", [(x1, y1)]))
        else:
            middle = (y0 + y1) / 2
            course.append(("C", [(x0, middle), (x1, middle), (x1, y1)]))
    return course


def _arrow(edge: Edge) -> list[tuple[float, float]]:
    x, y = edge.points[-1]
    half = _ARROW_WIDTH / 2
    return [(x - half, y - _ARROW), (x + half, y - _ARROW), (x, y)]


def _radius(style: _Style, height: float) -> float:
    return min(style.round * height, _MOST_RADIUS)


def _n(x: float) -> str:
    return f"{x:.1f}".removesuffix(".0")


# Written from what is on a picture


def _as_dot(picture: Picture) -> str:
    lines = [
        "digraph network {",
        "  rankdir=TB;",
        '  node [shape=box, style="filled,rounded", fontname="monospace"];',
        '  edge [fontname="monospace", fontsize=10];',
    ]
    for i, block in enumerate(picture.blocks):
        style = _STYLES[block.kind]
        said = [block.name, block.expression]
        said += [count(block.n_parameters)] if block.n_parameters else []
        label = "\\n".join(_quoted(text) for text in said if text)
        lines.append(
            f'  n{i} [label="{label}", fillcolor="{style.fill}", '
            f'color="{style.line}", fontcolor="{style.text}"];'
        )
    for edge in picture.edges:
        source, target = picture.blocks[edge.source], picture.blocks[edge.target]
        label = source.tags[edge.output]
        if source.outputs:
            label = f"{source.outputs[edge.output]}: {label}"
        label = f'label="{_quoted(label)}"'
        if target.inputs:
            label += f', headlabel="{_quoted(target.inputs[edge.input])}"'
        lines.append(f"  n{edge.source} -> n{edge.target} [{label}];")
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _as_text(plan: Plan) -> str:
    blocks = describe(plan)
    wires: list[list[Wire | None]] = [[], *(s.inputs for s in plan.steps), [plan.end]]
    chain = all(w == [Wire(i - 1)] for i, w in enumerate(wires[1:]))
    return _text_of_chain(blocks) if chain else _text_of_steps(blocks, wires)


def _text_of_chain(blocks: list[Block]) -> str:
    lines = []
    for block in blocks:
        said = [block.name, block.expression]
        said += [count(block.n_parameters)] if block.n_parameters else []
        lines.append("  ".join(text for text in said if text))
        lines += [f"  |  {tag}" for tag in block.tags]
    return "\n".join(lines)


def _text_of_steps(blocks: list[Block], wires: list[list[Wire | None]]) -> str:
    rows = [("step", "layer", "from", "gives", "parameters")]
    for block, inputs in zip(blocks, wires, strict=True):
        sources = [_source(blocks, wire) for wire in inputs if wire is not None]
        names = block.inputs or [""] * len(sources)
        given = [
            f"{name}={source}" if name else source
            for name, source in zip(names, sources, strict=True)
        ]
        names = block.outputs or [""] * len(block.tags)
        tags = [
            f"{name}: {tag}" if name else tag
            for name, tag in zip(names, block.tags, strict=True)
        ]
        n = f"{block.n_parameters:,}" if block.n_parameters else ""
        layer = textwrap.shorten(block.expression, 40, placeholder=" ...")
        rows.append((block.name, layer, ", ".join(given), "; ".join(tags), n))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _source(blocks: list[Block], wire: Wire) -> str:
    block = blocks[wire.step + 1]
    if not block.outputs:
        return block.name
    return f"{block.name}[{block.outputs[block.channels.index(wire.channel)]!r}]"
