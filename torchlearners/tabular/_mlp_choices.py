"""Which layers the names stand for that parameters of an MLP take."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from torchlearners.graph import (
    ELU,
    GELU,
    SELU,
    BatchNorm1d,
    Identity,
    LayerNorm,
    LeakyReLU,
    Mish,
    PBLDEmbedding,
    PiecewiseLinearEmbedding,
    ReLU,
    Sigmoid,
    SiLU,
    Tanh,
)

ActivationName = Literal[
    "elu",
    "gelu",
    "identity",
    "leaky_relu",
    "mish",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "tanh",
]
ACTIVATIONS: dict[str, Any] = {
    "elu": ELU,
    "gelu": GELU,
    "identity": Identity,
    "leaky_relu": LeakyReLU,
    "mish": Mish,
    "relu": ReLU,
    "selu": SELU,
    "sigmoid": Sigmoid,
    "silu": SiLU,
    "tanh": Tanh,
}
NORMALIZATIONS: dict[str, Any] = {"batch": BatchNorm1d, "layer": LayerNorm}
# On a few hundred rows, bins of few rows are learned by heart.
EMBEDDINGS: dict[str, Any] = {
    "pbld": PBLDEmbedding,
    "ple": partial(PiecewiseLinearEmbedding, rows_per_bin=32),
}
