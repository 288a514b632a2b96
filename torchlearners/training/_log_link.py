"""Losses of values that are never negative: the network tells the mean's logarithm."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np
import torch
from torch import Tensor

from torchlearners.params import param, within
from torchlearners.training._criterion import Loss

# Means are within exp(-30) and exp(30) of that of the training rows.
_MOST = 30.0


class LogLink(Loss):
    """Base of the losses whose outputs are logarithms of the mean of each value.

    Up to what depends on y alone, the loss is half of the unit deviance of a Tweedie
    distribution [1]_ whose variance is the mean to the power of p. With the output
    f = log(mean) it is g(2 - p) - y * g(1 - p), where g(a) is (exp(a * f) - 1) / a and,
    for a of 0, f. Hence exp(f) - y * f for `Poisson` and f + y * exp(-f) for `Gamma`.

    y is divided by its mean and not centered, so that a network with outputs about 0
    starts at that mean. Members of an ensemble predict the mean of their means.

    References
    ----------
    .. [1] Jorgensen (1987). Exponential dispersion models. Journal of the Royal
       Statistical Society B 49.
    """

    target = "values"

    @property
    def variance_power(self) -> float:
        """Power of the mean that the variance is."""
        raise NotImplementedError

    @property
    def domain(self) -> str:
        """Which values the distribution may have; see `Loss.domain`."""
        power = self.variance_power
        # It may be asked for before parameters are checked.
        return "positive" if isinstance(power, Real) and power >= 2 else "non-negative"

    def rows(self, output: Tensor, target: Tensor) -> Tensor:
        """Return half the deviance of each row, the mean over values; see `Loss`."""
        power = self.variance_power
        losses = _grown(output, 2 - power) - target * _grown(output, 1 - power)
        return losses.mean(dim=1)

    def read_points(self, outputs: np.ndarray) -> np.ndarray:
        """Return the mean of each value; see `Loss.read_points`."""
        return np.exp(outputs.astype(np.float64).clip(-_MOST, _MOST))

    def join_members(self, outputs: Tensor) -> Tensor:
        """Return the logarithm of the mean of the members' means.

        Parameters
        ----------
        outputs : torch.Tensor of shape (n_rows, k, n_outputs)

        Returns
        -------
        torch.Tensor of shape (n_rows, n_outputs)
        """
        within_bounds = outputs.clamp(-_MOST, _MOST)
        return within_bounds.logsumexp(dim=1) - math.log(outputs.shape[1])


class Poisson(LogLink):
    """Negative log-likelihood of counts: predicts their mean, on the scale of y.

    The variance of such values is their mean. y must not be negative; it need not be
    whole, so it may be a rate, with the exposure as `sample_weight`. As in
    `sklearn.linear_model.PoissonRegressor`, up to a constant the loss is half of
    `sklearn.metrics.mean_poisson_deviance` [1]_, of y divided by its mean. The network
    tells the logarithm of the mean.

    {parameters}

    References
    ----------
    .. [1] Nelder and Wedderburn (1972). Generalized linear models. Journal of the
       Royal Statistical Society A 135.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.training import Poisson
    >>> Poisson().build()(torch.tensor([[0.0]]), torch.tensor([[3.0]]))
    tensor(0.)
    """

    @property
    def variance_power(self) -> float:
        """Power of the mean that the variance is: 1."""
        return 1.0


class Gamma(LogLink):
    """Gamma likelihood of positive amounts: predicts their mean, on the scale of y.

    The standard deviation of such values is proportional to their mean, as of costs,
    times and other amounts for which only relative errors count. y must be positive. As
    in `sklearn.linear_model.GammaRegressor`, up to a constant the loss is half of
    `sklearn.metrics.mean_gamma_deviance` [1]_. The network tells the logarithm of the
    mean.

    {parameters}

    References
    ----------
    .. [1] Nelder and Wedderburn (1972). Generalized linear models. Journal of the
       Royal Statistical Society A 135.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.training import Gamma
    >>> Gamma().build()(torch.tensor([[0.0]]), torch.tensor([[3.0]]))
    tensor(0.)
    """

    @property
    def variance_power(self) -> float:
        """Power of the mean that the variance is: 2."""
        return 2.0


class Tweedie(LogLink):
    """Deviance of amounts that may be exactly zero: predicts their mean.

    The variance of such values is their mean to the power of `power`. Between 1 and 2
    they are sums of a random number of amounts, as the claims of a year are, so many of
    them may be 0. Up to a constant and the scale of y, the loss is half of
    `sklearn.metrics.mean_tweedie_deviance` [1]_, as in
    `sklearn.linear_model.TweedieRegressor`. The network tells the logarithm of the
    mean.

    {parameters}

    References
    ----------
    .. [1] Jorgensen (1987). Exponential dispersion models. Journal of the Royal
       Statistical Society B 49.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.training import Tweedie
    >>> Tweedie(power=1.5).build()(torch.tensor([[0.0]]), torch.tensor([[3.0]]))
    tensor(0.)
    """

    power: float = param(
        default=1.5,
        check=within(1, 3),
        tune=(1.1, 1.9),
        doc="Power of the mean that the variance is, from 1 (`Poisson`) by 2 (`Gamma`) "
        "to 3 (inverse Gaussian). y must not be negative, and from 2 on it must be "
        "positive.",
    )

    @property
    def variance_power(self) -> float:
        """Power of the mean that the variance is."""
        return self.power


def _grown(output: Tensor, rate: float) -> Tensor:
    """Return (exp(rate * output) - 1) / rate, its limit where the rate is 0.

    Far beyond what is ever predicted it goes on as a line, so that value and gradient
    are finite.
    """
    if rate == 0:
        return output
    exponent = rate * output
    beyond = (exponent - _MOST).clamp(min=0)
    grown = torch.expm1(exponent.clamp(max=_MOST))
    return (grown + (grown + 1) * beyond) / rate
