"""Embeddings of numeric features: each number becomes a vector."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from torchlearners.nn._arguments import ShowsArguments, check_shape, checked
from torchlearners.nn._batch_ensemble import LinearEnsemble
from torchlearners.nn._tokens import NumericTokenizer
from torchlearners.params import boolean, positive, positive_int

# Narrower bins would turn tiny changes of a feature into large ones. Features are
# expected with a spread of about 1.
_NARROWEST_BIN = 1e-6


class PiecewiseLinearEncoding(ShowsArguments):
    """Say how much of each bin a number has filled [1]_.

    For a number x, the bin from a to b holds (x - a) / (b - a), cut to [0, 1]: bins
    below x are 1, those above are 0. The first bin goes on below 0, and the last one
    above 1, so that no number loses information. There is nothing to train.

    Parameters
    ----------
    n_features : int
        Number of numeric features.
    n_bins : int, default=48
        Number of bins of each feature. Bins that a feature does not need, as it has
        fewer different values, stay 0.
    rows_per_bin : int, default=1
        Fewest training rows for each bin: of 100 rows, 20 make 5 bins. Bins that few
        rows fill are learned by heart.

    Attributes
    ----------
    edges : torch.Tensor of shape (n_features, n_bins + 1)
        Ends of the bins, in increasing order; the last one is repeated where bins are
        not needed. Quantiles of the normal distribution before `fit_to`.

    See Also
    --------
    fit_to_data : Calls `fit_to` on all encodings inside a network.

    References
    ----------
    .. [1] Gorishniy, Rubachev and Babenko (2022). On embeddings for numerical features
       in tabular deep learning. NeurIPS. arXiv:2203.05556.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import PiecewiseLinearEncoding
    >>> encoding = PiecewiseLinearEncoding(1, n_bins=3)
    >>> encoding.fit_to(torch.tensor([[0.0], [1.0], [2.0], [4.0]]))
    >>> encoding(torch.tensor([[1.5]]))
    tensor([[[1.0000, 0.5000, 0.0000]]])
    """

    edges: Tensor
    lower: Tensor

    def __init__(
        self, n_features: int, n_bins: int = 48, rows_per_bin: int = 1
    ) -> None:
        super().__init__()
        self.n_features = checked("n_features", n_features, positive_int)
        self.n_bins = checked("n_bins", n_bins, positive_int)
        self.rows_per_bin = checked("rows_per_bin", rows_per_bin, positive_int)
        levels = (torch.arange(n_bins + 1, dtype=torch.float64) + 0.5) / (n_bins + 1)
        edges = torch.special.ndtri(levels).to(torch.get_default_dtype())
        self.register_buffer("edges", edges.repeat(n_features, 1))
        lower = torch.zeros(n_bins)
        lower[0] = -math.inf
        self.register_buffer("lower", lower, persistent=False)

    def fit_to(self, x: Tensor) -> None:
        """Take quantiles of training rows as the edges.

        A column of few different values has edges at these. A value that fills more
        than one bin counts as one bin of rows only, so that the others have bins too:
        of a column that is 0 in 95 of 100 rows, nearly all bins divide the other 5.
        The paper takes the quantiles of all rows, of which 45 of 48 would be 0.

        Parameters
        ----------
        x : torch.Tensor of shape (n_rows, n_features)
            Finite numbers, with a spread of about 1.
        """
        check_shape(self, x, "n_rows", self.n_features)
        ordered = x.detach().to("cpu", torch.float64).sort(0).values
        if not len(x) or not ordered.isfinite().all():
            raise ValueError(
                f"{self} needs rows of finite numbers to fit its bins to, got "
                f"{len(x)} rows of which {int((~ordered.isfinite()).any(1).sum())} "
                "hold NaN or infinity."
            )
        n_bins = min(self.n_bins, max(1, len(x) // self.rows_per_bin))
        columns = [_quantiles(column, n_bins) for column in ordered.T.contiguous()]
        quantiles = torch.stack(columns).to(self.edges.dtype)
        too_near = torch.zeros_like(quantiles, dtype=torch.bool)
        too_near[:, 1:] = quantiles.diff() <= _NARROWEST_BIN
        edges = self.edges.new_full(self.edges.shape, math.inf)
        apart = quantiles.masked_fill(too_near, math.inf).sort(1).values
        edges[:, : n_bins + 1] = apart
        last = quantiles.masked_fill(too_near, -math.inf).amax(1, keepdim=True)
        with torch.no_grad():
            self.edges.copy_(edges.minimum(last))

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, n_features, n_bins) for `x` (batch, n_features)."""
        check_shape(self, x, "batch", self.n_features)
        left, scale, upper = self._bins()
        return ((x.unsqueeze(-1) - left) * scale).clamp(self.lower, upper)

    def _bins(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return left ends, reciprocal widths and largest values of the bins."""
        edges = self.edges
        if edges.is_inference():  # of which torch does not count the changes
            return _bins_between(edges)
        known, n_changes, bins = self.__dict__.get("_known_bins", (None, 0, None))
        if known is not edges or n_changes != edges._version:
            with torch.inference_mode(mode=False):
                bins = _bins_between(edges)
            self.__dict__["_known_bins"] = edges, edges._version, bins
        return bins


def _bins_between(edges: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    left, right = edges[:, :-1], edges[:, 1:]
    width = right - left
    scale = width.reciprocal().masked_fill(width == 0, 0)
    one = edges.new_ones(())  # a bare 1 would have torch's default dtype
    return left, scale, torch.where(right < edges[:, -1:], one, math.inf)


class PiecewiseLinearEmbedding(ShowsArguments):
    """Embed each number by a piecewise linear function of it [1]_ [2]_.

    A linear layer of its own for each feature follows `PiecewiseLinearEncoding`.

    Parameters
    ----------
    n_features : int
        Number of numeric features.
    n_bins : int, default=48
        Number of bins of each feature.
    d_embedding : int, default=16
        Size of an embedding.
    activation : bool, default=False
        Whether a ReLU follows.
    residual : bool, default=True
        Whether to add a linear function of the number, and to start the piecewise part
        at zero, as in [2]_. ``residual=False, activation=True`` is the form of [1]_.
    rows_per_bin : int, default=1
        Fewest training rows for each bin.

    References
    ----------
    .. [1] Gorishniy, Rubachev and Babenko (2022). On embeddings for numerical features
       in tabular deep learning. NeurIPS. arXiv:2203.05556.
    .. [2] Gorishniy, Kotelnikov and Babenko (2025). TabM: advancing tabular deep
       learning with parameter-efficient ensembling. ICLR. arXiv:2410.24210.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import PiecewiseLinearEmbedding
    >>> PiecewiseLinearEmbedding(3)(torch.zeros(5, 3)).shape
    torch.Size([5, 3, 16])
    """

    def __init__(
        self,
        n_features: int,
        n_bins: int = 48,
        d_embedding: int = 16,
        activation: bool = False,
        residual: bool = True,
        rows_per_bin: int = 1,
    ) -> None:
        super().__init__()
        self.encoding = PiecewiseLinearEncoding(n_features, n_bins, rows_per_bin)
        self.n_features = n_features
        self.n_bins = n_bins
        self.rows_per_bin = rows_per_bin
        self.d_embedding = checked("d_embedding", d_embedding, positive_int)
        self.activation = checked("activation", activation, boolean)
        self.residual = checked("residual", residual, boolean)
        self.linear = LinearEnsemble(n_bins, d_embedding, n_features, bias=not residual)
        self.straight = None
        if residual:
            nn.init.zeros_(self.linear.weight)
            self.straight = NumericTokenizer(n_features, d_embedding)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, n_features, d_embedding) for `x` (batch, n_features)."""
        out = self.linear(self.encoding(x))
        if self.straight is not None:
            out = out + self.straight(x)
        return out.relu() if self.activation else out


class PeriodicEmbedding(ShowsArguments):
    """Embed each number by waves of learned frequencies, then a linear layer [1]_.

    For the frequencies c of a feature, a linear layer and a ReLU follow
    ``[cos(2 pi c x), sin(2 pi c x)]``: the PLR of [1]_.

    Parameters
    ----------
    n_features : int
        Number of numeric features.
    n_frequencies : int, default=48
        Number of frequencies of each feature.
    frequency_init_scale : float, default=0.01
        Standard deviation of the frequencies at the start, in waves per unit of the
        feature. They are normal, cut at three deviations. The parameter to tune first.
    d_embedding : int, default=24
        Size of an embedding.
    lite : bool, default=False
        Whether all features share one linear layer, instead of one each.
    activation : bool, default=True
        Whether the ReLU follows.

    References
    ----------
    .. [1] Gorishniy, Rubachev and Babenko (2022). On embeddings for numerical features
       in tabular deep learning. NeurIPS. arXiv:2203.05556.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import PeriodicEmbedding
    >>> PeriodicEmbedding(3)(torch.zeros(5, 3)).shape
    torch.Size([5, 3, 24])
    """

    def __init__(
        self,
        n_features: int,
        n_frequencies: int = 48,
        frequency_init_scale: float = 0.01,
        d_embedding: int = 24,
        lite: bool = False,
        activation: bool = True,
    ) -> None:
        super().__init__()
        self.n_features = checked("n_features", n_features, positive_int)
        self.n_frequencies = checked("n_frequencies", n_frequencies, positive_int)
        scale = checked("frequency_init_scale", frequency_init_scale, positive)
        self.frequency_init_scale = scale
        self.d_embedding = checked("d_embedding", d_embedding, positive_int)
        self.lite = checked("lite", lite, boolean)
        self.activation = checked("activation", activation, boolean)
        self.frequencies = nn.Parameter(torch.empty(n_features, n_frequencies))
        nn.init.trunc_normal_(self.frequencies, std=scale, a=-3 * scale, b=3 * scale)
        n_waves = 2 * n_frequencies
        self.linear = (
            nn.Linear(n_waves, d_embedding)
            if lite
            else LinearEnsemble(n_waves, d_embedding, n_features)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, n_features, d_embedding) for `x` (batch, n_features)."""
        check_shape(self, x, "batch", self.n_features)
        phase = x.unsqueeze(-1) * (2 * math.pi * self.frequencies)
        out = self.linear(torch.cat((phase.cos(), phase.sin()), -1))
        return out.relu() if self.activation else out


class PBLDEmbedding(ShowsArguments):
    """Embed each number by shifted waves, a linear layer, and the number itself [1]_.

    The name says what follows on each other: periodic, bias, linear, DenseNet. For the
    frequencies c and shifts b of a feature it is ``[linear(cos(2 pi c x + b)), x]``.

    Parameters
    ----------
    n_features : int
        Number of numeric features.
    n_frequencies : int, default=16
        Number of frequencies of each feature.
    frequency_init_scale : float, default=0.1
        Standard deviation of the frequencies at the start, in waves per unit of the
        feature. Shifts start uniform in +-pi.
    d_embedding : int, default=4
        Size of an embedding, at least 2; its last value is the number itself.

    References
    ----------
    .. [1] Holzmueller, Grinsztajn and Steinwart (2024). Better by default: strong
       pre-tuned MLPs and boosted trees on tabular data. NeurIPS. arXiv:2407.04491.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import PBLDEmbedding
    >>> PBLDEmbedding(3)(torch.zeros(5, 3)).shape
    torch.Size([5, 3, 4])
    """

    def __init__(
        self,
        n_features: int,
        n_frequencies: int = 16,
        frequency_init_scale: float = 0.1,
        d_embedding: int = 4,
    ) -> None:
        super().__init__()
        self.n_features = checked("n_features", n_features, positive_int)
        self.n_frequencies = checked("n_frequencies", n_frequencies, positive_int)
        scale = checked("frequency_init_scale", frequency_init_scale, positive)
        self.frequency_init_scale = scale
        self.d_embedding = checked("d_embedding", d_embedding, positive_int)
        if d_embedding < 2:
            raise ValueError(
                f"d_embedding must be at least 2, for the waves and for the number "
                f"itself, got {d_embedding!r}."
            )
        self.frequencies = nn.Parameter(torch.empty(n_features, n_frequencies))
        nn.init.normal_(self.frequencies, std=scale)
        self.shifts = nn.Parameter(torch.empty(n_features, n_frequencies))
        nn.init.uniform_(self.shifts, -math.pi, math.pi)
        self.linear = LinearEnsemble(n_frequencies, d_embedding - 1, n_features)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, n_features, d_embedding) for `x` (batch, n_features)."""
        check_shape(self, x, "batch", self.n_features)
        number = x.unsqueeze(-1)
        waves = (number * (2 * math.pi * self.frequencies) + self.shifts).cos()
        return torch.cat((self.linear(waves), number), -1)


def _quantiles(ordered: Tensor, n_bins: int) -> Tensor:
    """Return n_bins + 1 quantiles of a column, in which no value fills many bins.

    Of equal values, only as many count as a bin holds rows. All bins of a column that
    is 0 in most rows would else end at 0.
    """
    values, counts = ordered.unique_consecutive(return_counts=True)
    if len(values) <= n_bins:
        return torch.cat((values, values[-1:].expand(n_bins + 1 - len(values))))
    most, fair = len(ordered), -(-len(ordered) // n_bins)
    while fair < most:  # fewer that count make bins smaller
        most, counts = fair, counts.clamp(max=fair)
        fair = -(-int(counts.sum()) // n_bins)
    ordered = values.repeat_interleave(counts)
    place = torch.linspace(0, len(ordered) - 1, n_bins + 1, dtype=torch.float64)
    below, above = ordered[place.floor().long()], ordered[place.ceil().long()]
    return below.lerp(above, place.frac())
