"""Rows as tokens, and categories as vectors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torchlearners._compat import StrOptions
from torchlearners.exceptions import ArchitectureError
from torchlearners.nn._arguments import ShowsArguments, check_shape, checked
from torchlearners.params import SequenceOf, boolean, one_of, positive_int

_INITIALIZATIONS = one_of("uniform", "normal")


def _new_tokens(n_tokens: int, d_token: int, initialization: str) -> nn.Parameter:
    """Return tokens with entries in +-1/sqrt(d_token), or of that deviation."""
    tokens = nn.Parameter(torch.empty(n_tokens, d_token))
    scale = d_token**-0.5
    if initialization == "uniform":
        nn.init.uniform_(tokens, -scale, scale)
    else:
        nn.init.normal_(tokens, std=scale)
    return tokens


def _checked_cardinalities(cardinalities: Sequence[int]) -> tuple[int, ...]:
    checked("cardinalities", cardinalities, [SequenceOf(positive_int)])
    if not len(cardinalities):
        raise ValueError(
            f"cardinalities must hold a number for each column, got {cardinalities!r}."
        )
    return tuple(int(c) for c in cardinalities)


def _check_codes(module: ShowsArguments, codes: Tensor, n_columns: int) -> None:
    check_shape(module, codes, "batch", n_columns)
    if codes.dtype not in (torch.int64, torch.int32):
        raise ArchitectureError(
            f"{module.in_words()} takes integer codes (int64 or int32), got "
            f"{codes.dtype}."
        )


def code_outside(codes: Tensor, cardinalities: tuple[int, ...]) -> ValueError:
    """Return the error that names the first code outside of its column's range."""
    sizes = torch.tensor(cardinalities, device=codes.device)
    row, column = ((codes < 0) | (codes >= sizes)).nonzero()[0].tolist()
    return ValueError(
        f"Code {codes[row, column].item()} in column {column}, row {row} of the batch, "
        f"is not one of its {cardinalities[column]} categories (0 to "
        f"{cardinalities[column] - 1}). Unknown categories need a code of their own."
    )


class CLSToken(ShowsArguments):
    """Put a learned token before the tokens of each row [1]_.

    Attention gathers in it what the head needs; `Select(1, 0)` takes it out again.

    Parameters
    ----------
    d_token : int
        Size of a token.
    initialization : {"uniform", "normal"}, default="uniform"
        Distribution of the entries at the start: uniform in +-1/sqrt(d_token), or
        normal with standard deviation 1/sqrt(d_token).

    References
    ----------
    .. [1] Devlin et al. (2019). BERT: pre-training of deep bidirectional transformers
       for language understanding. NAACL.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import CLSToken
    >>> CLSToken(8)(torch.zeros(5, 3, 8)).shape
    torch.Size([5, 4, 8])
    """

    def __init__(self, d_token: int, initialization: str = "uniform") -> None:
        super().__init__()
        self.d_token = checked("d_token", d_token, positive_int)
        self.initialization = checked(
            "initialization", initialization, _INITIALIZATIONS
        )
        self.weight = _new_tokens(1, d_token, initialization)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, 1 + tokens, d_token) for `x` (batch, tokens, d_token)."""
        check_shape(self, x, "batch", "tokens", self.d_token)
        return torch.cat((self.weight.expand(x.shape[0], 1, -1), x), 1)


class NumericTokenizer(ShowsArguments):
    """Make a token of each number: x times the feature's vector, plus a bias [1]_.

    Parameters
    ----------
    n_features : int
        Number of numeric features.
    d_token : int
        Size of a token.
    bias : bool, default=True
        Whether each feature has a bias vector.
    initialization : {"uniform", "normal"}, default="uniform"
        Distribution of vectors and biases at the start: uniform in +-1/sqrt(d_token),
        or normal with standard deviation 1/sqrt(d_token).

    References
    ----------
    .. [1] Gorishniy et al. (2021). Revisiting deep learning models for tabular data.
       NeurIPS. arXiv:2106.11959.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import NumericTokenizer
    >>> NumericTokenizer(3, 8)(torch.zeros(5, 3)).shape
    torch.Size([5, 3, 8])
    """

    def __init__(
        self,
        n_features: int,
        d_token: int,
        bias: bool = True,
        initialization: str = "uniform",
    ) -> None:
        super().__init__()
        self.n_features = checked("n_features", n_features, positive_int)
        self.d_token = checked("d_token", d_token, positive_int)
        checked("initialization", initialization, _INITIALIZATIONS)
        self.initialization = initialization
        self.weight = _new_tokens(n_features, d_token, initialization)
        self.bias = (
            _new_tokens(n_features, d_token, initialization)
            if checked("bias", bias, boolean)
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, n_features, d_token) for `x` (batch, n_features)."""
        check_shape(self, x, "batch", self.n_features)
        tokens = x.unsqueeze(-1) * self.weight
        return tokens if self.bias is None else tokens + self.bias


