"""The history in TensorBoard."""

from __future__ import annotations

import contextlib
import os
from numbers import Real
from typing import Any

from skorch import NeuralNet
from skorch.callbacks import Callback

from torchlearners._compat import BaseEstimator
from torchlearners.params import Parameters, param


class TensorBoard(Parameters, BaseEstimator, Callback):
    """Write each number of the history to TensorBoard after each epoch.

    "train_loss" becomes "train/loss", so that TensorBoard groups them; what an epoch
    has not recorded is not written. Put it behind callbacks that add to the history.

    {parameters}

    Raises
    ------
    ImportError
        While training, where `writer` is a folder and tensorboard is not installed.

    Examples
    --------
    >>> from torchlearners.callbacks import TensorBoard
    >>> TensorBoard(writer="runs/first").writer
    'runs/first'
    """

    free_on_resume = frozenset({"writer"})

    writer: Any = param(
        default="runs",
        check=["no_validation"],
        doc="A folder, or an open `torch.utils.tensorboard.SummaryWriter` (or anything "
        "with its `add_scalar`), which is left open.",
        kw_only=False,  # as skorch's own
    )

    def initialize(self) -> TensorBoard:
        """Have no writer yet; close that of a training which an error ended."""
        self.close()
        self._open_: Any = None
        return self

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Open the writer."""
        owns = isinstance(self.writer, str | os.PathLike)
        self._open_ = _writer(self.writer) if owns else self.writer

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Write the epoch."""
        row = net.history[-1]
        for key, value in row.items():
            if key == "epoch" or isinstance(value, bool) or not isinstance(value, Real):
                continue
            group, _, name = key.partition("_")
            tag = f"{group}/{name}" if group in ("train", "valid") else key
            self._open_.add_scalar(tag, float(value), row["epoch"])

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Close the writer, if it was opened here."""
        self.close()

    def __del__(self) -> None:
        # After an error there was no on_train_end; the folder may be gone.
        with contextlib.suppress(OSError):
            self.close()

    def close(self) -> None:
        """Close the writer, if it was opened here."""
        writer = getattr(self, "_open_", None)
        if writer is not None and writer is not self.writer:
            writer.close()
        self._open_ = None

    def __getstate__(self) -> dict[str, Any]:
        # An open file stays with this process.
        return {**self.__dict__, "_open_": None}


def _writer(folder: Any) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError(
            "TensorBoard needs the package tensorboard. Run `pip install tensorboard`."
        ) from error
    return SummaryWriter(os.fspath(folder))
