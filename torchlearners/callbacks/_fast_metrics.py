"""Twins of scikit-learn's commonest metric functions, without its checks.

On a few hundred rows scikit-learn spends a millisecond or two on checking what it is
given, which `Measures` knows to be right: the same y in every epoch, and finite
predictions of the shape that the first epoch had. A twin does the same arithmetic. It
is used only where it gave the same value in a first epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import metrics


def _accuracy(y: np.ndarray, predicted: np.ndarray, weight: Any) -> Any:
    return np.average(y == predicted, weights=weight)


def _log_loss(y: np.ndarray, probability: np.ndarray, weight: Any) -> Any:
    codes = np.unique(y, return_inverse=True)[1]
    if probability.ndim == 1:  # of the second of two classes
        probability = np.where(codes == 1, probability, 1 - probability)
    else:
        probability = probability[np.arange(len(y)), codes]
    tiny = np.finfo(probability.dtype).eps
    loss = -np.log(np.clip(probability, tiny, 1 - tiny))
    return np.average(loss, weights=weight)


def _roc_auc(y: np.ndarray, score: np.ndarray, weight: Any) -> Any:
    order = np.argsort(score, kind="stable")[::-1]
    positive = np.unique(y, return_inverse=True)[1][order].astype(np.float64)
    score = score[order]
    last = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
    if weight is None:
        true = np.cumsum(positive)[last]
        false = 1 + last - true
    else:
        weight = weight[order]
        true = np.cumsum(positive * weight)[last]
        false = np.cumsum((1 - positive) * weight)[last]
    if len(true) > 2:
        # scikit-learn leaves out points on a straight line; so must equal bits.
        corner = (np.diff(false, 2) != 0) | (np.diff(true, 2) != 0)
        keep = np.concatenate([[True], corner, [True]])
        true, false = true[keep], false[keep]
    true, false = np.append(0.0, true), np.append(0.0, false)
    height, width = true / true[-1], np.diff(false / false[-1])
    return np.sum(width * (height[1:] + height[:-1]) / 2.0)


def _mean_squared_error(y: np.ndarray, predicted: np.ndarray, weight: Any) -> Any:
    return np.average((y - predicted) ** 2, weights=weight)


def _root_mean_squared_error(y: np.ndarray, predicted: np.ndarray, weight: Any) -> Any:
    return np.sqrt(_mean_squared_error(y, predicted, weight))


def _mean_absolute_error(y: np.ndarray, predicted: np.ndarray, weight: Any) -> Any:
    return np.average(np.abs(y - predicted), weights=weight)


def _r2(y: np.ndarray, predicted: np.ndarray, weight: Any) -> Any:
    share = 1.0 if weight is None else weight
    around = np.average(y, weights=weight)
    left = (share * (y - predicted) ** 2).sum()
    all_of_it = (share * (y - around) ** 2).sum()
    with np.errstate(all="ignore"):  # a constant y is scikit-learn's to judge
        return 1 - left / all_of_it


FAST: dict[Callable[..., Any], Callable[..., Any]] = {
    metrics.accuracy_score: _accuracy,
    metrics.log_loss: _log_loss,
    metrics.mean_absolute_error: _mean_absolute_error,
    metrics.mean_squared_error: _mean_squared_error,
    metrics.r2_score: _r2,
    metrics.roc_auc_score: _roc_auc,
    metrics.root_mean_squared_error: _root_mean_squared_error,
}
"""Functions of 1-D y, what is predicted, and weights or None."""
