"""Average the weights over the steps of training."""

from __future__ import annotations

from typing import Any, Literal

import torch
from sklearn.base import BaseEstimator
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import Tensor

from torchlearners.params import Parameters, fraction, one_of, param
from torchlearners.training import to_plain, to_tensors


class WeightAveraging(Parameters, BaseEstimator, Callback):
    """Validate and end with averages of the weights, which generalize better.

    Training itself goes on from the weights that are not averaged. Early stopping and
    measures see the averages. The running statistics of batch normalization are not
    averaged: they belong to the last weights, which with "swa" and a high learning
    rate fits badly; prefer "ema" there. Costs one more copy of the weights, and for
    each averaging one pass over them.

    {parameters}

    References
    ----------
    .. [1] Polyak and Juditsky (1992). Acceleration of stochastic approximation by
       averaging. SIAM Journal on Control and Optimization 30.
    .. [2] Izmailov et al. (2018). Averaging weights leads to wider optima and better
       generalization. UAI.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from torchlearners import MLPClassifier
    >>> from torchlearners.callbacks import WeightAveraging
    >>> learner = MLPClassifier(callbacks=[WeightAveraging(decay=0.9)], random_state=0)
    >>> learner = learner.fit(*load_iris(return_X_y=True))
    """

    kind: Literal["ema", "swa"] = param(
        default="ema",
        check=one_of("ema", "swa"),
        doc='"ema" is the exponential moving average [1]_, "swa" the plain mean of the '
        "last part of training [2]_.",
    )
    decay: float = param(
        default=0.999,
        check=fraction,
        doc='How much of the average stays in each step, for "ema". The first steps n '
        "use (1 + n) / (10 + n) where that is less, so that short trainings do not "
        "hang on to the first weights.",
    )
    start: float = param(
        default=0.75,
        check=fraction,
        doc='Share of the epochs before the mean begins, for "swa".',
    )
    every: Literal["batch", "epoch"] = param(
        default="batch",
        check=one_of("batch", "epoch"),
        doc="Whether to average after each optimizer step or each epoch.",
    )

    def _forget(self) -> None:
        self._n_averaged = 0
        # What the network does not hold: the averages, or while it shows these the
        # weights that train.
        self._other: list[Tensor] = []
        self._shown = False
        self._active = self._pending = False

    def initialize(self) -> WeightAveraging:
        """Check the parameters and forget an earlier training."""
        self._validate_params()
        self._forget()
        return self

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Begin a new average."""
        self._forget()
        self._parameters = list(net.module_.parameters())
        self._begins = self.start * net.max_epochs if self.kind == "swa" else 0.0
        self._hook = None
        if self.every == "batch":
            # Cheaper than on_batch_end, for which the net would keep batches' history.
            self._hook = net.optimizer_.register_step_post_hook(self._after_step)

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Go on from the weights that are not averaged."""
        if self._shown:
            self._swap()
        done = len(net.history) - 1 - net.epochs_before
        self._active = done >= self._begins
        self._pending = self._active and self.every == "epoch"

    def on_evaluation_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Put the averages into the network."""
        self._show()

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Put the averages into the network, where there was no validation."""
        self._show()

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Leave the averages in the network."""
        self._pending = False  # an epoch that was broken off
        self._show()
        if self._hook is not None:
            self._hook.remove()
        self._other.clear()

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training needs besides the network's weights."""
        return {
            "n_averaged": self._n_averaged,
            "shown": self._shown,
            "other": to_plain(self._other),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned, after training has begun."""
        self._n_averaged = state["n_averaged"]
        self._shown = state["shown"]
        other = to_tensors(state["other"])
        self._other = [
            o.to(p.device) for o, p in zip(other, self._parameters, strict=False)
        ]

    def _after_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        if self._active:
            self._average()

    @torch.no_grad()
    def _average(self) -> None:
        if not self._other:
            self._other = [p.detach().clone() for p in self._parameters]
        else:
            share = 1 / (self._n_averaged + 1)
            if self.kind == "ema":
                n = self._n_averaged
                share = 1 - min(self.decay, (1 + n) / (10 + n))
            for average, p in zip(self._other, self._parameters, strict=True):
                average.lerp_(p, share)
        self._n_averaged += 1

    def _show(self) -> None:
        if self._pending:
            self._average()
            self._pending = False
        if self._other and not self._shown:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        # Values, not tensors: parameters may be views of those of several nets.
        for other, p in zip(self._other, self._parameters, strict=True):
            before = p.detach().clone()
            p.copy_(other)
            other.copy_(before)
        self._shown = not self._shown
