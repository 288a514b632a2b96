"""The parts of the rows that members of a learner are not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from torchlearners._compat import safe_rows
from torchlearners.data import (
    check_weights,
    fold_numbers,
)

# X, y and sample_weight of `fit`, and the same of its validation rows.
Split = tuple[Any, Any, Any, tuple[Any, Any, Any]]


class Folds:
    """Rows as they were given to `fit`, each in one of several parts.

    Parameters
    ----------
    learner : EnsembleLearner
        Checks the rows; learns its classes from them.
    X, y, sample_weight : object
        As given to `fit`.
    generator : torch.Generator
        Draws which row is in which part.

    Attributes
    ----------
    target : Target
    codes : ndarray of shape (n_samples, ...)
        The encoded target.
    weight : ndarray of shape (n_samples,) or None
    """

    def __init__(
        self,
        learner: Any,
        X: Any,
        y: Any,
        sample_weight: Any,
        generator: torch.Generator,
    ) -> None:
        checked, y = learner.encoder().check(learner, X, y, reset=True)
        self.target = learner._make_target(y, None)
        y = y.toarray() if hasattr(y, "toarray") else y
        y = y.ravel() if y.ndim == 2 and y.shape[1] == 1 else y
        # A DataFrame keeps its names and dtypes; of the rest not all have rows to take.
        # Images would lose their shape.
        images = getattr(X, "ndim", 0) > 2
        self.X = X if hasattr(X, "columns") else np.asanyarray(X) if images else checked
        self.y = y
        self.codes = self.target.codes(y)
        self.weight = check_weights(sample_weight, checked)
        self.n_folds = int(learner.n_folds)
        self._fold = self._drawn(generator)

    def _drawn(self, generator: torch.Generator) -> np.ndarray:
        """Return the number of each row's part; -1 for rows of weight 0."""
        counts = np.ones(len(self.codes), dtype=bool)
        if self.weight is not None:
            counts = self.weight > 0
        n_rows = int(counts.sum())
        if n_rows < self.n_folds:
            raise ValueError(
                f"n_folds={self.n_folds} needs at least as many rows (of a weight "
                f"above 0), got n_samples={n_rows}. Lower n_folds."
            )
        fold = np.full(len(counts), -1)
        groups = self.target.groups(self.codes[counts])
        fold[counts] = fold_numbers(n_rows, self.n_folds, groups, generator)
        return fold

    def splits(self) -> Iterator[Split]:
        """Yield for each part the rows of all others, which train, and its own."""
        for k in range(self.n_folds):
            train = (self._fold != k) & (self._fold >= 0)
            yield *self._rows(train), self._rows(self._fold == k)

    def _rows(self, chosen: np.ndarray) -> tuple[Any, Any, Any]:
        weight = None if self.weight is None else self.weight[chosen]
        rows = np.flatnonzero(chosen)
        return safe_rows(self.X, rows), self.y[rows], weight

    def predicted(
        self, members: list[Any], mean: Callable[[list[Any], Any], np.ndarray]
    ) -> np.ndarray:
        """Return for each row what the members not trained on it predict.

        Parameters
        ----------
        members : list
            As many of each part, those of a part side by side.
        mean : callable
            Of members and X; returns one prediction a row.

        Returns
        -------
        ndarray of shape (n_samples, ...)
        """
        n_each = len(members) // self.n_folds
        found: list[tuple[np.ndarray, np.ndarray]] = []
        for k in range(-1, self.n_folds):
            rows = np.flatnonzero(self._fold == k)
            unseen = members if k < 0 else members[k * n_each : (k + 1) * n_each]
            if len(rows):
                found.append((rows, mean(unseen, safe_rows(self.X, rows))))
        predicted = np.concatenate([values for _, values in found])
        order = np.concatenate([rows for rows, _ in found])
        return predicted[np.argsort(order)]
