"""Checks of how training ends: early, at the best epoch, by an error or by Ctrl-C."""

from __future__ import annotations

import math
import warnings
from typing import Any
from unittest import SkipTest

import numpy as np
import torch
from sklearn.base import is_classifier
from sklearn.metrics import get_scorer
from sklearn.model_selection import GroupKFold, GroupShuffleSplit

from torchlearners.callbacks import callback
from torchlearners.exceptions import CategoricalColumnWarning, NonFiniteLossError
from torchlearners.testing._assertions import must_work
from torchlearners.testing._kinds import (
    predicts,
    takes_categories,
    takes_missing,
    torch_check,
)
from torchlearners.testing._probe import (
    data_frame,
    outputs,
    quick,
    record,
    require_fitted,
    same_weights,
    toy,
    weights,
)

_NAN = math.nan
_GROUPS = (
    "Hand groups on to fit of the base class; where rows are left out, leave out their "
    "groups too."
)
# Validation losses, epoch by epoch; settings; and the expected n_iter_, best_epoch_ and
# stopped_epoch_.
_CURVES: list[tuple[list[float], dict[str, Any], tuple[int, Any, Any]]] = [
    # It stops after `patience` epochs in a row without improvement.
    ([3, 2, 1, 1, 1, 0], {"patience": 2}, (5, 3, 5)),
    ([3, 4, 2, 4, 1, 4, 4, 0], {"patience": 2}, (7, 5, 7)),
    ([3, 4, 0], {"patience": 1}, (2, 1, 2)),
    ([3, 2, 1, 0], {"patience": 1}, (4, 4, None)),
    # An equal loss is no improvement; one by min_delta, of the best, is none either.
    ([1, 1, 1, 0], {"patience": 2}, (3, 1, 3)),
    ([3, 2.5, 2, 1], {"patience": 2, "min_delta": 1.0}, (3, 1, 3)),
    ([3, 2.5, 1.5, 1], {"patience": 2, "min_delta": 1.0}, (4, 3, None)),
    # A NaN is no improvement, also as the first loss.
    ([_NAN, 3, 1, 2, 2, 0], {"patience": 2}, (5, 3, 5)),
    ([2, _NAN, _NAN, 0], {"patience": 2}, (3, 1, 3)),
    ([_NAN, _NAN, 0], {"patience": 2}, (2, None, 2)),
    # Without early stopping the best epoch is known all the same.
    ([3, 1, 2, 2], {"patience": 1, "early_stopping": False}, (4, 2, None)),
]


@torch_check(predicts)
def check_early_stopping_counts_epochs(name: str, learner: Any) -> None:
    """Check that training stops, and the best epoch is, where a given curve says so.

    A callback replaces the validation loss by curves with ties, gaps and NaN.
    """
    X, y = toy(learner, 30)
    for losses, settings, expected in _CURVES:
        fitted = quick(
            learner,
            callbacks=[_curve(losses)],
            max_epochs=len(losses),
            **{"early_stopping": True, **settings},
        ).fit(X, y, X_val=X, y_val=y)
        names = ("n_iter_", "best_epoch_", "stopped_epoch_")
        require_fitted(fitted, *names, "best_score_")
        for attribute, value in zip(names, expected, strict=True):
            found = getattr(fitted, attribute)
            assert found == value, (
                f"{name}: {attribute} is {found} for validation losses {losses} with "
                f"{settings}, expected {value}. Epochs count from 1; early stopping "
                "looks at history_ in on_epoch_end."
            )
        best = losses[expected[1] - 1] if expected[1] else None
        assert fitted.best_score_ == best, (
            f"{name}: best_score_ is {fitted.best_score_} for validation losses "
            f"{losses} with {settings}, expected {best}."
        )


