"""The history as a file of JSON lines and as a table."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from skorch import NeuralNet
from skorch.callbacks import Callback

from torchlearners._compat import BaseEstimator
from torchlearners.params import Parameters, param


class JsonLines(Parameters, BaseEstimator, Callback):
    """Write the history to a file, one JSON object a line and an epoch.

    The file is added to as soon as an epoch is over, so that another process can
    follow it. A training that goes on (resumed, or with ``warm_start``) first puts the
    file right: what an interrupted process wrote of epochs to come is removed, and
    what it did not get to write is added. Several trainings may follow each other in
    one file, but not at the same time.

    {parameters}

    Notes
    -----
    NaN and infinity, which JSON does not have, become null.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from torchlearners import MLPClassifier
    >>> from torchlearners.callbacks import JsonLines
    >>> path = Path(tempfile.mkdtemp()) / "history.jsonl"
    >>> learner = MLPClassifier(max_epochs=2, callbacks=[JsonLines(path=path)])
    >>> _ = learner.fit(*load_iris(return_X_y=True))
    >>> len(path.read_text().splitlines())
    2
    """

    free_on_resume = frozenset({"path"})

    path: Any = param(
        default="history.jsonl", check=[str, os.PathLike], doc="The file."
    )

    def initialize(self) -> JsonLines:
        """Have no epoch to write."""
        self._row_: dict[str, Any] | None = None
        self._started_ = False
        return self

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Have no epoch to write in this training."""
        self.initialize()

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Write the epoch before, which nothing is added to any more."""
        if not self._started_:
            self._started_ = True
            self._go_on(net.history)
        self._flush()

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Keep the epoch until all callbacks have added to it."""
        self._row_ = net.history[-1]

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Write the last epoch."""
        self._flush()

    def _go_on(self, history: Any) -> None:
        epoch = history[-1]["epoch"]
        if epoch > 1:
            written = _keep_epochs_before(Path(self.path), epoch)
            for row in history[:-1]:
                if row["epoch"] > written:
                    self._write(row)

    def _flush(self) -> None:
        if self._row_ is not None:
            self._write(self._row_)
            self._row_ = None

    def _write(self, row: dict[str, Any]) -> None:
        plain = {key: _plain(value) for key, value in _scalars(row).items()}
        with Path(self.path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(plain, allow_nan=False) + "\n")


def history_frame(history: Iterable[dict[str, Any]]) -> Any:
    """Return a history as a `pandas.DataFrame` with one row an epoch.

    Parameters
    ----------
    history : list of dict
        A learner's ``history_``.

    Returns
    -------
    pandas.DataFrame
        Indexed by epoch. What was not recorded in an epoch is NaN; batches are left
        out.

    Raises
    ------
    ImportError
        Where pandas is not installed.

    Examples
    --------
    >>> from torchlearners.callbacks import history_frame
    >>> history_frame([{"epoch": 1, "train_loss": 0.5, "batches": []}])
           train_loss
    epoch
    1             0.5
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            "history_frame needs pandas. Run `pip install pandas`; without it, "
            "`history_` is a list of dicts."
        ) from error
    return pd.DataFrame(map(_scalars, history)).set_index("epoch")


def _scalars(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "batches"}


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, bool | int | str | None):
        return value
    try:
        value = float(value)
    except (TypeError, ValueError):
        return str(value)
    return value if math.isfinite(value) else None


def _keep_epochs_before(path: Path, epoch: int) -> float:
    """Remove `epoch` and those after it from the file; return the last one left."""
    if not path.exists():
        return 0
    lines = path.read_text(encoding="utf-8").splitlines()
    while lines and _epoch(lines[-1]) >= epoch:
        lines.pop()
    part = path.with_name(path.name + ".part")
    part.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    os.replace(part, path)
    return _epoch(lines[-1]) if lines else 0


def _epoch(line: str) -> float:
    try:
        return json.loads(line)["epoch"]
    except (ValueError, KeyError, TypeError):  # cut off when the process was killed
        return math.inf
