"""Pretraining of TabNet: reconstruct what is masked in rows without labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torchlearners.base import TransformerLearner
from torchlearners.data import ColumnEncoder, DataSpec
from torchlearners.nn import (
    CategoricalEmbedding,
    Dropout,
    TabNetDecoder,
    TabNetEncoder,
)
from torchlearners.params import open_fraction, param
from torchlearners.tabular._tabnet_encoder import BaseTabNetEncoder
from torchlearners.training import Net, TensorData


def masked_loss(errors: Tensor, masked: Tensor, spread: Tensor) -> Tensor:
    """Return the mean loss of the masked values of each row.

    Parameters
    ----------
    errors : torch.Tensor of shape (n_rows, n_columns)
        Loss of each value.
    masked : torch.Tensor of shape (n_rows, n_columns)
        1 where a value was masked, else 0.
    spread : torch.Tensor of shape (n_columns,)
        What the loss of each column is divided by.

    Returns
    -------
    torch.Tensor of shape (n_rows,)
        0 where nothing was masked.
    """
    return (errors * masked / spread).sum(1) / masked.sum(1).clamp(min=1)


class _MaskedAutoencoder(nn.Module):
    """Rows to the loss of what is masked in them, and to features."""

    spread: Tensor

    def __init__(
        self, spec: DataSpec, encoder: TabNetEncoder, mask_fraction: float
    ) -> None:
        super().__init__()
        self.n_numeric = spec.n_numeric
        self.cardinalities = spec.cardinalities
        self.embedding = None
        if spec.cardinalities:
            self.embedding = CategoricalEmbedding(spec.cardinalities)
        self.encoder = encoder
        self.decoder = TabNetDecoder(
            spec.n_numeric + sum(spec.cardinalities),
            n_d=encoder.n_d,
            n_steps=encoder.n_steps,
            virtual_batch_size=encoder.virtual_batch_size,
            momentum=encoder.momentum,
        )
        self.out_features = encoder.n_d
        # Draws from the generator of the fit.
        self.hide = Dropout(mask_fraction)
        self.register_buffer("spread", torch.ones(spec.n_columns))

    def fit_spread(self, rows: Tensor, weight: Tensor | None) -> None:
        """Learn what it costs to know no more than the distribution of a column.

        That is its variance, or the entropy of its categories; 1 where it is constant.
        """
        share = torch.ones(len(rows)) if weight is None else weight
        share = share.double() / share.double().sum()
        for i in range(rows.shape[1]):
            column = rows[:, i].double()
            if i < self.n_numeric:
                spread = share @ (column - share @ column).square()
            else:
                spread = torch.bincount(column.long(), share).clamp(min=1e-15)
                spread = -(spread * spread.log()).sum()
            self.spread[i] = spread if spread > 1e-12 else 1.0

    def forward(self, rows: Tensor) -> Tensor:
        """Return the loss of each row, (n_rows, 1)."""
        hidden = self._hidden(rows)
        decisions = self.encoder.decisions(self._values(rows), 1 - hidden)
        errors = self._errors(rows, self.decoder(decisions))
        return masked_loss(errors, hidden, self.spread).unsqueeze(1)

    def encode(self, rows: Tensor) -> Tensor:
        """Return the features of each row, (n_rows, n_d)."""
        encoded: Tensor = self.encoder(self._values(rows))
        return encoded

    def _values(self, rows: Tensor) -> Tensor:
        """Return numbers and the vectors of categories."""
        if self.embedding is None:
            return rows
        embedded = self.embedding(rows[:, self.n_numeric :].long())
        return torch.cat([rows[:, : self.n_numeric], embedded], dim=1)

    def _hidden(self, rows: Tensor) -> Tensor:
        """Return 1 for each value that is masked, else 0."""
        if self.training:
            return (self.hide(torch.ones_like(rows)) == 0).to(rows.dtype)
        # The same ones in each epoch, so that losses can be compared.
        generator = torch.Generator().manual_seed(0)
        drawn = torch.rand(rows.shape, generator=generator)
        return (drawn < self.hide.p).to(rows)

    def _errors(self, rows: Tensor, outputs: Tensor) -> Tensor:
        """Return squared errors of numbers, and cross-entropies of categories."""
        n, sizes = self.n_numeric, self.cardinalities
        numbers, *scores = outputs.split([n, *sizes], dim=1)
        errors = [(numbers - rows[:, :n]).square()]
        for codes, of_column in zip(rows[:, n:].long().T, scores, strict=True):
            entropy = F.cross_entropy(of_column, codes, reduction="none")
            errors.append(entropy.unsqueeze(1))
        return torch.cat(errors, dim=1)


class TabNetPretrainer(BaseTabNetEncoder, TransformerLearner):
    """Encoder of TabNet that learns from rows without labels [1]_.

    Some values of each row are masked, and a decoder tells them from the others; so the
    encoder learns how columns depend on each other. Give it to
    ``TabNetClassifier(pretrained=...)`` or ``TabNetRegressor(pretrained=...)`` where
    there are many more rows than labels. `transform` returns what the encoder makes of
    rows, for other estimators.

    The loss of a masked number is its squared error over the variance of its column,
    that of a masked category the cross-entropy over the entropy of its column: 1 is
    what it costs to know the distribution of the column and nothing of the row. A row
    has the mean over its masked values, and 0 where none is masked.

    {parameters}

    {attributes}

    See Also
    --------
    TabNetClassifier : Starts from it, for classes.
    TabNetRegressor : Starts from it, for numbers.

    References
    ----------
    .. [1] Arik and Pfister (2021). TabNet: attentive interpretable tabular learning.
       AAAI. arXiv:1908.07442.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from torchlearners import TabNetClassifier, TabNetPretrainer
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> pretrainer = TabNetPretrainer(max_epochs=5, random_state=0).fit(X)
    >>> pretrainer.transform(X).shape
    (569, 16)
    >>> learner = TabNetClassifier(pretrained=pretrainer, max_epochs=5, random_state=0)
    >>> learner.fit(X[:100], y[:100]).predict(X).shape
    (569,)
    """

    mask_fraction: float = param(
        default=0.2,
        check=open_fraction,
        tune=(0.1, 0.6),
        doc="Probability that a value is masked.",
    )
    lambda_sparse: float = param(default=0.0)

    def network(self, spec: DataSpec) -> nn.Module:
        """Return the encoder, a decoder, and the loss of what they reconstruct."""
        settings = self._encoder_settings(spec)
        sizes = settings["group_sizes"]
        n_values = spec.n_columns if sizes is None else sum(sizes)
        encoder = TabNetEncoder(n_values, **settings)
        return _MaskedAutoencoder(spec, encoder, self.mask_fraction)

    def _fit_alike(
        self, X: Any, columns: ColumnEncoder, weight: np.ndarray | None
    ) -> TabNetPretrainer:
        """Fit on the rows of a learner, whose encoding of the columns is taken."""
        self._columns_to_take = columns
        self.categorical_features = [kind == "category" for kind in columns.kinds]
        X = X.to_native() if hasattr(X, "to_native") else X
        try:
            self.fit(X, sample_weight=weight)
        finally:
            del self._columns_to_take
        return self

    def _fitted_columns(
        self, columns: ColumnEncoder, X: Any, *rows: np.ndarray | None
    ) -> ColumnEncoder:
        taken = self.__dict__.get("_columns_to_take")
        return taken or super()._fitted_columns(columns, X, *rows)

    def _before_first_step(self, net: Net, data: TensorData) -> None:
        net.module_.fit_spread(data.X, data.weight)
