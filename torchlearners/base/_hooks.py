"""What a model says about its training, beside its parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from torchlearners.base._rows import Rows, fitted_schema
from torchlearners.callbacks import WeightAveraging
from torchlearners.data import ColumnEncoder, Schema


class TrainingHooks:
    """The methods by which a learner treats some weights, or settings, in its own way.

    See Also
    --------
    TorchLearner : Has them, and asks them in `fit`.
    """

    def no_weight_decay(self, module: nn.Module) -> set[str]:
        """Return the names of the parameters that `weight_decay` leaves alone.

        Parameters
        ----------
        module : torch.nn.Module
            The untrained network.

        Returns
        -------
        set of str
            Of those that ``module.named_parameters()`` gives; none by default.
        """
        return set()

    def lr_factors(self, module: nn.Module) -> dict[str, float]:
        """Return by what the learning rate of some parameters is multiplied.

        Parameters
        ----------
        module : torch.nn.Module
            The untrained network.

        Returns
        -------
        dict of str to float
            By the names that ``module.named_parameters()`` gives; empty by default.
        """
        return {}

    def schedules(self) -> dict[str, Any]:
        """Return schedules of hyperparameters beside that of the learning rate.

        Returns
        -------
        dict of str to schedule
            By what moves, such as "dropout" or "weight_decay": a name or an object as
            in `lr_schedule`. Empty by default.
        """
        return {}

    def weight_averaging(self) -> WeightAveraging | None:
        """Return how weights are averaged where the user's callbacks do not say it.

        Returns
        -------
        WeightAveraging or None
            None by default: the learner has the weights of the last, or best, epoch.
        """
        return None

    def _fitted_columns(
        self,
        columns: ColumnEncoder,
        X: Any,
        weight: np.ndarray | None,
        rows: np.ndarray | None,
    ) -> ColumnEncoder:
        """Return how columns are encoded, learned from the rows that train.

        `weight` is that of all rows of X, `rows` the numbers of those that train.
        """
        return columns.fit(X, getattr(self, "feature_names_in_", None), weight, rows)

    def _fitted_schema(
        self, columns: ColumnEncoder, train: Rows, X: Any, seed: int
    ) -> Schema:
        """Return how columns are scaled, learned from the training rows.

        They are encoded; `X` are all rows of `fit` before that.
        """
        return fitted_schema(self, columns, train)
