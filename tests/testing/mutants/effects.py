"""Mutants with parameters that do nothing."""

from typing import Any

from torch import nn

from mutants import Mutant
from torchlearners.base import ClassifierLearner
from torchlearners.params import param, positive_int


class DeadWidth(ClassifierLearner):
    """Declares a width that its network does not have."""

    width: int = param(default=16, check=positive_int, tune=[8, 32], doc="Units.")

    def network(self, spec):
        return nn.Linear(spec.n_numeric, spec.n_outputs)


class DeadPredictBatchSize(ClassifierLearner):
    """Predicts all rows at once, whatever predict_batch_size says."""

    def network(self, spec):
        return nn.Linear(spec.n_numeric, spec.n_outputs)

    def _outputs(self, X):
        given, self.predict_batch_size = self.predict_batch_size, "auto"
        try:
            return super()._outputs(X)
        finally:
            self.predict_batch_size = given


class DeadVerbose(ClassifierLearner):
    """Never says anything."""

    def network(self, spec):
        return nn.Linear(spec.n_numeric, spec.n_outputs)

    def _fit_steps(self, *args):
        given, self.verbose = self.verbose, 0
        try:
            return super()._fit_steps(*args)
        finally:
            self.verbose = given


class Unexplored(ClassifierLearner):
    """Declares a parameter of which no other value is known."""

    activation: Any = param(default=nn.ReLU, check=[type], doc="Activation.")

    def network(self, spec):
        return nn.Sequential(
            nn.Linear(spec.n_numeric, 16),
            self.activation(),
            nn.Linear(16, spec.n_outputs),
        )


_MATTERS = "check_every_parameter_matters"
MUTANTS = [
    Mutant(DeadWidth(), _MATTERS),
    Mutant(DeadPredictBatchSize(), _MATTERS),
    Mutant(DeadVerbose(), _MATTERS),
    Mutant(Unexplored(), _MATTERS),
]
