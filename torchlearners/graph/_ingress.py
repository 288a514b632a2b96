"""Ingress nodes: where rows enter a network."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor as TorchTensor
from torch import nn

from torchlearners.data import DataSpec
from torchlearners.exceptions import ArchitectureError
from torchlearners.graph._node import Node
from torchlearners.graph._source import Source
from torchlearners.graph._specs import TensorSpec
from torchlearners.params import REQUIRED, did_you_mean, optional, param, positive_int


class Ingress(Node):
    """Base of the nodes that a network, or a branch of one, begins with."""

    def enter(self, source: Source) -> tuple[nn.Module | None, TensorSpec]:
        """Return what takes the node's part of the rows, and what that part is.

        Parameters
        ----------
        source : Source

        Returns
        -------
        module : torch.nn.Module or None
            None where the whole tensor is taken as it is.
        spec : TensorSpec

        Raises
        ------
        ArchitectureError
            Where the data have no such part.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define enter().")


class Numeric(Ingress):
    """The numeric features of a table, (batch, feature).

    {parameters}

    Examples
    --------
    >>> import torch
    >>> from torchlearners.graph import Head, Linear, Numeric
    >>> (Numeric() >> Linear(8) >> Head()).build((None, 3))(torch.zeros(2, 3)).shape
    torch.Size([2, 1])
    """

    def enter(self, source: Source) -> tuple[nn.Module | None, TensorSpec]:
        """Return the numeric columns."""
        table = _table(source, self)
        if not table.n_numeric:
            raise ArchitectureError("the data have no numeric features")
        spec = TensorSpec((None, table.n_numeric), ("batch", "feature"))
        everything = not table.cardinalities
        return None if everything else _Columns(slice(0, table.n_numeric)), spec


class Categorical(Ingress):
    """The categories of a table as integer codes, (batch, feature).

    {parameters}

    Examples
    --------
    >>> from torchlearners.data import DataSpec
    >>> from torchlearners.graph import Categorical, CategoricalEmbedding, Head
    >>> data = DataSpec(n_numeric=2, n_outputs=1, cardinalities=(3, 5))
    >>> (Categorical() >> CategoricalEmbedding() >> Head()).shapes(data).steps
    ['categorical_1', 'categorical_embedding_1', 'head_1']
    """

    def enter(self, source: Source) -> tuple[nn.Module | None, TensorSpec]:
        """Return the columns of codes."""
        table = _table(source, self)
        if not table.cardinalities:
            raise ArchitectureError("the data have no categorical features")
        return _codes(table, slice(table.n_numeric, None), table.cardinalities)


class Columns(Ingress):
    """Some columns of a table, all numeric or all categorical, (batch, feature).

    {parameters}

    Examples
    --------
    >>> import torch
    >>> from torchlearners.graph import Columns, Concat, Head, Linear
    >>> network = (Columns([0, 1]) >> Linear(4) | Columns([2])) >> Concat() >> Head()
    >>> network.build((None, 3))(torch.zeros(2, 3)).shape
    torch.Size([2, 1])
    """

    columns: Any = param(
        kw_only=False,
        default=REQUIRED,
        check=["array-like", slice, callable],
        doc="Numbers or names of columns, a slice, or a function from a column's name "
        "to a bool.",
    )

    def enter(self, source: Source) -> tuple[nn.Module | None, TensorSpec]:
        """Return the chosen columns."""
        table = _table(source, self)
        places = _places(self.columns, table)
        coded = [place >= table.n_numeric for place in places]
        if all(coded):
            levels = [table.cardinalities[p - table.n_numeric] for p in places]
            return _codes(table, places, tuple(levels))
        if any(coded):
            raise ArchitectureError(
                f"columns={self.columns!r} are numeric and categorical; take them by "
                "two ingress nodes"
            )
        return _Columns(places), TensorSpec((None, len(places)), ("batch", "feature"))


