"""Cross-validation in which early stopping chooses the number of epochs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils import assert_all_finite, get_tags, indexable
from sklearn.utils.metaestimators import available_if
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from torchlearners._compat import (
    Constraint,
    check_sample_weight,
    fit_context,
)
from torchlearners.params import boolean, non_negative_int, one_of, optional
from torchlearners.tuning._splits import (
    check_learner,
    fit_split,
    last_step,
    weight_argument,
)

_AGGREGATE: dict[str, Callable[..., float]] = {
    "max": max,
    "mean": statistics.fmean,
    "median": statistics.median,
}


def _fitted_has(method: str) -> Callable[[Any], bool]:
    def check(self: EarlyStoppingCV) -> bool:
        getattr(getattr(self, "best_estimator_", self.estimator), method)
        return True

    return check


class EarlyStoppingCV(MetaEstimatorMixin, BaseEstimator):
    """Find the number of epochs by cross-validation, then train on all rows.

    In each split the test rows validate, instead of what the learner's own
    `validation_split` would set aside: training stops when they no longer improve.
    The final fit runs the mean of the best epochs, rounded up, without early stopping,
    hence on all rows. Use it where rows are too few to set some aside; it costs one
    fit a split and one more. In a search over other parameters, put it around the
    learner: each candidate then has the number of epochs that suits it.

    Parameters
    ----------
    estimator : learner or Pipeline
        A learner of this package, or a pipeline that ends with one. The steps before
        it are fitted on the training rows of a split and transform its test rows.
    cv : int, cross-validation generator or iterable, default=None
        The splits; None is 5-fold, stratified for classifiers.
    scoring : str or callable, default=None
        Scorer of the best epoch's network on the test rows. None takes the learner's
        own ``best_score_``: its first measure of `measures_valid`, else the loss.
    aggregate : {"max", "mean", "median"}, default="mean"
        How the best epochs of the splits become one, which is rounded up.
    refit : bool, default=True
        Whether to train on all rows.
    n_jobs : int or None, default=None
        Splits fitted at a time, by joblib.
    verbose : int, default=0
        Given to joblib.

    Attributes
    ----------
    best_epoch_ : int
        Number of epochs that the splits agree on.
    best_score_ : float
        Mean over the splits of the score of the best epoch.
    cv_results_ : dict of ndarray of shape (`n_splits_`,)
        "best_epoch", "best_score", "n_iter" (epochs trained) and "fit_time" (seconds).
    best_estimator_ : estimator
        The one trained on all rows.
    n_splits_ : int
        Number of splits.
    classes_ : ndarray of shape (n_classes,)
        Class labels, of a classifier.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X had column names that are all strings.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from torchlearners import MLPClassifier
    >>> from torchlearners.tuning import EarlyStoppingCV
    >>> learner = MLPClassifier(max_epochs=30, lr=0.01, random_state=0)
    >>> search = EarlyStoppingCV(learner, cv=3).fit(*load_iris(return_X_y=True))
    >>> search.cv_results_["best_epoch"].shape
    (3,)
    >>> search.best_estimator_.n_iter_ == search.best_epoch_
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": [Constraint(["fit", "set_params"])],
        "cv": ["cv_object"],
        "scoring": optional([str, callable]),
        "aggregate": one_of(*_AGGREGATE),
        "refit": boolean,
        "n_jobs": optional([Integral]),
        "verbose": [*non_negative_int, *boolean],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        cv: Any = None,
        scoring: Any = None,
        aggregate: str = "mean",
        refit: bool = True,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.cv = cv
        self.scoring = scoring
        self.aggregate = aggregate
        self.refit = refit
        self.n_jobs = n_jobs
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, groups: Any = None
    ) -> EarlyStoppingCV:
        """Fit the splits, then all rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Labels or values.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, where they train and where they validate.
        groups : array-like of shape (n_samples,), default=None
            Which rows belong together, for `cv`.

        Returns
        -------
        estimator
            The fitted object.

        Raises
        ------
        TypeError
            Where `estimator` does not take validation rows.
        ValueError
            Where a split has no epoch with a score that is a number.
        """
        check_learner(last_step(self.estimator))
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X)
        if np.asarray(y).dtype.kind == "f":  # before the splits are made from y
            assert_all_finite(y, input_name="y")
        X, y, groups = indexable(X, y, groups)
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        splits = list(cv.split(X, y, groups))
        rows = Parallel(n_jobs=self.n_jobs, verbose=self.verbose)(
            delayed(fit_split)(
                clone(self.estimator), X, y, sample_weight, split, self.scoring
            )
            for split in splits
        )
        self.n_splits_ = len(splits)
        self.cv_results_ = {key: np.array([r[key] for r in rows]) for key in rows[0]}
        epochs = self.cv_results_["best_epoch"].tolist()
        self.best_epoch_ = math.ceil(_AGGREGATE[self.aggregate](epochs))
        self.best_score_ = float(self.cv_results_["best_score"].mean())
        if self.refit:
            best = clone(self.estimator)
            last_step(best).set_params(
                max_epochs=self.best_epoch_, early_stopping=False, measures_valid=None
            )
            self.best_estimator_ = best.fit(
                X, y, **weight_argument(best, sample_weight)
            )
        return self

    @available_if(_fitted_has("predict"))
    def predict(self, X: Any) -> np.ndarray:
        """Predict with the estimator trained on all rows."""
        return self._best().predict(X)

    @available_if(_fitted_has("predict_proba"))
    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict probabilities with the estimator trained on all rows."""
        return self._best().predict_proba(X)

    @available_if(_fitted_has("predict_log_proba"))
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Predict log-probabilities with the estimator trained on all rows."""
        return self._best().predict_log_proba(X)

    @available_if(_fitted_has("decision_function"))
    def decision_function(self, X: Any) -> np.ndarray:
        """Return the logits of the estimator trained on all rows."""
        return self._best().decision_function(X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return `scoring` of the estimator trained on all rows, or its own score.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        float
            The greater the better.
        """
        kwargs = {} if sample_weight is None else {"sample_weight": sample_weight}
        return check_scoring(self._best(), self.scoring)(self._best(), X, y, **kwargs)

    @property
    def classes_(self) -> np.ndarray:
        """Class labels."""
        return self._best().classes_

    @property
    def n_features_in_(self) -> int:
        """Number of features seen in `fit`."""
        return _attribute(self, "n_features_in_")

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Names of the features seen in `fit`."""
        return _attribute(self, "feature_names_in_")

    def _best(self) -> Any:
        check_is_fitted(self, "n_splits_")
        if not hasattr(self, "best_estimator_"):
            raise AttributeError(
                "With refit=False nothing is trained on all rows. Set refit=True, or "
                "use best_epoch_."
            )
        return self.best_estimator_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.classifier_tags = inner.classifier_tags
        tags.regressor_tags = inner.regressor_tags
        tags.target_tags = inner.target_tags
        # Those that scikit-learn's own searches pass on, and missing values.
        for name in ("allow_nan", "pairwise", "sparse"):
            setattr(tags.input_tags, name, getattr(inner.input_tags, name))
        return tags


def _attribute(search: EarlyStoppingCV, name: str) -> Any:
    # hasattr must say no before fit, as for any fitted attribute.
    if not hasattr(search, "best_estimator_"):
        raise AttributeError(f"'{type(search).__name__}' has no {name} before fit.")
    return getattr(search.best_estimator_, name)
