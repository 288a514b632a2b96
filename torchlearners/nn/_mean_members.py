"""The end of a network that holds several members of an ensemble."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

from torchlearners.nn._arguments import ShowsArguments, checked
from torchlearners.params import one_of


class MeanMembers(ShowsArguments):
    """Predict with the mean of all members; train each of them on its own [1]_.

    While training, the members' outputs are passed on as they are, so that each gets a
    loss of its own. In evaluation mode they become one output, which stands for the
    mean of the members' predictions: of their values or probabilities, not of their
    logits. In the network of a learner whose loss reads outputs in a way of its own,
    such as `torchlearners.training.Gaussian`, that loss joins them.

    Parameters
    ----------
    target : {"values", "classes", "labels"}, default="values"
        What the outputs are: values, logits of classes that exclude each other, or
        logits of labels that do not.

    References
    ----------
    .. [1] Gorishniy, Kotelnikov and Babenko (2025). TabM: advancing tabular deep
       learning with parameter-efficient ensembling. ICLR. arXiv:2410.24210.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import MeanMembers
    >>> members = torch.tensor([[[1.0], [3.0]]])
    >>> MeanMembers().eval()(members)
    tensor([[2.]])
    >>> MeanMembers()(members).shape
    torch.Size([1, 2, 1])
    """

    def __init__(self, target: str = "values") -> None:
        super().__init__()
        self.target = checked("target", target, one_of("values", "classes", "labels"))
        # Set by the net: what its loss wants instead of `mean`.
        self.join: Callable[[Tensor], Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` (batch, k, n_outputs) while training, else (batch, n_outputs)."""
        return x if self.training else self.mean(x)

    def mean(self, x: Tensor) -> Tensor:
        """Return one output for the members' `x` (batch, k, n_outputs)."""
        x = x.contiguous()  # else the last bit of the sums depends on the batch
        if self.join is not None:
            return self.join(x)
        if self.target == "values":
            return x.mean(1)
        log_k = math.log(x.shape[1])
        if self.target == "classes":
            # Logarithms of probabilities are logits.
            return F.log_softmax(x, -1).logsumexp(1) - log_k
        yes, no = F.logsigmoid(x), F.logsigmoid(-x)
        return yes.logsumexp(1) - no.logsumexp(1)
