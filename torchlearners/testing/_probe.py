"""What checks look through: toy data, quick clones, and a callback that records."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any
from unittest import SkipTest

import numpy as np
import torch
from sklearn.base import clone, is_regressor
from sklearn.utils import get_tags
from skorch.callbacks import Callback

N_FEATURES = 4


def toy(
    learner: Any, n_rows: int = 60, *, n_classes: int = 3, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return easy data of the kind that the learner takes.

    Parameters
    ----------
    learner : estimator
        Its tags say which kind.
    n_rows : int, default=60
    n_classes : int, default=3
        For classifiers; a binary one gets two. Classes take turns along the rows.
    seed : int, default=0

    Returns
    -------
    X : ndarray of shape (n_rows, 4)
        float64, no two rows alike.
    y : ndarray of shape (n_rows,)
        Classes 0, 1, ... that a line separates, or a linear function of X with a mean
        of about 10.
    """
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n_rows, N_FEATURES))
    if is_regressor(learner):
        return X, 10 + X @ np.array([3.0, -2.0, 0.5, 0.0]) + 0.01 * rng.normal(
            size=n_rows
        )
    tags = get_tags(learner).classifier_tags
    if tags is not None and not tags.multi_class:
        n_classes = 2
    y = np.arange(n_rows) % n_classes
    centers = 4 * np.eye(max(n_classes, N_FEATURES))[:n_classes, :N_FEATURES]
    return X + centers[y], y


def data_frame(library: str, X: np.ndarray, names: Sequence[str]) -> Any:
    """Return X as a DataFrame.

    Parameters
    ----------
    library : {"pandas", "polars"}
    X : ndarray of shape (n_rows, n_columns)
    names : sequence of str
        Of the columns.

    Returns
    -------
    DataFrame

    Raises
    ------
    unittest.SkipTest
        Where the library is not installed.
    """
    try:
        frames = import_module(library)
    except ImportError:
        raise SkipTest(f"{library} is not installed.") from None
    return frames.DataFrame(dict(zip(names, X.T, strict=True)))


def quick(learner: Any, **params: Any) -> Any:
    """Return a clone with a seed, three epochs, no split, and the given parameters.

    Parameters
    ----------
    learner : estimator
    **params : dict
        Constructor parameters, also nested ones.

    Returns
    -------
    estimator

    Raises
    ------
    AssertionError
        Where the learner lacks one of the parameters.
    """
    shared = {
        "max_epochs": 3,
        "random_state": 0,
        "early_stopping": False,
        "measures_valid": None,
    }
    params = {**shared, **params}
    require_parameters(learner, *(name.partition("__")[0] for name in params))
    return clone(learner).set_params(**params)


def require_parameters(learner: Any, *names: str) -> None:
    """Raise AssertionError where the learner lacks a parameter.

    Parameters
    ----------
    learner : estimator
    *names : str
    """
    missing = sorted(set(names) - set(learner.get_params(deep=False)))
    if missing:
        raise AssertionError(
            f"{type(learner).__name__} has no constructor parameter {missing[0]!r}, "
            "which every torch learner has. Derive from "
            "torchlearners.base.ClassifierLearner or RegressorLearner."
        )


def require_fitted(learner: Any, *names: str) -> None:
    """Raise AssertionError where a fitted learner lacks an attribute.

    Parameters
    ----------
    learner : estimator
    *names : str
    """
    for name in names:
        if not hasattr(learner, name):
            raise AssertionError(
                f"{type(learner).__name__} has no attribute {name!r} after fit, which "
                "every torch learner has."
            )


def outputs(learner: Any, X: Any) -> np.ndarray:
    """Return the finest-grained predictions that the learner has.

    Parameters
    ----------
    learner : estimator
        Fitted.
    X : array-like

    Returns
    -------
    ndarray
    """
    for name in ("decision_function", "predict_proba", "predict", "transform"):
        if hasattr(learner, name):
            return np.asarray(getattr(learner, name)(X))
    raise AssertionError(f"{type(learner).__name__} has neither predict nor transform.")


def weights(learner: Any) -> dict[str, torch.Tensor]:
    """Return copies of the network's parameters and buffers, on the CPU.

    Parameters
    ----------
    learner : estimator
        Fitted.

    Returns
    -------
    dict of str to torch.Tensor
    """
    require_fitted(learner, "net_")
    return {k: v.clone().cpu() for k, v in learner.net_.module_.state_dict().items()}


