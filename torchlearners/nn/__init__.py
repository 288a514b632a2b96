"""Torch modules of our own, and random numbers that stay inside one fit.

In all modules, dimension 0 is the batch.
"""

from torchlearners.nn._batch_ensemble import (
    BatchEnsembleLinear,
    ExpandMembers,
    LinearEnsemble,
    ScaleEnsemble,
)
from torchlearners.nn._dropout import Dropout
from torchlearners.nn._fit_to_data import fit_to_data, some_rows
from torchlearners.nn._function import Function
from torchlearners.nn._gated import GEGLU, ReGLU, SwiGLU
from torchlearners.nn._ghost_batch_norm import GhostBatchNorm1d
from torchlearners.nn._image_blocks import (
    ChannelNorm2d,
    ConvNeXtBlock,
    PatchTokens,
    PoolPositions,
)
from torchlearners.nn._image_input import ImageInput
from torchlearners.nn._mean_members import MeanMembers
from torchlearners.nn._merging import Attend, Concat, Mean, Product, Stack, Sum
from torchlearners.nn._neighbors import SoftNearestNeighbors
from torchlearners.nn._ntk import NTKLinear, ScaleFeatures
from torchlearners.nn._numeric_embeddings import (
    PBLDEmbedding,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
    PiecewiseLinearEncoding,
)
from torchlearners.nn._parametric_activation import ParametricActivation
from torchlearners.nn._penalties import add_penalty, collect_penalties
from torchlearners.nn._random import (
    bind_generator,
    draws_unbound_numbers,
    random_numbers_from,
)
from torchlearners.nn._shapes import Permute, Reshape, Select, Squeeze, Unsqueeze
from torchlearners.nn._sparsemax import Entmax15, Sparsemax
from torchlearners.nn._stacked import StackedModules, stacking_key
from torchlearners.nn._tabnet import TabNetDecoder, TabNetEncoder
from torchlearners.nn._tokens import (
    CategoricalEmbedding,
    CategoricalTokenizer,
    CLSToken,
    NumericTokenizer,
    OneHotEmbedding,
)
from torchlearners.nn._transformer import FTTransformerBlock

__all__ = [
    "GEGLU",
    "Attend",
    "BatchEnsembleLinear",
    "CLSToken",
    "CategoricalEmbedding",
    "CategoricalTokenizer",
    "ChannelNorm2d",
    "Concat",
    "ConvNeXtBlock",
    "Dropout",
    "Entmax15",
    "ExpandMembers",
    "FTTransformerBlock",
    "Function",
    "GhostBatchNorm1d",
    "ImageInput",
    "LinearEnsemble",
    "Mean",
    "MeanMembers",
    "NTKLinear",
    "NumericTokenizer",
    "OneHotEmbedding",
    "PBLDEmbedding",
    "ParametricActivation",
    "PatchTokens",
    "PeriodicEmbedding",
    "Permute",
    "PiecewiseLinearEmbedding",
    "PiecewiseLinearEncoding",
    "PoolPositions",
    "Product",
    "ReGLU",
    "Reshape",
    "ScaleEnsemble",
    "ScaleFeatures",
    "Select",
    "SoftNearestNeighbors",
    "Sparsemax",
    "Squeeze",
    "Stack",
    "StackedModules",
    "Sum",
    "SwiGLU",
    "TabNetDecoder",
    "TabNetEncoder",
    "Unsqueeze",
    "add_penalty",
    "bind_generator",
    "collect_penalties",
    "draws_unbound_numbers",
    "fit_to_data",
    "random_numbers_from",
    "some_rows",
    "stacking_key",
]
