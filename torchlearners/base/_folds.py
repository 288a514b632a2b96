"""The parts of the rows that members of a learner are not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from torchlearners._compat import safe_rows
from torchlearners.data import (
    check_groups,
    check_weights,
    fold_numbers,
    split_by,
)

# X, y and sample_weight of `fit`, and the same of its validation rows.
Split = tuple[Any, Any, Any, tuple[Any, Any, Any]]


class Folds:
    """Rows as they were given to `fit`, of which each split leaves some to validation.

    These are several parts of the rows, in which each row is once, or what the
    learner's `validation_split` says.

    Parameters
    ----------
    learner : EnsembleLearner
        Checks the rows; learns its classes from them.
    X, y, sample_weight, groups : object
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
        groups: Any,
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
        splitter = learner.validation_split
        groups = check_groups(groups, checked, splitter)
        if splitter is None:
            self._splits = self._drawn(generator)
        else:
            seed = int(torch.randint(2**31, (), generator=generator))
            self._splits = list(split_by(splitter, X, y, groups, seed))
            if len(self._splits) != self.n_folds:
                raise ValueError(
                    f"n_folds={self.n_folds}, but validation_split={splitter!r} makes "
                    f"{len(self._splits)} splits. Make these numbers equal."
                )

    def _drawn(self, generator: torch.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return splits in which each row that counts validates once."""
        weight = np.ones(len(self.codes)) if self.weight is None else self.weight
        counts = np.flatnonzero(weight)
        if len(counts) < self.n_folds:
            raise ValueError(
                f"n_folds={self.n_folds} needs at least as many rows (of a weight "
                f"above 0), got n_samples={len(counts)}. Lower n_folds."
            )
        groups = self.target.groups(self.codes[counts])
        fold = fold_numbers(len(counts), self.n_folds, groups, generator)
        return [(counts[fold != k], counts[fold == k]) for k in range(self.n_folds)]

    def splits(self) -> Iterator[Split]:
        """Yield the rows that train, and those that validate, of each split."""
        for train, valid in self._splits:
            yield *self._rows(train), self._rows(valid)

    def _rows(self, rows: np.ndarray) -> tuple[Any, Any, Any]:
        weight = None if self.weight is None else self.weight[rows]
        return safe_rows(self.X, rows), self.y[rows], weight

    def predicted(
        self, members: list[Any], mean: Callable[[list[Any], Any], np.ndarray]
    ) -> np.ndarray:
        """Return for each row what the members that it validated predict.

        Parameters
        ----------
        members : list
            As many of each split, those of a split side by side.
        mean : callable
            Of members and X; returns one prediction a row.

        Returns
        -------
        ndarray of shape (n_samples, ...)
            NaN for a row that may have trained all members, and validated none.
        """
        n_each = len(members) // self.n_folds
        validated = np.zeros((len(self.y), self.n_folds), dtype=bool)
        for k, (_, valid) in enumerate(self._splits):
            validated[valid, k] = True
        if self.weight is not None:  # what counts nothing trains no member
            validated[(self.weight == 0) & ~validated.any(axis=1)] = True
        # Rows that the same members have not seen are predicted together.
        kinds, kind = np.unique(validated, axis=0, return_inverse=True)
        found, order = [], []
        for i, by_split in enumerate(kinds):
            rows = np.flatnonzero(kind.ravel() == i)
            unseen = [members[k] for k in np.flatnonzero(by_split.repeat(n_each))]
            values = mean(unseen or members, safe_rows(self.X, rows))
            found.append(values if unseen else np.full_like(values, np.nan))
            order.append(rows)
        return np.concatenate(found)[np.argsort(np.concatenate(order))]
