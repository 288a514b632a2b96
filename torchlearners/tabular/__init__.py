"""Learners for tables."""

from torchlearners.tabular._dummy import DummyTorchClassifier, DummyTorchRegressor
from torchlearners.tabular._mlp import MLPClassifier, MLPRegressor

__all__ = [
    "DummyTorchClassifier",
    "DummyTorchRegressor",
    "MLPClassifier",
    "MLPRegressor",
]
