"""Checks that the seed alone decides, and that nothing global is used or changed."""

from __future__ import annotations

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import joblib
import numpy as np
import torch
from sklearn.base import is_classifier
from sklearn.model_selection import cross_val_predict

from torchlearners.testing._kinds import predicts, torch_check
from torchlearners.testing._probe import (
    outputs,
    quick,
    record,
    require_fitted,
    same_weights,
    toy,
)
from torchlearners.testing._surroundings import (
    SETTINGS,
    everything_told,
    globally_seeded,
    random_states,
    uses_of,
)
from torchlearners.training import torch_threads

_LOOK = (
    "Draw all random numbers from torch, in network(spec) and forward, and keep no "
    "state outside of the learner."
)


@torch_check()
def check_same_seed_gives_same_bits(name: str, learner: Any) -> None:
    """Check that two fits with one seed agree in weights, losses and predictions."""
    X, y = toy(learner)
    params = {"batch_size": 16, "early_stopping": True}
    one, other = (quick(learner, **params).fit(X, y) for _ in range(2))
    _assert_same(one, other, X, f"Two fits of {name} with random_state=0")
    for loss in ("train_loss", "valid_loss"):
        assert one.history_[:, loss] == other.history_[:, loss], (
            f"Two fits of {name} with random_state=0 differ in {loss}. {_LOOK}"
        )


@torch_check()
def check_different_seeds_give_different_bits(name: str, learner: Any) -> None:
    """Check that the order of the rows, if nothing else, follows the seed."""
    X, y = toy(learner)
    params = {"batch_size": 16, "shuffle": True, "sampler": None}
    one, other = (
        quick(learner, random_state=seed, **params).fit(X, y) for seed in range(2)
    )
    assert not same_weights(one, other), (
        f"{name} learns the same weights with random_state=0 and 1. Draw from torch's "
        "functions in network(spec) and set no seed there; leave shuffling to the net."
    )


@torch_check()
def check_takes_any_random_state(name: str, learner: Any) -> None:
    """Check that random_state is an integer, a RandomState or None, told by `seed_`."""
    X, y = toy(learner)

    def fit(state: Any) -> Any:
        fitted = quick(learner, batch_size=16).set_params(random_state=state).fit(X, y)
        require_fitted(fitted, "seed_")
        return fitted

    _assert_same(
        fit(0), fit(np.int64(0)), X, f"Fits of {name} with seeds 0 and np.int64(0)"
    )
    state = np.random.RandomState(3)
    first, second, again = fit(state), fit(state), fit(np.random.RandomState(3))
    _assert_same(first, again, X, f"Fits of {name} with two equal RandomStates")
    assert first.seed_ != second.seed_, (
        f"Two fits of {name} with one RandomState use the same seed {first.seed_}. "
        "Draw a new seed from it in each fit."
    )
    told = fit(None)
    assert told.seed_ != fit(None).seed_, (
        f"Two fits of {name} with random_state=None use the same seed {told.seed_}."
    )
    _assert_same(
        told, fit(told.seed_), X, f"A fit of {name} without seed and one with its seed_"
    )


@torch_check()
def check_global_random_states_are_left_alone(name: str, learner: Any) -> None:
    """Check that the random states of torch, numpy and random stay as they are."""
    # A seed of their own, so that a learner that seeds is seen each time.
    with globally_seeded(918273645):
        before = random_states()
        for use in uses_of(learner):
            after = random_states()
            changed = [module for module in before if after[module] != before[module]]
            assert not changed, (
                f"{use} of {name} changes the global random state of {changed}. Seed "
                "nothing; draw from torch in network(spec) and forward, whose numbers "
                "come from the fit's own generator. In forward, "
                "torch.nn.functional.dropout needs training=self.training."
            )


@torch_check()
def check_global_random_states_do_not_matter(name: str, learner: Any) -> None:
    """Check that a fit gives the same bits whatever the global random states are."""
    X, y = toy(learner)
    fits = []
    for seed in (1, 2):
        with globally_seeded(seed):
            fits.append(quick(learner, batch_size=16).fit(X, y))
    one, other = fits
    _assert_same(one, other, X, f"Fits of {name} under two global random states")


