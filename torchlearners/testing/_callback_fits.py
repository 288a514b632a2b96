"""Checks of a callback in trainings of several kinds, and of what it leaves behind."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import random
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any
from unittest import SkipTest

import numpy as np
import sklearn
import torch
from sklearn.base import clone

from torchlearners.callbacks import Checkpoint, checkpoints
from torchlearners.callbacks import callback as at_stage
from torchlearners.storage import write_state
from torchlearners.tabular import DummyTorchRegressor, MLPClassifier
from torchlearners.testing._declared import params_of, said, told
from torchlearners.testing._kinds import torch_check
from torchlearners.testing._probe import quick, same_weights, toy
from torchlearners.training import to_plain


@torch_check(subject="callback")
def check_callback_works_with_validation_rows(name: str, callback: Any) -> None:
    """Check that it goes through a training with validation rows."""
    fitted = _fit(name, callback)
    assert fitted.n_iter_ >= 1, f"{name} ended the training before its first epoch."


@torch_check(subject="callback")
def check_callback_works_without_validation_rows(name: str, callback: Any) -> None:
    """Check that training rows are enough, or that the refusal says what is missing."""
    try:
        _train(callback, validates=False)
    except Exception as error:
        if isinstance(error, ValueError) and "valid" in str(error):
            return
        raise AssertionError(
            f"Without validation rows, {name} made fit raise {said(error)}. Pass over "
            "what the history does not have, or raise a ValueError that asks for "
            "validation rows."
        ) from error


@torch_check(subject="callback")
def check_callback_works_with_sparse_evaluation(name: str, callback: Any) -> None:
    """Check that epochs without validation scores do not disturb it (eval_every=2)."""
    fitted = _fit(name, callback, eval_every=2)
    assert fitted.n_iter_ >= 1, f"{name} ended the training before its first epoch."


@torch_check(subject="callback")
def check_callback_works_for_any_network(name: str, callback: Any) -> None:
    """Check that a regressor of one weight trains, or is refused by a ValueError."""
    try:
        _train(callback, DummyTorchRegressor())
    except Exception as error:
        if isinstance(error, ValueError):
            return
        raise AssertionError(
            f"With DummyTorchRegressor, {name} made fit raise {said(error)}. A "
            "callback for some networks only says so by a ValueError."
        ) from error


@torch_check(subject="callback")
def check_callback_keeps_parameters_apart_from_state(name: str, callback: Any) -> None:
    """Check that after a training get_params returns the same names."""
    before = set(params_of(name, callback))
    after = set(_checked(_fit(name, callback)).get_params(deep=False))
    assert before == after, (
        f"After a fit, {name}.get_params() differs by {sorted(before ^ after)}: skorch "
        "takes each attribute for a parameter. End the name of state in an underscore, "
        "or derive from sklearn.base.BaseEstimator too."
    )


@torch_check(subject="callback")
def check_callback_initialize_forgets(name: str, callback: Any) -> None:
    """Check that initialize() puts a used callback back to its start."""
    params = set(params_of(name, callback))
    used, fresh = _checked(_fit(name, callback)), clone(callback, safe=False)
    for one in (fresh, used):
        assert one.initialize() is one, f"{name}.initialize() must return self."
    for attribute in vars(fresh).keys() - params:
        now, then = vars(used).get(attribute), vars(fresh)[attribute]
        assert told(now) == told(then), (
            f"After a fit and {name}.initialize(), {attribute} is {now!r:.80}; in a "
            f"new one it is {then!r:.80}. Reset it in initialize()."
        )


@torch_check(subject="callback")
def check_callback_starts_anew_in_each_fit(name: str, callback: Any) -> None:
    """Check that a second fit does not notice that there was a first."""
    first = _fit(name, callback)
    remembered = _memory(_checked(first))
    second = _fit(name, _checked(first), used=True)
    now = _memory(_checked(second))
    grown = sorted(k for k in now if now[k] != remembered.get(k))
    assert not grown, (
        f"{name}.{grown[0]} was {remembered.get(grown[0])!r} after a fit and is "
        f"{now[grown[0]]!r} after the next one with the same callback. Make state in "
        "initialize(), not in the constructor or on the class."
    )
    assert _same_course(first, second), (
        f"Two fits with the same seed and the same {name} differ. Make state in "
        "initialize(), and draw no unseeded random numbers."
    )


def _memory(callback: Any) -> dict[str, Any]:
    """Return plain attributes, and sizes of containers, also those of its classes."""
    known: dict[str, Any] = {}
    for owner in (*reversed(type(callback).__mro__[:-1]), callback):
        known.update({k: v for k, v in vars(owner).items() if not k.startswith("__")})
    sizes = {
        k: f"of length {len(v)}"
        for k, v in known.items()
        if isinstance(v, list | dict | set | tuple)
    }
    plain = {k: v for k, v in known.items() if isinstance(v, bool | int | str)}
    return {**plain, **sizes}


@torch_check(subject="callback")
def check_callback_is_left_as_it_was(name: str, callback: Any) -> None:
    """Check that the fit of a clone of the learner leaves its object alone."""
    before = told(getattr(callback, "__dict__", {}))
    _fit(name, callback)
    after = told(getattr(callback, "__dict__", {}))
    assert before == after, (
        f"The fit of a clone changed the {name} of the learner that was cloned: from "
        f"{before} to {after}. Make what it remembers in initialize(), so that a new "
        "object has its own."
    )


_Access = tuple[Callable[[], Any], Callable[[Any], Any]]
_GENERATORS: dict[str, _Access] = {
    "torch": (torch.get_rng_state, torch.set_rng_state),
    "numpy": (np.random.get_state, np.random.set_state),
    "random": (random.getstate, random.setstate),
}


def _equal_states(one: Any, other: Any) -> bool:
    """Compare states, which are tensors or nested tuples with arrays."""
    if isinstance(one, tuple):
        return all(map(_equal_states, one, other))
    return bool(np.array_equal(one, other))


@torch_check(subject="callback")
def check_callback_leaves_random_numbers_alone(name: str, callback: Any) -> None:
    """Check that no global generator of random numbers moves."""
    with undone():
        before = _read(_GENERATORS)
        _fit(name, callback)
        after = _read(_GENERATORS)
    moved = [p for p in before if not _equal_states(before[p], after[p])]
    assert not moved, (
        f"A fit with {name} moved the global random numbers of {moved}. Draw from "
        "net.generator, or from a generator of its own."
    )


def _set_filters(filters: list[Any]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]


_SETTINGS: dict[str, _Access] = {
    "torch's number of threads": (torch.get_num_threads, torch.set_num_threads),
    "torch's default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "torch's deterministic algorithms": (
        torch.are_deterministic_algorithms_enabled,
        torch.use_deterministic_algorithms,
    ),
    "numpy's error handling": (np.geterr, lambda now: np.seterr(**now)),
    "scikit-learn's settings": (
        sklearn.get_config,
        lambda now: sklearn.set_config(**now),
    ),
    "the filters of warnings": (lambda: list(warnings.filters), _set_filters),
}


def _read(accesses: dict[str, _Access]) -> dict[str, Any]:
    return {what: get() for what, (get, _) in accesses.items()}


@contextlib.contextmanager
def undone() -> Iterator[None]:
    """Put global generators and settings back in the end."""
    accesses = {**_GENERATORS, **_SETTINGS}
    before = _read(accesses)
    try:
        yield
    finally:
        for what, (_, put) in accesses.items():
            put(before[what])


@torch_check(subject="callback")
def check_callback_leaves_settings_alone(name: str, callback: Any) -> None:
    """Check that threads, default dtype, warnings and the like stay as they were."""
    with undone():
        _fit(name, callback)  # what it imports may change them, once
        before = _read(_SETTINGS)
        _fit(name, callback)
        changed = [
            what for what, now in _read(_SETTINGS).items() if now != before[what]
        ]
    assert not changed, (
        f"A fit with {name} changed {changed} of the whole process. Change it inside "
        "of one hook only, and back."
    )


@torch_check(subject="callback")
def check_callback_travels_to_another_process(name: str, callback: Any) -> None:
    """Check that a fitted learner with it is pickled, as parallel searches do it."""
    fitted = _fit(name, callback)
    X, _ = toy(fitted)
    try:
        copy = ForkingPickler.loads(ForkingPickler.dumps(fitted))
    except Exception as error:
        raise AssertionError(
            f"A fitted learner with {name} cannot be pickled: {said(error)}. Keep "
            "open files and local functions out of the attributes."
        ) from error
    assert np.array_equal(copy.predict_proba(X), fitted.predict_proba(X)), (
        f"A learner with {name} predicts otherwise after pickling."
    )


def _keeps_state(callback: Any) -> bool:
    return hasattr(callback, "state_dict") or hasattr(callback, "load_state_dict")


@torch_check(_keeps_state, subject="callback")
def check_callback_state_is_plain_data(name: str, callback: Any) -> None:
    """Check that state_dict holds at any depth what a checkpoint can store.

    That is: dict, list, tuple, None, bool, int, float, str and numpy arrays.
    """
    for method in ("state_dict", "load_state_dict"):
        assert hasattr(callback, method), f"{name} lacks {method}; it has the other."

    def store(net: Any, **kwargs: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            state = dict(net.callbacks_)["checked"].state_dict()
            try:
                write_state(Path(folder) / "state.safetensors", state, kind="callback")
            except TypeError as error:
                raise AssertionError(
                    f"{name}.state_dict() is not plain data: {error} "
                    "torchlearners.training.to_plain makes arrays of tensors."
                ) from error

    _fit(name, callback, [("store", at_stage(on_epoch_end=store))])


@torch_check(_keeps_state, subject="callback")
def check_callback_state_survives_loading(name: str, callback: Any) -> None:
    """Check that load_state_dict puts back what state_dict returned."""

    def reload(net: Any, **kwargs: Any) -> None:
        if net.history[-1]["epoch"] > 1:
            ours = dict(net.callbacks_)["checked"]
            before = to_plain(ours.state_dict())
            ours.load_state_dict(to_plain(ours.state_dict()))
            after = to_plain(ours.state_dict())
            assert told(before) == told(after), (
                f"After {name}.load_state_dict(state), state_dict() returns "
                f"{after!r:.200}; it was {before!r:.200}."
            )

    _fit(name, callback, [("reload", at_stage(on_epoch_end=reload))])


@torch_check(subject="callback")
def check_callback_resumed_run_equals_straight(name: str, callback: Any) -> None:
    """Check that a training resumed after two epochs ends as one that never stopped."""
    saves = ("saves", Checkpoint(folder="saved", keep=100))
    with _folder():
        straight = _fit(name, callback, [saves], here=True, max_epochs=4)
        halfway = checkpoints("saved").get(2)
        if halfway is None:  # it ended the training before
            return
        resumed = _fit(name, callback, [saves], here=True, max_epochs=4, resume=halfway)
    assert _same_course(straight, resumed), (
        f"With {name}, a training resumed after 2 epochs of 4 ends otherwise than a "
        "straight one. Give it state_dict and load_state_dict with all it remembers."
    )


@torch_check(subject="callback")
def check_callback_closes_what_it_opens(name: str, callback: Any) -> None:
    """Check that no file and no thread stays open, also where a training breaks off.

    The training ends by itself, by Ctrl-C, and by an error of another callback.
    """
    _fit(name, callback)  # what it imports may open something, once
    before = _open()
    for reason in (None, KeyboardInterrupt("Ctrl-C"), ArithmeticError("stop")):
        with _folder():
            _break_off(name, callback, reason)
            gc.collect()
        left = sorted(_open() - before)
        how = "by itself" if reason is None else f"by {type(reason).__name__}"
        assert not left, (
            f"After a training with {name} that ended {how}, {left} stayed open. Open "
            "files only while writing, or close them in on_train_end and __del__."
        )


def _break_off(name: str, callback: Any, reason: BaseException | None) -> None:
    def stop(net: Any, **kwargs: Any) -> None:
        if reason is not None and len(net.history) == 2:
            raise reason

    try:
        _train(callback, None, [("stop", at_stage(on_grad_computed=stop))], here=True)
    except BaseException as error:
        if error is not reason:
            raise AssertionError(
                f"A training with {name} that broke off by {reason!r} ended by "
                f"{said(error)}. on_train_end must work after an epoch that is not "
                "whole."
            ) from error
        error.__traceback__ = None  # it would keep the net alive


def _open() -> set[str]:
    """Return what is open: threads, and files where the system lists them."""
    found = {f"thread {t.name} {t.ident}" for t in threading.enumerate()}
    with contextlib.suppress(OSError):
        for number in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(f"/proc/self/fd/{number}")
                if target.startswith("/") and not target.startswith(("/dev", "/proc")):
                    found.add(f"file {target}")
    return found


@contextlib.contextmanager
def _folder() -> Iterator[None]:
    """Work in an empty directory, which is removed in the end."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        yield


