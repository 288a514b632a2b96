"""TabNet: steps that each look at a few features, and tell at which."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from torchlearners.base import ClassifierLearner, RegressorLearner
from torchlearners.data import ColumnEncoder, DataSpec, Schema, check_weights
from torchlearners.graph import Head, Node, Sequence, table_input
from torchlearners.graph import TabNetEncoder as EncoderNode
from torchlearners.nn import CategoricalEmbedding, TabNetEncoder
from torchlearners.params import optional, param
from torchlearners.tabular._tabnet_encoder import BaseTabNetEncoder
from torchlearners.tabular._tabnet_pretrainer import TabNetPretrainer
from torchlearners.training import Net, TensorData

_ATTRIBUTES = """
feature_importances_ : ndarray of shape (`n_features_in_`,)
    Share of each column of X in the explanations of the training rows, their mean
    weighted by `sample_weight`. They sum to 1. After `partial_fit`, of its rows.
pretrainer_ : TabNetPretrainer
    What the weights were copied from, fitted; only with `pretrained`.
"""

# Of these the weights of the encoder depend, or what its inputs are.
_SHARED = (
    "n_d",
    "n_a",
    "n_steps",
    "n_independent",
    "n_shared",
    "preprocessing",
)


class BaseTabNet(BaseTabNetEncoder):
    """An encoder that looks at a few features at a time, and a linear layer."""

    _doc_sections: ClassVar[dict[str, str]] = {
        "attributes": BaseTabNetEncoder._doc_sections["attributes"].rstrip("\n")
        + _ATTRIBUTES
    }

    pretrained: Any = param(
        default=None,
        check=optional([TabNetPretrainer, FrozenEstimator]),
        doc="A `TabNetPretrainer` whose encoder training starts from. A fitted one "
        "also decides how columns are encoded and scaled; one that is not fitted is "
        "fitted in `fit`, on the training rows. Cloning, as in a search or an "
        "ensemble, makes the first into the second: put a fitted one into a "
        "`sklearn.frozen.FrozenEstimator` there.",
    )

    def network(self, spec: DataSpec) -> Node:
        """Return the encoder and a linear layer."""
        encoder = EncoderNode(**self._encoder_settings(spec), name="encoder")
        return Sequence([*table_input(spec), encoder, Head()])

    def _fitted_columns(
        self, columns: ColumnEncoder, X: Any, *rows: np.ndarray | None
    ) -> ColumnEncoder:
        columns = super()._fitted_columns(columns, X, *rows)
        self.__dict__.pop("pretrainer_", None)
        if self.pretrained is None:
            return columns
        pretrainer = self._given_pretrainer()
        self._check_pretrainer(pretrainer, columns)
        if not hasattr(pretrainer, "net_"):
            return columns
        self.pretrainer_ = pretrainer
        return pretrainer._columns

    def _fitted_schema(
        self, columns: ColumnEncoder, train: Any, X: Any, seed: int
    ) -> Schema:
        if self.pretrained is None:
            return super()._fitted_schema(columns, train, X, seed)
        if not hasattr(self, "pretrainer_"):
            rows, _, weight = train
            X = X if rows.rows is None else X[rows.rows]
            pretrainer = clone(self._given_pretrainer())
            if pretrainer.random_state is None:
                pretrainer.random_state = seed
            self.pretrainer_ = pretrainer._fit_alike(X, columns, weight)
        return self.pretrainer_._schema

    def _given_pretrainer(self) -> Any:
        frozen = isinstance(self.pretrained, FrozenEstimator)
        return self.pretrained.estimator if frozen else self.pretrained

    def _check_pretrainer(self, pretrainer: Any, columns: ColumnEncoder) -> None:
        name = type(self).__name__
        if not isinstance(pretrainer, TabNetPretrainer):
            raise TypeError(
                f"pretrained must be a TabNetPretrainer, got {pretrainer!r}."
            )
        fitted = pretrainer.__dict__.get("_fitted_params")
        params = fitted or pretrainer.get_params(deep=False)
        for key in _SHARED:
            if params[key] != getattr(self, key):
                raise ValueError(
                    f"pretrained has {key}={params[key]!r}, but this {name} has "
                    f"{key}={getattr(self, key)!r}. Give both the same."
                )
        if not fitted:
            return
        theirs = pretrainer._columns
        names = theirs.names, columns.names
        if len(theirs.kinds) != len(columns.kinds) or (
            None not in names and names[0] != names[1]
        ):
            raise ValueError(
                f"pretrained was fitted on {_described(theirs)}, but X has "
                f"{_described(columns)}. Fit both on the same columns."
            )
        for i, kinds in enumerate(zip(theirs.kinds, columns.kinds, strict=True)):
            if kinds[0] != kinds[1]:
                raise ValueError(
                    f"Column {columns.names[i] if columns.names else i!r} of X is a "
                    f"{kinds[1]}, but was a {kinds[0]} when pretrained was fitted. "
                    "Give both the same categorical_features, and columns of one kind."
                )

    def _before_first_step(self, net: Net, data: TensorData) -> None:
        super()._before_first_step(net, data)
        if self.pretrained is None:
            return
        for ours in net.module_.modules():
            if isinstance(ours, TabNetEncoder | CategoricalEmbedding):
                modules = self.pretrainer_.net_.module_.modules()
                theirs = next(m for m in modules if type(m) is type(ours))
                ours.load_state_dict(theirs.state_dict())

    def _fit_steps(self, X: Any, y: Any, sample_weight: Any, *rest: Any) -> Any:
        stopped_by = super()._fit_steps(X, y, sample_weight, *rest)
        explained = self._explained(X, with_masks=False)
        explanation = np.concatenate([parts[0] for parts in explained])
        weight = check_weights(sample_weight, explanation)
        shares = np.average(explanation.astype(np.float64), axis=0, weights=weight)
        self.feature_importances_ = shares / (shares.sum() or 1.0)
        return stopped_by


def _described(columns: ColumnEncoder) -> str:
    """Return how many columns there are, and their names."""
    n_columns = len(columns.kinds)
    return f"{n_columns} columns{f' {columns.names}' if columns.names else ''}"


class TabNetClassifier(BaseTabNet, ClassifierLearner):
    """Network that tells which columns it looks at, for classes [1]_.

    Takes several steps, in each of which most columns get the weight zero: `explain`
    tells the weights for each row, and `feature_importances_` their mean. Take it for
    these; other networks are as accurate in less time. It wants thousands of rows:
    below a few hundred, batch normalization and learned masks are mostly noise.

    {parameters}

    {attributes}

    See Also
    --------
    TabNetRegressor : The same for numbers.
    TabNetPretrainer : Learns the encoder from rows without labels.
    MLPClassifier : Faster, without explanations.
    FTTransformerClassifier : Attention between the features.

    References
    ----------
    .. [1] Arik and Pfister (2021). TabNet: attentive interpretable tabular learning.
       AAAI. arXiv:1908.07442.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from torchlearners import TabNetClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> learner = TabNetClassifier(max_epochs=20, random_state=0).fit(X, y)
    >>> learner.score(X, y) > 0.9
    True
    >>> explanation, masks = learner.explain(X)
    >>> explanation.shape, masks.shape
    ((569, 30), (3, 569, 30))
    """


class TabNetRegressor(BaseTabNet, RegressorLearner):
    """Network that tells which columns it looks at, for numbers [1]_.

    Takes several steps, in each of which most columns get the weight zero: `explain`
    tells the weights for each row, and `feature_importances_` their mean. Take it for
    these; other networks are as accurate in less time. It wants thousands of rows:
    below a few hundred, batch normalization and learned masks are mostly noise.

    {parameters}

    {attributes}

    See Also
    --------
    TabNetClassifier : The same for classes.
    TabNetPretrainer : Learns the encoder from rows without labels.
    MLPRegressor : Faster, without explanations.
    FTTransformerRegressor : Attention between the features.

    References
    ----------
    .. [1] Arik and Pfister (2021). TabNet: attentive interpretable tabular learning.
       AAAI. arXiv:1908.07442.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from torchlearners import TabNetRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> learner = TabNetRegressor(max_epochs=5, random_state=0).fit(X, y)
    >>> learner.predict(X).shape, learner.feature_importances_.shape
    ((442,), (10,))
    """
