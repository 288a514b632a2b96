"""Schedules: how a hyperparameter moves while training goes on; here those that fall.

A schedule gives the factor by which the starting value is multiplied, as a closed form
of the epochs done.
"""

from __future__ import annotations

import math
from numbers import Real
from typing import Any, ClassVar

from torchlearners._compat import Interval
from torchlearners.params import SequenceOf, fraction, param, positive, positive_int
from torchlearners.training import Descriptor


def fall(progress: float) -> float:
    """Go from 1 to 0 along half a cosine."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def _min_factor() -> Any:
    return param(
        default=0.0,
        check=[Interval(Real, 0, 1, closed="both")],
        doc="Factor at the lowest point.",
    )


def _gamma(default: float) -> Any:
    return param(default=default, check=positive, doc="Factor of each decay.")


class Policy(Descriptor):
    """Base of the schedules.

    A schedule of your own derives from this class and defines `factor_at`.

    {parameters}
    """

    hyperparameter: str = param(
        default="lr",
        check=[str],
        doc='What moves: an entry of the optimizer\'s groups such as "lr", '
        '"weight_decay" or "momentum"; "beta1" or "beta2"; or "dropout", the rate of '
        "all dropout modules.",
    )

    # How often `schedule_callback` sets the value: "epoch" or "batch".
    step_every: ClassVar[str] = "epoch"

    def factor_at(self, t: float, total: float) -> float:
        """Return the factor on the starting value.

        Parameters
        ----------
        t : float
            Epochs done; between two epochs a fraction counts the batches done.
        total : float
            Epochs in the whole training.

        Returns
        -------
        float
        """
        raise NotImplementedError(f"{type(self).__name__} does not define factor_at.")

    def check(self) -> None:
        """Raise an error where a parameter is out of range."""
        self._validate_params()


class Step(Policy):
    """Multiply by `gamma` every `step_size` epochs.

    {parameters}

    Examples
    --------
    >>> from torchlearners.callbacks import Step
    >>> [Step(step_size=2).factor_at(t, 10) for t in range(4)]
    [1.0, 1.0, 0.1, 0.1]
    """

    step_size: int = param(
        default=30, check=positive_int, doc="Epochs from one decay to the next."
    )
    gamma: float = _gamma(0.1)

    def factor_at(self, t: float, total: float) -> float:
        """Return the factor; see `Policy.factor_at`."""
        return float(self.gamma ** (t // self.step_size))


class MultiStep(Policy):
    """Multiply by `gamma` after each of some epochs.

    {parameters}

    Examples
    --------
    >>> from torchlearners.callbacks import MultiStep
    >>> [MultiStep(milestones=(1, 3)).factor_at(t, 10) for t in range(3)]
    [1.0, 0.1, 0.1]
    """

    milestones: Any = param(
        default=(50, 75),
        check=[SequenceOf(positive_int)],
        doc="Numbers of epochs after which a decay comes.",
    )
    gamma: float = _gamma(0.1)

    def factor_at(self, t: float, total: float) -> float:
        """Return the factor; see `Policy.factor_at`."""
        return float(self.gamma ** sum(t >= m for m in self.milestones))


class Exponential(Policy):
    """Multiply by `gamma` each epoch.

    {parameters}

    Examples
    --------
    >>> from torchlearners.callbacks import Exponential
    >>> Exponential(gamma=0.5).factor_at(3, 10)
    0.125
    """

    gamma: float = _gamma(0.95)

    def factor_at(self, t: float, total: float) -> float:
        """Return the factor; see `Policy.factor_at`."""
        return float(self.gamma**t)


class Cosine(Policy):
    """Fall along half a cosine over the whole training [1]_. Set per batch.

    {parameters}

    References
    ----------
    .. [1] Loshchilov and Hutter (2017). SGDR: stochastic gradient descent with warm
       restarts. ICLR.

    Examples
    --------
    >>> from torchlearners.callbacks import Cosine
    >>> round(Cosine().factor_at(5, 10), 3)
    0.5
    """

    min_factor: float = _min_factor()

    step_every: ClassVar[str] = "batch"

    def factor_at(self, t: float, total: float) -> float:
        """Return the factor; see `Policy.factor_at`."""
        return self.min_factor + (1 - self.min_factor) * fall(t / total)


class CosineWarmRestarts(Policy):
    """Fall along half a cosine, again and again [1]_. Set per batch.

    {parameters}

    References
    ----------
    .. [1] Loshchilov and Hutter (2017). SGDR: stochastic gradient descent with warm
       restarts. ICLR.

    Examples
    --------
    >>> from torchlearners.callbacks import CosineWarmRestarts
    >>> CosineWarmRestarts(period=4).factor_at(4, 10)
    1.0
    """

    period: int = param(
        default=10, check=positive_int, doc="Epochs up to the first restart."
    )
    growth: float = param(
        default=1,
        check=[Interval(Real, 1, None, closed="left")],
        doc="Factor by which each period is longer than the one before.",
    )
    min_factor: float = _min_factor()

    step_every: ClassVar[str] = "batch"

    def factor_at(self, t: float, total: float) -> float:
        """Return the factor; see `Policy.factor_at`."""
        length = float(self.period)
        while t >= length:
            t -= length
            length *= self.growth
        return self.min_factor + (1 - self.min_factor) * fall(t / length)


class FlatCosine(Policy):
    """Stay at the full value, then fall to 0 along half a cosine. Set per batch.

    {parameters}

    Examples
    --------
    >>> from torchlearners.callbacks import FlatCosine
    >>> [round(FlatCosine().factor_at(t, 8), 3) for t in (0, 4, 6, 8)]
    [1.0, 1.0, 0.5, 0.0]
    """

    start: float = param(
        default=0.5, check=fraction, doc="Share of the training before the fall."
    )

    step_every: ClassVar[str] = "batch"

    def factor_at(self, t: float, total: float) -> float:
        """Return the factor; see `Policy.factor_at`."""
        return fall(max(0.0, (t / total - self.start) / (1 - self.start)))