@torch_check(predicts)
def check_best_weights_are_kept(name: str, learner: Any) -> None:
    """Check that a fit ends with the best epoch's weights, or the last if so asked.

    And that `best_score_` is the validation loss of those weights.
    """
    X, y = toy(learner)
    X_val, y_val = toy(learner, 23, seed=1)
    val = {"X_val": X_val, "y_val": y_val}
    for restore_best, kept in ((True, 2), (False, 4)):
        fitted, seen = record(
            learner,
            X,
            y,
            val,
            callbacks=[_curve([3, 1, 2, 2])],
            max_epochs=4,
            batch_size=16,
            restore_best=restore_best,
        )
        now, then = weights(fitted), seen.epochs[kept - 1]["weights"]
        wrong = [key for key, value in now.items() if not torch.equal(value, then[key])]
        assert not wrong, (
            f"With restore_best={restore_best} {name} does not end with the weights of "
            f"epoch {kept} (of 4, the second being the best): {wrong[:3]} differ. "
            "Buffers are weights too."
        )
    measure = "neg_log_loss" if is_classifier(learner) else "r2"
    fitted = quick(learner, max_epochs=6, measures_valid=measure).fit(X, y, **val)
    score = get_scorer(measure)(fitted, X_val, y_val)
    assert np.isclose(fitted.best_score_, score, rtol=1e-5, atol=1e-7), (
        f"best_score_ of {name} is {fitted.best_score_:.6g}, but {measure} of its "
        f"validation rows is {score:.6g}: its weights are not those of that score."
    )


@torch_check(predicts)
def check_validation_rows_never_train(name: str, learner: Any) -> None:
    """Check that rows set aside, or given, for validation move no weight.

    Neither in a batch nor in the scaling of features and target.
    """
    X, y = toy(learner)
    split = {"early_stopping": True, "validation_fraction": 0.2}
    _, seen = record(learner, X, y, batch_size=16, max_epochs=1, **split)
    trained, validated = _rows(seen.train_batches), _rows(seen.valid_batches)
    both = trained & validated
    assert not both, (
        f"{len(both)} of {len(validated)} validation rows of {name} are trained on. "
        "Fit on the training part of the split only."
    )
    _count(name, "rows that train and that validate", len(trained), 48)
    _count(name, "validation rows", len(validated), 12)
    _, seen = record(learner, X, y, batch_size=16, max_epochs=1)
    _count(name, "rows that train without a split", len(_rows(seen.train_batches)), 60)
    settings = {"restore_best": False, "batch_size": 16}
    plain = weights(quick(learner, **settings).fit(X, y))
    X_val, y_val = 100 * X[:20], y[:20][::-1]
    given = weights(quick(learner, **settings).fit(X, y, X_val=X_val, y_val=y_val))
    changed = [key for key, value in plain.items() if not value.equal(given[key])]
    assert not changed, (
        f"X_val changes what {name} learns ({changed[:3]}), although nothing stops and "
        "restore_best=False. It may reach a training batch, the scaling, or batch "
        "normalization in training mode."
    )


@torch_check(predicts)
def check_preprocessing_learns_from_training_rows(name: str, learner: Any) -> None:
    """Check that rows that validate shape no scaling, filling, indicator or level.

    Whatever such a row of X holds, the same is learned.
    """
    settings = {
        "early_stopping": True,
        "validation_fraction": 0.5,
        "restore_best": False,
        "lr_schedule": None,
        "max_epochs": 1,
    }
    X, y = toy(learner, 24)
    row = _validating_row(name, learner, X, y, settings)
    changed = {"values that are large": (X, X.copy())}
    changed["values that are large"][1][row] = 1e3
    if takes_missing(learner):
        changed["missing values"] = X, X.copy()
        changed["missing values"][1][row] = np.nan
    if takes_categories(learner):
        # Each level stands in two rows: one row more or less makes it rare.
        levels = [f"level {i // 2}" for i in range(len(X))]
        others = [*levels[:row], "another level", *levels[row + 1 :]]
        changed["another level"] = tuple(
            data_frame("pandas", X, "abcd").assign(level=column)
            for column in (levels, others)
        )
    for what, tables in changed.items():
        with warnings.catch_warnings():
            # In so few rows, levels of two rows look like text.
            warnings.simplefilter("ignore", CategoricalColumnWarning)
            one, other = (quick(learner, **settings).fit(table, y) for table in tables)
        if same_weights(one, other):
            continue
        if not same_weights(one, quick(learner, **settings).fit(tables[0], y)):
            raise SkipTest("Two fits with one random_state and a split differ.")
        raise AssertionError(
            f"{name} learns something else where a row that validates has {what}. "
            "Split the rows first; then fit scaling, filling, indicators and levels on "
            "those that train."
        )