@torch_check()
def check_global_settings_are_left_alone(name: str, learner: Any) -> None:
    """Check that threads, modes and warnings are as before, also after an error."""
    before = [setting.get() for setting in SETTINGS]
    with warnings.catch_warnings():
        try:
            for choice in (0, 1):
                _assert_settings_stay(name, learner, choice)
        finally:
            for setting, value in zip(SETTINGS, before, strict=True):
                setting.set(value)


def _assert_settings_stay(name: str, learner: Any, choice: int) -> None:
    for setting in SETTINGS:
        setting.set(setting.values[choice])
    for use in uses_of(learner):
        for setting in SETTINGS:
            now, value = setting.get(), setting.values[choice]
            assert now == value, (
                f"{use} of {name} changes {setting.name} from {value} to {now}. Put "
                "such settings back, by a context manager or in a finally; for threads "
                "there is the parameter n_threads."
            )


@torch_check()
def check_modes_of_the_caller_do_not_matter(name: str, learner: Any) -> None:
    """Check that fit and predict give the same bits whatever mode torch is in."""
    X, y = toy(learner)
    plain, used = (quick(learner, n_threads=1).fit(X, y) for _ in range(2))
    expected = outputs(used, X)
    for mode, context in (
        ("torch.no_grad()", torch.no_grad()),
        ("torch.inference_mode()", torch.inference_mode()),
        ("torch.autocast('cpu')", torch.autocast("cpu", dtype=torch.bfloat16)),
        ("three threads", torch_threads(3)),
    ):
        with context:
            fitted = quick(learner, n_threads=1).fit(X, y)
            found = outputs(used, X)
        assert same_weights(fitted, plain), (
            f"Fits of {name} under {mode} and without it differ in the weights. Leave "
            "training to the package."
        )
        assert np.array_equal(found, expected), (
            f"Predictions of {name} under {mode} differ from those without it. Leave "
            "calling the network to the package."
        )


@torch_check()
def check_prints_and_warns_nothing(name: str, learner: Any) -> None:
    """Check that nothing is written, warned of or logged with verbose=0."""
    with everything_told() as told:
        for _ in uses_of(learner, verbose=0):
            pass
    text = "; ".join(told)
    assert not told, (
        f"{name} is not silent with verbose=0: {text[:500]!r}. Report only where "
        "verbose is above zero; raise errors, and warn of what the user can change."
    )


@torch_check()
def check_refit_equals_a_fresh_fit(name: str, learner: Any) -> None:
    """Check that fit forgets the fit before, unless warm_start is set."""
    X, y = toy(learner)
    params = {"batch_size": 16, "warm_start": False}
    fresh = quick(learner, **params).fit(X, y)
    refit = quick(learner, **params).fit(*toy(learner, 40, seed=1)).fit(X, y)
    n_epochs = len(refit.history_)
    assert n_epochs == len(fresh.history_), (
        f"A second fit of {name} has {n_epochs} epochs in history_ instead of "
        f"{len(fresh.history_)}: it goes on from the first. Build everything anew in "
        "fit, unless warm_start is set."
    )
    _assert_same(fresh, refit, X, f"A second fit of {name} and a fresh one")


@torch_check()
def check_rows_are_shuffled_anew_in_each_epoch(name: str, learner: Any) -> None:
    """Check that each epoch takes all rows, in an order of its own."""
    X, y = toy(learner)
    params = {"batch_size": 16, "shuffle": True, "sampler": None, "drop_last": False}
    _, recorder = record(learner, X, y, **params)
    epochs: dict[int, list[tuple[float, ...]]] = {}
    for batch in recorder.train_batches:
        rows = batch["X"].reshape(len(batch["X"]), -1).tolist()
        epochs.setdefault(batch["epoch"], []).extend(map(tuple, rows))
    orders = list(epochs.values())
    n_rows = [len(set(order)) for order in orders]
    assert all(sorted(order) == sorted(orders[0]) for order in orders), (
        f"The epochs of {name} do not take the same rows: they have {n_rows} different "
        "ones. Each epoch must take each training row once."
    )
    assert all(one != other for one, other in pairwise(orders)), (
        f"Two epochs of {name} in a row take the rows in the same order. Draw a new "
        "order from the generator of the fit in each epoch."
    )


