"""Rows on their way from arrays to tensors, with what each counts."""

from __future__ import annotations

import numpy as np
import torch

from torchlearners.data import Schema, Target, drop_zero_weights
from torchlearners.training import TensorData

# Features, encoded target and weights.
Rows = tuple[np.ndarray, np.ndarray, np.ndarray | None]


def weighted_rows(
    X: np.ndarray,
    codes: np.ndarray,
    weight: np.ndarray | None,
    by_class: np.ndarray | None,
) -> Rows:
    """Return rows with their weights in the loss, without those of weight zero.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    codes : ndarray of shape (n_samples, ...)
        The encoded target.
    weight : ndarray of shape (n_samples,) or None
        As the user gave them.
    by_class : ndarray of shape (n_classes,) or None
        Weights of the classes, which multiply.

    Returns
    -------
    X, codes, weight
    """
    if by_class is not None:
        weight = by_class[codes] if weight is None else by_class[codes] * weight
    return drop_zero_weights(X, codes, weight)


def tensors_of(
    schema: Schema,
    target: Target,
    by_class: np.ndarray | None,
    X: np.ndarray,
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
    X, codes, weight : ndarray
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
