"""Learners that predict numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import column_or_1d

from torchlearners._compat import RegressorMixin, fit_context
from torchlearners.base._learner import TorchLearner
from torchlearners.data import Target, ValueTarget
from torchlearners.training import Net, RegressorNet


class RegressorLearner(RegressorMixin, TorchLearner):
    """Base of regressors, with one target or several.

    {parameters}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from torch import nn
    >>> from torchlearners.base import RegressorLearner
    >>> class LinearRegressor(RegressorLearner):
    ...     def network(self, spec):
    ...         return nn.Linear(spec.n_numeric, spec.n_outputs)
    >>> X, y = load_diabetes(return_X_y=True)
    >>> LinearRegressor(lr=0.1, random_state=0).fit(X, y).predict(X).shape
    (442,)
    """

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        resume: Any = None,
    ) -> RegressorLearner:
        """Fit the learner.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Values to predict; standardized inside.
        sample_weight : array-like of shape (n_samples,), default=None
            Relative weights of the rows; rows of weight 0 are left out.
        X_val, y_val, sample_weight_val : array-like, default=None
            Rows that validate instead of a split of X.
        resume : str, Path or None, default=None
            A checkpoint, or the folder of a `torchlearners.callbacks.Checkpoint`, from
            which training goes on to `max_epochs` in total. An empty or missing folder
            starts from the beginning, so that the same call starts and restarts a run.

        Returns
        -------
        estimator
            The fitted learner.

        Raises
        ------
        ValueError
            Where data or parameters are unfit; the learner is then as it was before.
        NonFiniteLossError
            Where training diverges; the learner then holds the weights of the best
            epoch where validation rows gave one, and else is as it was before.
        KeyboardInterrupt
            On Ctrl-C; after a first epoch the learner then holds its best weights.
        """
        return self._fit(
            X,
            y,
            sample_weight,
            (X_val, y_val, sample_weight_val),
            continuing=self.warm_start and hasattr(self, "net_"),
            resume=resume,
        )

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None
    ) -> RegressorLearner:
        """Train one epoch on the given rows.

        The first call fixes the scaling of features and target, so it should be given
        rows that are like those to come.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Values to predict.
        sample_weight : array-like of shape (n_samples,), default=None
            Relative weights of the rows.

        Returns
        -------
        estimator
            The fitted learner.
        """
        return self._fit(
            X, y, sample_weight, continuing=hasattr(self, "net_"), one_epoch=True
        )

    def predict(self, X: Any) -> np.ndarray:
        """Predict values.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
            float64, in the units and the shape of y.
        """
        outputs = self._outputs(X)
        return self._target.predict(outputs)

    def _make_target(self, y: np.ndarray, classes: Any) -> Target:
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        n_values = 1 if y.ndim == 1 else y.shape[1]
        return ValueTarget(n_values=n_values, flat=y.ndim == 1)

    def _make_net(self, target: Target, **settings: Any) -> Net:
        return RegressorNet(**settings)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
