"""Items of a row keep their order and distance; columns stand upright."""

import pytest

from torchlearners.graph._rows import SKIP, Item, Link, order_rows, place_items


def box(layer, width=50.0):
    return Item(width, layer, is_box=True)


def link(above, below, weight=1.0):
    return Link(above, 0.0, below, 0.0, weight)


def test_lines_that_need_not_cross_do_not_cross():
    a, b, c, d = box(0), box(0), box(1), box(1)
    rows = [[a, b], [c, d]]
    order_rows(rows, [link(a, d), link(b, c)])
    assert [rows[0].index(a), rows[0].index(b)] == [rows[1].index(d), rows[1].index(c)]


def test_the_order_written_is_kept_where_nothing_crosses():
    root, children = box(0), [box(1), box(1), box(1)]
    rows = [[root], list(children)]
    order_rows(rows, [link(root, child) for child in children])
    assert rows[1] == children


def test_a_chain_stands_upright_whatever_the_widths():
    items = [box(i, width) for i, width in enumerate((200.0, 50.0, 80.0))]
    rows = [[item] for item in items]
    links = [link(items[0], items[1]), link(items[1], items[2])]
    order_rows(rows, links)
    place_items(rows, links)
    assert items[0].x == items[1].x == items[2].x


def test_a_parent_stands_over_the_middle_of_its_children():
    root, children = box(0), [box(1, 50.0), box(1, 150.0)]
    rows, links = [[root], children], [link(root, child) for child in children]
    order_rows(rows, links)
    place_items(rows, links)
    assert root.x == pytest.approx((children[0].x + children[1].x) / 2)
    assert children[1].x - children[0].x >= 100.0


def test_a_line_past_a_chain_does_not_bend_the_chain():
    chain, past = [box(0), box(1, 90.0), box(2)], Item(0.0, 1, is_box=False)
    rows = [[chain[0]], [chain[1], past], [chain[2]]]
    links = [link(chain[0], chain[1]), link(chain[1], chain[2])]
    links += [link(chain[0], past, SKIP), link(past, chain[2], SKIP)]
    order_rows(rows, links)
    place_items(rows, links)
    assert len({item.x for item in chain}) == 1
    assert past.x > chain[1].x + 45
