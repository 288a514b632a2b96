"""Schedules that rise as well, and the names of all schedules."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, Literal

from torchlearners.callbacks._decays import (
    Cosine,
    CosineWarmRestarts,
    Exponential,
    FlatCosine,
    MultiStep,
    Policy,
    Step,
    fall,
)
from torchlearners.callbacks._plateau import Plateau
from torchlearners.params import (
    did_you_mean,
    fraction,
    one_of,
    open_fraction,
    optional,
    param,
    positive,
    positive_int,
)
from torchlearners.training import promote


class OneCycle(Policy):
    """Rise to a peak, then fall far below the start [1]_. Set per batch.

    The learner's own value is the peak, so it may be larger than without a schedule.

    {parameters}

    References
    ----------
    .. [1] Smith and Topin (2018). Super-convergence: very fast training of neural
       networks using large learning rates. arXiv:1708.07120.

    Examples
    --------
    >>> from torchlearners.callbacks import OneCycle
    >>> [round(OneCycle().factor_at(t, 10), 3) for t in (0, 3, 6.5)]
    [0.04, 1.0, 0.5]
    """

    max_factor: float = param(default=1.0, check=positive, doc="Factor at the peak.")
    pct_start: float = param(
        default=0.3, check=open_fraction, doc="Share of the training that rises."
    )
    div_factor: float = param(
        default=25.0, check=positive, doc="The start is the peak divided by this."
    )
    final_div_factor: float = param(
        default=1e4, check=positive, doc="The end is the start divided by this."
    )
    anneal: Literal["cos", "linear"] = param(
        default="cos", check=one_of("cos", "linear"), doc="Shape of rise and fall."
    )

    step_every: ClassVar[str] = "batch"

    def factor_at(self, t: float, total: float) -> float:
        """Return the factor; see `Policy.factor_at`."""
        progress, peak = t / total, self.max_factor
        start = peak / self.div_factor
        if progress < self.pct_start:
            return self._between(start, peak, progress / self.pct_start)
        end = start / self.final_div_factor
        rest = (progress - self.pct_start) / (1 - self.pct_start)
        return self._between(peak, end, rest)

    def _between(self, start: float, end: float, share: float) -> float:
        left = fall(share) if self.anneal == "cos" else 1 - share
        return end + (start - end) * left


class CosLog4(Policy):
    """Four cosine waves that become longer [1]_. Set per batch.

    The factor is 0.5 (1 - cos(2 pi log2(1 + 15 p))), with p the share of the training
    that is done. RealMLP trains with it.

    {parameters}

    References
    ----------
    .. [1] Holzmüller, Grinsztajn and Steinwart (2024). Better by default: strong
       pre-tuned MLPs and boosted trees on tabular data. NeurIPS.

    Examples
    --------
    >>> from torchlearners.callbacks import CosLog4
    >>> [round(CosLog4().factor_at(15 * p, 15), 6) for p in (0, 1 / 15, 3 / 15)]
    [0.0, 0.0, 0.0]
    """

    step_every: ClassVar[str] = "batch"

    def factor_at(self, t: float, total: float) -> float:
        """Return the factor; see `Policy.factor_at`."""
        waves = math.log2(1 + 15 * t / total)
        return 0.5 * (1 - math.cos(2 * math.pi * waves))


class WarmUp(Policy):
    """Rise in a straight line to the full value, then follow another schedule [1]_.

    Set per batch. The schedule that follows sees only the epochs left.

    {parameters}

    References
    ----------
    .. [1] Goyal et al. (2017). Accurate, large minibatch SGD: training ImageNet in 1
       hour. arXiv:1706.02677.

    Examples
    --------
    >>> from torchlearners.callbacks import WarmUp
    >>> schedule = WarmUp(length=2, start=0.5, then="cosine")
    >>> [round(schedule.factor_at(t, 10), 3) for t in (0, 1, 2, 6, 10)]
    [0.5, 0.75, 1.0, 0.5, 0.0]
    """

    length: float = param(
        default=0.05,
        check=[*positive_int, *open_fraction],
        doc="How long to rise: a whole number of epochs, or a share of the training.",
    )
    start: float = param(default=0.01, check=fraction, doc="Factor to start from.")
    then: Any = param(
        default=None,
        check=optional([str, Policy]),
        doc="The schedule that follows, a name or an object; None stays at the full "
        "value. Its `hyperparameter` is not looked at.",
    )

    step_every: ClassVar[str] = "batch"

    def factor_at(self, t: float, total: float) -> float:
        """Return the factor; see `Policy.factor_at`."""
        length = self.length if self.length >= 1 else self.length * total
        if t < length:
            return self.start + (1 - self.start) * t / length
        if self.then is None:
            return 1.0
        return promote(self.then, SCHEDULES).factor_at(t - length, total - length)

    def check(self) -> None:
        """Raise an error where a parameter is out of range."""
        super().check()
        if self.then is None:
            return
        then = promote(self.then, SCHEDULES)
        if isinstance(then, str | Plateau):
            names = sorted(set(SCHEDULES) - {"plateau"})
            hint = did_you_mean(self.then, names) if isinstance(then, str) else ""
            raise ValueError(
                f"WarmUp cannot be followed by then={self.then!r}.{hint} Give a "
                f"schedule that looks at the time alone, such as one of {names}."
            )
        then.check()


ScheduleChoice = (
    Literal[
        "cosine",
        "cosine_restarts",
        "coslog4",
        "exponential",
        "flat_cosine",
        "multistep",
        "one_cycle",
        "plateau",
        "step",
        "warmup",
    ]
    | Policy
    | Callable[..., Any]
    | None
)
SCHEDULES: dict[str, type[Policy]] = {
    "cosine": Cosine,
    "cosine_restarts": CosineWarmRestarts,
    "coslog4": CosLog4,
    "exponential": Exponential,
    "flat_cosine": FlatCosine,
    "multistep": MultiStep,
    "one_cycle": OneCycle,
    "plateau": Plateau,
    "step": Step,
    "warmup": WarmUp,
}
