"""Learners without a fault, of many kinds: no check may fail for them."""

import torch
from sklearn.neural_network import MLPClassifier as SklearnMLP
from skorch import NeuralNetClassifier
from torch import nn

from torchlearners import MLPClassifier
from torchlearners.base import ClassifierLearner, RegressorLearner
from torchlearners.data import Schema
from torchlearners.params import boolean, fraction, param
from torchlearners.testing import quick_instances
from torchlearners.testing._kinds import applies


class ForeignLayers(ClassifierLearner):
    """torch's own dropout and batch normalization."""

    rate: float = param(default=0.3, check=fraction, doc="Of dropout.")

    def network(self, spec):
        return nn.Sequential(
            nn.Linear(spec.n_numeric, 16),
            nn.BatchNorm1d(16),
            nn.Dropout(self.rate),
            nn.ReLU(),
            nn.Linear(16, spec.n_outputs),
        )


class NoisyModule(nn.Module):
    """Adds noise of torch's global generator while it trains."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.w = nn.Parameter(torch.randn(n_in, n_out) / 10)

    def forward(self, x):
        if self.training:
            x = x + 0.1 * torch.randn_like(x)
        return x @ self.w


class Noisy(RegressorLearner):
    """A regressor around a module that draws while it trains."""

    def network(self, spec):
        return NoisyModule(spec.n_numeric, spec.n_outputs)


class LinearRegressor(RegressorLearner):
    """A linear model with a bias that may be left out, and with defaults of its own."""

    bias: bool = param(default=True, check=boolean, doc="Whether there is a bias.")
    optimizer = param(default="sgd")
    lr_schedule = param(default="one_cycle")

    def network(self, spec):
        return nn.Linear(spec.n_numeric, spec.n_outputs, bias=self.bias)

    def schema(self):
        return Schema(scaling=None)


class BinaryOnly(ClassifierLearner):
    """Takes two classes only."""

    def network(self, spec):
        return nn.Linear(spec.n_numeric, spec.n_outputs)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


class PartlyFrozen(ClassifierLearner):
    """Has a layer that is never trained."""

    def network(self, spec):
        first = nn.Linear(spec.n_numeric, 16).requires_grad_(False)
        return nn.Sequential(first, nn.Tanh(), nn.Linear(16, spec.n_outputs))


class Dependent(ClassifierLearner):
    """Has a parameter that matters only where another one is set."""

    deep: bool = param(default=False, check=boolean, doc="Whether to have two layers.")
    rate: float = param(default=0.1, check=fraction, doc="Of dropout between them.")

    def network(self, spec):
        if not self.deep:
            return nn.Linear(spec.n_numeric, spec.n_outputs)
        return nn.Sequential(
            nn.Linear(spec.n_numeric, 8),
            nn.Dropout(self.rate),
            nn.Linear(8, spec.n_outputs),
        )


SOUND = [
    *quick_instances(),
    MLPClassifier(preset="simple", hidden_layer_sizes=()),
    ForeignLayers(),
    Noisy(),
    LinearRegressor(),
    BinaryOnly(),
    PartlyFrozen(),
    Dependent(),
]
# Which lack what every torch learner has.
FOREIGN = [SklearnMLP(), NeuralNetClassifier(nn.Linear(4, 3))]


def checks_of(module):
    """Return the checks that a module of the kit defines."""
    return [
        value
        for name, value in vars(module).items()
        if name.startswith("check_") and value.__module__ == module.__name__
    ]


def cases_of(module, learners=SOUND):
    """Return pairs of a check and a learner that it is for."""
    return [
        (check, learner)
        for check in checks_of(module)
        for learner in learners
        if applies(check, learner)
    ]
