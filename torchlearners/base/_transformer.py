"""Learners that learn features of X, without a target."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from torchlearners._compat import (
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    fit_context,
    n_samples_of,
)
from torchlearners.base._arguments import answers_unknown_arguments
from torchlearners.base._learner import TorchLearner
from torchlearners.data import NoTarget, Target, refuse_unread
from torchlearners.training import Criterion, Loss, Net, weighted_mean


class _OutputCriterion(Criterion):
    """The network's output is the loss of each row."""

    def __init__(self) -> None:
        super().__init__()
        self.loss = Loss()

    def forward(
        self, output: Tensor, target: Tensor, weight: Tensor | None = None
    ) -> Tensor:
        return weighted_mean(output[:, 0], weight)


class TransformerLearner(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, TorchLearner
):
    """Base of learners that turn X into features, learned from X alone.

    `network(spec)` returns a module whose forward pass gives the loss of each row,
    of shape (n_rows, 1), and whose method ``encode(rows)`` gives the features, of
    shape (n_rows, ``out_features``), an attribute of it.

    {parameters}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from torch import nn
    >>> from torchlearners.base import TransformerLearner
    >>> class Bottleneck(nn.Module):
    ...     out_features = 2
    ...     def __init__(self, n):
    ...         super().__init__()
    ...         self.encode, self.decode = nn.Linear(n, 2), nn.Linear(2, n)
    ...     def forward(self, x):
    ...         errors = self.decode(self.encode(x)) - x
    ...         return errors.square().mean(dim=1, keepdim=True)
    >>> class Autoencoder(TransformerLearner):
    ...     def network(self, spec):
    ...         return Bottleneck(spec.n_columns)
    >>> X, _ = load_iris(return_X_y=True)
    >>> learner = Autoencoder(lr=0.01, random_state=0).fit(X)
    >>> learner.transform(X).shape
    (150, 2)
    >>> learner.get_feature_names_out()
    array(['autoencoder0', 'autoencoder1'], dtype=object)
    """

    @answers_unknown_arguments
    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        X_val: Any = None,
        sample_weight_val: Any = None,
        resume: Any = None,
    ) -> TransformerLearner:
        """Fit the learner.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : None
            Ignored, for the interface of scikit-learn.
        sample_weight : array-like of shape (n_samples,), default=None
            Relative weights of the rows; rows of weight 0 are left out.
        groups : array-like of shape (n_samples,), default=None
            Which rows belong together, for `validation_split`.
        X_val, sample_weight_val : array-like, default=None
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
        refuse_unread(X)
        y_val = None if X_val is None else np.zeros(n_samples_of(X_val))
        return self._fit(
            X,
            np.zeros(n_samples_of(X)),
            sample_weight,
            (X_val, y_val, sample_weight_val),
            continuing=self.warm_start and hasattr(self, "net_"),
            groups=groups,
            resume=resume,
        )

    @answers_unknown_arguments
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any = None, sample_weight: Any = None
    ) -> TransformerLearner:
        """Train one epoch on the given rows.

        The first call fixes the scaling of the features, so it should be given rows
        that are like those to come.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : None
            Ignored, for the interface of scikit-learn.
        sample_weight : array-like of shape (n_samples,), default=None
            Relative weights of the rows.

        Returns
        -------
        estimator
            The fitted learner.
        """
        refuse_unread(X)
        return self._fit(
            X,
            np.zeros(n_samples_of(X)),
            sample_weight,
            continuing=hasattr(self, "net_"),
            one_epoch=True,
        )

    def transform(self, X: Any) -> np.ndarray:
        """Return the learned features of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
            float32.
        """
        check_is_fitted(self)
        return self._outputs(X)

    def _network_outputs(self, module: Any, rows: Tensor) -> Tensor:
        encoded: Tensor = self.net_.compute(module.encode, rows)
        return encoded

    @property
    def _n_features_out(self) -> int:
        return int(self.net_.module_.out_features)

    def _make_target(self, y: np.ndarray, classes: Any) -> Target:
        if self.measures_train or self.measures_valid:
            raise ValueError(
                f"{type(self).__name__} has no target that measures could look at, got "
                f"measures_train={self.measures_train!r} and "
                f"measures_valid={self.measures_valid!r}. Leave both None; history_ "
                "has the losses."
            )
        return NoTarget()

    def _make_net(self, target: Target, **settings: Any) -> Net:
        return Net(**settings)

    def _criterion(self, target: Target) -> Criterion:
        if not self._is_auto("loss"):
            raise ValueError(
                f"The network of {type(self).__name__} computes its own loss, got "
                f"loss={self.loss!r}. Leave loss='auto'."
            )
        return _OutputCriterion()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
