"""A table of the epochs, as they are trained."""

from __future__ import annotations

import sys
from statistics import fmean
from typing import Any

from skorch import NeuralNet
from skorch.callbacks import Callback

from torchlearners._compat import BaseEstimator
from torchlearners.params import Parameters

_SUFFIXES = ("_best", "_count", "_size")
# Of a column whose name is shorter: -1.234e-05
_WIDTH = 10


def epoch_numbers(row: dict[str, Any]) -> dict[str, float]:
    """Return the losses and measures of an epoch.

    Parameters
    ----------
    row : dict
        Of the history.

    Returns
    -------
    dict of str to float
    """
    return {
        key: value
        for key, value in row.items()
        if key.startswith(("train_", "valid_")) and not key.endswith(_SUFFIXES)
    }


class EpochTable(Parameters, BaseEstimator, Callback):
    """Write a row with the time left, losses and measures after each epoch.

    A learner with ``verbose=2`` adds it by itself. The rows go to standard error. None
    is rewritten, so that they read well in a log file too; the names of the columns
    come first, and again where an epoch has more of them, such as the first one with a
    validation loss.

    {parameters}

    Examples
    --------
    >>> from torchlearners import MLPClassifier
    >>> from torchlearners.callbacks import EpochTable
    >>> MLPClassifier(callbacks=[EpochTable()]).callbacks[0]
    EpochTable()
    """

    def initialize(self) -> EpochTable:
        """Have no columns yet."""
        self._names_: list[str] = []
        self._seconds_: list[float] = []
        return self

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Write the row of an epoch."""
        row = net.history[-1]
        numbers = epoch_numbers(row)
        new = [name for name in numbers if name not in self._names_]
        self._names_ += new
        self._seconds_.append(row["dur"])
        n_done = len(net.history) - getattr(net, "epochs_before", 0)
        left = fmean(self._seconds_) * (net.max_epochs - n_done)
        known = [f"{numbers[n]:.4g}" if n in numbers else "" for n in self._names_]
        cells = [_clock(left), f"{n_done}/{net.max_epochs}", *known]
        names = ["left", "epoch", *self._names_]
        lines = [names, cells] if new else [cells]
        sys.stderr.write("".join(f"{_line(line, names)}\n" for line in lines))
        sys.stderr.flush()


def _line(cells: list[str], names: list[str]) -> str:
    widths = [8, 9, *(max(len(name), _WIDTH) for name in names[2:])]
    aligned = zip(cells, widths, strict=True)
    return "  ".join(cell.rjust(width) for cell, width in aligned).rstrip()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"
