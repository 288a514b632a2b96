"""Stop when the validation loss no longer improves, and keep the best weights."""

from __future__ import annotations

import math
from typing import Any

import torch
from skorch import NeuralNet

from torchlearners._compat import Callback
from torchlearners.params import (
    Parameters,
    boolean,
    non_negative,
    optional,
    param,
    positive_int,
)


class EarlyStopping(Parameters, Callback):
    """Follow the validation loss: stop on stagnation, restore the best weights [1]_.

    Learners add it by themselves where there are validation rows; see their
    `early_stopping`, `patience`, `min_delta` and `restore_best`.

    {parameters}

    Attributes
    ----------
    best_epoch_ : int or None
        Epoch of the best validation loss, counted from 1 over all fits of the net.
    best_score_ : float
        That loss; infinite before the first finite one.

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

    patience: int | None = param(
        default=16,
        check=optional(positive_int),
        doc="Epochs without improvement after which training stops. None never stops.",
    )
    min_delta: float = param(
        default=0.0,
        check=non_negative,
        doc="An improvement is a loss lower than the best by more than this.",
    )
    restore_best: bool = param(
        default=True,
        check=boolean,
        doc="Put back the weights of the best epoch at the end of training.",
    )

    def initialize(self) -> EarlyStopping:
        """Forget what an earlier training left behind."""
        self.best_score_ = math.inf
        self.best_epoch_: int | None = None
        self.waited_ = 0
        self.weights_: dict[str, torch.Tensor] = {}
        return self

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Compare the epoch's validation loss with the best one."""
        score = net.history[-1]["valid_loss"]
        # A NaN compares false, so it counts as no improvement.
        if score < self.best_score_ - self.min_delta:
            self.best_score_ = score
            self.best_epoch_ = net.history[-1]["epoch"]
            self.waited_ = 0
            if self.restore_best:
                self._keep(net.module_)
            return
        self.waited_ += 1
        if self.patience is not None and self.waited_ >= self.patience:
            net.stop_training = True

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Restore the best weights."""
        if self.weights_:
            net.module_.load_state_dict(self.weights_)
            self.weights_ = {}

    def _keep(self, module: torch.nn.Module) -> None:
        now = module.state_dict()
        if not self.weights_:
            self.weights_ = {name: value.clone() for name, value in now.items()}
            return
        for name, value in now.items():
            self.weights_[name].copy_(value)
