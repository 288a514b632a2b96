"""Losses whose outputs describe a distribution of each value, not a single number."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor
from torch.nn import functional as F

from torchlearners.params import SequenceOf, open_fraction, param, positive
from torchlearners.training._criterion import Loss

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Distributional(Loss):
    """Base of the losses with several outputs for each value.

    The methods get the outputs of a network for standardized values. Learners have
    `predict_quantiles` with such a loss, and `predict_std` where it has a method
    `read_std(outputs)`, of which `Gaussian` is the example.
    """

    target = "values"

    def default_quantiles(self) -> Any:
        """Return the quantiles that are read where none are asked for."""
        return _QUANTILES

    def read_quantiles(self, outputs: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
        """Return what outputs say about quantiles.

        Parameters
        ----------
        outputs : ndarray of shape (n_rows, n_values * outputs_per_value)
        quantiles : ndarray of shape (n_quantiles,)
            In (0, 1), in any order.

        Returns
        -------
        ndarray of shape (n_rows, n_values, n_quantiles)

        Raises
        ------
        ValueError
            Where outputs do not tell such quantiles.
        """
        raise NotImplementedError

    def join_members(self, outputs: Tensor) -> Tensor:
        """Return the outputs that stand for all members of an ensemble.

        Parameters
        ----------
        outputs : torch.Tensor of shape (n_rows, k, n_outputs)

        Returns
        -------
        torch.Tensor of shape (n_rows, n_outputs)
        """
        raise NotImplementedError

    def _by_value(self, outputs: Any) -> Any:
        """Return outputs, an array or a tensor, as (..., n_values, per value)."""
        n = self.outputs_per_value
        return outputs.reshape(*outputs.shape[:-1], outputs.shape[-1] // n, n)


class Quantile(Distributional):
    """Pinball loss [1]_: predicts quantiles of each value, and their median.

    The network has an output for each quantile. They are sorted where they are read,
    so that quantiles never cross; the sorted ones are nearer to the true ones and never
    have the greater loss [2]_. Between two quantiles those in between are interpolated.
    Where 0.5 is not within the quantiles, the one next to it is what `predict` returns.

    {parameters}

    References
    ----------
    .. [1] Koenker and Bassett (1978). Regression quantiles. Econometrica 46.
    .. [2] Chernozhukov, Fernández-Val and Galichon (2010). Quantile and probability
       curves without crossing. Econometrica 78.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.training import Quantile
    >>> loss = Quantile(quantiles=(0.1, 0.9)).build()
    >>> loss(torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0]]))
    tensor(1.0500)
    """

    quantiles: Any = param(
        default=_QUANTILES,
        check=[SequenceOf(open_fraction)],
        doc="What is predicted of each value: probabilities in (0, 1), ascending.",
    )

    @property
    def outputs_per_value(self) -> int:
        """Number of quantiles."""
        return len(self.quantiles)

    def default_quantiles(self) -> Any:
        """Return the quantiles that are trained."""
        return self.quantiles

    def rows(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean pinball loss of each row, over values and quantiles."""
        over = target[..., None] - self._by_value(output)
        levels = over.new_tensor(self.quantiles)
        return torch.maximum(levels * over, (levels - 1) * over).mean(dim=(1, 2))

    def read_points(self, outputs: np.ndarray) -> np.ndarray:
        """Return the median; see `Loss.read_points`."""
        median = np.clip([0.5], self.quantiles[0], self.quantiles[-1])
        return self.read_quantiles(outputs, median)[..., 0]

    def read_quantiles(self, outputs: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
        """Return quantiles, interpolated; see `Distributional.read_quantiles`."""
        levels = np.asarray(self.quantiles, dtype=np.float64)
        outside = quantiles[(quantiles < levels[0]) | (quantiles > levels[-1])]
        if len(outside):
            raise ValueError(
                f"quantiles must lie within those trained, {levels[0]:g} to "
                f"{levels[-1]:g}, got {outside.tolist()}. Fit with "
                "loss=Quantile(quantiles=...) that reach as far."
            )
        knots = np.sort(self._by_value(outputs.astype(np.float64)), axis=-1)
        below = np.searchsorted(levels, quantiles, side="right") - 1
        above = np.minimum(below + 1, len(levels) - 1)
        step = np.where(above > below, levels[above] - levels[below], 1.0)
        low, high = knots[..., below], knots[..., above]
        between = low + (high - low) * ((quantiles - levels[below]) / step)
        # Rounding must not lead past the next quantile.
        return np.minimum(between, high)

    def join_members(self, outputs: Tensor) -> Tensor:
        """Return the mean of each quantile over the members."""
        return self._by_value(outputs).sort(dim=-1).values.mean(dim=1).flatten(1)

    def _validate_params(self) -> None:
        super()._validate_params()
        if len(self.quantiles) == 0 or (np.diff(self.quantiles) <= 0).any():
            raise ValueError(
                f"quantiles must be at least one number, ascending, got "
                f"{self.quantiles!r}. Sort them, and give each once."
            )


class Gaussian(Distributional):
    """Negative log-likelihood of a normal distribution for each row [1]_.

    The network has two outputs for each value, from which its mean and its standard
    deviation follow: `predict` returns the mean, `predict_std` the standard deviation,
    and quantiles are those of the normal distribution. Members of an ensemble are one
    normal distribution, with mean and variance of their mixture [2]_.

    {parameters}

    References
    ----------
    .. [1] Nix and Weigend (1994). Estimating the mean and variance of the target
       probability distribution. IEEE International Conference on Neural Networks.
    .. [2] Lakshminarayanan, Pritzel and Blundell (2017). Simple and scalable predictive
       uncertainty estimation using deep ensembles. NeurIPS. arXiv:1612.01474.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.training import Gaussian
    >>> Gaussian().build()(torch.tensor([[1.0, 0.5413]]), torch.tensor([[1.0]]))
    tensor(0.9199)
    """

    min_std: float = param(
        default=1e-3,
        check=positive,
        tune=(1e-4, 1e-1, "log"),
        doc="Smallest standard deviation that is predicted, in those of the target. It "
        "keeps the loss bounded where rows are fitted exactly.",
    )

    @property
    def outputs_per_value(self) -> int:
        """Mean and standard deviation."""
        return 2

    def rows(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean negative log-likelihood of each row, over values."""
        mean, std = self._mean_and_std(output)
        losses = std.log() + ((target - mean) / std).square() / 2
        return losses.mean(dim=1) + math.log(2 * math.pi) / 2

    def read_points(self, outputs: np.ndarray) -> np.ndarray:
        """Return the mean; see `Loss.read_points`."""
        return self._by_value(outputs)[..., 0]

    def read_std(self, outputs: np.ndarray) -> np.ndarray:
        """Return the standard deviation of each value.

        Parameters
        ----------
        outputs : ndarray of shape (n_rows, n_values * 2)

        Returns
        -------
        ndarray of shape (n_rows, n_values)
        """
        raw = self._by_value(outputs)[..., 1].astype(np.float64)
        with np.errstate(invalid="ignore"):  # NaN stays NaN
            return self.min_std + np.logaddexp(0, raw)

    def read_quantiles(self, outputs: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
        """Return normal quantiles; see `Distributional.read_quantiles`."""
        mean, std = self.read_points(outputs), self.read_std(outputs)
        return mean[..., None] + std[..., None] * ndtri(quantiles)

    def join_members(self, outputs: Tensor) -> Tensor:
        """Return outputs for mean and variance of the members' mixture.

        The variance is the mean of the members' variances plus the variance of their
        means.
        """
        means, stds = self._mean_and_std(outputs)
        variance = stds.square().mean(dim=1) + means.var(dim=1, correction=0)
        over = (variance.sqrt() - self.min_std).clamp(min=1e-9)
        # The inverse of softplus.
        raw = over + (-torch.expm1(-over)).log()
        return torch.stack([means.mean(dim=1), raw], dim=-1).flatten(1)

    def _mean_and_std(self, output: Tensor) -> tuple[Tensor, Tensor]:
        mean, raw = self._by_value(output).unbind(-1)
        # Grows no faster than its argument, unlike an exponential.
        return mean, self.min_std + F.softplus(raw)
