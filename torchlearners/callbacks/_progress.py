"""One live line while training."""

from __future__ import annotations

import sys
from typing import Any, Literal

from skorch import NeuralNet
from skorch.callbacks import Callback

from torchlearners._compat import BaseEstimator
from torchlearners.params import Parameters, one_of, param

_SUFFIXES = ("_best", "_count", "_size")


class Progress(Parameters, BaseEstimator, Callback):
    """Show epoch, losses, measures and the time left in one line that is rewritten.

    A learner with ``verbose=1`` adds it by itself. The line goes to standard error;
    in a notebook it is a bar. It is for people: `JsonLines` writes for programs.

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
        # Looks for a notebook, which takes time that silent fits should not pay.
        from tqdm.auto import tqdm

        in_notebook = any(c.__module__ == "tqdm.notebook" for c in tqdm.__mro__)
        if self.when == "auto" and not in_notebook and not sys.stderr.isatty():
            return
        self._line_ = tqdm(
            total=net.max_epochs,
            bar_format="epoch {n_fmt}/{total_fmt} |{bar:12}| {desc} "
            "[{elapsed}<{remaining}]",
            dynamic_ncols=True,
            file=None if in_notebook else sys.stderr,
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


def _summary(row: dict[str, Any]) -> str:
    return ", ".join(
        f"{key}={value:.4g}"
        for key, value in row.items()
        if key.startswith(("train_", "valid_")) and not key.endswith(_SUFFIXES)
    )