@torch_check(predicts)
def check_validation_split_is_seeded(name: str, learner: Any) -> None:
    """Check that the seed decides which rows validate; classes keep their shares."""
    X, y = toy(learner)
    found = []
    for seed in (0, 0, 1):
        settings = {"early_stopping": True, "validation_fraction": 0.2}
        _, seen = record(learner, X, y, max_epochs=1, random_state=seed, **settings)
        found.append(seen.valid_batches)
    rows = [_rows(batches) for batches in found]
    assert rows[0] == rows[1], (
        f"Two fits of {name} with random_state=0 validate on different rows."
    )
    assert rows[0] != rows[2], (
        f"Fits of {name} with random_state=0 and 1 validate on the same rows."
    )
    if is_classifier(learner):
        for batches in found:
            counts = np.unique(torch.cat([b["y"] for b in batches]), return_counts=True)
            shares = counts[1].tolist()
            assert max(shares) == min(shares), (
                f"{name} splits 60 rows of equally many classes into validation rows "
                f"with {shares} of each; the split must be stratified."
            )


@torch_check(predicts)
def check_groups_stay_together(name: str, learner: Any) -> None:
    """Check that no group of rows both trains and validates.

    The rows of a group are all alike, and some have the weight 0. Of learners with
    members, each one's rows are looked at, also those of folds.
    """
    X, y = toy(learner)
    groups = np.random.RandomState(0).permutation(60) % 12
    X = X[groups]
    weight = np.where(np.arange(60) % 7 == 0, 0.0, 1.0)
    settings: list[dict[str, Any]] = [
        {"validation_split": GroupShuffleSplit(test_size=0.25), "early_stopping": True}
    ]
    if "n_folds" in learner.get_params(deep=False):
        settings.append({"validation_split": GroupKFold(3), "n_folds": 3})
    for own in settings:
        fit = {"groups": groups, "sample_weight": weight}
        params = {"batch_size": 16, "max_epochs": 1, **own}
        with must_work(name, f"fit with groups and {params}", _GROUPS):
            fitted, _ = record(learner, X, y, fit, **params)
        for member in getattr(fitted, "members_", None) or [fitted]:
            seen = dict(member.net_.callbacks_)["recorder"]
            trained, validated = _rows(seen.train_batches), _rows(seen.valid_batches)
            assert validated, f"With {params}, no row of {name} validates. {_GROUPS}"
            both = trained & validated
            assert not both, (
                f"With {params} and 12 groups of rows, {len(both)} groups of {name} "
                f"both train and validate, of {len(validated)}. {_GROUPS}"
            )


class _ToldError(RuntimeError):
    """Raised by the checks' own callbacks."""


@torch_check(predicts)
def check_failed_fit_changes_nothing(name: str, learner: Any) -> None:
    """Check that errors come out of fit, and leave the learner as it was.

    Unfitted, or with its earlier fit: errors of callbacks, and of bad data.
    """
    X, y = toy(learner)
    for stage in ("on_train_begin", "on_batch_begin", "on_epoch_end", "on_train_end"):
        broken = quick(learner, callbacks=[callback(**{stage: _fail})])
        _assert_raises(name, f"an error of a callback in {stage}", broken, X, y)
        assert not hasattr(broken, "net_"), (
            f"{name} is fitted after a callback raised an error in {stage}: it has "
            "net_. Set what is learned at the end of fit only."
        )
    fitted = quick(learner).fit(X, y)
    state, expected = dict(vars(fitted)), outputs(fitted, X)
    history = fitted.history_.to_list()
    short = {
        "max_epochs": 2,
        "callbacks": [callback(on_epoch_end=_fail)],
    }
    for what, params, data in (
        ("an error of a callback", short, (X, y)),
        ("NaN in y", {}, (X, np.where(np.arange(len(y)) == 3, np.nan, y))),
        ("y with fewer rows than X", {}, (X, y[:-1])),
    ):
        fitted.set_params(**params)
        _assert_raises(name, what, fitted, *data)
        known = fitted.get_params(deep=False)
        changed = [
            key
            for key in {*state, *vars(fitted)} - known.keys()
            if vars(fitted).get(key) is not state.get(key)
        ]
        assert not changed, (
            f"After a fit that failed by {what}, {name} has other attributes than "
            f"before: {sorted(changed)}. Set them once training is over."
        )
        assert np.array_equal(outputs(fitted, X), expected), (
            f"After a fit that failed by {what}, {name} predicts otherwise than before."
        )
        assert fitted.history_.to_list() == history, (
            f"After a fit that failed by {what}, history_ of {name} has changed."
        )


