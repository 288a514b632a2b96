"""Scores of predictions on the test rows."""

import warnings

import numpy as np
from sklearn import metrics

METRICS = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "log_loss",
    "roc_auc",
    "rmse",
    "mae",
    "r2",
)
LOWER_IS_BETTER = {"log_loss", "rmse", "mae"}


def scores_of(y_test: np.ndarray, arrays: dict[str, np.ndarray]) -> dict[str, float]:
    """Return every metric that the predictions allow.

    Parameters
    ----------
    y_test : ndarray of shape (n_test,)
    arrays : dict
        "predict" of shape (n_test,), for classes also "predict_proba" and "classes".
    """
    predicted = arrays["predict"]
    if "classes" not in arrays:
        if not np.isfinite(predicted).all():
            raise ValueError("some predictions are NaN or infinite")
        return {
            "rmse": float(metrics.root_mean_squared_error(y_test, predicted)),
            "mae": float(metrics.mean_absolute_error(y_test, predicted)),
            "r2": float(metrics.r2_score(y_test, predicted)),
        }
    with warnings.catch_warnings():
        # Classes that few test rows have may be missing in y_test.
        warnings.simplefilter("ignore", UserWarning)
        scores = {
            "accuracy": metrics.accuracy_score(y_test, predicted),
            "balanced_accuracy": metrics.balanced_accuracy_score(y_test, predicted),
            "macro_f1": metrics.f1_score(y_test, predicted, average="macro"),
        }
    labels = np.union1d(y_test, arrays["classes"])
    probabilities = np.zeros((len(y_test), len(labels)))
    places = np.searchsorted(labels, arrays["classes"])
    probabilities[:, places] = arrays["predict_proba"]
    # float32 rows sum to 1 only to seven digits.
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    scores["log_loss"] = metrics.log_loss(y_test, probabilities, labels=labels)
    if len(labels) == 2:
        scores["roc_auc"] = metrics.roc_auc_score(y_test, probabilities[:, 1])
    return {name: float(value) for name, value in scores.items()}
