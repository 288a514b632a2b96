"""Rows on their way from arrays to tensors, with what each counts."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import torch
from sklearn.utils import get_tags

from torchlearners.data import (
    ColumnEncoder,
    RowSelection,
    Schema,
    Target,
    drop_zero_weights,
    split_by,
    validation_split,
)
from torchlearners.training import TensorData, balanced_order

# Features, encoded target and weights.
Rows = tuple[RowSelection, np.ndarray, np.ndarray | None]


def weighted_rows(
    X: Any,
    codes: np.ndarray,
    weight: np.ndarray | None,
    by_class: np.ndarray | None,
) -> Rows:
    """Return rows with their weights in the loss, without those of weight zero.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        A matrix, or what is yet to be encoded.
    codes : ndarray of shape (n_samples, ...)
        The encoded target.
    weight : ndarray of shape (n_samples,) or None
        As the user gave them.
    by_class : ndarray of shape (n_classes,) or None
        Weights of the classes, which multiply.

    Returns
    -------
    X, codes, weight
        X is not copied.
    """
    if by_class is not None:
        weight = by_class[codes] if weight is None else by_class[codes] * weight
    return drop_zero_weights(RowSelection(X), codes, weight)


def encoded_rows(matrix: Any, rows: Rows) -> Rows:
    """Return the same rows, of the matrix that their columns were encoded to.

    Parameters
    ----------
    matrix : ndarray, sparse CSR matrix or ColumnMatrix of shape (n_samples, n_columns)
        Of all rows of `fit`.
    rows : tuple
        See `weighted_rows`.

    Returns
    -------
    X, codes, weight
    """
    X, codes, weight = rows
    return RowSelection(matrix, X.rows), codes, weight


def split_rows(
    target: Target, rows: Rows, fraction: float, seed: int
) -> tuple[Rows, Rows]:
    """Set a share of the rows aside for validation.

    Parameters
    ----------
    target : Target
        Says whether there are groups to stratify by.
    rows : tuple
        See `weighted_rows`.
    fraction : float
        That share.
    seed : int

    Returns
    -------
    train, valid : tuple
    """
    X, codes, weight = rows
    train, valid = validation_split(
        len(X), fraction, target.groups(codes), seed % 2**32
    )
    return (
        (X[train], codes[train], None if weight is None else weight[train]),
        (X[valid], codes[valid], None if weight is None else weight[valid]),
    )


def set_aside(
    learner: Any,
    target: Target,
    rows: Rows,
    X: Any,
    y: Any,
    groups: np.ndarray | None,
    seed: int,
) -> tuple[Rows, Rows | None]:
    """Set rows aside for validation where the learner's parameters ask for it.

    Parameters
    ----------
    learner : TorchLearner
        Says by `validation_split` which rows, or else that it is a share of them.
    target : Target
    rows : tuple
        See `weighted_rows`.
    X, y : object
        What `fit` was given, with rows of weight 0.
    groups : ndarray of shape (n_samples,) or None
        The groups of these rows.
    seed : int

    Returns
    -------
    train, valid : tuple
        None instead of valid where all rows train.
    """
    splitter = learner.validation_split
    if splitter is None and learner._splits(len(rows[0])):
        return learner._split(target, rows, seed)
    if splitter is None or not learner.early_stopping:
        return rows, None
    split = next(split_by(splitter, X, y, groups, seed), None)
    if split is None:
        raise ValueError(f"validation_split={splitter!r} yields no split.")
    train, valid = (_rows_among(rows, numbers) for numbers in split)
    if not len(train[0]) or not len(valid[0]):
        raise ValueError(
            f"validation_split={splitter!r} leaves {len(train[0])} rows of a weight "
            f"above 0 to train and {len(valid[0])} to validate; each needs one."
        )
    return train, valid


def _rows_among(rows: Rows, numbers: np.ndarray) -> Rows:
    """Return those of the rows that have one of these numbers in X."""
    X, codes, weight = rows
    known = np.arange(len(X)) if X.rows is None else X.rows
    at = np.searchsorted(known, numbers).clip(max=len(known) - 1)
    at = at[known[at] == numbers]
    return X[at], codes[at], None if weight is None else weight[at]


def fitted_schema(learner: Any, columns: ColumnEncoder, rows: Rows) -> Schema:
    """Return how the columns are scaled and filled, learned from training rows.

    Parameters
    ----------
    learner : TorchLearner
        Says by its tag `allow_nan` whether missing values are filled, or refused.
    columns : ColumnEncoder
        Fitted.
    rows : tuple
        See `weighted_rows`.

    Returns
    -------
    Schema
    """
    schema: Schema = learner.schema()
    schema.n_scaled = columns.n_scaled
    schema.fit(rows[0], rows[2])
    if not get_tags(learner).input_tags.allow_nan:
        schema.fill = None
    return schema


def row_order(sampler: Any, shuffle: bool, target: Target) -> Any:
    """Return the function of data and generator that says which rows make an epoch.

    Parameters
    ----------
    sampler, shuffle : object, bool
        The learner's parameters.
    target : Target

    Returns
    -------
    callable or None
        None takes each row once, in a new order.
    """
    if sampler == "balanced":
        if target.kind != "classes":
            raise ValueError(
                "sampler='balanced' needs one class a row; this target holds "
                f"{target.kind}. Leave sampler=None, or give a function."
            )
        return balanced_order
    return _given_order if sampler is None and not shuffle else sampler


def draw_seed(random_state: Any) -> int:
    """Return the seed that a `random_state` stands for.

    Parameters
    ----------
    random_state : int, RandomState or None

    Returns
    -------
    int
    """
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(random_state.randint(2**31 - 1))


def tensors_of(
    schema: Schema,
    target: Target,
    by_class: np.ndarray | None,
    X: RowSelection,
    codes: np.ndarray,
    weight: np.ndarray | None,
) -> TensorData:
    """Return what the network trains or validates on.

    Parameters
    ----------
    schema, target : Schema, Target
        Fitted.
    by_class : ndarray of shape (n_classes,) or None
        Weights of the classes, which measures leave out.
    X, codes, weight
        See `weighted_rows`.

    Returns
    -------
    TensorData
    """
    relative = given = None
    if weight is not None:
        # Only ratios count; scaled to about one by a power of two, which is exact, they
        # all fit into float32.
        scaled = weight * 2.0 ** -np.round(np.log2(weight.mean()))
        relative = torch.as_tensor(scaled, dtype=torch.float32)
    if by_class is not None:
        # Measures count rows by what the user gave, not by class.
        given = (1.0 if weight is None else weight) / by_class[codes]
    elif weight is not None:
        given = weight
    return TensorData(
        schema.tensor(X),
        target.tensor(codes),
        relative,
        # A copy, since the user's array may change, or be read-only.
        given_weight=None if given is None else torch.tensor(given),
    )


def _given_order(data: TensorData, generator: torch.Generator) -> torch.Tensor:
    return torch.arange(len(data))
