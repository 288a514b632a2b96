"""Nodes that hold a segment of a network: repeated, bridged, or chosen."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from torchlearners.exceptions import ArchitectureError
from torchlearners.graph._joins import bracketed
from torchlearners.graph._node import Node
from torchlearners.params import did_you_mean, non_negative_int, optional, param


class Repeat(Node):
    """A segment several times in sequence, each time with weights of its own.

    ``segment * 3`` is short for ``Repeat(segment, 3)``.

    {parameters}

    Examples
    --------
    >>> from torchlearners.graph import Head, Linear, ReLU, Repeat
    >>> def taper(i):
    ...     return dict(linear_1__out_features=64 // 2**i)
    >>> network = Repeat(Linear(64) >> ReLU(), 2, vary=taper) >> Head()
    >>> print(network.shapes((None, 10)))
    step         input                output               parameters
    linear_1__1  (batch, feature=10)  (batch, feature=64)         704
    relu_1__1    (batch, feature=64)  (batch, feature=64)           0
    linear_1__2  (batch, feature=64)  (batch, feature=32)        2080
    relu_1__2    (batch, feature=32)  (batch, feature=32)           0
    head_1       (batch, feature=32)  (batch, feature=1)           33
    """

    segment: Any = param(
        kw_only=False, default=None, check=[Node], doc="What is repeated."
    )
    n: int = param(
        kw_only=False,
        default=1,
        check=non_negative_int,
        doc="How many times. 0 leaves the segment out.",
    )
    vary: Callable[[int], dict[str, Any]] | None = param(
        kw_only=False,
        default=None,
        check=optional([callable]),
        doc="Of the number of the copy, from 0; returns parameters to set on the copy, "
        "as ``segment.get_params()`` names them.",
    )

    def children(self) -> list[Node]:
        """Return the segment."""
        return [self.segment]

    def _set_children(self, children: list[Node]) -> None:
        (self.segment,) = children

    def copies(self) -> list[Node]:
        """Return the segment once for each repetition.

        Returns
        -------
        list of Node
        """
        if self.vary is None:
            return [self.segment] * self.n
        copies = [copy.deepcopy(self.segment) for _ in range(self.n)]
        return [c.set_params(**self.vary(i)) for i, c in enumerate(copies)]

    @property
    def _precedence(self) -> int:  # type: ignore[override]
        return 2 if self.vary is None and self.name is None else 3

    def __repr__(self) -> str:
        if self._precedence == 2:
            return f"{bracketed(self.segment, 2)} * {self.n!r}"
        return super().__repr__()


class Residual(Node):
    """A segment whose input is added to its output [1]_.

    {parameters}

    References
    ----------
    .. [1] He, Zhang, Ren and Sun (2016). Deep residual learning for image
       recognition. CVPR.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.graph import Linear, ReLU, Residual
    >>> block = Residual(Linear(8) >> ReLU() >> Linear(8)).build((None, 8))
    >>> block(torch.zeros(2, 8)).shape
    torch.Size([2, 8])
    """

    segment: Any = param(
        kw_only=False, default=None, check=[Node], doc="What the input goes through."
    )
    shortcut: Any = param(
        kw_only=False,
        default=None,
        check=optional([Node]),
        doc="What the input goes through before it is added, for example a `Linear` "
        "where the segment changes the width. None adds it as it is.",
    )

    def children(self) -> list[Node]:
        """Return the segment, and the shortcut if there is one."""
        return [self.segment, *([] if self.shortcut is None else [self.shortcut])]

    def _set_children(self, children: list[Node]) -> None:
        self.segment, *shortcut = children
        self.shortcut = shortcut[0] if shortcut else None


class Choice(Node):
    """One of several segments; which one is a parameter.

    {parameters}

    Examples
    --------
    >>> from torchlearners.graph import Choice, GELU, Head, Linear, ReLU
    >>> choice = Choice(dict(relu=ReLU(), gelu=GELU()), active="relu")
    >>> network = Linear(8) >> choice >> Head()
    >>> network.set_params(choice_1__active="gelu").shapes((None, 4)).steps
    ['linear_1', 'gelu_1', 'head_1']
    """

    segments: Any = param(
        kw_only=False, default=None, check=[dict], doc="Nodes by name."
    )
    active: Any = param(
        kw_only=False,
        default=None,
        check=[str, None],
        doc="Name of the one that is used; None takes the first.",
    )

    def children(self) -> list[Node]:
        """Return all segments, used or not."""
        if not (isinstance(self.segments, dict) and self.segments):
            raise TypeError(
                "Choice takes a dict of at least one node by name, such as "
                f"dict(relu=ReLU(), gelu=GELU()); got {self.segments!r}."
            )
        return list(self.segments.values())

    def _set_children(self, children: list[Node]) -> None:
        self.segments = dict(zip(self.segments, children, strict=True))

    def chosen(self) -> Node:
        """Return the segment that is used.

        Returns
        -------
        Node

        Raises
        ------
        ArchitectureError
            Where there is no segment of that name.
        """
        name = next(iter(self.segments)) if self.active is None else self.active
        if name not in self.segments:
            raise ArchitectureError(
                f"Choice has no segment active={name!r}."
                f"{did_you_mean(name, self.segments)} The segments are "
                f"{list(self.segments)}."
            )
        return self.segments[name]
