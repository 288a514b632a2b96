"""Ensembles of multilayer perceptrons inside one network."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from torchlearners.base import ClassifierLearner, RegressorLearner, ScalingLearner
from torchlearners.callbacks import WeightAveraging
from torchlearners.data import DataSpec
from torchlearners.graph import (
    BatchEnsembleLinear,
    Dropout,
    ExpandMembers,
    Flatten,
    Linear,
    LinearEnsemble,
    MeanMembers,
    Node,
    OneHotEmbedding,
    PiecewiseLinearEmbedding,
    ReLU,
    ScaleEnsemble,
    Sequence,
    table_input,
)
from torchlearners.nn import OneHotEmbedding as OneHotModule
from torchlearners.params import fraction, one_of, optional, param, positive_int
from torchlearners.training import FULL_BATCH_ROWS

# Below that, more units are affordable.
_FEW_ROWS = 5000
# Up to which number of rows there are how many in a batch.
_BATCH_SIZES = ((2800, 32), (4500, 64), (6400, 128), (32_000, 256))


class BaseTabM(ScalingLearner):
    """Perceptrons that share most of their weights."""

    arch: Literal["tabm", "tabm-mini"] = param(
        default="tabm-mini",
        check=one_of("tabm", "tabm-mini"),
        tune=["tabm", "tabm-mini"],
        doc='What the members have of their own: for "tabm" the scalings before and '
        'after each linear layer, and its bias; for "tabm-mini" only a scaling of the '
        "row, which is faster and about as accurate [1]_. Both have a last layer for "
        "each member.",
    )
    k: int = param(
        default=16,
        check=positive_int,
        tune=(8, 64, "log"),
        doc="Number of members; [1]_ takes 32. An epoch costs time proportional to it.",
    )
    n_blocks: int = param(
        default=2,
        check=positive_int,
        tune=(1, 5),
        doc="Number of hidden layers.",
    )
    width: int | Literal["auto"] = param(
        default="auto",
        check=[*one_of("auto"), *positive_int],
        tune=(64, 1024, "log"),
        doc='Number of units in each hidden layer; [1]_ takes 512. "auto" is 256 below '
        "5000 training rows, else 128.",
    )
    dropout: float = param(
        default=0.1,
        check=fraction,
        tune=(0.0, 0.5),
        doc="Probability of zeroing a hidden unit while training.",
    )
    num_embeddings: Literal["ple"] | None = param(
        default="ple",
        check=optional(one_of("ple")),
        tune=[None, "ple"],
        doc='What numbers become first: "ple" is a piecewise linear function of each '
        "number, with bins between quantiles of the training rows [2]_; None takes "
        "the number itself.",
    )
    n_bins: int = param(
        default=48,
        check=positive_int,
        tune=(2, 128, "log"),
        doc="Most bins of each numeric feature; each holds at least 32 training rows.",
    )
    d_embedding: int = param(
        default=16,
        check=positive_int,
        tune=(8, 32),
        doc="Number of values that each number becomes.",
    )
    batch_size: int | Literal["auto"] = param(
        default="auto",
        doc='Rows in one optimizer step. "auto" takes all rows up to 256, then 32 of '
        "up to 2800 rows, 64 of up to 4500, 128 of up to 6400, 256 of up to 32 000, or "
        "512. A batch that holds all rows makes weights equal to repetition exactly.",
    )
    lr: float = param(default=2e-3)
    weight_decay: float = param(
        default=3e-4,
        doc="Weight decay of the optimizer, not on biases.",
    )
    ema_decay: float | None = param(
        default=0.997,
        check=optional(fraction),
        tune=[None, 0.99, 0.997, 0.999],
        doc="How much of the average of the weights stays in each step: epochs are "
        "compared, and predictions made, by an exponential moving average, as of "
        "`WeightAveraging` in `torchlearners.callbacks`, which replaces it among "
        "`callbacks`. None takes the weights themselves, as `partial_fit` does.",
    )

    def network(self, spec: DataSpec) -> Node:
        """Return the members, from one row to a prediction of each, and their mean."""
        # What depends on the machine would make results depend on it.
        few = spec.n_rows is None or spec.n_rows < _FEW_ROWS
        width = (256 if few else 128) if self._is_auto("width") else self.width
        embed = self.num_embeddings is not None and spec.n_numeric > 0
        numbers = None
        if embed:
            ple = PiecewiseLinearEmbedding(
                n_bins=self.n_bins,
                rows_per_bin=32,
                d_embedding=self.d_embedding,
            )
            numbers = ple >> Flatten()
        # As in the paper: features as they are get signs, embedded ones normal numbers.
        scaling: dict[str, Any] = {
            "scaling_init": "normal" if embed else "random-signs",
            "scaling_chunks": _widths(spec, self.d_embedding if embed else 1),
        }
        mini = self.arch == "tabm-mini"
        layers: list[Node] = [
            *table_input(spec, numbers, OneHotEmbedding()),
            ExpandMembers(self.k),
        ]
        if mini:
            layers.append(ScaleEnsemble(**scaling))
        for i in range(self.n_blocks):
            own = scaling if i == 0 else {}
            linear = Linear(width) if mini else BatchEnsembleLinear(width, **own)
            layers += [linear, ReLU()]
            if self.dropout > 0:
                layers.append(Dropout(self.dropout))
        heads = LinearEnsemble(spec.n_outputs, name="members")
        return Sequence([*layers, heads, MeanMembers(spec.target)])

    def _batch_size(self, n_rows: int) -> int:
        if not self._is_auto("batch_size") or n_rows <= FULL_BATCH_ROWS:
            return super()._batch_size(n_rows)
        return next((size for most, size in _BATCH_SIZES if n_rows <= most), 512)

    def no_weight_decay(self, module: nn.Module) -> set[str]:
        """Return the names of all biases."""
        return {n for n, _ in module.named_parameters() if n.endswith("bias")}

    def weight_averaging(self) -> WeightAveraging | None:
        """Return the exponential moving average, or None."""
        return None if self.ema_decay is None else WeightAveraging(decay=self.ema_decay)

    def _by_member(self, X: Any, read: Any) -> np.ndarray:
        """Return what `read` makes of each member's outputs, (n_samples, k, ...)."""
        outputs = self.intermediate(X, "members")
        read_all = read(outputs.reshape(-1, outputs.shape[-1]))
        return read_all.reshape(*outputs.shape[:2], -1)


