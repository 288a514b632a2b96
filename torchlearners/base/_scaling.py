"""Learners that scale their numeric features."""

from __future__ import annotations

from typing import Literal

from torchlearners.base._learner import TorchLearner
from torchlearners.data import Schema
from torchlearners.params import one_of, optional, param

Preprocessing = Literal["auto", "standard", "robust", "quantile"] | None


class ScalingLearner(TorchLearner):
    """Base of learners whose user chooses how numeric features are scaled.

    {parameters}

    Examples
    --------
    >>> from torch import nn
    >>> from torchlearners.base import RegressorLearner, ScalingLearner
    >>> class LinearRegressor(ScalingLearner, RegressorLearner):
    ...     def network(self, spec):
    ...         return nn.Linear(spec.n_numeric, spec.n_outputs)
    >>> LinearRegressor(preprocessing="robust").schema().scaling
    'robust'
    """

    preprocessing: Preprocessing = param(
        default="standard",
        check=optional(one_of("auto", "standard", "robust", "quantile")),
        doc='How each numeric feature is scaled, inside the learner. "standard": to '
        'mean 0 and standard deviation 1. "robust": by median and interquartile range, '
        'with what is far away bent to within +-3. "quantile": to a normal '
        'distribution, by its rank. None takes X as it is. "auto" is "quantile" from '
        '2000 training rows on, else "standard".',
    )

    def schema(self) -> Schema:
        """Return how numeric features are scaled, before it is fitted."""
        return Schema(scaling=self.value_of("preprocessing"))
