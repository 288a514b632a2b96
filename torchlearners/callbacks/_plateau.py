"""The schedule that follows a score."""

from __future__ import annotations

import math
from typing import Any

from torchlearners.callbacks._decays import Policy
from torchlearners.params import (
    boolean,
    non_negative,
    non_negative_int,
    open_fraction,
    optional,
    param,
)


class Plateau(Policy):
    """Multiply by `factor` when a score no longer improves.

    Epochs without the score are passed over.

    {parameters}

    Examples
    --------
    >>> from torchlearners.callbacks import Plateau
    >>> schedule = Plateau(patience=0)
    >>> state = schedule.begin()
    >>> for loss in (2.0, 1.0, 1.0):
    ...     state = schedule.follow(state, loss)
    >>> state["factor"]
    0.1
    """

    factor: float = param(default=0.1, check=open_fraction, doc="Factor of each decay.")
    patience: int = param(
        default=10,
        check=non_negative_int,
        doc="Evaluations without improvement that are let pass before a decay.",
    )
    threshold: float = param(
        default=1e-4,
        check=non_negative,
        doc="An improvement is larger than this share of the best score's size.",
    )
    cooldown: int = param(
        default=0,
        check=non_negative_int,
        doc="Evaluations after a decay that do not count against `patience`.",
    )
    min_lr: float = param(
        default=0.0, check=non_negative, doc="Lowest value the hyperparameter takes."
    )
    monitor: str | None = param(
        default=None,
        check=optional([str]),
        doc="Entry of the history to follow. None is the score that early stopping "
        'follows, or "valid_loss" without it.',
    )
    greater_is_better: bool | None = param(
        default=None,
        check=optional(boolean),
        doc='None asks the score: greater is better unless its name ends in "loss".',
    )

    def begin(self) -> dict[str, Any]:
        """Return the state before the first score."""
        return {"factor": 1.0, "best": None, "waited": 0, "cooling": 0}

    def follow(
        self, state: dict[str, Any], score: float, greater_is_better: bool = False
    ) -> dict[str, Any]:
        """Return the state after one more score.

        Parameters
        ----------
        state : dict
            As returned by `begin` or this method.
        score : float
            A NaN is no improvement.
        greater_is_better : bool, default=False
            Direction of the score.

        Returns
        -------
        dict
            ``factor`` is the product of the decays so far.
        """
        factor, best = state["factor"], state["best"]
        waited, cooling = state["waited"], state["cooling"]
        if best is None:
            improves = not math.isnan(score)
        else:
            gain = score - best if greater_is_better else best - score
            improves = gain > self.threshold * abs(best)
        best, waited = (score, 0) if improves else (best, waited + 1)
        if cooling:
            cooling, waited = cooling - 1, 0
        if waited > self.patience:
            factor, waited, cooling = factor * self.factor, 0, self.cooldown
        return {"factor": factor, "best": best, "waited": waited, "cooling": cooling}
