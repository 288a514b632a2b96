"""What TabNet learners have in common: an encoder that tells what it looks at."""

from __future__ import annotations

from numbers import Real
from typing import Any, Literal

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from torchlearners._compat import Interval
from torchlearners.base import Preprocessing, ScalingLearner
from torchlearners.callbacks import ScheduleChoice
from torchlearners.data import DataSpec
from torchlearners.nn import CategoricalEmbedding, TabNetEncoder
from torchlearners.params import (
    non_negative,
    non_negative_int,
    one_of,
    open_fraction,
    param,
    positive,
    positive_int,
)
from torchlearners.training import as_array


class BaseTabNetEncoder(ScalingLearner):
    """Sequential attention to a few features at a time."""

    n_d: int = param(
        default=16,
        check=positive_int,
        tune=(8, 64, "log"),
        doc="Number of values that the prediction is made from; [1]_ takes 8 to 128.",
    )
    n_a: int = param(
        default=16,
        check=positive_int,
        tune=(8, 64, "log"),
        doc="Number of values that the choice of features is made from; best equal to "
        "`n_d` [1]_.",
    )
    n_steps: int = param(
        default=3,
        check=positive_int,
        tune=(2, 8),
        doc="Number of steps, each of which looks at features of its own choice. Time "
        "is proportional to it.",
    )
    gamma: float = param(
        default=1.3,
        check=[Interval(Real, 1, None, closed="left")],
        tune=(1.0, 2.0),
        doc="With 1, a feature is used fully in at most one step; the larger, the more "
        "freely it is used again.",
    )
    n_independent: int = param(
        default=2,
        check=non_negative_int,
        tune=(1, 4),
        doc="Number of gated layers that each step has of its own.",
    )
    n_shared: int = param(
        default=2,
        check=non_negative_int,
        tune=(1, 4),
        doc="Number of gated layers that all steps have in common.",
    )
    virtual_batch_size: int = param(
        default=128,
        check=positive_int,
        tune=(64, 512, "log"),
        doc="Most rows of a batch that are normalized together; see "
        "`torchlearners.nn.GhostBatchNorm1d`.",
    )
    momentum: float = param(
        default=0.1,
        check=open_fraction,
        tune=(0.01, 0.4, "log"),
        doc="Share of such rows in the running mean and variance, which `predict` "
        "normalizes with. A small one, as the 0.02 of other implementations, wants "
        "hundreds of steps.",
    )
    mask_type: Literal["sparsemax", "entmax"] = param(
        default="entmax",
        check=one_of("sparsemax", "entmax"),
        tune=["sparsemax", "entmax"],
        doc='What turns scores of features into weights: "sparsemax" as in [1]_, or '
        '"entmax", which leaves fewer of them at zero and is often more accurate.',
    )
    lambda_sparse: float = param(
        default=1e-3,
        check=non_negative,
        tune=(1e-6, 1e-1, "log"),
        doc="What the entropy of the weights adds to the training loss; the larger, "
        "the fewer features a step looks at. ``train_loss`` in `history_` contains it.",
    )
    preprocessing: Preprocessing = param(default="auto")
    lr: float = param(default=0.02)
    lr_schedule: ScheduleChoice = param(default="one_cycle")
    # As many as epochs: before the rate falls, the loss stagnates.
    patience: int = param(default=100)
    grad_clip: float | None = param(default=1.0, check=[*positive, None])

    def _encoder_settings(self, spec: DataSpec) -> dict[str, Any]:
        """Return the arguments of the encoder, but for the number of its inputs."""
        return {
            "n_d": self.n_d,
            "n_a": self.n_a,
            "n_steps": self.n_steps,
            "gamma": self.gamma,
            "n_independent": self.n_independent,
            "n_shared": self.n_shared,
            "virtual_batch_size": self.virtual_batch_size,
            "momentum": self.momentum,
            "mask_type": self.mask_type,
            "lambda_sparse": self.lambda_sparse,
            "group_sizes": _group_sizes(spec),
        }

    def explain(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Tell which columns the network looks at in each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        explanation : ndarray of shape (n_samples, n_features)
            Share of each column in what the steps computed. A row sums to 1, or is all
            0 where no step found anything.
        masks : ndarray of shape (n_steps, n_samples, n_features)
            Weights of the columns in each step; a row sums to 1.

        Notes
        -----
        The weight of a category is that of its whole vector, and the weight of an
        indicator of missing values is added to that of its column. A column with weight
        zero in all steps has no influence on the prediction of that row but by which
        columns get weights.
        """
        check_is_fitted(self)
        explanations, masks = zip(*self._explained(X), strict=True)
        return np.concatenate(explanations), np.concatenate(masks, axis=1)

    def _explained(self, X: Any, with_masks: bool = True) -> list[Any]:
        """Return explanation and masks of each batch of rows."""
        found: list[Any] = []

        def look(encoder: Any, args: Any) -> None:
            parts = encoder.explain(*args)[: 1 + with_masks]
            found.append([self._by_column(as_array(p)) for p in parts])

        modules = self.net_.module_.modules()
        encoder = next(m for m in modules if isinstance(m, TabNetEncoder))
        handle = encoder.register_forward_pre_hook(look)
        try:
            outputs = self._output_parts(X)
        finally:
            handle.remove()
        # A batch may hold rows of padding at its end.
        return [
            [part[..., : len(rows), :] for part in parts]
            for parts, rows in zip(found, outputs, strict=True)
        ]

    def _by_column(self: Any, shares: np.ndarray) -> np.ndarray:
        """Return shares (..., n_groups) as shares (..., n_features) of columns of X."""
        sources = self._columns.sources
        if sources == list(range(self.n_features_in_)):
            return shares
        out = np.zeros((*shares.shape[:-1], self.n_features_in_), shares.dtype)
        for place, source in enumerate(sources):
            out[..., source] += shares[..., place]
        return out


def _group_sizes(spec: DataSpec) -> list[int] | None:
    """Return how many values of a row come from each column; None: one from each."""
    if not spec.cardinalities:
        return None
    with torch.device("meta"):
        tables = [CategoricalEmbedding((n,)) for n in spec.cardinalities]
    return [1] * spec.n_numeric + [t.out_features for t in tables]
