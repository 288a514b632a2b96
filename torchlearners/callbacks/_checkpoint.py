"""Checkpoints from which training goes on, bit for bit."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

import numpy as np
from skorch import NeuralNet
from skorch.callbacks import Callback

from torchlearners._compat import BaseEstimator
from torchlearners.exceptions import CheckpointWarning, StorageError
from torchlearners.params import Parameters, boolean, one_of, param, positive_int
from torchlearners.storage import (
    read_state,
    restoring,
    sweep,
    take_folder,
    write_state,
)
from torchlearners.training import training_state

_IDENTITY = "{identity}"
_NAME = re.compile(r"checkpoint-(\d+)\.safetensors")


class Checkpoint(Parameters, BaseEstimator, Callback):
    """Write the whole state of training into a folder, so that `fit` can resume it.

    Each checkpoint is one safetensors file with a digest, written atomically: a crash
    or a full disk leaves the earlier ones whole. It costs about three times the size
    of the weights, four with early stopping. ``learner.fit(X, y, resume=folder)`` goes
    on from the newest one and ends with the weights of a run that never stopped.

    A folder belongs to one run, and to one process at a time. For a search, give a
    template: ``folder="runs/{identity}"``.

    {parameters}

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_iris
    >>> from torchlearners import MLPClassifier
    >>> from torchlearners.callbacks import Checkpoint
    >>> X, y = load_iris(return_X_y=True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     settings = {"callbacks": [Checkpoint(folder=folder)], "random_state": 0}
    ...     _ = MLPClassifier(max_epochs=3, **settings).fit(X, y)
    ...     learner = MLPClassifier(max_epochs=5, **settings)
    ...     learner.fit(X, y, resume=folder).n_iter_
    5
    """

    # Parameters that a resumed training may change: all, since they compute nothing.
    free_on_resume = frozenset({"folder", "every", "keep", "keep_best", "on_error"})

    folder: Any = param(
        default="checkpoints",
        check=[str, Path, callable],
        doc="Where checkpoints are written; made where it is missing. "
        '``"{identity}"`` in it becomes a digest of data, learner and seed, so that '
        "each fit of a search has a folder, and the same fit finds its own again. A "
        "function of the net returns the folder.",
    )
    every: int = param(
        default=1,
        check=positive_int,
        doc="Epochs from one checkpoint to the next. The last epoch is always written.",
    )
    keep: int = param(
        default=2, check=positive_int, doc="Number of newest checkpoints that stay."
    )
    keep_best: bool = param(
        default=True,
        check=boolean,
        doc="Whether the checkpoint of the best epoch stays too.",
    )
    on_error: Literal["raise", "warn"] = param(
        default="warn",
        check=one_of("raise", "warn"),
        doc='What to do where a file cannot be written: "warn" and train on, or '
        '"raise".',
    )

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Make the folder; refuse one with the checkpoints of another run."""
        self.close()
        self.folder_ = folder = folder_of(self.folder, net)
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = take_folder(folder)
        if self._lock is None:
            raise ValueError(
                f"Another run writes its checkpoints into {folder} right now. Give "
                'this run another folder, as by folder="runs/{identity}", or wait.'
            )
        sweep(folder)
        if checkpoints(folder) and not net.resuming:
            raise ValueError(
                f"{folder} holds checkpoints of an earlier run. Go on with it by "
                f"fit(..., resume={str(folder)!r}), or give this run another folder; "
                'folder="runs/{identity}" gives each fit of a search its own.'
            )

    def close(self) -> None:
        """Let other runs write into the folder."""
        held = self.__dict__.pop("_lock", None)
        if held is not None:
            os.close(held)

    def __del__(self) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        # The lock stays with this process.
        return {key: value for key, value in vars(self).items() if key != "_lock"}

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Write a checkpoint where one is due, then remove those that have to go."""
        epoch = net.history[-1]["epoch"]
        last = epoch == net.epochs_before + net.max_epochs or net.stop_training
        if epoch % self.every and not last:
            return
        path = self.folder_ / f"checkpoint-{epoch:06d}.safetensors"
        state = {"identity": net.identity, "training": training_state(net)}
        try:
            write_state(path, state, kind="checkpoint", info={"epoch": epoch})
        except OSError as error:
            if self.on_error == "raise":
                raise
            warnings.warn(
                f"Epoch {epoch}: no checkpoint was written to {path} ({error}). "
                "Training goes on; earlier checkpoints are whole.",
                CheckpointWarning,
                stacklevel=2,
            )
            return
        self._prune(net, epoch)

    def _prune(self, net: NeuralNet, epoch: int) -> None:
        # Later ones, where training goes on from an older one, are written anew.
        found = {e: path for e, path in checkpoints(self.folder_).items() if e <= epoch}
        stay = set(sorted(found)[-self.keep :])
        if self.keep_best:
            stay |= {
                callback.best_epoch_
                for _, callback in net.callbacks_
                if getattr(callback, "best_epoch_", None) is not None
            }
        for old in found.keys() - stay:
            found[old].unlink(missing_ok=True)


def is_template(folder: Any) -> bool:
    """Tell whether it takes a net to know which folder is meant.

    Parameters
    ----------
    folder : str, Path or callable

    Returns
    -------
    bool

    Examples
    --------
    >>> from torchlearners.callbacks import is_template
    >>> is_template("runs/{identity}"), is_template("runs/1")
    (True, False)
    """
    return callable(folder) or _IDENTITY in str(folder)


def folder_of(folder: Any, net: NeuralNet) -> Path:
    """Return the folder that a template or a function means for a net.

    Parameters
    ----------
    folder : str, Path or callable
    net : Net
        With its identity.

    Returns
    -------
    Path
    """
    if callable(folder):
        return Path(folder(net))
    if not is_template(folder):
        return Path(folder)
    digest = hashlib.sha256(_text(net.identity).encode()).hexdigest()[:16]
    return Path(str(folder).replace(_IDENTITY, digest))


def _text(value: Any) -> str:
    """Return plain data as a text that is equal for equal data."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype.str}{value.shape}{value.tobytes().hex()}"
    if isinstance(value, dict):
        return f"{{{','.join(f'{k}:{_text(v)}' for k, v in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_text, value))}]"
    return repr(value)


def checkpoints(folder: str | Path) -> dict[int, Path]:
    """Return the checkpoints in a folder by their epoch.

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    dict of int to Path
        In increasing order of epochs; empty where there is no such folder.

    Examples
    --------
    >>> from torchlearners.callbacks import checkpoints
    >>> checkpoints("no-such-folder")
    {}
    """
    folder = Path(folder)
    names = sorted(folder.iterdir()) if folder.is_dir() else []
    found = ((_NAME.fullmatch(path.name), path) for path in names)
    return {int(match[1]): path for match, path in found if match}


def read_checkpoint(source: str | Path) -> dict[str, Any] | None:
    """Return what a checkpoint holds.

    Parameters
    ----------
    source : str or Path
        A checkpoint, or a folder, of which the newest one is taken.

    Returns
    -------
    dict or None
        ``identity`` and ``training``; None for a folder that is empty or missing.

    Raises
    ------
    StorageError
        Where the file is damaged or not a checkpoint, or the folder holds other things
        only. The message names an older checkpoint, where there is one.

    Examples
    --------
    >>> from torchlearners.callbacks import read_checkpoint
    >>> read_checkpoint("no-such-folder") is None
    True
    """
    source = Path(source)
    if source.is_file() or source.suffix == ".safetensors":
        return _read(source)
    found = checkpoints(source)
    if not found:
        # A hidden file may be what a killed run left of its first checkpoint.
        if source.is_dir() and any(p.name[0] != "." for p in source.iterdir()):
            raise StorageError(
                f"{source} holds files, but no checkpoint. Resume from the folder that "
                "was given to Checkpoint."
            )
        return None
    *older, newest = found.values()
    try:
        return _read(newest)
    except StorageError as error:
        advice = f" The one before it is {older[-1]}." if older else ""
        raise StorageError(f"{error}{advice}") from error


def _read(path: Path) -> dict[str, Any]:
    state = read_state(path, kind="checkpoint")
    with restoring(f"the checkpoint {path}"):
        return {
            "identity": {"seed": state["identity"]["seed"], **state["identity"]},
            "training": {**state["training"]},
        }


def check_identity(then: dict[str, Any], now: dict[str, Any], source: Any) -> None:
    """Refuse a checkpoint of another run.

    Parameters
    ----------
    then, now : dict
        What the run of the checkpoint was, and what this one is: a name for each
        aspect, with plain data.
    source : str or Path
        Named in the message.

    Raises
    ------
    ValueError
        With the first aspect that differs and its two values.

    Examples
    --------
    >>> from torchlearners.callbacks import check_identity
    >>> check_identity({"optimizer": "AdamW"}, {"optimizer": "SGD"}, "run1")
    Traceback (most recent call last):
    ...
    ValueError: Cannot resume from run1: it has another optimizer ('AdamW') than this \
run ('SGD'). Give the data and settings of that run, or start a new one in another \
folder.
    """
    for aspect, value in now.items():
        if not _equal(then.get(aspect), value):
            theirs, ours = _first_difference(then.get(aspect), value)
            raise ValueError(
                f"Cannot resume from {source}: it has another {aspect} ({theirs}) than "
                f"this run ({ours}). Give the data and settings of that run, or start "
                "a new one in another folder."
            )


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(a[k], b[k]) for k in a)
    return bool(a == b)


def _first_difference(a: Any, b: Any) -> tuple[str, str]:
    if isinstance(a, list) and isinstance(b, list):
        pairs = zip_longest(a, b, fillvalue="nothing")
        a, b = next(pair for pair in pairs if pair[0] != pair[1])
    return repr(a)[:200], repr(b)[:200]
