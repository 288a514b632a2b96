"""Boxes lie in layers on a page, and lines go around them."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from torchlearners.graph._layout import Box, Edge, arrange


@st.composite
def graphs(draw):
    """Return boxes of any size, and edges from earlier to later ones."""
    n = draw(st.integers(2, 12))
    sizes = st.floats(20, 300)
    boxes = [Box(draw(sizes), draw(sizes), below=draw(st.floats(0, 20)))]
    edges = []
    for i in range(1, n):
        boxes.append(Box(draw(sizes), draw(sizes), below=10.0))
        sources = draw(st.lists(st.integers(0, i - 1), min_size=1, max_size=4))
        edges += [Edge(source, 0, i, 0) for source in sources]
    return boxes, edges


def frame(box):
    left, right = box.x - box.width / 2, box.x + box.width / 2
    return left, box.y, right, box.y + box.height + box.below


def overlap(one, other):
    a, b = frame(one), frame(other)
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(graphs())
def test_no_boxes_overlap_and_all_lie_on_the_page(graph):
    boxes, edges = graph
    width, height = arrange(boxes, edges)
    for i, box in enumerate(boxes):
        left, top, right, bottom = frame(box)
        assert left > 0
        assert top > 0
        assert right < width
        assert bottom < height
        assert not any(overlap(box, other) for other in boxes[:i])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(graphs())
def test_lines_pass_no_box_and_stay_on_the_page(graph):
    boxes, edges = graph
    width, _ = arrange(boxes, edges)
    for edge in edges:
        assert all(0 <= x <= width for x, _ in edge.points)
        for (x0, y0), (x1, y1) in pairwise(edge.points):
            for i, box in enumerate(boxes):
                left, top, right, bottom = frame(box)
                if i == edge.source:
                    continue  # whose own tag it may pass
                across = min(x0, x1) < right and left < max(x0, x1)
                along = min(y0, y1) < bottom - 1e-6 and top + 1e-6 < max(y0, y1)
                assert not (across and along)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(graphs())
def test_lines_begin_and_end_at_their_boxes(graph):
    boxes, edges = graph
    arrange(boxes, edges)
    for edge in edges:
        source, target = boxes[edge.source], boxes[edge.target]
        assert edge.points[0] == (source.x, source.y + source.height)
        assert edge.points[-1] == (target.x, target.y)
        ys = [y for _, y in edge.points]
        assert ys == sorted(ys)


def test_a_layout_is_the_same_each_time():
    def places():
        boxes = [Box(60.0 + 7 * i, 30.0) for i in range(9)]
        edges = [Edge(i // 2, 0, i, 0) for i in range(1, 9)]
        edges += [Edge(0, 0, 8, 0), Edge(3, 0, 8, 0)]
        arrange(boxes, edges)
        return [(b.x, b.y) for b in boxes], [e.points for e in edges]

    assert places() == places()


def test_a_long_line_is_upright_beside_the_boxes_that_it_passes():
    boxes = [Box(60.0 + 20 * (i % 3), 30.0) for i in range(6)]
    edges = [Edge(i, 0, i + 1, 0) for i in range(5)] + [Edge(0, 0, 5, 0)]
    arrange(boxes, edges)
    assert len({box.x for box in boxes}) == 1
    assert len({x for x, _ in edges[-1].points[2:-1]}) == 1
    assert edges[-1].points[2][0] > max(box.x + box.width / 2 for box in boxes[1:5])