@torch_check(predicts)
def check_interrupted_fit_keeps_best_weights(name: str, learner: Any) -> None:
    """Check that Ctrl-C comes out of fit and leaves the best weights so far."""
    X, y = toy(learner)
    val = {"X_val": X[:20], "y_val": y[:20]}
    kept: list[dict[str, torch.Tensor]] = []

    def interrupt(net: Any, training: bool = False, **kwargs: Any) -> None:
        if len(net.history) == 2 and not training:
            raise KeyboardInterrupt

    stop = callback(on_batch_begin=interrupt)
    fitted = quick(learner, callbacks=[_noting(kept), stop], batch_size=16)
    try:
        fitted.fit(X, y, **val)
    except KeyboardInterrupt:
        pass
    else:
        raise AssertionError(
            f"fit of {name} returns after KeyboardInterrupt, so that Ctrl-C cannot end "
            "a search. Raise it again."
        )
    assert getattr(fitted, "n_iter_", None) == 1, (
        f"After Ctrl-C in epoch 2, {name} has n_iter_="
        f"{getattr(fitted, 'n_iter_', 'nothing')}; it is to keep the one whole epoch."
    )
    now = weights(fitted)
    assert all(torch.equal(now[key], value) for key, value in kept[0].items()), (
        f"After Ctrl-C in epoch 2, {name} does not hold the weights of epoch 1."
    )
    fitted.set_params(callbacks=[]).fit(X, y)


@torch_check(predicts)
def check_diverging_fit_is_an_error(name: str, learner: Any) -> None:
    """Check that a loss that is not finite raises, and leaves no learner of NaN."""
    X, y = toy(learner)

    def spoil(net: Any, **kwargs: Any) -> None:
        if len(net.history) == 2:
            with torch.no_grad():
                for weight in net.module_.parameters():
                    weight.fill_(_NAN)

    poison = {"callbacks": [callback(on_epoch_begin=spoil)]}
    fitted = quick(learner).fit(X, y)
    expected = outputs(fitted, X)
    for diverging in (quick(learner, **poison), fitted.set_params(**poison)):
        try:
            diverging.fit(X, y)
        except NonFiniteLossError:
            pass
        else:
            raise AssertionError(
                f"fit of {name} returns although its weights became NaN in epoch 2. "
                "Net._check_finite raises NonFiniteLossError."
            )
        assert diverging is fitted or not hasattr(diverging, "net_"), (
            f"{name} is fitted, with weights that are NaN, after training diverged."
        )
    assert np.array_equal(outputs(fitted, X), expected), (
        f"After a fit that diverged, {name} predicts otherwise than before it."
    )


def _curve(losses: list[float]) -> Any:
    """Return a callback that replaces the validation loss, epoch by epoch."""

    def replace(net: Any, **kwargs: Any) -> None:
        net.history.record("valid_loss", losses[len(net.history) - 1])

    return callback(on_epoch_end=replace)


def _noting(kept: list[dict[str, torch.Tensor]]) -> Any:
    def note(net: Any, **kwargs: Any) -> None:
        state = net.module_.state_dict()
        kept.append({key: value.clone().cpu() for key, value in state.items()})

    return callback(on_epoch_end=note)


def _fail(net: Any, **kwargs: Any) -> None:
    raise _ToldError


def _assert_raises(name: str, what: str, learner: Any, X: Any, y: Any) -> None:
    try:
        learner.fit(X, y)
    except (_ToldError, ValueError):
        return
    raise AssertionError(f"fit of {name} swallows {what}; it must be raised.")


def _rows(batches: list[dict[str, Any]]) -> set[bytes]:
    """Return the rows in batches, as the network saw them."""
    return {row.tobytes() for batch in batches for row in batch["X"].numpy()}


def _validating_row(
    name: str, learner: Any, X: np.ndarray, y: np.ndarray, settings: dict[str, Any]
) -> int:
    """Return the number of a row that validates, where the seed decides which."""
    for row in range(len(X)):
        # Rows of two kinds, and one that is like no other.
        marked = (np.arange(len(X))[:, None] // 3 + np.arange(X.shape[1])) % 2.0
        marked[row] = 0.4 + 0.2 * marked[row]
        _, seen = record(learner, marked, y, **settings)
        trained = {bytes(r[: X.shape[1] * 4]) for r in _rows(seen.train_batches)}
        if _rows(seen.valid_batches) - trained:
            return row
    raise AssertionError(f"No row of {name} validates with validation_fraction=0.5.")


def _count(name: str, what: str, found: int, expected: int) -> None:
    assert found == expected, f"{name}: {found} {what} out of 60, expected {expected}."
