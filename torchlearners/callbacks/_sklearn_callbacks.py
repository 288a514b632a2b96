"""The callbacks of scikit-learn, called by a training of skorch."""

from __future__ import annotations

import copy
from typing import Any

from skorch import NeuralNet
from skorch.callbacks import Callback

from torchlearners._compat import BaseEstimator, open_callback_context
from torchlearners.params import Parameters, optional, param


class SklearnCallbacks(Parameters, BaseEstimator, Callback):
    """Tell the callbacks given to ``set_callbacks`` of each epoch.

    Learners add it by themselves, as the last of their callbacks. The fit is a task
    of `sklearn.callback` with `max_epochs` subtasks; each epoch is one. A callback
    that asks to stop ends training with that epoch.

    {parameters}

    Notes
    -----
    A callback that asks for a fitted estimator gets a copy of the learner as it
    would be if training had ended with the epoch: with the present weights, not the
    best ones.

    Examples
    --------
    >>> from torchlearners.callbacks import SklearnCallbacks
    >>> SklearnCallbacks().estimator is None
    True
    """

    estimator: Any = param(
        default=None,
        check=["no_validation"],
        doc="The learner, which inherits from `sklearn.callback.CallbackSupportMixin`.",
    )
    X: Any = param(
        default=None, check=["no_validation"], doc="What `fit` was called with."
    )
    y: Any = param(
        default=None, check=["no_validation"], doc="What `fit` was called with."
    )
    sample_weight: Any = param(
        default=None, check=["no_validation"], doc="What `fit` was called with."
    )
    fitted: Any = param(
        default=None,
        check=optional([callable]),
        doc="Function of a net that returns the attributes, in a dict, that make the "
        "learner a fitted one with that net.",
    )

    def initialize(self) -> SklearnCallbacks:
        """Forget the contexts of an earlier training."""
        self._fit_: Any = None
        self._epoch_: Any = None
        return self

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Open the task of the fit."""
        self._fit_ = open_callback_context(self.estimator, net.max_epochs)
        self._fit_.call_on_fit_task_begin(estimator=self.estimator, **self._rows())

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Open the task of the epoch."""
        self._epoch_ = self._fit_.subcontext(task_name="epoch")
        self._epoch_.call_on_fit_task_begin(estimator=self.estimator, **self._rows())

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Close the task of the epoch; stop where a callback asks to."""
        if self._end(self._epoch_, net):
            net.stop_training = True
        self._epoch_ = None

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Close the task of the fit, and let go of the data."""
        if self._epoch_ is not None:  # Ctrl-C within an epoch
            self._epoch_.call_on_fit_task_end(estimator=self.estimator)
        self._end(self._fit_, net)
        self._fit_ = self._epoch_ = self.estimator = self.fitted = None
        self.X = self.y = self.sample_weight = None

    def _end(self, task: Any, net: NeuralNet) -> bool:
        return task.call_on_fit_task_end(
            estimator=self.estimator,
            # A function is called only where a callback asks for what it returns.
            reconstruction_attributes=lambda: self.fitted(_snapshot(net)),
            **self._rows(),
        )

    def _rows(self) -> dict[str, Any]:
        weight = self.sample_weight
        metadata = None if weight is None else {"sample_weight": weight}
        # Functions again, since data that are callable would be called.
        return {"X": lambda: self.X, "y": lambda: self.y, "metadata": metadata}


def _snapshot(net: Any) -> Any:
    """Return a net that predicts with a copy of the present weights."""
    # Not copy.copy: skorch copies a net by pickling it.
    cls: Any = type(net)
    now = cls.__new__(cls)
    now.__dict__.update(net.__dict__)
    now.module_ = copy.deepcopy(net.module_).eval()
    return now
