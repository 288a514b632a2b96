"""Linear layers whose weights are all of order one [1]_.

.. [1] Jacot, Gabriel and Hongler (2018). Neural tangent kernel: convergence and
   generalization in neural networks. NeurIPS. arXiv:1806.07572.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torchlearners.nn._arguments import ShowsArguments, check_shape, checked
from torchlearners.params import boolean, positive_int

# Training rows whose mixture is where a unit's bias puts its zero.
_N_MIXED = 5


class NTKLinear(ShowsArguments):
    """Apply a linear layer with weights of order one, scaled as they are used [1]_.

    It is ``x W / sqrt(in_features) + b``, with W from the standard normal. All weights
    of a network then suit one learning rate, whatever the width of their layer.

    Before training, `fit_to` scales each column of W so that its unit has the standard
    deviation 1 over the training rows, and chooses b so that the unit is zero at a
    random mixture of 5 training rows: the "std" and "he+5" initializations of [2]_.

    Parameters
    ----------
    in_features, out_features : int
        Number of values of a row before and after.
    bias : bool, default=True
        Whether to add b, which is 0 before `fit_to`.

    See Also
    --------
    fit_to_data : Calls `fit_to` on all layers inside a network.

    References
    ----------
    .. [1] Jacot, Gabriel and Hongler (2018). Neural tangent kernel: convergence and
       generalization in neural networks. NeurIPS. arXiv:1806.07572.
    .. [2] Holzmueller, Grinsztajn and Steinwart (2024). Better by default: strong
       pre-tuned MLPs and boosted trees on tabular data. NeurIPS. arXiv:2407.04491.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import NTKLinear
    >>> layer = NTKLinear(3, 2)
    >>> x = torch.arange(12.0).reshape(4, 3) ** 2
    >>> layer.fit_to(x)
    >>> layer(x).std(0, correction=0).detach().round(decimals=4)
    tensor([1., 1.])
    """

    rows: Tensor
    shares: Tensor

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.in_features = checked("in_features", in_features, positive_int)
        self.out_features = checked("out_features", out_features, positive_int)
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        nn.init.normal_(self.weight)
        self.bias = None
        if checked("bias", bias, boolean):
            self.bias = nn.Parameter(torch.zeros(out_features))
            # Drawn here, so that `fit_to` needs no generator: where in the training
            # rows a unit's five lie, and their shares, uniform over all mixtures.
            rows = torch.empty(_N_MIXED, out_features).uniform_()
            # Exponential numbers; torch draws none on the meta device.
            shares = -torch.log1p(-torch.empty(_N_MIXED, out_features).uniform_())
            self.register_buffer("rows", rows, persistent=False)
            self.register_buffer("shares", shares / shares.sum(0), persistent=False)

    def fit_to(self, x: Tensor) -> None:
        """Scale the weights and choose the biases by training rows.

        Parameters
        ----------
        x : torch.Tensor of shape (n_rows, ..., in_features)
            What the layer will be given.
        """
        x = x.detach().reshape(-1, self.in_features)
        with torch.no_grad():
            units = F.linear(x, self.weight * self.in_features**-0.5)
            std = units.std(0, correction=0)
            # A unit that is the same for all rows is left as it is.
            scale = torch.where(std > 1e-6, std, torch.ones_like(std))
            self.weight.div_(scale.unsqueeze(1))
            if self.bias is not None:
                places = (self.rows * len(x)).long().clamp(max=len(x) - 1)
                zeros = (units / scale).gather(0, places)
                self.bias.copy_(-(self.shares * zeros).sum(0))

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, ..., out_features) for `x` (batch, ..., in_features)."""
        factor = self.in_features**-0.5
        if self.bias is None or x.ndim != 2:
            return F.linear(x, self.weight * factor, self.bias)
        # The product is scaled as it is made, and the weights are not copied.
        return torch.addmm(self.bias, x, self.weight.t(), alpha=factor)


class ScaleFeatures(ShowsArguments):
    """Multiply each feature by a learned number, which starts at 1 [1]_.

    In front of a network it learns which features count.

    Parameters
    ----------
    n_features : int
        Number of features.

    See Also
    --------
    ScaleEnsemble : The same for each member of an ensemble.

    References
    ----------
    .. [1] Holzmueller, Grinsztajn and Steinwart (2024). Better by default: strong
       pre-tuned MLPs and boosted trees on tabular data. NeurIPS. arXiv:2407.04491.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import ScaleFeatures
    >>> ScaleFeatures(2)(torch.ones(1, 2))
    tensor([[1., 1.]], grad_fn=<MulBackward0>)
    """

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.n_features = checked("n_features", n_features, positive_int)
        self.weight = nn.Parameter(torch.ones(n_features))

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, n_features) for `x` (batch, n_features)."""
        check_shape(self, x, "batch", self.n_features)
        return x * self.weight
