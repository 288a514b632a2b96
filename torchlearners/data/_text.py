"""Columns of strings that are hardly categories: free text, and numbers as text."""

from __future__ import annotations

import re
import warnings
from typing import Any

from torchlearners.exceptions import CategoricalColumnWarning

# More levels, in over half of the rows, are text.
_MOST_LEVELS = 1000
# Of fewer rows nothing is said: most of their levels may stand in one row.
_FEWEST_ROWS = 20
# Digits alone in so few levels may well be categories, such as grades.
_FEW_LEVELS = 9
_SHARE_OF_NUMBERS = 0.9
_SEEN = 1000
_TEXT_REMEDY = (
    "Drop it, or encode it before this learner, for example with scikit-learn's "
    "TfidfVectorizer or TargetEncoder. If it is a category all the same, convert it "
    "to a categorical dtype."
)
_SIGN = r"\s*[-+]?\s*"
_NUMBER = re.compile(
    rf"{_SIGN}[$€£¥]?{_SIGN}"
    r"(\d{1,3}([,.' ]\d{3})+([.,]\d+)?|\d+([.,]\d*)?|[.,]\d+)(e[-+]?\d+)?"
    r"\s*[%$€£¥]?\s*",
    re.IGNORECASE | re.ASCII,
)


def check_text(column: str, distinct: list[Any], n_rows: int) -> None:
    """Refuse a column of strings that is text, and warn of one that may be no category.

    Parameters
    ----------
    column : str
        What the messages call it.
    distinct : list
        Its different values that are not missing: strings, maybe numbers among them.
    n_rows : int
        Number of rows that have one.

    Raises
    ------
    ValueError
        Where there are too many levels for a category.

    Warns
    -----
    CategoricalColumnWarning
        Where levels are more than half of the rows, or strings look like numbers.

    Examples
    --------
    >>> from torchlearners.data._text import check_text
    >>> check_text("Column 'note' of X", [f"Dear {i}" for i in range(1200)], 1200)
    Traceback (most recent call last):
    ...
    ValueError: Column 'note' of X holds 1200 different strings in 1200 rows, which is \
text and no category. Drop it, ...
    """
    n_levels = len(distinct)
    found = f"{column} holds {n_levels} different strings in {n_rows} rows"
    if n_levels > max(_MOST_LEVELS, n_rows / 2):
        raise ValueError(f"{found}, which is text and no category. {_TEXT_REMEDY}")
    if example := _example_of_numbers(distinct):
        warnings.warn(
            f"{column} holds strings that look like numbers, such as {example!r}, and "
            "is taken for a category. Convert it to numbers before this learner, for "
            "example with pandas.to_numeric. If it is a category all the same, convert "
            "it to a categorical dtype.",
            CategoricalColumnWarning,
            stacklevel=3,
        )
    elif n_rows >= _FEWEST_ROWS and n_levels > n_rows / 2:
        warnings.warn(
            f"{found}, and is taken for a category, although that looks like text. "
            f"{_TEXT_REMEDY}",
            CategoricalColumnWarning,
            stacklevel=3,
        )


def _example_of_numbers(distinct: list[Any]) -> str | None:
    """Return one of the strings, where nearly all of them are numbers."""
    strings = [value for value in distinct[:_SEEN] if isinstance(value, str)]
    numbers = [string for string in strings if _NUMBER.fullmatch(string)]
    if not numbers or len(numbers) < _SHARE_OF_NUMBERS * len(strings):
        return None
    signed = [string for string in numbers if not string.isdigit()]
    # A zero in front is that of a label, such as a postcode.
    labels = any(len(string) > 1 and string[0] == "0" for string in numbers)
    if not signed and (labels or len(distinct) <= _FEW_LEVELS):
        return None
    return min(signed or numbers)
