"""Stop when the validation score no longer improves, and keep the best weights."""

from __future__ import annotations

import math
from typing import Any

import torch
from skorch import NeuralNet

from torchlearners._compat import BaseEstimator, Callback
from torchlearners.params import (
    Parameters,
    boolean,
    non_negative,
    optional,
    param,
    positive_int,
)
from torchlearners.training import to_plain, to_tensors


class EarlyStopping(Parameters, BaseEstimator, Callback):
    """Follow a validation score: stop on stagnation, restore the best weights [1]_.

    Learners add it by themselves where there are validation rows; see their
    `early_stopping`, `patience`, `min_delta` and `restore_best`.

    {parameters}

    Attributes
    ----------
    best_epoch_ : int or None
        Epoch of the best score, counted from 1 over all fits of the net.
    best_score_ : float or None
        That score; None before the first one that is a number.
    stopped_epoch_ : int or None
        Epoch after which training was stopped; None where it was not.

    References
    ----------
    .. [1] Prechelt (1998). Early stopping - but when? Neural Networks: Tricks of the
       Trade, Springer.

    Examples
    --------
    >>> from torchlearners.callbacks import EarlyStopping
    >>> EarlyStopping(patience=5).patience
    5
    """

    free_on_resume = frozenset({"patience"})

    monitor: str = param(
        default="valid_loss",
        check=[str],
        doc="Entry of the history to follow. Epochs without it are passed over.",
    )
    greater_is_better: bool = param(
        default=False, check=boolean, doc="Whether a greater score is better."
    )
    patience: int | None = param(
        default=16,
        check=optional(positive_int),
        doc="Evaluations without improvement after which training stops. None never "
        "stops.",
    )
    min_delta: float = param(
        default=0.0,
        check=non_negative,
        doc="An improvement is a score better than the best by more than this.",
    )
    restore_best: bool = param(
        default=True,
        check=boolean,
        doc="Put back the weights of the best epoch at the end of training.",
    )

    def initialize(self) -> EarlyStopping:
        """Forget what an earlier training left behind."""
        self.best_score_: float | None = None
        self.best_epoch_: int | None = None
        self.stopped_epoch_: int | None = None
        self.waited_ = 0
        self.weights_: dict[str, torch.Tensor] = {}
        return self

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Compare the epoch's score with the best one."""
        row = net.history[-1]
        if self.monitor not in row:
            return
        if self._improves(row[self.monitor]):
            self.best_score_ = row[self.monitor]
            self.best_epoch_ = row["epoch"]
            self.waited_ = 0
            if self.restore_best:
                self._keep(net.module_)
            return
        self.waited_ += 1
        if self.patience is not None and self.waited_ >= self.patience:
            self.stopped_epoch_ = row["epoch"]
            net.stop_training = True

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Restore the best weights."""
        if self.weights_:
            net.module_.load_state_dict(self.weights_)
            self.weights_ = {}

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training needs."""
        return {
            "best_score": self.best_score_,
            "best_epoch": self.best_epoch_,
            "stopped_epoch": self.stopped_epoch_,
            "waited": self.waited_,
            "weights": to_plain(self.weights_),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.best_score_ = state["best_score"]
        self.best_epoch_ = state["best_epoch"]
        self.stopped_epoch_ = state["stopped_epoch"]
        self.waited_ = state["waited"]
        self.weights_ = to_tensors(state["weights"])

    def _improves(self, score: float) -> bool:
        if self.best_score_ is None:
            return math.isfinite(score)
        gain = score - self.best_score_
        # A NaN compares false, so it counts as no improvement.
        return (gain if self.greater_is_better else -gain) > self.min_delta

    def _keep(self, module: torch.nn.Module) -> None:
        now = module.state_dict()
        if not self.weights_:
            self.weights_ = {name: value.clone() for name, value in now.items()}
            return
        for name, value in now.items():
            self.weights_[name].copy_(value)