@torch_check()
def check_predict_gives_the_same_bits_twice(name: str, learner: Any) -> None:
    """Check that predicting again gives the same, also after other rows."""
    X, y = toy(learner)
    fitted = quick(learner).fit(X, y)
    first = outputs(fitted, X)
    outputs(fitted, X[:7])
    assert np.array_equal(outputs(fitted, X), first), (
        f"{name} predicts the same rows differently the second time. Look for noise or "
        "dropout that does not ask self.training, and for state kept by forward."
    )


@torch_check(predicts)
def check_predictions_are_made_row_by_row(name: str, learner: Any) -> None:
    """Check that a prediction depends on its row alone.

    Not on the order of the rows, on rows beside it, or on predict_batch_size.
    """
    X, y = toy(learner)
    fitted = quick(learner, predict_batch_size="auto").fit(X, y)
    expected = outputs(fitted, X)
    tolerance = 1e-7 * np.abs(expected).max()
    order = np.random.RandomState(0).permutation(len(X))
    beside = outputs(fitted, np.concatenate([X[:5], 100 * X[5:]]))
    found = {
        "in another order": (outputs(fitted, X[order]), expected[order]),
        "alone": (outputs(fitted, X[:1]), expected[:1]),
        "beside other rows": (beside[:5], expected[:5]),
    }
    for size in (1, 7):
        fitted.set_params(predict_batch_size=size)
        found[f"with predict_batch_size={size}"] = (outputs(fitted, X), expected)
    for how, (ours, theirs) in found.items():
        off = np.abs(ours - theirs).max()
        assert off <= tolerance, (
            f"{name} predicts the same rows differently {how}: off by {off:.3g}. Look "
            "in forward for means or norms over the batch (dimension 0)."
        )


@torch_check()
def check_fits_in_threads_do_not_disturb_each_other(name: str, learner: Any) -> None:
    """Check that concurrent fits give the same bits as fits one after the other."""
    X, y = toy(learner)
    n_fits = 4
    start = threading.Barrier(n_fits)

    def fit(seed: int) -> Any:
        return quick(learner, random_state=seed, batch_size=16).fit(X, y)

    def fit_at_once(seed: int) -> Any:
        start.wait()
        return fit(seed)

    serial = [fit(seed) for seed in range(n_fits)]
    with ThreadPoolExecutor(n_fits) as pool:
        for one, other in zip(
            serial, pool.map(fit_at_once, range(n_fits)), strict=True
        ):
            _assert_same(one, other, X, f"Fits of {name} alone and in threads")


@torch_check(predicts)
def check_folds_are_the_same_in_threads_and_processes(name: str, learner: Any) -> None:
    """Check that cross-validation gives the same bits with n_jobs=1 and n_jobs=2."""
    X, y = toy(learner)
    method = "predict_proba" if is_classifier(learner) else "predict"
    made = quick(learner, batch_size=16)
    expected = cross_val_predict(made, X, y, cv=2, method=method)
    for backend, where in (("threading", "threads"), ("loky", "processes")):
        with joblib.parallel_config(backend=backend):
            found = cross_val_predict(made, X, y, cv=2, method=method, n_jobs=2)
        assert np.array_equal(found, expected), (
            f"Folds of {name} fitted in two {where} differ from those fitted one after "
            f"the other, by up to {np.abs(found - expected).max():.3g}. {_LOOK}"
        )


def _assert_same(one: Any, other: Any, X: np.ndarray, what: str) -> None:
    assert same_weights(one, other), f"{what} differ in the weights. {_LOOK}"
    off = np.abs(outputs(one, X) - outputs(other, X)).max()
    assert off == 0, (
        f"{what} have the same weights, but predictions differ by {off:.3g}. {_LOOK}"
    )
