"""Nets that scikit-learn's scorers know how to ask."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from torchlearners._compat import ClassifierMixin, RegressorMixin
from torchlearners.training._net import Net


class ClassifierNet(ClassifierMixin, Net):
    """Net whose outputs are the logits of classes 0 to n_classes - 1.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from torchlearners import MLPClassifier
    >>> learner = MLPClassifier(max_epochs=2).fit(*load_iris(return_X_y=True))
    >>> learner.net_.classes_
    array([0, 1, 2])
    """

    @property
    def classes_(self) -> np.ndarray:
        """Class codes."""
        return np.arange(self.n_outputs)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return class probabilities of shape (n_rows, n_classes)."""
        return torch.softmax(self.forward(X), dim=1).numpy(force=True)

    def predict(self, X: Any) -> np.ndarray:
        """Return class codes of shape (n_rows,)."""
        return self.predict_proba(X).argmax(axis=1)


class RegressorNet(RegressorMixin, Net):
    """Net whose outputs are standardized targets, or quantiles or such of them.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from torchlearners import MLPRegressor
    >>> learner = MLPRegressor(max_epochs=2).fit(*load_diabetes(return_X_y=True))
    >>> learner.net_.predict([[0.0] * 10]).shape
    (1, 1)
    """

    def predict(self, X: Any) -> np.ndarray:
        """Return standardized targets of shape (n_rows, n_targets)."""
        return self.criterion_.read_points(self.forward(X).numpy(force=True))