class CategoricalTokenizer(ShowsArguments):
    """Make a token of each category: its learned vector, plus the column's bias [1]_.

    All columns share one table of vectors.

    Parameters
    ----------
    cardinalities : sequence of int
        Number of categories of each column. The codes of a column run from 0 to its
        number of categories - 1; what is unknown or missing needs a code among them.
    d_token : int
        Size of a token.
    bias : bool, default=True
        Whether each column has a bias vector.
    initialization : {"uniform", "normal"}, default="uniform"
        Distribution of vectors and biases at the start: uniform in +-1/sqrt(d_token),
        or normal with standard deviation 1/sqrt(d_token).

    Notes
    -----
    A code outside of its column's range is an error, never a vector of another column.
    On the CPU it is a ValueError that names the code. On a GPU it is the device-side
    assertion of `torch.nn.Embedding`, so that no batch waits for the check.

    References
    ----------
    .. [1] Gorishniy et al. (2021). Revisiting deep learning models for tabular data.
       NeurIPS. arXiv:2106.11959.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import CategoricalTokenizer
    >>> CategoricalTokenizer((2, 4), d_token=8)(torch.tensor([[1, 3]])).shape
    torch.Size([1, 2, 8])
    """

    offsets: Tensor
    sizes: Tensor

    def __init__(
        self,
        cardinalities: Sequence[int],
        d_token: int,
        bias: bool = True,
        initialization: str = "uniform",
    ) -> None:
        super().__init__()
        self.cardinalities = _checked_cardinalities(cardinalities)
        self.d_token = checked("d_token", d_token, positive_int)
        checked("initialization", initialization, _INITIALIZATIONS)
        self.initialization = initialization
        ends = list(accumulate(self.cardinalities))
        self.weight = _new_tokens(ends[-1], d_token, initialization)
        self.bias = (
            _new_tokens(len(ends), d_token, initialization)
            if checked("bias", bias, boolean)
            else None
        )
        sizes = torch.tensor(self.cardinalities)
        self.register_buffer("sizes", sizes, persistent=False)
        self.register_buffer("offsets", torch.tensor([0, *ends[:-1]]), persistent=False)

    def forward(self, codes: Tensor) -> Tensor:
        """Return (batch, n_columns, d_token) for integer `codes` (batch, n_columns)."""
        _check_codes(self, codes, len(self.cardinalities))
        inside = (codes >= 0) & (codes < self.sizes)
        # The row after the last makes the look-up itself raise: it checks anyway.
        rows = torch.where(inside, codes + self.offsets, self.weight.shape[0])
        try:
            tokens = F.embedding(rows, self.weight)
        except IndexError:
            raise code_outside(codes, self.cardinalities) from None
        return tokens if self.bias is None else tokens + self.bias


class CategoricalEmbedding(ShowsArguments):
    """Replace each category by its learned vector, and join the vectors of a row [1]_.

    Parameters
    ----------
    cardinalities : sequence of int
        Number of categories of each column. The codes of a column run from 0 to its
        number of categories - 1; what is unknown or missing needs a code among them.
    embedding_dim : "auto", int or sequence of int, default="auto"
        Size of the vectors, for all columns or for each. "auto" gives a column of c
        categories min(600, round(1.6 c**0.56)), a rule of thumb found by trial [2]_:
        2 for 2 categories, 6 for 10, 21 for 100.

    Attributes
    ----------
    out_features : int
        Number of values a row has afterwards.

    Notes
    -----
    A code outside of its column's range is an error, as in `CategoricalTokenizer`.

    References
    ----------
    .. [1] Guo and Berkhahn (2016). Entity embeddings of categorical variables.
       arXiv:1604.06737.
    .. [2] Howard and Gugger (2020). Fastai: a layered API for deep learning.
       Information 11(2).

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import CategoricalEmbedding
    >>> CategoricalEmbedding((2, 10))(torch.tensor([[1, 3]])).shape
    torch.Size([1, 8])
    """

    def __init__(self, cardinalities: Sequence[int], embedding_dim: Any = "auto"):
        super().__init__()
        self.cardinalities = _checked_cardinalities(cardinalities)
        n_columns = len(self.cardinalities)
        sizes = SequenceOf(positive_int, length=n_columns)
        self.embedding_dim = checked(
            "embedding_dim", embedding_dim, [StrOptions({"auto"}), *positive_int, sizes]
        )
        if isinstance(embedding_dim, str):
            dims = [min(600, round(1.6 * c**0.56)) for c in self.cardinalities]
        else:
            each = SequenceOf(positive_int).is_satisfied_by(embedding_dim)
            dims = list(embedding_dim) if each else [embedding_dim] * n_columns
        self.out_features = int(sum(dims))
        self.tables = nn.ModuleList(map(nn.Embedding, self.cardinalities, dims))

    def forward(self, codes: Tensor) -> Tensor:
        """Return (batch, out_features) for integer `codes` (batch, n_columns)."""
        _check_codes(self, codes, len(self.cardinalities))
        return _look_up(self.tables, codes, self.cardinalities)


