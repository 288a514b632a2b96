"""Networks are plotted in four formats that say the same."""

import re
import runpy
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest

from torchlearners.graph import (
    Concat,
    Fn,
    Head,
    Linear,
    MultiheadAttention,
    Numeric,
    NumericTokenizer,
    ReLU,
    Repeat,
    Residual,
    Select,
    Tanh,
)

mpl.use("Agg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"


def attention():
    tokens = Numeric() >> NumericTokenizer(16)
    op = MultiheadAttention(4)(query=tokens >> Linear(16), key=tokens, value=tokens)
    return (op >> Select(1, 0) | op["weights"] >> Select(1, 0)) >> Concat() >> Head()


ROWS = (None, 8)
NETWORKS = {
    "chain": Linear(64) >> ReLU() >> Head(),
    "branches": (Linear(4) >> ReLU() | Tanh()) >> Concat() >> Head(),
    "residual": Residual(Linear(8) >> ReLU()) * 2 >> Head(),
    "attention": attention(),
    "sixty steps": Repeat(Residual(Linear(8) >> ReLU()), 20) >> Head(),
}


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


@pytest.fixture(params=NETWORKS)
def network(request):
    return NETWORKS[request.param]


def texts_of(network, format):
    plotted = network.plot(ROWS, format=format)
    if format == "matplotlib":
        return [text.get_text() for text in plotted.texts]
    if format == "svg":
        return [
            text.text for text in ElementTree.fromstring(plotted).iter(SVG + "text")
        ]
    if format == "dot":
        return re.findall(r"[^\"]+", plotted.replace("\\n", '"'))
    return re.split(r"\s\s+|\n", plotted)


@pytest.mark.parametrize("format", ["matplotlib", "svg", "dot", "text"])
def test_all_steps_and_shapes_are_on_the_plot(network, format):
    table, texts = network.shapes(ROWS), texts_of(network, format)
    for row in table:
        assert row["step"] in texts
        assert any(str(row["output"][0])[1:-1] in text for text in texts)
    assert {"input", "output"} <= set(texts)


@pytest.mark.parametrize("format", ["matplotlib", "svg", "dot"])
def test_parameters_are_counted_in_words(format):
    texts = texts_of(Linear(1000) >> ReLU() >> Head(), format)
    assert "9,000 parameters" in texts
    assert sum("parameter" in text for text in texts) == 2
    assert "1 parameter" in texts_of(Fn(one_mean) >> Head(bias=False), format)


def one_mean(x):
    return x.mean(1, keepdim=True)


@pytest.mark.parametrize("format", ["matplotlib", "svg", "dot", "text"])
def test_channels_are_named(format):
    joined = " ".join(texts_of(attention(), format))
    for channel in ("query", "key", "value", "weights"):
        assert channel in joined


@pytest.mark.parametrize("format", ["svg", "dot", "text"])
def test_the_head_has_the_outputs_asked_for(format):
    plotted = NETWORKS["chain"].plot(ROWS, n_outputs=7, format=format)
    assert "batch, feature=7" in plotted


# matplotlib


def test_the_default_is_a_figure_that_fits():
    ax = NETWORKS["chain"].plot(ROWS)
    width, height = ax.get_figure().get_size_inches()
    assert width == pytest.approx(ax.get_xlim()[1] / 72)
    assert height == pytest.approx(ax.get_ylim()[0] / 72)
    assert plt.get_fignums() == [ax.get_figure().number]


def test_axes_that_are_given_are_drawn_into():
    _, (left, right) = plt.subplots(1, 2)
    assert NETWORKS["chain"].plot(ROWS, ax=right) is right
    assert right.texts
    assert not left.texts
    assert len(plt.get_fignums()) == 1


@pytest.mark.parametrize("size", [(3, 3), (8, 2), (20, 30)])
def test_drawn_texts_fit_their_boxes_in_axes_of_any_size(network, size):
    figure, ax = plt.subplots(figsize=size)
    network.plot(ROWS, ax=ax)
    renderer = figure.canvas.get_renderer()
    boxes = [p for p in ax.patches if type(p).__name__ == "FancyBboxPatch"]
    extents = [box.get_window_extent(renderer) for box in boxes]
    held = 0
    for text in ax.texts:
        middle = text.get_window_extent(renderer)
        x, y = (middle.x0 + middle.x1) / 2, (middle.y0 + middle.y1) / 2
        for box in extents:
            if box.contains(x, y):
                held += 1
                assert middle.width <= box.width + 2
    assert held >= len(boxes)


def test_a_very_long_network_gets_a_figure_that_can_be_saved(tmp_path):
    ax = (Repeat(ReLU(), 300) >> Head()).plot(ROWS)
    assert max(ax.get_figure().get_size_inches()) <= 200
    ax.get_figure().savefig(tmp_path / "long.png", dpi=72)
    assert (tmp_path / "long.png").stat().st_size > 0


def test_something_is_drawn_in_the_colors_of_the_kinds():
    figure = NETWORKS["chain"].plot(ROWS).get_figure()
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3].reshape(-1, 3)
    for color in ("#cfe0f3", "#243b53"):
        wanted = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
        assert (pixels == wanted).all(axis=1).any()


def test_a_missing_matplotlib_is_told_with_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"torchlearners\[plot\]"):
        NETWORKS["chain"].plot(ROWS)


