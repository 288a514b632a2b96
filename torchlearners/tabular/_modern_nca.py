"""Nearest neighbors in a learned space."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

import torchlearners.nn as own
from torchlearners.base import ClassifierLearner, RegressorLearner, ScalingLearner
from torchlearners.data import DataSpec
from torchlearners.params import (
    fraction,
    non_negative_int,
    one_of,
    optional,
    param,
    positive,
    positive_fraction,
    positive_int,
)
from torchlearners.training import Net, TensorData, to_plain, to_tensors

_SMALL_BATCH_ROWS = 256


class RowEncoder(nn.Module):
    """From a row of a table to a point."""

    def __init__(
        self, spec: DataSpec, embedding: nn.Module | None, dim: int, blocks: list[Any]
    ) -> None:
        super().__init__()
        self.n_numeric = spec.n_numeric
        self.embedding = embedding
        self.categories = None
        n_features = spec.n_numeric * getattr(embedding, "d_embedding", 1)
        if spec.cardinalities:
            self.categories = own.CategoricalEmbedding(spec.cardinalities)
            n_features += self.categories.out_features
        self.linear = nn.Linear(n_features, dim)
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, dim) for `x` (batch, n_columns)."""
        row = x
        if self.embedding is not None:
            row = self.embedding(x[:, : self.n_numeric]).flatten(1)
        if self.categories is not None:
            if self.embedding is None:
                row = x[:, : self.n_numeric]
            codes = x[:, self.n_numeric :].long()
            row = torch.cat((row, self.categories(codes)), 1)
        return self.blocks(self.linear(row))