class OneHotEmbedding(ShowsArguments):
    """Replace categories by indicators where they are few, else by learned vectors.

    Code 0 stands for what is missing or unknown, and becomes zeros among indicators.
    A column of two levels becomes one number, -1 or 1; one of more levels, up to
    `max_one_hot`, a 0/1 indicator of each; any other a vector of its own for each
    code [1]_.

    Parameters
    ----------
    cardinalities : sequence of int
        Number of codes of each column, 0 among them: one more than it has levels.
    max_one_hot : int, default=9
        Most levels that become indicators.
    embedding_dim : int, default=8
        Size of the vectors, which start standard normal.

    Attributes
    ----------
    out_features : int
        Number of values a row has afterwards.

    Notes
    -----
    A code outside of its column's range is an error, as in `CategoricalTokenizer`.

    References
    ----------
    .. [1] Holzmueller, Grinsztajn and Steinwart (2024). Better by default: strong
       pre-tuned MLPs and boosted trees on tabular data. NeurIPS. arXiv:2407.04491.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import OneHotEmbedding
    >>> OneHotEmbedding((3, 4))(torch.tensor([[1, 3], [2, 0]]))
    tensor([[-1.,  0.,  0.,  1.],
            [ 1.,  0.,  0.,  0.]])
    """

    def __init__(
        self,
        cardinalities: Sequence[int],
        max_one_hot: int = 9,
        embedding_dim: int = 8,
    ) -> None:
        super().__init__()
        self.cardinalities = _checked_cardinalities(cardinalities)
        self.max_one_hot = checked("max_one_hot", max_one_hot, positive_int)
        self.embedding_dim = checked("embedding_dim", embedding_dim, positive_int)
        self.tables = nn.ModuleList(map(self._table, self.cardinalities))
        self.out_features = sum(self.widths)

    @property
    def widths(self) -> list[int]:
        """Number of values that each column becomes."""
        return [
            self.embedding_dim if c > self.max_one_hot + 1 else c - 1 if c > 3 else 1
            for c in self.cardinalities
        ]

    def _table(self, cardinality: int) -> nn.Module:
        if cardinality > self.max_one_hot + 1:
            return nn.Embedding(cardinality, self.embedding_dim)
        return Indicators(cardinality)

    def forward(self, codes: Tensor) -> Tensor:
        """Return (batch, out_features) for integer `codes` (batch, n_columns)."""
        _check_codes(self, codes, len(self.cardinalities))
        return _look_up(self.tables, codes, self.cardinalities)


class Indicators(nn.Module):
    """A fixed vector for each code: indicators of all but 0, of two codes -1 and 1."""

    weight: Tensor

    def __init__(self, cardinality: int) -> None:
        super().__init__()
        weight = torch.eye(cardinality)[:, 1:]
        if cardinality == 3:
            weight = weight[:, 1:] - weight[:, :1]
        elif cardinality == 1:  # nothing is known of the column
            weight = torch.zeros(1, 1)
        self.register_buffer("weight", weight, persistent=False)

    def forward(self, codes: Tensor) -> Tensor:
        return F.embedding(codes, self.weight)


def _look_up(
    tables: nn.ModuleList, codes: Tensor, cardinalities: tuple[int, ...]
) -> Tensor:
    """Return the vectors of all columns of a row, one after the other."""
    try:
        vectors = [t(c) for t, c in zip(tables, codes.unbind(1), strict=True)]
    except IndexError:
        raise code_outside(codes, cardinalities) from None
    return torch.cat(vectors, 1)
