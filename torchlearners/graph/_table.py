"""Rows that print as a table."""

from __future__ import annotations

import html
from typing import Any


class Table(list[dict[str, Any]]):
    """A list of dicts with the same keys that prints as a table.

    ``pandas.DataFrame`` takes it as it is.

    Examples
    --------
    >>> from torchlearners.graph._table import Table
    >>> print(Table([{"name": "relu_1", "parameters": 0}]))
    name    parameters
    relu_1           0
    """

    def __str__(self) -> str:
        if not self:
            return ""
        columns = list(zip(list(self[0]), *self._texts(), strict=True))
        widths = [max(map(len, column)) for column in columns]
        whole = [isinstance(value, int) for value in self[0].values()]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(row, widths, whole, strict=True)
            ).rstrip()
            for row in zip(*columns, strict=True)
        )

    def _repr_html_(self) -> str:
        def line(tag: str, cells: Any) -> str:
            inside = "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells)
            return f"<tr>{inside}</tr>"

        head = line("th", self[0]) if self else ""
        body = "".join(line("td", row) for row in self._texts())
        return f"<table>{head}{body}</table>"

    def _texts(self) -> list[list[str]]:
        return [[_text(value) for value in row.values()] for row in self]


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
