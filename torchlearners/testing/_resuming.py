"""Checks that a training goes on from a checkpoint as if it had never stopped."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from torchlearners.callbacks import (
    Checkpoint,
    WeightAveraging,
    callback,
    checkpoints,
)
from torchlearners.testing._assertions import must_work
from torchlearners.testing._kinds import predicts, torch_check
from torchlearners.testing._probe import (
    history_rows,
    quick,
    require_fitted,
    toy,
    weights,
)


def _rise(net: Any, **kwargs: Any) -> None:
    net.history.record("valid_loss", float(len(net.history)))


def _decay_once(net: Any, **kwargs: Any) -> None:
    if len(net.history) == 1:
        for group in net.optimizer_.param_groups:
            group["weight_decay"] = 0.5


# The last one is stopped after epoch 4, by what was best before the checkpoint.
_RUNS: dict[str, dict[str, Any]] = {
    "a plain run": {},
    "a run whose weight decay is set in epoch 1": {
        "optimizer": "adamw",
        "lr_schedule": None,
        "callbacks": [callback(on_epoch_end=_decay_once)],
    },
    "a run with a schedule and early stopping": {
        "lr_schedule": "cosine",
        "early_stopping": True,
        "validation_fraction": 0.2,
        "patience": 3,
        "callbacks": [callback(on_epoch_end=_rise)],
    },
}
_ALIKE = "What fit draws and finds out before training must follow from data and seed."
_SETTINGS = {"max_epochs": 6, "batch_size": 16}


@torch_check(predicts)
def check_resumed_run_is_the_straight_run(name: str, learner: Any) -> None:
    """Check that a run resumed from a checkpoint ends as the one that never stopped.

    Weights and history are equal bit for bit, also of a network that draws random
    numbers while training, with a schedule, with early stopping, and where a setting of
    the optimizer was changed on the way.
    """
    X, y = toy(learner)
    for what, settings in _RUNS.items():
        settings = {**_SETTINGS, **settings}
        with tempfile.TemporaryDirectory() as folder:
            straight = _checkpointed(learner, f"{folder}/one", **settings).fit(X, y)
            path = checkpoints(f"{folder}/one").get(2)
            assert path is not None, (
                f"{what} of {name} with Checkpoint wrote no checkpoint of epoch 2. The "
                "net must call on_epoch_end of its callbacks."
            )
            resumed = _checkpointed(learner, f"{folder}/two", **settings)
            with must_work(name, f"resuming {what} after epoch 2", _ALIKE):
                resumed.fit(X, y, resume=path)
        _assert_same_run(name, f"resumed after epoch 2, {what}", resumed, straight)


@torch_check(predicts)
def check_checkpoints_do_not_change_the_run(name: str, learner: Any) -> None:
    """Check that a run that writes checkpoints ends as one that does not.

    Also where it is told to resume from a folder that does not exist yet.
    """
    X, y = toy(learner)
    plain = quick(learner, **_SETTINGS).fit(X, y)
    with tempfile.TemporaryDirectory() as folder:
        written = _checkpointed(learner, f"{folder}/one", **_SETTINGS).fit(X, y)
        missing = f"{folder}/two"
        begun = _checkpointed(learner, missing, **_SETTINGS).fit(X, y, resume=missing)
    _assert_same_run(name, "with Checkpoint, a run", written, plain)
    _assert_same_run(name, "resumed from a missing folder, a run", begun, plain)


@torch_check(predicts)
def check_checkpoint_of_another_run_is_refused(name: str, learner: Any) -> None:
    """Check that fit refuses to resume another run, and names what differs."""
    X, y = toy(learner)
    other_class = type(f"Other{type(learner).__name__}", (type(learner),), {})
    other = other_class(**learner.get_params(deep=False))
    with tempfile.TemporaryDirectory() as folder:
        _checkpointed(learner, folder).fit(X, y)
        for words, resumed, data in (
            (("learner", other_class.__name__), _checkpointed(other, folder), (X, y)),
            (("rows", "60", "48"), _checkpointed(learner, folder), (X[:48], y[:48])),
            (("features", "4", "3"), _checkpointed(learner, folder), (X[:, :3], y)),
            (("seed",), _checkpointed(learner, folder, random_state=1), (X, y)),
        ):
            message = _refusal(resumed, *data, folder)
            assert message, (
                f"{name} resumes from a checkpoint of another run; it differs in "
                f"{words[0]!r}. Compare net.identity, as TorchLearner does."
            )
            assert all(word in message for word in words), (
                f"{name} refuses a checkpoint of another run by a message that does "
                f"not name {' and '.join(map(repr, words))}: {message}"
            )
            assert not hasattr(resumed, "net_"), (
                f"{name} is fitted after it refused a checkpoint."
            )


@torch_check(predicts)
def check_checkpoint_of_other_data_or_callbacks_is_refused(
    name: str, learner: Any
) -> None:
    """Check that fit refuses to resume on other rows, or with other callbacks.

    Rows of the same number and scale, and callbacks of the same names: only a digest
    of the tensors and the parameters of the callbacks tell them apart.
    """
    X, y = toy(learner)
    valid = {"X_val": X[:20], "y_val": y[:20]}
    last = np.r_[1:20, 0]
    with tempfile.TemporaryDirectory() as folder:
        average = WeightAveraging(decay=0.9)
        _checkpointed(learner, folder, callbacks=[average]).fit(X, y, **valid)
        for word, data, decay in (
            ("target", {"X": X, "y": np.roll(y, 1, axis=0), **valid}, 0.9),
            ("validation data", {"X": X, "y": y, **valid, "X_val": X[last]}, 0.9),
            ("validation targets", {"X": X, "y": y, **valid, "y_val": y[last]}, 0.9),
            ("decay", {"X": X, "y": y, **valid}, 0.5),
        ):
            callbacks = [WeightAveraging(decay=decay)]
            resumed = _checkpointed(learner, folder, callbacks=callbacks)
            message = _refusal(resumed, folder=folder, **data)
            assert word in message, (
                f"{name} resumes from a checkpoint of a run with another {word}, or "
                f"does not name it: {message!r}. Compare net.identity, as TorchLearner "
                "does."
            )


def _checkpointed(learner: Any, folder: str | Path, **params: Any) -> Any:
    writer = Checkpoint(folder=folder, keep=99)
    return quick(learner, callbacks=[*params.pop("callbacks", []), writer], **params)


def _refusal(learner: Any, X: Any, y: Any, folder: str, **valid: Any) -> str:
    try:
        learner.fit(X, y, **valid, resume=folder)
    except ValueError as error:
        return str(error)
    return ""


def _assert_same_run(name: str, what: str, found: Any, expected: Any) -> None:
    require_fitted(found, "net_", "history_", "best_epoch_", "stopped_epoch_")
    for attribute in ("n_iter_", "best_epoch_", "best_score_", "stopped_epoch_"):
        ours, theirs = getattr(found, attribute), getattr(expected, attribute)
        assert ours == theirs, (
            f"{name}: {what} ends with {attribute}={ours}, and with {theirs} otherwise."
        )
    for ours, theirs in zip(history_rows(found), history_rows(expected), strict=True):
        assert ours == theirs, (
            f"{name}: {what} has another history than it would have: {ours} instead "
            f"of {theirs}. A checkpoint must hold all that the training depends on: "
            "give callbacks a state_dict, and draw from net.generator."
        )
    now, then = weights(found), weights(expected)
    changed = [key for key in then if not torch.equal(now[key], then[key])]
    assert not changed, (
        f"{name}: {what} ends with other weights than it would: {changed[:3]}. A "
        "checkpoint must hold all that the training depends on."
    )