class ResidualBlock(nn.Module):
    """Two linear layers, added to what goes into them."""

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(dim)
        self.linear_1 = nn.Linear(dim, 2 * dim)
        self.dropout = own.Dropout(dropout)
        self.linear_2 = nn.Linear(2 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, dim) for `x` (batch, dim)."""
        hidden = self.linear_1(self.norm(x)).relu()
        return x + self.linear_2(self.dropout(hidden))


class BaseModernNCA(ScalingLearner):
    """Mean of the training targets, weighted by nearness."""

    num_embeddings: Literal["plr"] | None = param(
        default="plr",
        check=optional(one_of("plr")),
        tune=[None, "plr"],
        doc='What numbers become first: "plr" is waves of learned frequencies, a '
        "linear layer that all features share, and a ReLU [2]_; None takes the number "
        "itself, for a fraction of the time.",
    )
    n_frequencies: int = param(
        default=77,
        check=positive_int,
        tune=(16, 96, "log"),
        doc="Number of frequencies of each numeric feature.",
    )
    frequency_scale: float = param(
        default=0.044,
        check=positive,
        tune=(0.01, 1.0, "log"),
        doc="Standard deviation of the frequencies at the start, in waves per standard "
        "deviation of the feature.",
    )
    d_embedding: int = param(
        default=34,
        check=positive_int,
        tune=(8, 64),
        doc="Number of values that each number becomes.",
    )
    dim: int = param(
        default=128,
        check=positive_int,
        tune=(32, 512, "log"),
        doc="Number of coordinates of the points between which distances are measured.",
    )
    n_blocks: int = param(
        default=0,
        check=non_negative_int,
        tune=(0, 2),
        doc="Number of residual blocks between the linear layer that makes the points "
        "and the distances.",
    )
    dropout: float = param(
        default=0.1,
        check=fraction,
        tune=(0.0, 0.5),
        doc="Probability of zeroing a hidden unit of a residual block while training.",
    )
    temperature: float = param(
        default=1.0,
        check=positive,
        tune=(0.1, 10.0, "log"),
        doc="Distance over which the weight of a training row falls to 37 percent.",
    )
    sample_rate: float = param(
        default=0.5,
        check=positive_fraction,
        tune=(0.05, 1.0, "log"),
        doc="Share of the training rows, drawn anew for each batch (with "
        "`accumulate_grad` for each of its parts), from whose targets the batch is "
        "predicted while training.",
    )
    max_candidates: int | None = param(
        default=2048,
        check=optional(positive_int),
        tune=(512, 16384, "log"),
        doc="Most rows so drawn. None is no limit, as in [1]_; a batch costs time "
        "proportional to their number.",
    )
    chunk_size: int = param(
        default=1024,
        check=positive_int,
        doc="Training rows to which distances are held at a time, which bounds the "
        "memory. The result does not depend on it beyond rounding.",
    )
    batch_size: int | Literal["auto"] = param(
        default="auto",
        doc='Rows in one optimizer step. "auto" takes all rows up to 256, then the '
        "power of two nearest to a fortieth of them, between 256 and 1024: the rows "
        "that a batch is predicted from cost the same for a small one.",
    )
    lr: float = param(default=2e-3)
    weight_decay: float = param(default=2e-4)

    # Predictions are means of training targets: the learner holds all training rows.
    _keeps_training_data: ClassVar[bool] = True

    def network(self, spec: DataSpec) -> nn.Module:
        """Return the encoder of rows, and the weighted mean over its neighbors."""
        embedding = None
        if self.num_embeddings is not None and spec.n_numeric:
            embedding = own.PeriodicEmbedding(
                spec.n_numeric,
                n_frequencies=self.n_frequencies,
                frequency_init_scale=self.frequency_scale,
                d_embedding=self.d_embedding,
                lite=True,
            )
        dim = int(self.dim)
        blocks = [ResidualBlock(dim, self.dropout) for _ in range(self.n_blocks)]
        return own.SoftNearestNeighbors(
            RowEncoder(spec, embedding, dim, blocks),
            n_columns=spec.n_columns,
            n_outputs=spec.n_outputs,
            target=spec.target,
            temperature=self.temperature,
            sample_rate=self.sample_rate,
            max_candidates=self.max_candidates,
            chunk_size=self.chunk_size,
        )

    def _batch_size(self, n_rows: int) -> int:
        rows = super()._batch_size(n_rows)
        if self.batch_size == "auto":
            rows = max(rows, min(_SMALL_BATCH_ROWS, n_rows))
        return rows

    def _training_data(self, net: Net, data: TensorData) -> TensorData:
        """Return the rows with their numbers, and make them the candidates."""
        if net.criterion_.loss.outputs_per_value > 1:
            raise ValueError(
                f"loss={self.loss!r} wants several outputs for each value, but "
                f"{type(self).__name__} returns one, the mean of its neighbors'. Take "
                "another loss, or another learner, for example MLPRegressor."
            )
        net.module_.set_candidates(data.X, data.y, data.weight)
        numbers = torch.arange(len(data)).unsqueeze(1)
        rows = torch.cat((data.X, numbers), 1)
        return TensorData(rows, data.y, data.weight, data.given_weight)

    # The rows are no weights, which have the same sizes in every fit.

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if hasattr(self, "net_"):
            state["_candidates"] = to_plain(self.net_.module_.candidates())
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        candidates = state.pop("_candidates", None)
        super().__setstate__(state)
        if candidates is not None:
            self.net_.module_.set_candidates(**to_tensors(candidates))


class ModernNCAClassifier(BaseModernNCA, ClassifierLearner):
    """Nearest neighbors in a learned space, for classes [1]_.

    The probability of a class is its share among the training rows, each weighted by
    exp(-distance): neighborhood components analysis with a deep encoder. Among the
    most accurate learners for tables with smooth boundaries or many similar rows.

    The learner keeps all training rows: its pickle, and the time of `predict`, grow
    with them. A training step costs time proportional to the rows of the batch times
    the candidates, and to encode those; an epoch is 10 to 50 times that of an MLP.

    {parameters}

    {attributes}

    See Also
    --------
    ModernNCARegressor : The same for numbers.
    sklearn.neighbors.NeighborhoodComponentsAnalysis : The same for a linear encoder.

    Notes
    -----
    While training, a row is no neighbor of itself, with all that it weighs. Equal rows
    are neighbors of each other, unless one batch holds all rows: those of equal target
    are then one row. In `predict` a training row is its own nearest neighbor, so that
    scores on training rows, `measures_train` too, say little. Validation rows are never
    neighbors.

    `sample_weight` and `class_weight` weigh a row in the loss and as a neighbor.

    `partial_fit`, and `fit` with `warm_start`, go on from the weights of the encoder
    with the rows of that call as the neighbors, in place of those before. A class that
    none of them has gets probability 0 until it comes again.

    References
    ----------
    .. [1] Ye, Yin, Zhan and Chao (2025). Revisiting nearest neighbor for tabular data:
       a deep tabular baseline two decades later. ICLR. arXiv:2407.03257.
    .. [2] Gorishniy, Rubachev and Babenko (2022). On embeddings for numerical features
       in tabular deep learning. NeurIPS. arXiv:2203.05556.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from torchlearners import ModernNCAClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> learner = ModernNCAClassifier(max_epochs=20, random_state=0)
    >>> learner.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.9
    True
    """


class ModernNCARegressor(BaseModernNCA, RegressorLearner):
    """Nearest neighbors in a learned space, for numbers [1]_.

    The prediction is the mean of the training targets, each weighted by exp(-distance):
    neighborhood components analysis with a deep encoder. Among the most accurate
    learners for tables with smooth functions, such as of places; it never predicts
    beyond the targets it has seen.

    The learner keeps all training rows: its pickle, and the time of `predict`, grow
    with them. A training step costs time proportional to the rows of the batch times
    the candidates, and to encode those; an epoch is 10 to 50 times that of an MLP.

    {parameters}

    {attributes}

    See Also
    --------
    ModernNCAClassifier : The same for classes.
    sklearn.neighbors.KNeighborsRegressor : Neighbors in the given space.

    Notes
    -----
    While training, a row is no neighbor of itself, with all that it weighs. Equal rows
    are neighbors of each other, unless one batch holds all rows: those of equal target
    are then one row. In `predict` a training row is its own nearest neighbor, so that
    scores on training rows, `measures_train` too, say little. Validation rows are never
    neighbors.

    `sample_weight` weighs a row in the loss and as a neighbor.

    `partial_fit`, and `fit` with `warm_start`, go on from the weights of the encoder
    with the rows of that call as the neighbors, in place of those before.

    References
    ----------
    .. [1] Ye, Yin, Zhan and Chao (2025). Revisiting nearest neighbor for tabular data:
       a deep tabular baseline two decades later. ICLR. arXiv:2407.03257.
    .. [2] Gorishniy, Rubachev and Babenko (2022). On embeddings for numerical features
       in tabular deep learning. NeurIPS. arXiv:2203.05556.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from torchlearners import ModernNCARegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> learner = ModernNCARegressor(max_epochs=5, random_state=0)
    >>> learner.fit(X, y).predict(X).shape
    (442,)
    """