class Image(Ingress):
    """Images, (batch, channel, height, width); the rows of a table are unfolded.

    {parameters}

    Examples
    --------
    >>> import torch
    >>> from torchlearners.graph import Conv2d, Flatten, Head, Image
    >>> network = Image() >> Conv2d(4, 3) >> Flatten() >> Head()
    >>> network.build((None, 64))(torch.zeros(2, 64)).shape
    torch.Size([2, 1])
    """

    channels: int = param(
        kw_only=False, default=1, check=positive_int, doc="Number of channels."
    )
    height: int | None = param(
        kw_only=False,
        default=None,
        check=optional(positive_int),
        doc="Rows of pixels; None takes what the data say, for a table a square.",
    )
    width: int | None = param(
        kw_only=False,
        default=None,
        check=optional(positive_int),
        doc="Columns of pixels.",
    )

    def enter(self, source: Source) -> tuple[nn.Module | None, TensorSpec]:
        """Return the images."""
        names = ("batch", "channel", "height", "width")
        shape = source.spec.shape
        if len(shape) == 4:
            wanted = (None, self.channels, self.height, self.width)
            if not _agree(wanted[2:], shape[2:]) or shape[1] not in (None, wanted[1]):
                raise ArchitectureError(f"the images have the shape {source.spec}")
            return None, source.spec.named(*names)
        n_pixels = max(1, _row_size(source) // self.channels)
        height = self.height or (
            n_pixels // self.width if self.width else math.isqrt(n_pixels)
        )
        size = (self.channels, height, self.width or n_pixels // height)
        return _unfolded(source, size, names)


class Tensor(Ingress):
    """Rows of any shape, ``(batch, *shape)``; those of a table are unfolded.

    {parameters}

    Examples
    --------
    >>> import torch
    >>> from torchlearners.graph import GRU, Head, Select, Tensor
    >>> network = Tensor((4, 2), ["token", "feature"]) >> GRU(8) >> Select(1, -1)
    >>> (network >> Head()).build((None, 8))(torch.zeros(3, 8)).shape
    torch.Size([3, 1])
    """

    shape: Any = param(
        kw_only=False,
        default=REQUIRED,
        check=["array-like"],
        doc="Sizes of the dimensions after the batch.",
    )
    names: Any = param(
        kw_only=False,
        default=None,
        check=optional(["array-like"]),
        doc="Names of those dimensions.",
    )

    def enter(self, source: Source) -> tuple[nn.Module | None, TensorSpec]:
        """Return the rows."""
        size = tuple(self.shape)
        names = ("batch", *(self.names or [None] * len(size)))
        shape = source.spec.shape
        if len(shape) == len(size) + 1 and source.table is None:
            if not _agree(size, shape[1:]):
                raise ArchitectureError(f"the data have the shape {source.spec}")
            return None, source.spec.named(*names)
        return _unfolded(source, size, names)


class _Columns(nn.Module):
    """Some columns of each row."""

    takes_stacked = True

    def __init__(self, columns: Any) -> None:
        super().__init__()
        self.columns = columns

    def forward(self, x: TorchTensor) -> TorchTensor:
        return x[..., self.columns]

    def extra_repr(self) -> str:
        return repr(self.columns)


class _Codes(_Columns):
    """Some columns of each row, as integers."""

    takes_stacked = True

    def forward(self, x: TorchTensor) -> TorchTensor:
        return x[..., self.columns].long()


def _table(source: Source, node: Node) -> DataSpec:
    if source.table is None:
        raise ArchitectureError(
            f"{type(node).__name__}() takes columns of a table; the data are "
            f"{source.spec}. Begin with Tensor(shape) or Image()"
        )
    return source.table


def _codes(
    table: DataSpec, places: Any, cardinalities: tuple[int, ...]
) -> tuple[nn.Module, TensorSpec]:
    import torch

    shape, names = (None, len(cardinalities)), ("batch", "feature")
    return _Codes(places), TensorSpec(shape, names, torch.int64, cardinalities)


def _places(columns: Any, table: DataSpec) -> list[int]:
    names, n = list(table.feature_names), table.n_columns
    if isinstance(columns, slice):
        found = list(range(n))[columns]
    elif isinstance(columns, Callable):  # type: ignore[arg-type]
        found = [i for i, name in enumerate(names) if columns(name)]
    else:
        found = [_place(column, names, n) for column in columns]
    if not found:
        raise ArchitectureError(
            f"columns={columns!r} chooses none of the {n} columns {names or ''}"
        )
    return found


def _place(column: Any, names: list[str], n: int) -> int:
    if isinstance(column, str):
        if column not in names:
            known = f"the columns are {names}" if names else "the data have no names"
            raise ArchitectureError(
                f"there is no column {column!r};{did_you_mean(column, names)} {known}"
            )
        return names.index(column)
    if not -n <= column < n:
        raise ArchitectureError(f"there is no column {column}; there are {n}")
    return int(column) % n


def _row_size(source: Source) -> int:
    shape = source.spec.shape
    if len(shape) != 2 or shape[1] is None:
        raise ArchitectureError(f"the data are {source.spec}, which cannot be unfolded")
    return shape[1]


def _unfolded(
    source: Source, size: tuple[int, ...], names: tuple[str | None, ...]
) -> tuple[nn.Module, TensorSpec]:
    n = _row_size(source)
    if None in size:
        raise ArchitectureError(f"a table needs all sizes of shape={size}")
    if math.prod(size) != n:
        raise ArchitectureError(
            f"rows of {n} values cannot become {size}, which are {math.prod(size)}"
        )
    spec = TensorSpec((None, *size), names, source.spec.dtype)
    return nn.Unflatten(1, size), spec


def _agree(wanted: Any, shape: Any) -> bool:
    return all(None in (a, b) or a == b for a, b in zip(wanted, shape, strict=True))
