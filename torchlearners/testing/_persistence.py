"""Checks that a learner survives being stored and copied."""

from __future__ import annotations

import copy
import importlib.util
import io
import pickle
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from sklearn.base import clone

from torchlearners.testing._kinds import predicts, torch_check
from torchlearners.testing._probe import (
    history_rows,
    outputs,
    quick,
    require_fitted,
    toy,
    weights,
)


@torch_check(predicts)
def check_stored_learner_is_the_same(name: str, learner: Any) -> None:
    """Check that pickle, joblib, cloudpickle and deepcopy keep all that was learned.

    Predictions bit for bit, and every public attribute that ends in an underscore.
    cloudpickle takes part where it is installed.
    """
    X, y = toy(learner)
    fitted = quick(learner, batch_size=16).fit(X, y, X_val=X[:20], y_val=y[:20])
    require_fitted(fitted, "net_", "history_")
    expected, learned = outputs(fitted, X), _learned(fitted)
    for way, again in _copies(fitted):
        found = _learned(again)
        for attribute, value in learned.items():
            assert attribute in found, (
                f"{name} loses its attribute {attribute!r} in {way}. __getstate__ must "
                "keep it, or __setstate__ build it again."
            )
            assert found[attribute] == value, (
                f"{attribute} of {name} is {found[attribute]} after {way}, and was "
                f"{value}."
            )
        assert np.array_equal(outputs(again, X), expected), (
            f"After {way} {name} predicts other values. __getstate__ must keep all "
            "that predict uses: weights, buffers, scaling of features and target."
        )
        require_fitted(again, "net_")
        kept, now = weights(fitted), weights(again)
        changed = [key for key in kept if not torch.equal(kept[key], now[key])]
        assert not changed, f"net_ of {name} has other weights after {way}: {changed}."


@torch_check(predicts)
def check_stored_learner_goes_on_training(name: str, learner: Any) -> None:
    """Check that training goes on after storing, with a new optimizer.

    Bit for bit: history and random generator are kept too, and no learner goes on with
    what another way of storing has lost.
    """
    X, y = toy(learner)
    fitted = quick(learner, batch_size=16).fit(X, y)
    copies = dict(_copies(fitted))
    fitted.net_.optimizer_.state.clear()
    expected = weights(fitted.partial_fit(X, y))
    history = history_rows(fitted)
    for way, again in copies.items():
        again.partial_fit(X, y)
        now = weights(again)
        changed = [key for key in expected if not torch.equal(expected[key], now[key])]
        assert not changed, (
            f"partial_fit of {name} gives other weights after {way} than with a new "
            f"optimizer: {changed}. __getstate__ must keep weights and generator, and "
            "not the optimizer; see torchlearners.training.net_state."
        )
        assert history_rows(again) == history, (
            f"partial_fit of {name} gives another history after {way} than without it."
        )


@torch_check(predicts)
def check_deepcopy_is_isolated(name: str, learner: Any) -> None:
    """Check that a deep copy of a fitted learner shares no weight with it."""
    X, y = toy(learner)
    fitted = quick(learner).fit(X, y)
    before = weights(fitted)
    twin = copy.deepcopy(fitted)
    require_fitted(twin, "net_")
    with torch.no_grad():
        for value in twin.net_.module_.state_dict().values():
            value.zero_()
    after = weights(fitted)
    changed = [key for key, value in before.items() if not value.equal(after[key])]
    assert not changed, (
        f"Changing a deep copy of {name} in place changed weights of the original: "
        f"{changed}. __deepcopy__ must copy net_."
    )


@torch_check(predicts)
def check_unfitted_learner_is_stored(name: str, learner: Any) -> None:
    """Check that an unfitted learner survives storing, and then fits the same."""
    X, y = toy(learner)
    new = quick(learner)
    expected = outputs(clone(new).fit(X, y), X)
    for way, again in _copies(new):
        assert repr(again) == repr(new), (
            f"An unfitted {name} becomes {again!r} in {way}, and was {new!r}."
        )
        assert np.array_equal(outputs(again.fit(X, y), X), expected), (
            f"An unfitted {name} learns something else after {way}."
        )