def same_weights(one: Any, other: Any) -> bool:
    """Tell whether two fitted learners have bit-equal networks.

    Parameters
    ----------
    one, other : estimator
        Fitted.

    Returns
    -------
    bool
    """
    ours, theirs = weights(one), weights(other)
    return ours.keys() == theirs.keys() and all(
        torch.equal(v, theirs[k]) for k, v in ours.items()
    )


class Recorder(Callback):
    """Record what a training does, batch by batch and epoch by epoch.

    After a fit the one that recorded is `recorded`, since `fit` clones callbacks.

    Attributes
    ----------
    stages : list of str
        Names of the hooks, in the order they were called.
    train_batches, valid_batches : list of dict
        One for each batch: ``epoch`` (from 1), ``X``, ``y`` (tensors, as the network
        and the loss get them), ``training`` (mode of the module), ``lr``,
        ``weight_decay``, ``n_threads``.
    grads : list of dict
        One for each optimizer step: parameter name to the norm of its gradient, or
        None where it has none.
    epochs : list of dict
        One for each epoch: ``weights`` at its end (a state dict).
    start : dict
        The state dict before training.
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return no parameters; to skorch, what was recorded would look like some."""
        return {}

    def initialize(self) -> Recorder:
        """Forget everything."""
        self.stages: list[str] = []
        self.train_batches: list[dict[str, Any]] = []
        self.valid_batches: list[dict[str, Any]] = []
        self.grads: list[dict[str, float | None]] = []
        self.epochs: list[dict[str, Any]] = []
        self.start: dict[str, torch.Tensor] = {}
        return self

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Record the untrained weights."""
        self.stages.append("on_train_begin")
        self.start = _copy(net)

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        """Record the stage."""
        self.stages.append("on_epoch_begin")

    def on_batch_begin(
        self, net: Any, batch: Any = None, training: bool = False, **kwargs: Any
    ) -> None:
        """Record the batch and what it meets."""
        self.stages.append("on_batch_begin")
        group = net.optimizer_.param_groups[0]
        record = {
            "epoch": len(net.history),
            "X": batch[0].clone().cpu(),
            "y": batch[1].clone().cpu(),
            "training": net.module_.training,
            "lr": group["lr"],
            "weight_decay": group.get("weight_decay"),
            "n_threads": torch.get_num_threads(),
        }
        (self.train_batches if training else self.valid_batches).append(record)

    def on_grad_computed(self, net: Any, named_parameters: Any, **kwargs: Any) -> None:
        """Record the norm of each gradient, before clipping."""
        self.stages.append("on_grad_computed")
        self.grads.append(
            {
                name: None if p.grad is None else float(p.grad.norm())
                for name, p in named_parameters
            }
        )

    def on_batch_end(self, net: Any, **kwargs: Any) -> None:
        """Record the stage."""
        self.stages.append("on_batch_end")

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Record the weights."""
        self.stages.append("on_epoch_end")
        self.epochs.append({"weights": _copy(net)})

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Record the stage."""
        self.stages.append("on_train_end")


def _copy(net: Any) -> dict[str, torch.Tensor]:
    return {k: v.clone().cpu() for k, v in net.module_.state_dict().items()}


def record(learner: Any, X: Any, y: Any, fit: Any = None, **params: Any) -> Any:
    """Fit a quick clone under a `Recorder`.

    Parameters
    ----------
    learner : estimator
    X, y : array-like
    fit : dict or None, default=None
        Further arguments of `fit`.
    **params : dict
        See `quick`.

    Returns
    -------
    fitted : estimator
    recorded : Recorder
    """
    callbacks = [*params.pop("callbacks", []), ("recorder", Recorder())]
    fitted = quick(learner, callbacks=callbacks, **params).fit(X, y, **(fit or {}))
    require_fitted(fitted, "net_")
    return fitted, dict(fitted.net_.callbacks_)["recorder"]


def history_rows(fitted: Any) -> list[dict[str, Any]]:
    """Return the history without what differs from run to run, or is of batches.

    Parameters
    ----------
    fitted : estimator

    Returns
    -------
    list of dict
        One for each epoch.
    """
    require_fitted(fitted, "history_")
    return [
        {key: value for key, value in row.items() if key not in ("dur", "batches")}
        for row in fitted.history_
    ]
