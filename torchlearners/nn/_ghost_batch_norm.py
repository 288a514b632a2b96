"""Batch normalization over parts of a batch."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from torchlearners.nn._arguments import ShowsArguments, check_shape, checked
from torchlearners.params import open_fraction, positive_int


class GhostBatchNorm1d(ShowsArguments, nn.BatchNorm1d):
    """Normalize each part of a batch by its own mean and variance [1]_.

    Keeps the noise of small batches, which regularizes, where batches are large. In
    evaluation mode it is `torch.nn.BatchNorm1d`.

    Parameters
    ----------
    num_features : int
        Number of features.
    virtual_batch_size : int, default=128
        Most rows in a part. Parts are of equal sizes, up to one row, and none has a
        single row unless the batch has.
    momentum : float, default=0.02
        Share of a part's statistics in the running ones, after each part.

    Notes
    -----
    Of k parts, the first takes each k-th row from the first one on, and so forth: where
    a batch is sorted, no part is unlike the others.

    References
    ----------
    .. [1] Hoffer, Hubara and Soudry (2017). Train longer, generalize better: closing
       the generalization gap in large batch training of neural networks. NeurIPS.
       arXiv:1705.08741.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import GhostBatchNorm1d
    >>> rows = torch.tensor([[0.0], [10.0], [2.0], [12.0]])
    >>> GhostBatchNorm1d(1, virtual_batch_size=2)(rows).T
    tensor([[-1.0000, -1.0000,  1.0000,  1.0000]], grad_fn=<...>)
    """

    # torch's may be None, which they are not here.
    momentum: Any
    num_batches_tracked: Any
    running_mean: Any
    running_var: Any

    def __init__(
        self, num_features: int, virtual_batch_size: int = 128, momentum: float = 0.02
    ) -> None:
        checked("num_features", num_features, positive_int)
        super().__init__(
            num_features, momentum=checked("momentum", momentum, open_fraction)
        )
        self.virtual_batch_size = checked(
            "virtual_batch_size", virtual_batch_size, positive_int
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return normalized rows of the shape of `x` (batch, num_features)."""
        check_shape(self, x, "batch", self.num_features)
        n_rows = x.shape[0]
        n_parts = min(-(-n_rows // self.virtual_batch_size), n_rows // 2)
        if not self.training or n_parts < 2:
            return super().forward(x)
        if n_rows % n_parts == 0:
            return self._side_by_side(x, n_parts)
        out = x.new_empty(x.shape)
        for i in range(n_parts):
            out[i::n_parts] = super().forward(x[i::n_parts])
        return out

    def _side_by_side(self, x: Tensor, n_parts: int) -> Tensor:
        """Normalize parts of equal sizes in one go: as if they were more features."""
        n_wide = n_parts * self.num_features
        # Of the weights' dtype, which under autocast is not that of x.
        mean, variance = self.weight.new_zeros(n_wide), self.weight.new_zeros(n_wide)
        out = F.batch_norm(
            x.reshape(-1, n_wide),
            mean,
            variance,
            self.weight.repeat(n_parts),
            self.bias.repeat(n_parts),
            training=True,
            momentum=1.0,
            eps=self.eps,
        )
        self.num_batches_tracked += n_parts
        for seen, running in (
            (mean, self.running_mean),
            (variance, self.running_var),
        ):
            for part in seen.view(n_parts, -1):
                running.lerp_(part, self.momentum)
        return out.view_as(x)
