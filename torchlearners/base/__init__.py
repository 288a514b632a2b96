"""What every learner is: a scikit-learn estimator that trains a torch network."""

from torchlearners.base._classifier import ClassifierLearner
from torchlearners.base._ensemble import EnsembleLearner
from torchlearners.base._learner import TorchLearner
from torchlearners.base._regressor import RegressorLearner
from torchlearners.base._scaling import Preprocessing, ScalingLearner
from torchlearners.base._transformer import TransformerLearner

__all__ = [
    "ClassifierLearner",
    "EnsembleLearner",
    "Preprocessing",
    "RegressorLearner",
    "ScalingLearner",
    "TorchLearner",
    "TransformerLearner",
]
