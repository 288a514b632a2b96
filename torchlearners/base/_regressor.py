"""Learners that predict numbers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import MethodType
from typing import Any

import numpy as np
from scipy.special import ndtri
from sklearn.utils.validation import check_is_fitted, column_or_1d

from torchlearners._compat import RegressorMixin, fit_context
from torchlearners.base._arguments import answers_unknown_arguments
from torchlearners.base._ensemble import EnsembleLearner
from torchlearners.base._folds import Folds
from torchlearners.data import Target, ValueTarget, is_float32
from torchlearners.training import LOSSES, Gaussian, Net, RegressorNet, promote

_MORE_OUTPUTS = {
    "read_quantiles": 'Fit with loss="quantile" or loss="gaussian" for quantiles.',
    "read_std": 'Fit with loss="gaussian" for standard deviations.',
}


class _WithLoss:
    """A method of learners whose loss, of the fit if any, has a method.

    As scikit-learn's `available_if`, whose error would not say what to do.
    """

    def __init__(self, needed: str, method: Callable[..., Any]) -> None:
        self.needed = needed
        self.method = method
        functools.update_wrapper(self, method)  # type: ignore[arg-type]

    def __get__(self, learner: Any, owner: Any) -> Any:
        if learner is None:
            return self.method
        if hasattr(learner, "net_"):
            loss = learner.net_.criterion_.loss
        else:
            loss = promote(learner.loss, LOSSES)
        if not hasattr(loss, self.needed):
            name = type(learner).__name__
            raise AttributeError(
                f"This '{name}' has no attribute '{self.method.__name__}': with loss="
                f"{learner.loss!r} it predicts one number for each value. "
                f"{_MORE_OUTPUTS[self.needed]}"
            )
        return MethodType(self.method, learner)


def _with_loss(needed: str) -> Callable[[Callable[..., Any]], Any]:
    return functools.partial(_WithLoss, needed)


class RegressorLearner(RegressorMixin, EnsembleLearner):
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

    @answers_unknown_arguments
    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        groups: Any = None,
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
            Values to predict; standardized inside, or divided by their mean with
            ``loss="poisson"``, ``"gamma"`` and ``"tweedie"``, which take no negative
            ones.
        sample_weight : array-like of shape (n_samples,), default=None
            Relative weights of the rows; rows of weight 0 are left out.
        groups : array-like of shape (n_samples,), default=None
            Which rows belong together, for `validation_split`.
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
            groups=groups,
            resume=resume,
        )

    @answers_unknown_arguments
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None
    ) -> RegressorLearner:
        """Train one epoch on the given rows.

        The first call fixes the scaling of features and target, so it should be given
        rows that are like those to come. Schedules, also that of `lr_schedule`, do not
        run: nobody knows how many calls there will be.

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
            In the units and the shape of y: float32 where X is, else float64. With
            ``loss="quantile"`` the median. A target that had one value in all training
            rows is predicted as that value.
        """
        return self._like(X, self._values(X))

    @_with_loss("read_quantiles")
    def predict_quantiles(self, X: Any, quantiles: Any = None) -> np.ndarray:
        """Predict quantiles, with ``loss="quantile"`` or ``loss="gaussian"``.

        They never cross: a higher quantile is nowhere less than a lower one.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        quantiles : float or array-like of shape (n_quantiles,), default=None
            Probabilities in (0, 1). With ``loss="quantile"`` those between the trained
            ones are interpolated linearly. None takes the trained ones, and 0.05, 0.25,
            0.5, 0.75 and 0.95 with ``loss="gaussian"``.

        Returns
        -------
        ndarray of shape (n_samples, n_quantiles) or (n_samples, n_targets, n_quantiles)
            In the units of y: float32 where X is, else float64.

        Raises
        ------
        ValueError
            Where a quantile is not in (0, 1), or outside the trained ones.
        """
        check_is_fitted(self)
        loss = self.net_.criterion_.loss
        at = _checked(loss.default_quantiles() if quantiles is None else quantiles)
        return self._like(X, self._quantiles(X, at))

    @_with_loss("read_std")
    def predict_std(self, X: Any) -> np.ndarray:
        """Predict the standard deviation of y for each row, with ``loss="gaussian"``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
            In the units and the shape of y: float32 where X is, else float64.
        """
        check_is_fitted(self)
        return self._like(X, self._std(X))

    # The same in float64, of one network or of members.

    def _values(self, X: Any) -> np.ndarray:
        if members := self._members():
            return np.mean([member._values(X) for member in members], axis=0)
        outputs = self._outputs(X)
        return self._target.predict(self.net_.criterion_.read_points(outputs))

    def _quantiles(self, X: Any, at: np.ndarray) -> np.ndarray:
        loss = self.net_.criterion_.loss
        members = self._members()
        if members and isinstance(loss, Gaussian):
            # One normal distribution, with mean and variance of the mixture.
            return self._values(X)[..., None] + self._std(X)[..., None] * ndtri(at)
        if members:
            return np.mean([member._quantiles(X, at) for member in members], axis=0)
        values = loss.read_quantiles(self._outputs(X), at)
        by_quantile = self._target.predict(np.moveaxis(values, -1, 1))
        return by_quantile if by_quantile.ndim == 2 else by_quantile.swapaxes(1, 2)

    def _std(self, X: Any) -> np.ndarray:
        if members := self._members():
            variance = np.mean([member._std(X) ** 2 for member in members], axis=0)
            apart = np.var([member._values(X) for member in members], axis=0)
            std: np.ndarray = np.sqrt(variance + apart)
            return std
        loss = self.net_.criterion_.loss
        return self._target.spread(loss.read_std(self._outputs(X)))

    def _mean_of(self, members: list[Any], X: Any) -> np.ndarray:
        of_each = np.stack([member.predict(X) for member in members])
        mean: np.ndarray = of_each.mean(axis=0, dtype=np.float64)
        return mean

    def _like(self, X: Any, values: np.ndarray) -> np.ndarray:
        """Return what is predicted, in float32 where X is and it fits in there."""
        if is_float32(X) and self._target.fits_float32():
            return values.astype(np.float32)
        return values

    def _out_of_fold(self, predicted: np.ndarray, folds: Folds) -> dict[str, Any]:
        return {"oof_prediction_": predicted}

    def _make_target(self, y: np.ndarray, classes: Any) -> Target:
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        n_values = 1 if y.ndim == 1 else y.shape[1]
        target = ValueTarget(n_values, flat=y.ndim == 1, clamp=self._clamps())
        target.domain = self._criterion(target).loss.domain
        return target

    def _clamps(self) -> bool:
        """Tell whether predictions stay in the range of the training rows."""
        return False

    def _make_net(self, target: Target, **settings: Any) -> Net:
        return RegressorNet(**settings)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        domain = getattr(promote(self.loss, LOSSES), "domain", "real")
        tags.target_tags.positive_only = domain != "real"
        return tags


def _checked(quantiles: Any) -> np.ndarray:
    """Return quantiles as floats of shape (n_quantiles,)."""
    values = np.atleast_1d(np.asarray(quantiles, dtype=np.float64))
    if values.ndim != 1 or not len(values) or not ((values > 0) & (values < 1)).all():
        raise ValueError(
            f"quantiles must be one or several numbers in (0, 1), got {quantiles!r}."
        )
    return values
