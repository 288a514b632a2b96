"""Values that several places of a network share."""

from __future__ import annotations

from typing import Any


class Param:
    """A value that several places of a network share, under one name.

    Parameters
    ----------
    name : str
        The name in ``get_params`` of the network.
    value : object

    Examples
    --------
    >>> from torchlearners.graph import Head, Linear, Param, ReLU
    >>> width = Param("width", 64)
    >>> network = Linear(width) >> ReLU() >> Linear(width) >> Head()
    >>> network.set_params(width=32).get_params()["width"]
    32
    """

    def __init__(self, name: str, value: Any) -> None:
        if not (isinstance(name, str) and name.isidentifier() and "__" not in name):
            raise ValueError(f"Param name {name!r} must be a word without '__'.")
        self.name = name
        self.value = value

    def __repr__(self) -> str:
        return f"Param({self.name!r}, {self.value!r})"


def value_of(value: Any) -> Any:
    """Return what a `Param` holds, or the value itself."""
    return value.value if isinstance(value, Param) else value
