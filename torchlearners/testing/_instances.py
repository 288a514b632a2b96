"""Learners small enough to be checked in seconds: one line for each configuration."""

from __future__ import annotations

import copy
from typing import Any

from torchlearners.discovery import all_learners
from torchlearners.graph import (
    BatchNorm1d,
    Choice,
    Dropout,
    Flatten,
    Head,
    Linear,
    ReLU,
    Residual,
    Tanh,
)
from torchlearners.image import CNN, ResNet

# By the name of the class without its kind, or with it for what suits one kind only. A
# learner that is not listed is checked with its default parameters; where those are
# slow, it gets a line here.
_PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "DummyTorch": [{}],
    "FTTransformer": [
        {"n_blocks": 2, "d_token": 16, "n_heads": 2, "lr": 5e-3},
    ],
    "Graph": [
        {"network": Linear(16) >> ReLU() >> Head()},
        {
            "network": Linear(16)
            >> Residual(Linear(16) >> BatchNorm1d() >> ReLU() >> Dropout(0.1)) * 2
            >> Choice({"identity": ReLU(), "bounded": Linear(16) >> Tanh()})
            >> Head()
        },
    ],
    "Image": [
        {"backbone": CNN(width=8)},
        {"backbone": ResNet(width=8, n_stages=2, n_blocks=1)},
        {"backbone": Flatten() >> Linear(16) >> ReLU(), "lr": 1e-2},
    ],
    "MLP": [
        {"preset": "simple", "hidden_layer_sizes": (16,)},
        {
            "preset": "simple",
            "hidden_layer_sizes": (16, 16),
            "normalization": "batch",
            "activation": "silu",
            "dropout": 0.1,
        },
        {"hidden_layer_sizes": (16, 16), "max_epochs": 30},
    ],
    "MLPRegressor": [
        {"preset": "simple", "hidden_layer_sizes": (16,), "loss": "quantile"},
        {"preset": "simple", "hidden_layer_sizes": (16,), "loss": "gaussian"},
    ],
    "ModernNCA": [
        {"n_frequencies": 8, "d_embedding": 4, "dim": 16, "sample_rate": 1.0},
        {"num_embeddings": None, "n_blocks": 1, "dim": 16, "temperature": 0.5},
    ],
    "ResNet": [{"n_blocks": 1, "width": 16}],
    "TabM": [
        {"k": 4, "width": 16, "n_bins": 8, "d_embedding": 4, "arch": "tabm"},
        {"k": 4, "width": 16, "num_embeddings": None},
    ],
    "TabMRegressor": [
        {"k": 4, "width": 16, "num_embeddings": None, "loss": "quantile"},
        {"k": 4, "width": 16, "num_embeddings": None, "loss": "gaussian"},
    ],
    "TabNet": [
        {"n_d": 8, "n_a": 8, "n_steps": 2, "n_independent": 1, "n_shared": 1},
    ],
    "TabNetPretrainer": [
        {"n_d": 8, "n_a": 8, "n_steps": 2, "n_independent": 1, "n_shared": 1},
    ],
}


def quick_instances() -> list[Any]:
    """Return quick configurations of every public learner.

    Returns
    -------
    list of estimator
        Unfitted, at least one of each class, in the order of the classes' names.

    Examples
    --------
    >>> from torchlearners.testing import quick_instances
    >>> quick_instances()[0]
    DummyTorchClassifier()
    """
    return [
        # The learners get nodes of their own.
        learner(**copy.deepcopy(params))
        for name, learner in all_learners()
        for params in _parameters(name)
    ]


def _parameters(name: str) -> list[dict[str, Any]]:
    family = _without_kind(name)
    of_both = _PARAMETERS.get(family, [{}])
    return of_both + (_PARAMETERS.get(name, []) if name != family else [])


def _without_kind(name: str) -> str:
    return name.removesuffix("Classifier").removesuffix("Regressor")