def _widths(spec: DataSpec, per_number: int) -> list[int]:
    """Return how many values of a row come from each column."""
    widths = [per_number] * spec.n_numeric
    if spec.cardinalities:
        with torch.device("meta"):
            widths += OneHotModule(spec.cardinalities).widths
    return widths


class TabMClassifier(BaseTabM, ClassifierLearner):
    """Ensemble of multilayer perceptrons in one network, for classes [1]_.

    `k` perceptrons share most of their weights, each is trained by a loss of its own,
    and probabilities are the mean of theirs. Among the most accurate networks for
    tables that need no search. An epoch costs `k` times that of one perceptron; the
    defaults are smaller than those of [1]_, for a few cores: `width` and `batch_size`
    go by the number of training rows.

    {parameters}

    {attributes}

    See Also
    --------
    TabMRegressor : The same for numbers.
    MLPClassifier : A single perceptron.

    References
    ----------
    .. [1] Gorishniy, Kotelnikov and Babenko (2025). TabM: advancing tabular deep
       learning with parameter-efficient ensembling. ICLR. arXiv:2410.24210.
    .. [2] Gorishniy, Rubachev and Babenko (2022). On embeddings for numerical features
       in tabular deep learning. NeurIPS. arXiv:2203.05556.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from torchlearners import TabMClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> learner = TabMClassifier(k=4, max_epochs=60, random_state=0).fit(X, y)
    >>> learner.score(X, y) > 0.9
    True
    >>> learner.predict_members(X).shape
    (150, 4, 3)
    """

    def predict_members(self, X: Any) -> np.ndarray:
        """Predict probabilities with each member.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, k, n_classes)
            Their mean over the members is what `predict_proba` returns. With
            `n_ensemble` or `n_folds` those of all networks, side by side.
        """
        if fits := self._members():
            return np.concatenate([fit.predict_members(X) for fit in fits], axis=1)
        return self._by_member(X, self._target.probabilities)


class TabMRegressor(BaseTabM, RegressorLearner):
    """Ensemble of multilayer perceptrons in one network, for numbers [1]_.

    `k` perceptrons share most of their weights, each is trained by a loss of its own,
    and the prediction is the mean of theirs. Among the most accurate networks for
    tables that need no search. An epoch costs `k` times that of one perceptron; the
    defaults are smaller than those of [1]_, for a few cores: `width` and `batch_size`
    go by the number of training rows.

    {parameters}

    {attributes}

    See Also
    --------
    TabMClassifier : The same for classes.
    MLPRegressor : A single perceptron.

    References
    ----------
    .. [1] Gorishniy, Kotelnikov and Babenko (2025). TabM: advancing tabular deep
       learning with parameter-efficient ensembling. ICLR. arXiv:2410.24210.
    .. [2] Gorishniy, Rubachev and Babenko (2022). On embeddings for numerical features
       in tabular deep learning. NeurIPS. arXiv:2203.05556.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from torchlearners import TabMRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> learner = TabMRegressor(k=4, max_epochs=5, random_state=0).fit(X, y)
    >>> learner.predict_members(X).shape, learner.predict_std(X).shape
    ((442, 4, 1), (442,))
    """

    def predict_members(self, X: Any) -> np.ndarray:
        """Predict values with each member.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, k, n_targets)
            In the units of y; their mean over the members is what `predict` returns.
            With `n_ensemble` or `n_folds` those of all networks, side by side.
        """
        return self._like(X, self._values_of_members(X))

    def _values_of_members(self, X: Any) -> np.ndarray:
        if fits := self._members():
            return np.concatenate([fit._values_of_members(X) for fit in fits], axis=1)

        def read(outputs: np.ndarray) -> np.ndarray:
            return self._target.predict(self.net_.criterion_.read_points(outputs))

        return self._by_member(X, read)

    def predict_std(self, X: Any) -> np.ndarray:
        """Return the standard deviation of the members' predictions.

        It says how far the members disagree, which grows away from the training rows.
        It is no standard deviation of y, of whose noise it knows nothing.

        With ``loss="gaussian"`` it is one of y, that of the members' mixture [1]_: its
        square is the mean of the members' variances, which is the noise, plus the
        variance of their means, which is their disagreement.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
            In the units and the shape of y.

        References
        ----------
        .. [1] Lakshminarayanan, Pritzel and Blundell (2017). Simple and scalable
           predictive uncertainty estimation using deep ensembles. NeurIPS.
        """
        return self._like(X, self._std(X))

    def _std(self, X: Any) -> np.ndarray:
        if hasattr(super(), "predict_std"):
            return super()._std(X)
        std = self._values_of_members(X).std(axis=1)
        return std.reshape(self._values(X).shape)
