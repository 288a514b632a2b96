"""Layers that hold k members of an ensemble and compute them in one go."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from torchlearners.nn._arguments import ShowsArguments, check_shape, checked
from torchlearners.params import (
    SequenceOf,
    boolean,
    one_of,
    optional,
    positive_int,
)

_SCALING_INITS = one_of("ones", "normal", "random-signs")


def _checked_chunks(
    chunks: Sequence[int] | None, in_features: int
) -> Sequence[int] | None:
    checked("scaling_chunks", chunks, optional([SequenceOf(positive_int)]))
    if chunks is not None and sum(chunks) != in_features:
        raise ValueError(
            f"scaling_chunks must add up to in_features={in_features}, got {chunks!r}, "
            f"which add up to {sum(chunks)}."
        )
    return chunks


def _new_scaling(
    k: int, in_features: int, init: str, chunks: Sequence[int] | None
) -> nn.Parameter:
    """Return k scalings; neighbours in a chunk start with one common value."""
    values = torch.ones(k, in_features if chunks is None else len(chunks))
    if init == "normal":
        nn.init.normal_(values)
    elif init == "random-signs":
        values.bernoulli_(0.5).mul_(2).sub_(1)
    if chunks is not None:
        values = values[:, [i for i, n in enumerate(chunks) for _ in range(n)]]
    return nn.Parameter(values)


class ExpandMembers(ShowsArguments):
    """Show the same rows to each of k members; costs no memory.

    Parameters
    ----------
    k : int
        Number of members.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import ExpandMembers
    >>> ExpandMembers(4)(torch.zeros(5, 3)).shape
    torch.Size([5, 4, 3])
    """

    def __init__(self, k: int) -> None:
        super().__init__()
        self.k = checked("k", k, positive_int)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, k, ...) for `x` (batch, ...)."""
        return x.unsqueeze(1).expand(-1, self.k, *x.shape[1:])


class ScaleEnsemble(ShowsArguments):
    """Scale the features of each member by numbers of its own.

    In front of layers that all members share, this alone makes an ensemble of a
    network, the TabM-mini of [1]_.

    Parameters
    ----------
    in_features : int
        Number of features.
    k : int
        Number of members.
    scaling_init : {"random-signs", "normal", "ones"}, default="random-signs"
        Distribution of the numbers at the start. [1]_ draws signs for features, and
        from the standard normal for embeddings of features.
    scaling_chunks : sequence of int or None, default=None
        Numbers of neighbouring features that start with one common scaling, as
        ``[d_embedding] * n_features`` for embeddings; adds up to `in_features`. None
        draws each on its own.

    References
    ----------
    .. [1] Gorishniy, Kotelnikov and Babenko (2025). TabM: advancing tabular deep
       learning with parameter-efficient ensembling. ICLR. arXiv:2410.24210.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import ScaleEnsemble
    >>> ScaleEnsemble(3, k=4)(torch.zeros(5, 4, 3)).shape
    torch.Size([5, 4, 3])
    """

    def __init__(
        self,
        in_features: int,
        k: int,
        scaling_init: str = "random-signs",
        scaling_chunks: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.in_features = checked("in_features", in_features, positive_int)
        self.k = checked("k", k, positive_int)
        self.scaling_init = checked("scaling_init", scaling_init, _SCALING_INITS)
        self.scaling_chunks = _checked_chunks(scaling_chunks, in_features)
        self.weight = _new_scaling(k, in_features, scaling_init, scaling_chunks)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` (batch, k, in_features), scaled."""
        check_shape(self, x, "batch", self.k, self.in_features)
        return x * self.weight


class BatchEnsembleLinear(ShowsArguments):
    """Linear layer with weights that all members share, and scalings of their own [1]_.

    Member i computes ``((x * r[i]) @ W.T) * s[i] + b[i]``. As in [2]_, `s` starts at
    ones and all members start with the same `b`, so that only `r` tells them apart.

    Parameters
    ----------
    in_features : int
        Number of features of each row.
    out_features : int
        Number of features afterwards.
    k : int
        Number of members.
    bias : bool, default=True
        Whether each member has a bias.
    scaling_init : {"ones", "normal", "random-signs"}, default="ones"
        Distribution of `r` at the start. [2]_ draws it in the first layer only:
        signs for features, from the standard normal for embeddings of features.
    scaling_chunks : sequence of int or None, default=None
        Numbers of neighbouring features that start with one common scaling, as
        ``[d_embedding] * n_features`` for embeddings; adds up to `in_features`. None
        draws each on its own.

    References
    ----------
    .. [1] Wen, Tran and Ba (2020). BatchEnsemble: an alternative approach to efficient
       ensemble and lifelong learning. ICLR. arXiv:2002.06715.
    .. [2] Gorishniy, Kotelnikov and Babenko (2025). TabM: advancing tabular deep
       learning with parameter-efficient ensembling. ICLR. arXiv:2410.24210.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import BatchEnsembleLinear
    >>> BatchEnsembleLinear(3, 6, k=4)(torch.zeros(5, 4, 3)).shape
    torch.Size([5, 4, 6])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        k: int,
        bias: bool = True,
        scaling_init: str = "ones",
        scaling_chunks: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.in_features = checked("in_features", in_features, positive_int)
        self.out_features = checked("out_features", out_features, positive_int)
        self.k = checked("k", k, positive_int)
        self.scaling_init = checked("scaling_init", scaling_init, _SCALING_INITS)
        self.scaling_chunks = _checked_chunks(scaling_chunks, in_features)
        bound = in_features**-0.5
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        nn.init.uniform_(self.weight, -bound, bound)
        self.r = _new_scaling(k, in_features, scaling_init, scaling_chunks)
        self.s = nn.Parameter(torch.ones(k, out_features))
        self.bias = None
        if checked("bias", bias, boolean):
            common = nn.init.uniform_(torch.empty(out_features), -bound, bound)
            self.bias = nn.Parameter(common.repeat(k, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, k, out_features) for `x` (batch, k, in_features)."""
        check_shape(self, x, "batch", self.k, self.in_features)
        out = nn.functional.linear(x * self.r, self.weight) * self.s
        return out if self.bias is None else out + self.bias


class LinearEnsemble(ShowsArguments):
    """One linear layer for each member, or for each feature, with nothing shared.

    Parameters
    ----------
    in_features : int
        Number of features of each member.
    out_features : int
        Number of features afterwards.
    k : int
        Number of members.
    bias : bool, default=True
        Whether each member has a bias.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import LinearEnsemble
    >>> LinearEnsemble(3, 1, k=4)(torch.zeros(5, 4, 3)).shape
    torch.Size([5, 4, 1])
    """

    def __init__(
        self, in_features: int, out_features: int, k: int, bias: bool = True
    ) -> None:
        super().__init__()
        self.in_features = checked("in_features", in_features, positive_int)
        self.out_features = checked("out_features", out_features, positive_int)
        self.k = checked("k", k, positive_int)
        bound = in_features**-0.5
        self.weight = nn.Parameter(torch.empty(k, in_features, out_features))
        nn.init.uniform_(self.weight, -bound, bound)
        self.bias = None
        if checked("bias", bias, boolean):
            self.bias = nn.Parameter(torch.empty(k, out_features))
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, k, out_features) for `x` (batch, k, in_features)."""
        check_shape(self, x, "batch", self.k, self.in_features)
        out = torch.matmul(x.transpose(0, 1), self.weight).transpose(0, 1)
        return out if self.bias is None else out + self.bias
