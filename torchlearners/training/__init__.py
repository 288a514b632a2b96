"""The training engine: a skorch net whose loop costs what a hand-written one costs.

Optimizers and losses are small objects with declared parameters. A learner takes them
as such (``optimizer=AdamW(betas=(0.9, 0.95))``) or by their name (``"adamw"``).
"""

from torchlearners.training._batches import Batches, TensorData, automatic_batch_size
from torchlearners.training._descriptors import Descriptor, promote
from torchlearners.training._devices import resolve_device
from torchlearners.training._losses import (
    LOSSES,
    MAE,
    MSE,
    BinaryCrossEntropy,
    CrossEntropy,
    Huber,
    Loss,
    build_loss,
)
from torchlearners.training._net import ClassifierNet, Net, RegressorNet
from torchlearners.training._optimizers import (
    LBFGS,
    OPTIMIZERS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    NAdam,
    Optimizer,
    RAdam,
    RMSprop,
    build_optimizer,
)
from torchlearners.training._threads import resolve_threads, torch_threads

__all__ = [
    "LBFGS",
    "LOSSES",
    "MAE",
    "MSE",
    "OPTIMIZERS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Batches",
    "BinaryCrossEntropy",
    "ClassifierNet",
    "CrossEntropy",
    "Descriptor",
    "Huber",
    "Loss",
    "NAdam",
    "Net",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "RegressorNet",
    "TensorData",
    "automatic_batch_size",
    "build_loss",
    "build_optimizer",
    "promote",
    "resolve_device",
    "resolve_threads",
    "torch_threads",
]
