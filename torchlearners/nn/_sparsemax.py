"""Functions to probabilities of which many are exactly zero."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from torchlearners.exceptions import ArchitectureError
from torchlearners.nn._arguments import ShowsArguments


class _SparseProbabilities(ShowsArguments):
    """Like softmax along one dimension, but low scores become zero."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        if isinstance(dim, bool) or not isinstance(dim, int) or dim == 0:
            raise ValueError(
                f"dim must be an int other than 0, which is the batch, got {dim!r}."
            )
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """Return probabilities of the shape of `x` (batch, ...)."""
        if not -x.ndim < self.dim < x.ndim:
            raise ArchitectureError(
                f"{self} takes a tensor with that dimension besides the batch, got "
                f"shape {tuple(x.shape)}."
            )
        # Which scores get something is found without gradients; given that, the rest is
        # plain arithmetic, whose gradient is exact.
        scores = self.scaled(x - x.detach().amax(self.dim, keepdim=True))
        ordered = scores.detach().sort(self.dim, descending=True).values
        steps = [1] * x.ndim
        steps[self.dim] = -1
        sizes = torch.arange(1, x.shape[self.dim] + 1, device=x.device, dtype=x.dtype)
        thresholds = self.thresholds(ordered, sizes.view(steps))
        # Scores get something as long as they exceed the threshold of all before.
        n_used = (ordered > thresholds).sum(self.dim, keepdim=True).clamp(min=1)
        used = scores.detach() > thresholds.gather(self.dim, n_used - 1)
        return self.given_support(scores, used, used.sum(self.dim, keepdim=True))

    def scaled(self, x: Tensor) -> Tensor:
        """Return the scores that a threshold is subtracted from."""
        return x

    def thresholds(self, ordered: Tensor, sizes: Tensor) -> Tensor:
        """Return what is subtracted if so many of the highest scores are used."""
        raise NotImplementedError

    def given_support(self, scores: Tensor, used: Tensor, n_used: Tensor) -> Tensor:
        """Return the probabilities, differentiable, where the used scores are known."""
        raise NotImplementedError


class Sparsemax(_SparseProbabilities):
    """Project scores on the probabilities nearest to them [1]_.

    Like softmax, but low scores become exactly zero: ``max(x - threshold, 0)``, with
    the threshold at which they sum to one. It is found exactly, by sorting.

    Parameters
    ----------
    dim : int, default=-1
        Dimension that sums to one; not 0, which is the batch.

    References
    ----------
    .. [1] Martins and Astudillo (2016). From softmax to sparsemax: a sparse model of
       attention and multi-label classification. ICML. arXiv:1602.02068.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import Sparsemax
    >>> Sparsemax()(torch.tensor([[1.0, 0.5, -1.0]]))
    tensor([[0.7500, 0.2500, 0.0000]])
    """

    def thresholds(self, ordered: Tensor, sizes: Tensor) -> Tensor:
        """Return (sum - 1) / size for each number of scores."""
        return (ordered.cumsum(self.dim) - 1) / sizes

    def given_support(self, scores: Tensor, used: Tensor, n_used: Tensor) -> Tensor:
        """Return the used scores less their threshold."""
        total = scores.where(used, 0).sum(self.dim, keepdim=True)
        return F.relu((scores - (total - 1) / n_used).where(used, 0))


class Entmax15(_SparseProbabilities):
    """Turn scores into sparse probabilities, halfway from softmax to sparsemax [1]_.

    Entmax with alpha = 1.5: ``max(x / 2 - threshold, 0) ** 2``, with the threshold at
    which they sum to one. It is found exactly, by sorting.

    Parameters
    ----------
    dim : int, default=-1
        Dimension that sums to one; not 0, which is the batch.

    References
    ----------
    .. [1] Peters, Niculae and Martins (2019). Sparse sequence-to-sequence models. ACL.
       arXiv:1905.05702.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import Entmax15
    >>> Entmax15()(torch.tensor([[2.0, 2.0, -1.0]]))
    tensor([[0.5000, 0.5000, 0.0000]])
    """

    def scaled(self, x: Tensor) -> Tensor:
        """Return half of the scores."""
        return x / 2

    def thresholds(self, ordered: Tensor, sizes: Tensor) -> Tensor:
        """Return the threshold for each number of scores."""
        mean = ordered.cumsum(self.dim) / sizes
        # The sum of squared distances from the mean, which must leave some of the one.
        scatter = ordered.square().cumsum(self.dim) - sizes * mean.square()
        return mean - ((1 - scatter) / sizes).clamp(min=0).sqrt()

    def given_support(self, scores: Tensor, used: Tensor, n_used: Tensor) -> Tensor:
        """Return the squares of the used scores less their threshold."""
        mean = scores.where(used, 0).sum(self.dim, keepdim=True) / n_used
        scatter = (scores - mean).where(used, 0).square().sum(self.dim, keepdim=True)
        threshold = mean - ((1 - scatter) / n_used).sqrt()
        return F.relu((scores - threshold).where(used, 0)).square()
