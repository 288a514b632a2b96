"""Every op with arguments and inputs small enough to be checked in milliseconds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from torchlearners import graph
from torchlearners.graph import Op, TensorSpec, list_ops

Specs = list[TensorSpec]


def _floats(*shape: int) -> TensorSpec:
    return TensorSpec((None, *shape))


def _codes(*shape: int) -> TensorSpec:
    return TensorSpec((None, *shape), dtype=torch.int64)


_ROWS = [_floats(6)]
_TOKENS = [_floats(5, 8)]
_SPACE = {1: [_floats(4, 12)], 2: [_floats(4, 9, 10)], 3: [_floats(4, 6, 7, 8)]}
_CATEGORIES = TensorSpec((None, 2), ("batch", "feature"), torch.int64, (3, 5))

# Arguments and inputs by class. What is not listed needs no arguments and takes rows.
_EXAMPLES: dict[str, tuple[dict[str, Any], Specs]] = {
    "Linear": ({"out_features": 4}, _TOKENS),
    "Head": ({}, _ROWS),
    "Bilinear": ({"out_features": 4}, [_floats(3), _floats(5)]),
    "Fold": ({"output_size": (4, 5), "kernel_size": 2}, [_floats(12, 12)]),
    "Unfold": ({"kernel_size": 2}, _SPACE[2]),
    "GroupNorm": ({"num_groups": 2}, _SPACE[2]),
    "LayerNorm": ({"n_dims": 2}, _TOKENS),
    "RMSNorm": ({}, _TOKENS),
    "LocalResponseNorm": ({"size": 2}, _SPACE[2]),
    "CrossMapLRN2d": ({"size": 2}, _SPACE[2]),
    "Threshold": ({"threshold": 0.1, "value": 0.0}, _ROWS),
    "Softmax2d": ({}, _SPACE[2]),
    "GLU": ({}, _TOKENS),
    "RNN": ({"hidden_size": 4, "num_layers": 2}, _TOKENS),
    "GRU": ({"hidden_size": 4, "bidirectional": True}, _TOKENS),
    "LSTM": ({"hidden_size": 4}, _TOKENS),
    "RNNCell": ({"hidden_size": 4}, _ROWS),
    "GRUCell": ({"hidden_size": 4}, _ROWS),
    "LSTMCell": ({"hidden_size": 4}, _ROWS),
    "MultiheadAttention": (
        {"num_heads": 2},
        [_floats(5, 8), _floats(3, 6), _floats(3, 4)],
    ),
    "TransformerEncoderLayer": ({"nhead": 2, "dim_feedforward": 8}, _TOKENS),
    "TransformerDecoderLayer": (
        {"nhead": 2, "dim_feedforward": 8},
        [_floats(5, 8), _floats(3, 8)],
    ),
    "Transformer": (
        {
            "nhead": 2,
            "num_encoder_layers": 1,
            "num_decoder_layers": 1,
            "dim_feedforward": 8,
        },
        [_floats(3, 8), _floats(2, 8)],
    ),
    "Embedding": ({"num_embeddings": 5, "embedding_dim": 3}, [_codes(4)]),
    "EmbeddingBag": ({"num_embeddings": 5, "embedding_dim": 3}, [_codes(4)]),
    "CosineSimilarity": ({}, _TOKENS * 2),
    "PairwiseDistance": ({}, _ROWS * 2),
    "Flatten": ({}, _SPACE[2]),
    "Unflatten": ({"dim": 1, "unflattened_size": (2, 3)}, _ROWS),
    "PixelShuffle": ({"upscale_factor": 2}, _SPACE[2]),
    "PixelUnshuffle": ({"downscale_factor": 2}, [_floats(3, 4, 6)]),
    "ChannelShuffle": ({"groups": 2}, _SPACE[2]),
    "Upsample": ({"scale_factor": 2}, _SPACE[2]),
    "UpsamplingBilinear2d": ({"scale_factor": 2}, _SPACE[2]),
    "UpsamplingNearest2d": ({"size": (4, 5)}, _SPACE[2]),
    "Fn": ({"function": torch.sin}, _ROWS),
    "Tap": ({"name": "here"}, _ROWS),
    "Pretrained": ({"module": nn.Linear(6, 3)}, _ROWS),
    "Reshape": ({"shape": (2, -1)}, _TOKENS),
    "Squeeze": ({"dim": 1}, [_floats(1, 4)]),
    "Unsqueeze": ({"dim": -1}, _ROWS),
    "Permute": ({"dims": (0, 2, 1)}, _TOKENS),
    "Select": ({"dim": 1, "index": 0}, _TOKENS),
    "CLSToken": ({}, _TOKENS),
    "NumericTokenizer": ({"d_token": 4}, _ROWS),
    "CategoricalTokenizer": ({"d_token": 4}, [_CATEGORIES]),
    "CategoricalEmbedding": ({}, [_CATEGORIES]),
    "FTTransformerBlock": ({"n_heads": 2}, _TOKENS),
    "PiecewiseLinearEmbedding": ({"n_bins": 3, "d_embedding": 4}, _ROWS),
    "ExpandMembers": ({"k": 3}, _ROWS),
    "ScaleEnsemble": ({}, _TOKENS),
    "BatchEnsembleLinear": ({"out_features": 4}, _TOKENS),
    "LinearEnsemble": ({"out_features": 4}, _TOKENS),
    "MeanMembers": ({}, _TOKENS),
    "OneHotEmbedding": ({"max_one_hot": 3}, [_CATEGORIES]),
    "NTKLinear": ({"out_features": 4}, _TOKENS),
    "ParametricActivation": ({"activation": "mish"}, _TOKENS),
    **dict.fromkeys(("Sum", "Product", "Mean", "Attend", "Stack"), ({}, _TOKENS * 2)),
    "Concat": ({}, [_floats(5, 8), _floats(5, 3)]),
}
for _n, _specs in _SPACE.items():
    _EXAMPLES |= {
        f"Conv{_n}d": ({"out_channels": 3, "kernel_size": 3, "stride": 2}, _specs),
        f"ConvTranspose{_n}d": ({"out_channels": 3, "kernel_size": 3}, _specs),
        f"MaxPool{_n}d": ({"kernel_size": 2}, _specs),
        f"AvgPool{_n}d": ({"kernel_size": 3}, _specs),
        f"LPPool{_n}d": ({"norm_type": 2, "kernel_size": 2}, _specs),
        f"AdaptiveAvgPool{_n}d": ({"output_size": 2}, _specs),
        f"AdaptiveMaxPool{_n}d": ({"output_size": 2}, _specs),
        f"FractionalMaxPool{_n}d": ({"kernel_size": 2, "output_size": 3}, _specs),
        f"MaxUnpool{_n}d": (
            {"kernel_size": 2},
            [*_specs, replace(_specs[0], dtype=torch.int64)],
        ),
        f"CircularPad{_n}d": ({"padding": 1}, _specs),
        f"ConstantPad{_n}d": ({"padding": 1, "value": 0.5}, _specs),
        f"ReflectionPad{_n}d": ({"padding": 1}, _specs),
        f"ReplicationPad{_n}d": ({"padding": 1}, _specs),
        f"ZeroPad{_n}d": ({"padding": 1}, _specs),
        f"BatchNorm{_n}d": ({}, _specs),
        f"InstanceNorm{_n}d": ({"affine": True}, _specs),
        f"Dropout{_n}d": ({}, _specs),
    }
_EXAMPLES["FeatureAlphaDropout"] = ({}, _SPACE[2])


def op_instances() -> list[tuple[Op, Specs]]:
    """Return every op of the package with example inputs.

    Returns
    -------
    list of (Op, list of TensorSpec)

    Examples
    --------
    >>> from torchlearners.testing._op_instances import op_instances
    >>> op, specs = op_instances()[0]
    >>> op, str(specs[0])
    (CELU(), '(batch, 6)')
    """
    classes = [getattr(graph, row["name"]) for row in list_ops()]
    ops = [cls for cls in classes if issubclass(cls, Op)]
    return [
        (op(**arguments), list(specs))
        for op in ops
        for arguments, specs in [_EXAMPLES.get(op.__name__, ({}, _ROWS))]
    ]


def example_specs(op: Op) -> Specs:
    """Return inputs that an op takes: its own `example_specs`, or those of its class.

    Parameters
    ----------
    op : Op

    Returns
    -------
    list of TensorSpec

    Raises
    ------
    ValueError
        Where none are known.
    """
    own = getattr(op, "example_specs", None)
    if own is not None:
        return list(own)
    name = type(op).__name__
    if getattr(graph, name, None) is not type(op):
        raise ValueError(
            f"No inputs are known for {op!r}. Give specs=, a list of TensorSpec, or "
            "set example_specs on the class."
        )
    return list(_EXAMPLES.get(name, ({}, _ROWS))[1])