@torch_check(predicts)
def check_pickle_holds_no_training_data(name: str, learner: Any) -> None:
    """Check that the pickle of a learner does not grow with the training rows.

    A learner that predicts from its training rows declares it by the class attribute
    ``_keeps_training_data = True``; then nothing is checked.
    """
    if getattr(learner, "_keeps_training_data", False):
        return
    # From a few thousand rows on learners do not choose other networks or scalings.
    few, many = 6000, 12_000
    sizes = []
    for n_rows in (few, many):
        X, y = toy(learner, n_rows)
        settings = {"max_epochs": 1, "batch_size": n_rows, "callbacks": None}
        fitted = quick(learner, **settings).fit(X, y, X_val=X, y_val=y)
        sizes.append(len(pickle.dumps(fitted)))
    # Numbers of another length take some bytes; a byte a row is data.
    assert sizes[1] - sizes[0] < (many - few) / 2, (
        f"The pickle of {name} has {sizes[0]} bytes after a fit on {few} rows and "
        f"{sizes[1]} after one on {many}: it holds training data. Drop them in "
        "__getstate__, or declare _keeps_training_data = True where predict needs them."
    )


@torch_check(predicts)
def check_pickle_holds_no_optimizer(name: str, learner: Any) -> None:
    """Check that the pickle of a learner does not hold the state of its optimizer.

    That takes up to twice the weights, and predictions do without.
    """
    X, y = toy(learner)
    fitted = quick(learner, callbacks=None).fit(X, y)
    require_fitted(fitted, "net_")
    before = len(pickle.dumps(fitted))
    fitted.net_.optimizer_.state.clear()
    after = len(pickle.dumps(fitted))
    assert before == after, (
        f"The pickle of {name} has {before} bytes, and {after} where its optimizer has "
        "no state: it holds that state. Store net_state(net, optimizer=False)."
    )


@torch_check(predicts)
def check_pickle_is_plain_data(name: str, learner: Any) -> None:
    """Check that a fitted learner's pickle holds no object of torch or skorch.

    Networks, tensors, optimizers and nets are kept as arrays, numbers, strings, lists
    and dicts. Those that are parameters of the learner may stay.
    """
    X, y = toy(learner)
    fitted = quick(learner, callbacks=None).fit(X, y)
    unplain = _foreign_types(fitted) - _foreign_types(fitted.get_params(deep=False))
    assert not unplain, (
        f"The pickle of a fitted {name} holds objects of {sorted(unplain)}. Keep what "
        "is learned as plain data in __getstate__, and build it again in __setstate__; "
        "see TorchLearner."
    )


def _copies(learner: Any) -> Iterator[tuple[str, Any]]:
    """Yield copies of a learner by the ways in which they were made."""
    ways: dict[str, Callable[[Any], Any]] = {
        "pickle": _by_pickle,
        "joblib": _by_joblib,
        "copy.deepcopy": copy.deepcopy,
    }
    if importlib.util.find_spec("cloudpickle") is not None:
        ways["cloudpickle"] = _by_cloudpickle
    for way, copied in ways.items():
        try:
            again = copied(learner)
        except Exception as error:
            raise AssertionError(
                f"{learner!r} does not survive {way}: {type(error).__name__}: {error}. "
                "See its __getstate__ and __setstate__, before and after fit."
            ) from error
        yield way, again


def _by_pickle(learner: Any) -> Any:
    return pickle.loads(pickle.dumps(learner))


def _by_cloudpickle(learner: Any) -> Any:
    cloudpickle = importlib.import_module("cloudpickle")
    return pickle.loads(cloudpickle.dumps(learner))


def _by_joblib(learner: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "learner.joblib"
        joblib.dump(learner, path)
        return joblib.load(path)


def _learned(fitted: Any) -> dict[str, str]:
    """Return what was learned, as texts: attributes that end in an underscore."""
    names = {*vars(fitted), "history_"} - {"net_"}
    public = [n for n in names if n.endswith("_") and not n.startswith("_")]
    with np.printoptions(threshold=10**6, floatmode="unique"):
        return {name: repr(getattr(fitted, name, None)) for name in sorted(public)}


class _Spy(pickle.Pickler):
    """Note the types of all that is pickled."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO())
        self.types: set[type] = set()

    def persistent_id(self, obj: Any) -> None:
        """Note the type; None lets the object be pickled as ever."""
        self.types.add(type(obj))


def _foreign_types(value: Any) -> set[str]:
    spy = _Spy()
    spy.dump(value)
    foreign = torch.nn.Module, torch.optim.Optimizer
    return {
        f"{kind.__module__}.{kind.__qualname__}"
        for kind in spy.types
        if issubclass(kind, foreign)
        or kind.__module__.partition(".")[0] in ("torch", "skorch")
        or any(base.__module__.startswith("skorch.net") for base in kind.__mro__)
    }
