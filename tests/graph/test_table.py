"""Rows that print as a table."""

import copy
import pickle

from torchlearners.graph._table import Table

ROWS = [{"step": "a<b", "sizes": [1, 2], "n": 3}, {"step": "c", "sizes": [], "n": 1000}]


def test_numbers_stand_right_and_lists_are_joined():
    assert str(Table(ROWS)).splitlines() == [
        "step  sizes     n",
        "a<b   1, 2      3",
        "c            1000",
    ]


def test_a_table_without_rows_is_empty():
    assert str(Table()) == ""
    assert Table()._repr_html_() == "<table></table>"


def test_html_is_escaped():
    assert "<td>a&lt;b</td>" in Table(ROWS)._repr_html_()


def test_copies_are_tables():
    for other in (copy.deepcopy(Table(ROWS)), pickle.loads(pickle.dumps(Table(ROWS)))):
        assert type(other) is Table
        assert other == ROWS
