"""One number that makes probabilities as sure as they are right."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

# Beyond these, probabilities are all alike, or all 0 and 1.
_LOWEST, _HIGHEST = 0.01, 100.0


def best_temperature(
    logits: np.ndarray, codes: np.ndarray, weight: np.ndarray | None
) -> float:
    """Return by what to divide logits for the least log loss [1]_.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_classes) or (n_samples, n_labels)
        Of rows that the network was not trained on.
    codes : ndarray of shape (n_samples,) or (n_samples, n_labels)
        Class codes, or a 0/1 matrix of labels, whose log losses are added up.
    weight : ndarray of shape (n_samples,) or None

    Returns
    -------
    float
        Between 0.01 and 100; above 1 where probabilities were too sure.

    References
    ----------
    .. [1] Guo, Pleiss, Sun and Weinberger (2017). On calibration of modern neural
       networks. ICML. arXiv:1706.04599.
    """

    def loss(log_temperature: float) -> float:
        scaled = logits / math.exp(log_temperature)
        if codes.ndim == 1:
            own = np.take_along_axis(scaled, codes[:, None], axis=1)[:, 0]
            rows = logsumexp(scaled, axis=1) - own
        else:
            rows = np.logaddexp(0, (1 - 2 * codes) * scaled).sum(axis=1)
        return float(np.average(rows, weights=weight))

    # The loss is convex in the inverse of the temperature, so it has one valley.
    bounds = math.log(_LOWEST), math.log(_HIGHEST)
    return math.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x)