def _train(
    callback: Any,
    learner: Any = None,
    beside: Iterable[Any] = (),
    *,
    validates: bool = True,
    here: bool = False,
    used: bool = False,
    resume: Any = None,
    **params: Any,
) -> Any:
    """Return a small learner that was fitted with the callback, named "checked".

    With a new one, as a clone of a learner has it, unless it may be a `used` one; in an
    empty working directory, unless it is trained `here`.
    """
    learner = learner or MLPClassifier(
        preset="simple",
        hidden_layer_sizes=(8, 8),
        dropout=0.1,
        normalization="batch",
        batch_size=20,
    )
    learner = quick(learner, callbacks=[("checked", callback), *beside], **params)
    learner = learner if used else clone(learner)
    X, y = toy(learner)
    valid = {"X_val": X[40:], "y_val": y[40:]} if validates else {}
    place = contextlib.nullcontext() if here else _folder()
    silence = io.StringIO()
    with (
        place,
        contextlib.redirect_stdout(silence),
        contextlib.redirect_stderr(silence),
    ):
        return learner.fit(X[:40], y[:40], **valid, resume=resume)


def _fit(name: str, callback: Any, beside: Iterable[Any] = (), **params: Any) -> Any:
    """Return what `_train` returns; a training that fails fails the check."""
    try:
        return _train(callback, None, beside, **params)
    except AssertionError:
        raise
    except ImportError as error:
        raise SkipTest(str(error)) from error
    except Exception as error:
        raise AssertionError(
            f"{name} made fit of an MLPClassifier raise {said(error)}."
        ) from error


def _checked(fitted: Any) -> Any:
    return dict(fitted.net_.callbacks_)["checked"]


def _same_course(one: Any, other: Any) -> bool:
    """Tell whether two trainings have equal weights and, but for times, histories."""
    ours, theirs = (
        [[row[k] for k in row if k not in ("dur", "batches")] for row in f.history_]
        for f in (one, other)
    )
    return same_weights(one, other) and told(ours) == told(theirs)
