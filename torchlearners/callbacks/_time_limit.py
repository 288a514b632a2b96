"""Stop training when its time is up."""

from __future__ import annotations

import time
from typing import Any

from sklearn.base import BaseEstimator
from skorch import NeuralNet
from skorch.callbacks import Callback

from torchlearners.params import Parameters, param, positive


class TimeLimit(Parameters, BaseEstimator, Callback):
    """End training with the epoch in which a number of seconds has passed.

    The time of validation and of other callbacks counts, that of preparing the data
    does not; after a resume, the time trained before counts too. At least one epoch is
    trained. The number of epochs then depends on the machine, so two fits with the
    same seed may differ.

    {parameters}

    Attributes
    ----------
    elapsed_ : float
        Seconds trained, as of the last epoch.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from torchlearners import MLPClassifier
    >>> from torchlearners.callbacks import TimeLimit
    >>> learner = MLPClassifier(callbacks=[TimeLimit(seconds=1e-6)])
    >>> learner.fit(*load_iris(return_X_y=True)).n_iter_
    1
    """

    free_on_resume = frozenset({"seconds"})

    seconds: float = param(
        default=3600.0, check=positive, doc="Time after which training ends."
    )

    def initialize(self) -> TimeLimit:
        """Check the parameters and start from zero."""
        self._validate_params()
        self.elapsed_ = 0.0
        return self

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Start the clock."""
        self._start = time.perf_counter()
        self.elapsed_ = 0.0

    def on_grad_computed(
        self, net: NeuralNet, named_parameters: Any, **kwargs: Any
    ) -> None:
        """Look at the clock in each batch."""
        if time.perf_counter() - self._start >= self.seconds:
            net.stop_training = True

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Look at the clock once more."""
        self.elapsed_ = time.perf_counter() - self._start
        if self.elapsed_ >= self.seconds:
            net.stop_training = True

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training needs."""
        return {"elapsed": self.elapsed_}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.elapsed_ = state["elapsed"]
        self._start = time.perf_counter() - self.elapsed_
