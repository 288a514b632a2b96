"""The callbacks that a learner's own parameters stand for, in the order they run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from sklearn.base import clone
from torch import nn

from torchlearners.callbacks import (
    Checkpoint,
    EarlyStopping,
    EpochTable,
    Freeze,
    Measures,
    Progress,
    SklearnCallbacks,
    TimeLimit,
    WeightAveraging,
    monitor_of,
    resolve_measures,
    schedule_callback,
)
from torchlearners.data import Target
from torchlearners.training import Net

NamedCallbacks = list[tuple[str, Any]]


def training_callbacks(
    learner: Any, target: Target, *, validates: bool, one_epoch: bool = False
) -> NamedCallbacks:
    """Return the named callbacks of a training.

    Weight averaging comes first, because what follows looks at the averages. Measures
    come before the user's callbacks, which may read them; what decides about the
    training comes after; checkpoints come last, because they hold the others' state.

    Parameters
    ----------
    learner : TorchLearner
        Its parameters say which callbacks there are.
    target : Target
        For the measures.
    validates : bool
        Whether there are validation rows.
    one_epoch : bool, default=False
        Whether this is one call of many, as of `partial_fit`: a schedule, or the
        learner's own average of weights, would begin anew in each of them, so there is
        none.

    Returns
    -------
    list of (name, callback)
    """
    given = list(learner._named_callbacks())
    averaging = [item for item in given if _is_a(item, WeightAveraging)]
    last = [item for item in given if _is_a(item, Checkpoint)]
    return [
        *_freezing(learner),
        *(averaging or ([] if one_epoch else _weight_averaging(learner))),
        *_measures(learner, target, validates),
        *[item for item in given if item not in averaging and item not in last],
        *([] if one_epoch else _schedules(learner)),
        *(_early_stopping(learner) if validates else []),
        *_limits(learner),
        *last,
    ]


def add_watching_callbacks(
    learner: Any,
    net: Net,
    given: dict[str, Any],
    fitted: Callable[[Net], dict[str, Any]],
) -> None:
    """Add the callbacks that only look, of which a checkpoint need not know.

    They stand before checkpoints, because scikit-learn's callbacks may end training,
    and the last epoch is always written.

    Parameters
    ----------
    learner : TorchLearner
        Holds `verbose` and scikit-learn's callbacks.
    net : Net
        Initialized.
    given : dict
        X, y and sample_weight of the call of `fit`.
    fitted : callable
        Of a net; returns the attributes that make the learner a fitted one.
    """
    watching: NamedCallbacks = []
    if getattr(learner, "_skl_callbacks", None):
        bridge = SklearnCallbacks(estimator=learner, fitted=fitted, **given)
        watching.append(("sklearn", bridge.initialize()))
    if learner.verbose:
        progress = EpochTable() if learner.verbose > 1 else Progress()
        watching.append(("progress", progress.initialize()))
    n_checkpoints = sum(isinstance(c, Checkpoint) for _, c in net.callbacks_)
    place = len(net.callbacks_) - n_checkpoints
    net.callbacks_[place:place] = watching


def holds_checkpoint(learner: Any) -> bool:
    """Tell whether one of the user's callbacks writes checkpoints.

    Parameters
    ----------
    learner : TorchLearner

    Returns
    -------
    bool
    """
    return any(_is_a(item, Checkpoint) for item in learner._named_callbacks())


def has_good_weights(net: Net, n_before: int, error: BaseException) -> bool:
    """Tell whether a training that broke off left weights worth keeping.

    Parameters
    ----------
    net : Net
    n_before : int
        Epochs that its history had before this training.
    error : BaseException
        What ended it.

    Returns
    -------
    bool
    """
    if isinstance(error, KeyboardInterrupt):
        return len(net.history) > n_before
    stopper = dict(net.callbacks_).get("early_stopping")
    return bool(stopper and stopper.restore_best and stopper.best_epoch_)


def own_settings(learner: Any, module: nn.Module) -> dict[str, dict[str, float]]:
    """Return what parameters of the network have of their own in the optimizer.

    Parameters
    ----------
    learner : TorchLearner
        Its `no_weight_decay` and `lr_factors` say it.
    module : torch.nn.Module
        The untrained network.

    Returns
    -------
    dict of str to dict
        By the name of the parameter: "lr", "weight_decay".
    """
    own: dict[str, dict[str, float]] = {}
    lr = learner.value_of("lr")
    for name, factor in learner.lr_factors(module).items():
        own[name] = {"lr": lr * factor}
    if learner.value_of("weight_decay"):
        for name in learner.no_weight_decay(module):
            own.setdefault(name, {})["weight_decay"] = 0.0
    return own


def _is_a(item: tuple[str, Any], kind: type) -> bool:
    callback = item[1]
    return issubclass(callback if isinstance(callback, type) else type(callback), kind)


def _freezing(learner: Any) -> NamedCallbacks:
    chosen = learner.value_of("freeze")
    if chosen is None:
        return []
    callback = chosen if isinstance(chosen, Freeze) else Freeze(select=chosen)
    return [("freeze", callback)]


def _weight_averaging(learner: Any) -> NamedCallbacks:
    callback = learner.weight_averaging()
    return [] if callback is None else [("weight_averaging", callback)]


def _measures(learner: Any, target: Target, validates: bool) -> NamedCallbacks:
    resolve_measures(learner.measures_valid)  # a name that does not exist comes first
    if learner.measures_valid and not validates:
        raise ValueError(
            f"measures_valid={learner.measures_valid!r} needs validation rows. Set "
            "early_stopping=True, or give X_val and y_val."
        )
    chosen: dict[Literal["valid", "train"], Any] = {
        "valid": learner.measures_valid,
        "train": learner.measures_train,
    }
    return [
        (
            f"measures_{on}",
            Measures(
                measures=measures, on=on, eval_every=learner.eval_every, target=target
            ),
        )
        for on, measures in chosen.items()
        if measures
    ]


def _schedules(learner: Any) -> NamedCallbacks:
    lr_schedule = clone(learner.value_of("lr_schedule"), safe=False)
    chosen = [] if lr_schedule is None else [("lr_schedule", lr_schedule, None)]
    chosen += [
        (f"{n}_schedule", policy, n) for n, policy in learner.schedules().items()
    ]
    return [
        (name, schedule_callback(policy, hyperparameter=hyperparameter))
        for name, policy, hyperparameter in chosen
    ]


def _early_stopping(learner: Any) -> NamedCallbacks:
    monitor, greater_is_better = monitor_of(learner.measures_valid)
    callback = EarlyStopping(
        monitor=monitor,
        greater_is_better=greater_is_better,
        patience=learner.value_of("patience") if learner.early_stopping else None,
        min_delta=learner.min_delta,
        restore_best=learner.restore_best,
    )
    return [("early_stopping", callback)]


def _limits(learner: Any) -> NamedCallbacks:
    if learner.max_time is None:
        return []
    return [("max_time", TimeLimit(seconds=learner.max_time))]
