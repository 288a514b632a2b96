"""Checks that the parameters shared by all learners steer the training as they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.base import is_classifier
from sklearn.metrics import get_scorer

from torchlearners.callbacks import callback
from torchlearners.testing._kinds import predicts, torch_check
from torchlearners.testing._probe import (
    Recorder,
    quick,
    record,
    require_fitted,
    require_parameters,
    toy,
)

# A schedule would move the learning rate, and LBFGS takes several gradients a step.
_PLAIN = {"optimizer": "adamw", "lr_schedule": None}


@torch_check(predicts)
def check_train_parameters_reach_the_run(name: str, learner: Any) -> None:
    """Check that batches, steps, rates, epochs and threads are those asked for.

    A callback looks at them while the learner trains.
    """
    X, y = toy(learner)
    settings = {"lr": 0.0123, "weight_decay": 0.0456}
    fitted, seen = record(
        learner, X, y, batch_size=16, max_epochs=2, **settings, **_PLAIN
    )
    _compare(name, "batch_size=16, max_epochs=2", _sizes(seen), [16, 16, 16, 12] * 2)
    _compare(name, "max_epochs=2", len(seen.epochs), 2)
    moving = fitted.schedules()
    for batch in seen.train_batches:
        for key, value in settings.items():
            if key not in moving or batch is seen.train_batches[0]:
                _compare(name, f"{key}={value}", batch[key], value)
    module = fitted.net_.module_
    spared, factors = fitted.no_weight_decay(module), fitted.lr_factors(module)
    names = {id(p): each for each, p in module.named_parameters()}
    groups = fitted.net_.optimizer_.param_groups
    decay = settings["weight_decay"]
    if "weight_decay" in moving:
        decay = max(group["weight_decay"] for group in groups)
    for group in groups:
        for p in group["params"]:
            expected = settings["lr"] * factors.get(names[id(p)], 1)
            _compare(name, "lr of every weight", group["lr"], expected)
            expected = 0.0 if names[id(p)] in spared else decay
            what = "weight_decay of every weight"
            _compare(name, what, group["weight_decay"], expected)
    _, seen = record(
        learner, X, y, batch_size=16, accumulate_grad=2, max_epochs=2, **_PLAIN
    )
    _compare(name, "number of steps with accumulate_grad=2", len(seen.grads), 4)
    n_threads = 3 if torch.get_num_threads() == 2 else 2
    _, seen = record(learner, X, y, n_threads=n_threads, max_epochs=1)
    found = seen.train_batches[0]["n_threads"]
    _compare(name, f"n_threads={n_threads}", found, n_threads)


@torch_check(predicts)
def check_rows_come_in_the_order_asked_for(name: str, learner: Any) -> None:
    """Check that an epoch has each row once, in a new order unless shuffle=False."""
    X, y = toy(learner)
    given = _ranks(X)
    for shuffle in (False, True):
        _, seen = record(
            learner, X, y, batch_size=16, shuffle=shuffle, max_epochs=2, **_PLAIN
        )
        orders = [_ranks(rows) for rows in _epochs_of(seen.train_batches)]
        for order in orders:
            assert len(order) == len(given), (
                f"An epoch of {name} trains {len(order)} of {len(given)} rows."
            )
            assert np.array_equal(order, given) != shuffle, (
                f"With shuffle={shuffle} {name} trains the rows "
                f"{'in the given' if shuffle else 'in another'} order."
            )
        if len(orders) == 2:
            assert np.array_equal(orders[0], orders[1]) != shuffle, (
                f"With shuffle=True {name} takes the rows of both epochs in one order. "
                "Draw from net.generator in each epoch."
            )
    _, seen = record(learner, X, y, batch_size=16, drop_last=True, **_PLAIN)
    _compare(name, "drop_last=True", _sizes(seen), [16, 16, 16] * 3)


@torch_check(predicts)
def check_validation_rows_are_evaluated_whole(name: str, learner: Any) -> None:
    """Check that each evaluation takes all validation rows, in order.

    Whatever order, sampler or drop_last the training rows have.
    """
    X, y = toy(learner)
    X_val, y_val = toy(learner, 23, seed=1)

    def last_rows_first(data: Any, generator: Any) -> torch.Tensor:
        return torch.arange(len(data)).flip(0)[:40]

    _, seen = record(
        learner,
        X,
        y,
        {"X_val": X_val, "y_val": y_val},
        batch_size=16,
        sampler=last_rows_first,
        drop_last=True,
        **_PLAIN,
    )
    for rows in _epochs_of(seen.train_batches):
        # The last 8 of 40 do not fill a batch.
        assert np.array_equal(_ranks(rows), _ranks(X[::-1][:32])), (
            f"{name} trains other rows than its sampler drew, or in another order."
        )
    epochs = _epochs_of(seen.valid_batches)
    assert len(epochs) == 3, (
        f"{name} evaluates the validation rows in {len(epochs)} of 3 epochs."
    )
    for rows in epochs:
        assert len(rows) == len(X_val), (
            f"{name} evaluates {len(rows)} of {len(X_val)} validation rows. sampler "
            "and drop_last are for training rows only."
        )
        assert np.array_equal(_ranks(rows), _ranks(X_val)), (
            f"{name} evaluates validation rows in another order than given."
        )


@torch_check(predicts)
def check_evaluations_follow_eval_every(name: str, learner: Any) -> None:
    """Check that eval_every=4 of 10 epochs evaluates epochs 4, 8 and the last."""
    X, y = toy(learner)
    val = {"X_val": X[:20], "y_val": y[:20]}
    fitted = quick(learner, eval_every=4, max_epochs=10).fit(X, y, **val)
    require_fitted(fitted, "history_")
    found = [row["epoch"] for row in fitted.history_ if "valid_loss" in row]
    _compare(name, "epochs with a valid_loss, eval_every=4", found, [4, 8, 10])


@torch_check(predicts)
def check_callbacks_see_each_stage(name: str, learner: Any) -> None:
    """Check that callbacks are called at each stage of training, in order.

    A network's own training loop must notify them as skorch does.
    """
    X, y = toy(learner)
    val = {"X_val": X[:20], "y_val": y[:20]}
    _, seen = record(learner, X, y, val, batch_size=30, max_epochs=2, **_PLAIN)
    step = ["on_batch_begin", "on_grad_computed", "on_batch_end"]
    evaluation = ["on_batch_begin", "on_batch_end"]
    epoch = ["on_epoch_begin", *step, *step, *evaluation, "on_epoch_end"]
    expected = ["on_train_begin", *epoch, *epoch, "on_train_end"]
    for i, stage in enumerate(expected):
        found = seen.stages[i] if i < len(seen.stages) else "nothing"
        assert found == stage, (
            f"Callbacks of {name} see {found} as stage {i + 1} of a training, where "
            f"{stage} is due (after {seen.stages[max(0, i - 2) : i]})."
        )
    _compare(name, "number of stages", len(seen.stages), len(expected))


@torch_check(predicts)
def check_history_has_a_row_for_each_epoch(name: str, learner: Any) -> None:
    """Check that `history_` tells number, training loss and seconds of each epoch."""
    X, y = toy(learner)
    fitted = quick(learner).fit(X, y)
    require_fitted(fitted, "history_", "n_iter_")
    epochs = [row.get("epoch") for row in fitted.history_]
    _compare(name, "epochs in history_ after max_epochs=3", epochs, [1, 2, 3])
    _compare(name, "n_iter_ after max_epochs=3", fitted.n_iter_, 3)
    for row in fitted.history_:
        for key in ("train_loss", "dur"):
            assert np.isfinite(row.get(key, np.nan)), (
                f"history_ of {name} has no finite {key!r} in epoch {row['epoch']}: "
                f"{row.get(key)}. Net.fit_loop records it."
            )


@torch_check(predicts)
def check_measures_are_those_of_scorers(name: str, learner: Any) -> None:
    """Check that measures in `history_` equal scikit-learn's scorers on the learner.

    Those of the last epoch, with the weights that the learner then has.
    """
    X, y = toy(learner)
    X_val, y_val = toy(learner, 23, seed=1)
    measures = ["r2", "neg_mean_absolute_error"]
    if is_classifier(learner):
        measures = ["accuracy", "neg_log_loss"]
    fitted = quick(
        learner,
        measures_train=measures,
        measures_valid=measures,
        restore_best=False,
        batch_size=16,
    ).fit(X, y, X_val=X_val, y_val=y_val)
    require_fitted(fitted, "history_")
    last = fitted.history_[-1]
    for measure in measures:
        scorer = get_scorer(measure)
        for on, data in (("train", (X, y)), ("valid", (X_val, y_val))):
            found, score = last.get(f"{on}_{measure}"), scorer(fitted, *data)
            assert found is not None, (
                f"history_ of {name} has no '{on}_{measure}' with measures_{on}="
                f"{measures}. Net.fit_loop must call on_epoch_end of callbacks."
            )
            assert np.isclose(found, score, rtol=1e-5, atol=1e-7), (
                f"history_ of {name} ends with {on}_{measure}={found:.6g}, but the "
                f"scorer says {score:.6g} of the same rows. Is the network evaluated "
                "in another mode or encoding than in predict?"
            )


@torch_check(predicts)
def check_time_limit_ends_training(name: str, learner: Any) -> None:
    """Check that training ends with the epoch in which max_time has passed."""
    X, y = toy(learner)
    for seconds, n_epochs in ((1e-9, 1), (1e9, 5)):
        fitted = quick(learner, max_time=seconds, max_epochs=5).fit(X, y)
        require_fitted(fitted, "n_iter_")
        _compare(name, f"n_iter_ with max_time={seconds:g}", fitted.n_iter_, n_epochs)


_BAD_VALUES: list[tuple[str, Any]] = [
    ("max_epochs", 0),
    ("batch_size", "all"),
    ("optimizer", "no-such-optimizer"),
    ("lr", -1.0),
    ("weight_decay", -0.1),
    ("lr_schedule", "no-such-schedule"),
    ("loss", "no-such-loss"),
    ("grad_clip", 0.0),
    ("accumulate_grad", 0),
    ("shuffle", "yes"),
    ("sampler", "no-such-sampler"),
    ("drop_last", "yes"),
    ("freeze", 3),
    ("max_time", -1.0),
    ("callbacks", [3]),
    ("validation_fraction", 1.5),
    ("validation_split", 5),
    ("early_stopping", "never"),
    ("patience", 0),
    ("min_delta", -1.0),
    ("restore_best", "yes"),
    ("measures_train", "no-such-measure"),
    ("measures_valid", 3),
    ("eval_every", 0),
    ("predict_batch_size", 0),
    ("device", "no-such-device"),
    ("precision", "float8"),
    ("n_threads", 0),
    ("random_state", "seed"),
    ("warm_start", "yes"),
    ("verbose", "loud"),
]


@torch_check(predicts)
def check_bad_parameters_are_refused(name: str, learner: Any) -> None:
    """Check that a bad value is refused before training, by an error that names it."""
    X, y = toy(learner)
    begun: list[str] = []

    def note(net: Any, **kwargs: Any) -> None:
        begun.append("training")

    require_parameters(learner, *(key for key, _ in _BAD_VALUES))
    for key, value in _BAD_VALUES:
        bad = quick(learner, callbacks=[callback(on_epoch_end=note)])
        message = _refusal(bad.set_params(**{key: value}), X, y)
        assert message is not None, (
            f"fit of {name} takes {key}={value!r}. Declare it with check= in "
            "param(...), and call _validate_params where fit is overridden."
        )
        # An unknown choice may be named instead of the parameter.
        assert key in message or f"{value!r}" in message, (
            f"{name} refuses {key}={value!r} with a message that does not name it: "
            f"{message}"
        )
        assert not begun, f"{name} trains before it refuses {key}={value!r}."


@torch_check(predicts)
def check_validation_data_come_in_pairs(name: str, learner: Any) -> None:
    """Check that X_val without y_val is refused, and the reverse."""
    X, y = toy(learner)
    for given in ({"X_val": X}, {"y_val": y}):
        message = _refusal(quick(learner), X, y, **given)
        assert message is not None, (
            f"fit of {name} takes {next(iter(given))} alone; refuse it."
        )
        assert "X_val" in message, f"{name} does not name X_val: {message}"


@torch_check(predicts)
def check_warm_start_goes_on(name: str, learner: Any) -> None:
    """Check that a warm start goes on from the weights, and a cold one does not."""
    X, y = toy(learner)
    for warm in (True, False):
        fitted, seen = record(learner, X, y, warm_start=warm)
        first, start = seen.epochs[-1]["weights"], seen.start
        fitted.fit(X, y)
        again = dict(fitted.net_.callbacks_)["recorder"].start
        expected = first if warm else start
        assert _same(again, expected), (
            f"With warm_start={warm} a second fit of {name} does not begin with "
            f"{'the weights of the first' if warm else 'new initial weights'}."
        )
        n_epochs = 6 if warm else 3
        _compare(name, f"n_iter_ with warm_start={warm}", fitted.n_iter_, n_epochs)


@torch_check(predicts)
def check_partial_fit_trains_one_epoch(name: str, learner: Any) -> None:
    """Check that each partial_fit trains one epoch and goes on from the one before."""
    X, y = toy(learner)
    assert hasattr(learner, "partial_fit"), f"{name} has no method partial_fit."
    classes = {"classes": np.unique(y)} if is_classifier(learner) else {}
    one = quick(learner, callbacks=[("recorder", Recorder())])
    before = None
    for n_epochs in (1, 2, 3):
        one.partial_fit(X, y, **(classes if before is None else {}))
        require_fitted(one, "net_", "n_iter_")
        seen = dict(one.net_.callbacks_)["recorder"]
        _compare(name, "epochs in a call of partial_fit", len(seen.epochs), 1)
        _compare(name, "n_iter_ after partial_fit", one.n_iter_, n_epochs)
        assert before is None or _same(seen.start, before), (
            f"partial_fit of {name} does not go on from the weights before."
        )
        before = seen.epochs[-1]["weights"]


def _refusal(learner: Any, X: Any, y: Any, **given: Any) -> str | None:
    """Return the message with which fit refuses, None where it does not."""
    try:
        learner.fit(X, y, **given)
    except (ValueError, TypeError) as error:
        return str(error)
    return None


def _compare(name: str, what: str, found: Any, expected: Any) -> None:
    assert found == expected, (
        f"{name}: {what} gives {found} in training, expected {expected}. See what the "
        "learner hands to its net, and what the net makes of it."
    )


def _sizes(seen: Recorder) -> list[int]:
    return [len(batch["X"]) for batch in seen.train_batches]


def _epochs_of(batches: list[dict[str, Any]]) -> list[np.ndarray]:
    """Return the rows of each epoch, in their order."""
    epochs: dict[int, list[Any]] = {}
    for batch in batches:
        epochs.setdefault(batch["epoch"], []).append(batch["X"])
    return [torch.cat(rows).numpy() for rows in epochs.values()]


def _ranks(rows: np.ndarray) -> np.ndarray:
    """Return what tells rows apart, scaled or not: ranks of the first feature."""
    return np.argsort(np.argsort(rows.reshape(len(rows), -1)[:, 0]))


def _same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(value, other[key]) for key, value in one.items()
    )
