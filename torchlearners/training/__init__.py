"""The training engine: a skorch net whose loop costs what a hand-written one costs.

Optimizers and losses are small objects with declared parameters. A learner takes them
as such (``optimizer=AdamW(betas=(0.9, 0.95))``) or by their name (``"adamw"``).
"""

from torchlearners.training._autocast import as_array, inference, no_autocast
from torchlearners.training._batches import (
    FULL_BATCH_ROWS,
    Batches,
    TensorData,
    automatic_batch_size,
    balanced_order,
    batch_sizes,
)
from torchlearners.training._criterion import Criterion, Loss, weighted_mean
from torchlearners.training._descriptors import Descriptor, promote
from torchlearners.training._devices import resolve_device
from torchlearners.training._distributional import Distributional, Gaussian, Quantile
from torchlearners.training._lion import Lion
from torchlearners.training._log_link import Gamma, LogLink, Poisson, Tweedie
from torchlearners.training._losses import (
    LOSSES,
    MAE,
    MSE,
    BinaryCrossEntropy,
    CrossEntropy,
    Huber,
    LossChoice,
    build_loss,
)
from torchlearners.training._muon import Muon
from torchlearners.training._net import Net
from torchlearners.training._optimizer import Optimizer
from torchlearners.training._optimizer_choice import (
    OPTIMIZERS,
    OptimizerChoice,
    build_optimizer,
    group_options,
)
from torchlearners.training._optimizers import (
    LBFGS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    NAdam,
    RAdam,
    RMSprop,
)
from torchlearners.training._row_blocks import RowBlocks, Trial, hooks_of
from torchlearners.training._stacked import StackedNets
from torchlearners.training._state import (
    load_net_state,
    load_training_state,
    net_state,
    to_plain,
    to_tensors,
    training_state,
)
from torchlearners.training._task_nets import ClassifierNet, RegressorNet
from torchlearners.training._threads import resolve_threads, torch_threads
from torchlearners.training._torch_defaults import torch_defaults

__all__ = [
    "FULL_BATCH_ROWS",
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
    "Criterion",
    "CrossEntropy",
    "Descriptor",
    "Distributional",
    "Gamma",
    "Gaussian",
    "Huber",
    "Lion",
    "LogLink",
    "Loss",
    "LossChoice",
    "Muon",
    "NAdam",
    "Net",
    "Optimizer",
    "OptimizerChoice",
    "Poisson",
    "Quantile",
    "RAdam",
    "RMSprop",
    "RegressorNet",
    "RowBlocks",
    "StackedNets",
    "TensorData",
    "Trial",
    "Tweedie",
    "as_array",
    "automatic_batch_size",
    "balanced_order",
    "batch_sizes",
    "build_loss",
    "build_optimizer",
    "group_options",
    "hooks_of",
    "inference",
    "load_net_state",
    "load_training_state",
    "net_state",
    "no_autocast",
    "promote",
    "resolve_device",
    "resolve_threads",
    "to_plain",
    "to_tensors",
    "torch_defaults",
    "torch_threads",
    "training_state",
    "weighted_mean",
]
