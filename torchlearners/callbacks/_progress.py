"""One live line while training."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any, Literal

from skorch import NeuralNet
from skorch.callbacks import Callback

from torchlearners._compat import BaseEstimator
from torchlearners.callbacks._epoch_table import epoch_numbers
from torchlearners.params import Parameters, one_of, param

# Where nothing tells how wide a line may be.
_COLUMNS = 80


class Progress(Parameters, BaseEstimator, Callback):
    """Show the time left, epoch, losses and measures in one line that is rewritten.

    A learner with ``verbose=1`` adds it by itself. The line goes to standard error, and
    is cut to the width of the terminal. In a notebook it is a bar where ipywidgets is
    installed, else the same line. It is for people: `EpochTable` is for log files, and
    `JsonLines` writes for programs.

    {parameters}

    Examples
    --------
    >>> from torchlearners import MLPClassifier
    >>> from torchlearners.callbacks import Progress
    >>> MLPClassifier(callbacks=[Progress(when="always")]).callbacks[0].when
    'always'
    """

    when: Literal["always", "auto"] = param(
        default="auto",
        check=one_of("always", "auto"),
        doc='"auto" shows nothing where standard error is a file or a pipe.',
    )

    def initialize(self) -> Progress:
        """Have no line yet."""
        self._line_: Any = None
        return self

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Open the line."""
        in_notebook = _in_notebook()
        on_terminal = sys.stderr.isatty()
        if self.when == "auto" and not (in_notebook or on_terminal):
            return
        # tqdm.auto would look for widgets too, and warn where there are none.
        if in_notebook and importlib.util.find_spec("ipywidgets") is not None:
            from tqdm.notebook import tqdm
        else:
            from tqdm import tqdm
        self._line_ = tqdm(
            total=net.max_epochs,
            bar_format="{remaining} left, epoch {n_fmt}/{total_fmt} |{bar:12}| {desc}",
            ncols=_COLUMNS,
            dynamic_ncols=on_terminal,
            # A notebook paints what standard error gets in the colour of errors.
            file=sys.stdout if in_notebook else sys.stderr,
        )

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Rewrite the line."""
        if self._line_ is None:
            return
        done = len(net.history) - getattr(net, "epochs_before", 0)
        self._line_.set_description_str(_summary(net.history[-1]), refresh=False)
        self._line_.update(done - self._line_.n)

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Leave the last line standing."""
        if self._line_ is not None:
            self._line_.close()
            self._line_ = None

    def __getstate__(self) -> dict[str, Any]:
        # The line belongs to this process.
        return {**self.__dict__, "_line_": None}


def _in_notebook() -> bool:
    get_shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = get_shell and get_shell()
    return "IPKernelApp" in getattr(shell, "config", {})


def _summary(row: dict[str, Any]) -> str:
    return ", ".join(f"{k}={value:.4g}" for k, value in epoch_numbers(row).items())