def test_the_other_formats_need_no_matplotlib(monkeypatch):
    for module in ("matplotlib", "matplotlib.pyplot", "matplotlib.patches"):
        monkeypatch.setitem(sys.modules, module, None)
    for format in ("svg", "dot", "text"):
        assert "linear_1" in NETWORKS["chain"].plot(ROWS, format=format)


# svg


def test_svg_says_to_readers_of_screens_what_it_is(network):
    root = ElementTree.fromstring(network.plot(ROWS, format="svg"))
    assert root.get("role") == "img"
    title = root.find(SVG + "title").text
    assert title == root.get("aria-label")
    assert title.startswith(f"Network of {len(network.shapes(ROWS))} steps with ")


def test_everything_in_an_svg_is_in_its_view_box(network):
    root = ElementTree.fromstring(network.plot(ROWS, format="svg"))
    _, _, width, height = map(float, root.get("viewBox").split())
    for rect in root.iter(SVG + "rect"):
        x, y = float(rect.get("x", 0)), float(rect.get("y", 0))
        assert 0 <= x <= x + float(rect.get("width")) <= width
        assert 0 <= y <= y + float(rect.get("height")) <= height
    for path in [*root.iter(SVG + "path"), *root.iter(SVG + "polygon")]:
        numbers = re.findall(r"[\d.]+", path.get("d") or path.get("points"))
        assert all(0 <= float(x) <= width for x in numbers[::2])
        assert all(0 <= float(y) <= height for y in numbers[1::2])


def test_svg_escapes_texts_and_tells_whole_expressions():
    svg = (Fn(lambda x: x) >> Head()).plot(ROWS, format="svg")
    titles = [title.text for title in ElementTree.fromstring(svg).iter(SVG + "title")]
    assert "fn_1: Fn(<lambda>)" in titles
    assert "Fn(<lambda>)" not in svg


def test_svgs_of_one_page_do_not_share_names(network):
    svg = network.plot(ROWS, format="svg")
    assert "id=" not in svg
    assert "<style" not in svg
    assert not svg.startswith("<?xml")


def test_the_pictures_of_the_guide_are_those_of_today():
    script = runpy.run_path(str(ROOT / "docs" / "examples" / "network_plots.py"))
    for name, svg in script["pictures"]().items():
        path = ROOT / "docs" / "guide" / "images" / name
        assert path.read_text("utf-8") == svg, "run docs/examples/network_plots.py"


# dot and text


def test_dot_draws_each_step_and_line_once(network):
    dot = network.plot(ROWS, format="dot")
    n_steps = len(network.shapes(ROWS))
    assert len(re.findall(r"^  n\d+ \[", dot, re.MULTILINE)) == n_steps + 2
    n_inputs = sum(len(row["input"]) for row in network.shapes(ROWS))
    assert dot.count(" -> ") == n_inputs + 1


def test_dot_quotes_what_would_end_a_label():
    dot = Fn(max_of, kwargs={"why": 'a "b" \\ c'}).plot(ROWS, format="dot")
    assert r"'a \"b\" \\\\ c'" in dot


def max_of(x, why):
    return x.max(1, keepdim=True).values


def test_text_draws_a_chain():
    assert (Linear(8) >> ReLU()).plot(ROWS, format="text").splitlines() == [
        "input",
        "  |  batch, feature=8",
        "linear_1  Linear(8)  72 parameters",
        "  |  batch, feature=8",
        "relu_1  ReLU()",
        "  |  batch, feature=8",
        "output",
    ]


def test_text_lists_a_network_with_branches():
    lines = attention().plot(ROWS, format="text").splitlines()
    row = next(line for line in lines if line.startswith("multihead_attention_1"))
    source = "query=linear_1, key=numeric_tokenizer_1, value=numeric_tokenizer_1"
    assert re.split(r"\s\s+", row)[1:3] == ["MultiheadAttention(4)", source]
    row = next(line for line in lines if line.startswith("select_2"))
    assert re.split(r"\s\s+", row)[2] == "multihead_attention_1['weights']"


def test_text_is_readable_on_any_terminal(network):
    assert network.plot(ROWS, format="text").isascii()


# All


@pytest.mark.parametrize("format", ["svg", "dot", "text"])
def test_a_plot_is_the_same_each_time(network, format):
    assert network.plot(ROWS, format=format) == network.plot(ROWS, format=format)


def test_an_unknown_format_is_told_with_the_choices():
    with pytest.raises(ValueError, match=r"'png' is unknown.*svg, dot, text"):
        NETWORKS["chain"].plot(ROWS, format="png")


def test_axes_are_refused_where_nothing_is_drawn_into_them():
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match="ax= is for format='matplotlib'"):
        NETWORKS["chain"].plot(ROWS, format="svg", ax=ax)


@pytest.mark.parametrize("format", ["matplotlib", "svg"])
def test_a_hundred_steps_are_drawn_within_two_seconds(format):
    block = Residual(Linear(8) >> Residual(ReLU() >> Tanh())) | Linear(8) >> Tanh()
    network = Repeat(block >> Concat() >> Linear(8), 12) >> Head()
    network.plot(ROWS, format=format)
    start = time.process_time()
    network.plot(ROWS, format=format)
    assert len(network.shapes(ROWS)) > 100
    assert time.process_time() - start < 2
