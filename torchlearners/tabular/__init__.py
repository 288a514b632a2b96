"""Learners for tables."""

from torchlearners.tabular._dummy import DummyTorchClassifier, DummyTorchRegressor
from torchlearners.tabular._ft_transformer import (
    FTTransformerClassifier,
    FTTransformerRegressor,
)
from torchlearners.tabular._mlp import MLPClassifier, MLPRegressor
from torchlearners.tabular._modern_nca import ModernNCAClassifier, ModernNCARegressor
from torchlearners.tabular._resnet import ResNetClassifier, ResNetRegressor
from torchlearners.tabular._tabm import TabMClassifier, TabMRegressor
from torchlearners.tabular._tabnet import TabNetClassifier, TabNetRegressor
from torchlearners.tabular._tabnet_pretrainer import TabNetPretrainer

__all__ = [
    "DummyTorchClassifier",
    "DummyTorchRegressor",
    "FTTransformerClassifier",
    "FTTransformerRegressor",
    "MLPClassifier",
    "MLPRegressor",
    "ModernNCAClassifier",
    "ModernNCARegressor",
    "ResNetClassifier",
    "ResNetRegressor",
    "TabMClassifier",
    "TabMRegressor",
    "TabNetClassifier",
    "TabNetPretrainer",
    "TabNetRegressor",
]
