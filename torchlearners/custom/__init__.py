"""Learners around a network of your own."""

from torchlearners.custom._graph import GraphClassifier, GraphRegressor
from torchlearners.custom._module import ModuleCall, ModuleClassifier, ModuleRegressor

__all__ = [
    "GraphClassifier",
    "GraphRegressor",
    "ModuleCall",
    "ModuleClassifier",
    "ModuleRegressor",
]
