"""The encoder of TabNet: steps that each look at a few features of the row."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torchlearners.nn._arguments import ShowsArguments, check_shape, checked
from torchlearners.nn._ghost_batch_norm import GhostBatchNorm1d
from torchlearners.nn._penalties import add_penalty
from torchlearners.nn._sparsemax import Entmax15, Sparsemax
from torchlearners.params import (
    SequenceOf,
    non_negative,
    non_negative_int,
    one_of,
    open_fraction,
    optional,
    positive,
    positive_int,
)

_MASKS = {"sparsemax": Sparsemax, "entmax": Entmax15}
_HALF = math.sqrt(0.5)


class _FeatureTransformer(nn.Module):
    """Gated layers, shared ones first, each added to what goes into it."""

    def __init__(
        self, n_in: int, n_out: int, n_shared: int, n_independent: int, norm: Any
    ) -> None:
        super().__init__()
        self.linears = nn.ModuleList(
            _linear(n_out if n_shared or i else n_in, 2 * n_out)
            for i in range(n_independent)
        )
        self.norms = nn.ModuleList(
            norm(2 * n_out) for _ in range(n_shared + n_independent)
        )

    def forward(self, x: Tensor, shared: nn.ModuleList) -> Tensor:
        for i, (linear, norm) in enumerate(
            zip([*shared, *self.linears], self.norms, strict=True)
        ):
            gated = F.glu(norm(linear(x)))
            x = (x + gated) * _HALF if i else gated
        return x


class _AttentiveTransformer(nn.Module):
    """From what the step before found to the features that the next one looks at."""

    def __init__(self, n_in: int, n_groups: int, norm: Any, mask: nn.Module) -> None:
        super().__init__()
        self.linear = _linear(n_in, n_groups)
        self.norm = norm(n_groups)
        self.mask = mask

    def forward(self, x: Tensor, prior: Tensor) -> Tensor:
        return self.mask(self.norm(self.linear(x)) * prior)


def _linear(n_in: int, n_out: int) -> nn.Linear:
    return nn.Linear(n_in, n_out, bias=False)


class TabNetEncoder(ShowsArguments):
    """Look at a few features of each row, several times in turn [1]_.

    Each step gives every feature a weight, most of them zero, and computes `n_d` values
    from the features times their weights; the output is the sum of these over the
    steps. `explain` tells the weights.

    Parameters
    ----------
    in_features : int
        Number of values in a row.
    n_d : int, default=8
        Number of values that come out.
    n_a : int, default=8
        Number of values that the choice of features is made from.
    n_steps : int, default=3
        Number of steps.
    gamma : float, default=1.3
        At least 1. With 1 a feature is used fully in at most one step; the larger, the
        more freely it is used again.
    n_independent, n_shared : int, default=2
        Number of gated layers of each step, and of those that all steps have in common;
        not both zero.
    virtual_batch_size : int, default=128
        Most rows that are normalized together; see `GhostBatchNorm1d`.
    momentum : float, default=0.02
        Share of these rows in the running statistics.
    mask_type : {"sparsemax", "entmax"}, default="sparsemax"
        What turns scores of features into weights. "entmax", with alpha = 1.5, leaves
        fewer at zero.
    lambda_sparse : float, default=0.001
        What the entropy of the weights, averaged over the steps, adds to the loss while
        training, by `add_penalty`.
    group_sizes : sequence of int or None, default=None
        Numbers of adjacent values that get one weight together, such as those of one
        embedded category. None gives each value its own.

    References
    ----------
    .. [1] Arik and Pfister (2021). TabNet: attentive interpretable tabular learning.
       AAAI. arXiv:1908.07442.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import TabNetEncoder
    >>> encoder = TabNetEncoder(in_features=5).eval()
    >>> encoder(torch.zeros(7, 5)).shape
    torch.Size([7, 8])
    >>> explanation, masks = encoder.explain(torch.zeros(7, 5))
    >>> explanation.shape, masks.shape
    (torch.Size([7, 5]), torch.Size([3, 7, 5]))
    """

    group: Tensor

    def __init__(
        self,
        in_features: int,
        n_d: int = 8,
        n_a: int = 8,
        n_steps: int = 3,
        gamma: float = 1.3,
        n_independent: int = 2,
        n_shared: int = 2,
        virtual_batch_size: int = 128,
        momentum: float = 0.02,
        mask_type: str = "sparsemax",
        lambda_sparse: float = 1e-3,
        group_sizes: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.in_features = checked("in_features", in_features, positive_int)
        self.n_d = checked("n_d", n_d, positive_int)
        self.n_a = checked("n_a", n_a, positive_int)
        self.n_steps = checked("n_steps", n_steps, positive_int)
        self.gamma = checked("gamma", gamma, positive)
        if gamma < 1:
            raise ValueError(f"gamma must be at least 1, got {gamma!r}.")
        self.n_independent = checked("n_independent", n_independent, non_negative_int)
        self.n_shared = checked("n_shared", n_shared, non_negative_int)
        if n_independent + n_shared == 0:
            raise ValueError(
                "n_independent must be at least 1 where n_shared is 0, got 0."
            )
        checked("virtual_batch_size", virtual_batch_size, positive_int)
        self.virtual_batch_size = virtual_batch_size
        self.momentum = checked("momentum", momentum, open_fraction)
        self.mask_type = checked("mask_type", mask_type, one_of(*_MASKS))
        self.lambda_sparse = checked("lambda_sparse", lambda_sparse, non_negative)
        checked("group_sizes", group_sizes, optional([SequenceOf(positive_int)]))
        if group_sizes is not None and sum(group_sizes) != in_features:
            raise ValueError(
                f"group_sizes must sum to in_features={in_features}, got "
                f"{group_sizes!r}, whose sum is {sum(group_sizes)}."
            )
        self.group_sizes = group_sizes
        sizes = [1] * in_features if group_sizes is None else list(group_sizes)
        self.n_groups = len(sizes)
        group = [i for i, size in enumerate(sizes) for _ in range(size)]
        self.register_buffer("group", torch.tensor(group), persistent=False)

        n_hidden = n_d + n_a
        norm = partial(
            GhostBatchNorm1d, virtual_batch_size=virtual_batch_size, momentum=momentum
        )
        self.first_norm = nn.BatchNorm1d(in_features, momentum=0.01)
        self.shared = nn.ModuleList(
            _linear(n_hidden if i else in_features, 2 * n_hidden)
            for i in range(n_shared)
        )
        # One more than steps: the first says what the first step looks at.
        self.transformers = nn.ModuleList(
            _FeatureTransformer(in_features, n_hidden, n_shared, n_independent, norm)
            for _ in range(n_steps + 1)
        )
        self.attentions = nn.ModuleList(
            _AttentiveTransformer(n_a, self.n_groups, norm, _MASKS[mask_type]())
            for _ in range(n_steps)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, n_d) for `x` (batch, in_features)."""
        total: Any = 0
        for decision in self._decisions(x):
            total = total + decision
        return total

    def decisions(self, x: Tensor, known: Tensor | None = None) -> Tensor:
        """Return what each step adds to the output.

        Parameters
        ----------
        x : torch.Tensor of shape (batch, in_features)
        known : torch.Tensor of shape (batch, n_groups) or None, default=None
            1 where the values of a group may be looked at, 0 where they are hidden:
            they count as zero, and no step wants to look there.

        Returns
        -------
        torch.Tensor of shape (batch, n_steps, n_d)
        """
        return torch.stack(list(self._decisions(x, known)), dim=1)

    def _decisions(self, x: Tensor, known: Tensor | None = None) -> Iterator[Tensor]:
        penalty: Any = 0
        for mask, decision in self._steps(x, known):
            yield decision
            if self.training and self.lambda_sparse:
                # The tiny number keeps the gradient finite where a weight is zero.
                penalty = penalty - (mask * (mask + 1e-15).log()).sum(1)
        if isinstance(penalty, Tensor):
            add_penalty(self.lambda_sparse / self.n_steps * penalty)

    def explain(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Tell which features the output comes from.

        Parameters
        ----------
        x : torch.Tensor of shape (batch, in_features)

        Returns
        -------
        explanation : torch.Tensor of shape (batch, n_groups)
            Weights of all steps, each step weighted by the sum of its output; they sum
            to 1, or are all 0 where the output is.
        masks : torch.Tensor of shape (n_steps, batch, n_groups)
            Weights of each step, which sum to 1.
        """
        masks, shares = [], []
        for mask, decision in self._steps(x):
            masks.append(mask)
            shares.append(mask * decision.sum(1, keepdim=True))
        total = torch.stack(shares).sum(0)
        whole = total.sum(1, keepdim=True)
        return total / whole.where(whole > 0, 1), torch.stack(masks)

    def _steps(
        self, x: Tensor, known: Tensor | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the weights of each step and what it adds to the output."""
        check_shape(self, x, "batch", self.in_features)
        prior = x.new_ones(len(x), self.n_groups)
        if known is not None:
            x, prior = x * known[:, self.group], known
        x = self.first_norm(x)
        first, *others = self.transformers
        attended = first(x, self.shared)[:, self.n_d :]
        for attention, transformer in zip(self.attentions, others, strict=True):
            mask = attention(attended, prior)
            prior = prior * (self.gamma - mask)
            weights = mask if self.group_sizes is None else mask[:, self.group]
            values = transformer(x * weights, self.shared)
            attended = values[:, self.n_d :]
            yield mask, F.relu(values[:, : self.n_d])


class TabNetDecoder(ShowsArguments):
    """Reconstruct a row from what the steps of a `TabNetEncoder` found in it [1]_.

    What each step found goes through two gated layers, of which all steps share the
    first; a linear layer makes a row of their sum.

    Parameters
    ----------
    out_features : int
        Number of values in a reconstructed row.
    n_d : int, default=8
        Number of values that a step found.
    n_steps : int, default=3
        Number of steps.
    virtual_batch_size : int, default=128
        Most rows that are normalized together; see `GhostBatchNorm1d`.
    momentum : float, default=0.02
        Share of these rows in the running statistics.

    References
    ----------
    .. [1] Arik and Pfister (2021). TabNet: attentive interpretable tabular learning.
       AAAI. arXiv:1908.07442.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import TabNetDecoder, TabNetEncoder
    >>> found = TabNetEncoder(in_features=5).eval().decisions(torch.zeros(7, 5))
    >>> TabNetDecoder(out_features=5).eval()(found).shape
    torch.Size([7, 5])
    """

    def __init__(
        self,
        out_features: int,
        n_d: int = 8,
        n_steps: int = 3,
        virtual_batch_size: int = 128,
        momentum: float = 0.02,
    ) -> None:
        super().__init__()
        self.out_features = checked("out_features", out_features, positive_int)
        self.n_d = checked("n_d", n_d, positive_int)
        self.n_steps = checked("n_steps", n_steps, positive_int)
        checked("virtual_batch_size", virtual_batch_size, positive_int)
        self.virtual_batch_size = virtual_batch_size
        self.momentum = checked("momentum", momentum, open_fraction)
        norm = partial(
            GhostBatchNorm1d, virtual_batch_size=virtual_batch_size, momentum=momentum
        )
        self.shared = nn.ModuleList([_linear(n_d, 2 * n_d)])
        self.transformers = nn.ModuleList(
            _FeatureTransformer(n_d, n_d, 1, 1, norm) for _ in range(n_steps)
        )
        self.linear = nn.Linear(n_d, out_features)

    def forward(self, decisions: Tensor) -> Tensor:
        """Return (batch, out_features) for `decisions` (batch, n_steps, n_d)."""
        check_shape(self, decisions, "batch", self.n_steps, self.n_d)
        total: Any = 0
        for decision, step in zip(decisions.unbind(1), self.transformers, strict=True):
            total = total + step(decision, self.shared)
        reconstructed: Tensor = self.linear(total)
        return reconstructed
