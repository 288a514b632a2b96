"""The layers of `torch.nn` as nodes: one line each."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from numbers import Integral
from typing import Any, ClassVar

import torch
from torch import nn

import torchlearners.nn as own
from torchlearners.exceptions import ArchitectureError
from torchlearners.graph._op import Layer, Specs, as_op, size_of, trace
from torchlearners.graph._recurrent import (
    Attention,
    BatchFirstGRU,
    BatchFirstLSTM,
    BatchFirstRNN,
)
from torchlearners.graph._specs import TensorSpec
from torchlearners.nn import random_numbers_from

layer = partial(as_op, module="torchlearners.graph")
_SPACE = {1: ("width",), 2: ("height", "width"), 3: ("depth", "height", "width")}


class _ToFeatures(Layer):
    """The last dimension becomes another one."""

    out_features: int

    def infer(self, specs: Specs, outputs: tuple[str, ...]) -> Specs:
        self.check(specs)
        (spec,) = specs
        self._check_positive()
        return [
            replace(
                spec,
                shape=(*spec.shape[:-1], self.out_features),
                names=(*spec.names[:-1], "feature"),
                cardinalities=(),
            )
        ]

    def check(self, specs: Specs) -> None:
        super().check(specs)
        if not specs[0].dtype.is_floating_point:
            raise ArchitectureError(f"it takes float numbers, not {specs[0].dtype}")

    def _check_positive(self) -> None:
        if not (isinstance(self.out_features, Integral) and self.out_features > 0):
            raise ArchitectureError(
                f"out_features={self.out_features!r} must be a positive int"
            )


class _Unchanged(Layer):
    """What comes out is what comes in, codes of categories too."""

    def infer(self, specs: Specs, outputs: tuple[str, ...]) -> Specs:
        return list(specs)


class _Spatial(Layer):
    """The first dimension after the batch are channels, the others space."""

    def dimension_names(self, specs: Specs, ndims: list[int]) -> list[Any]:
        return [("batch", "channel", *_SPACE[n - 2]) for n in ndims]


class _Strided(_Spatial):
    """A window that moves over space by steps."""

    def known_output(self, specs: Specs) -> TensorSpec | None:
        (spec,) = specs
        n_dims = len(spec.shape) - 2
        defaults: dict[str, Any] = {"stride": 1, "padding": 0, "dilation": 1}
        window = {k: vars(self).get(k, d) for k, d in defaults.items()}
        window["kernel_size"] = vars(self)["kernel_size"]
        if window["stride"] is None:  # that of a pool
            window["stride"] = window["kernel_size"]
        sizes = [_by_dimension(value, n_dims) for value in window.values()]
        if None in sizes or None in spec.shape[1:] or getattr(self, "ceil_mode", False):
            return None
        try:
            with random_numbers_from(torch.Generator()):
                self.make_module(specs, self.outputs[:1])
        except (RuntimeError, TypeError, ValueError) as error:
            raise ArchitectureError(str(error).rstrip(".")) from error
        space = [
            (n + 2 * padding - dilation * (kernel - 1) - 1) // max(stride, 1) + 1
            for n, stride, padding, dilation, kernel in zip(
                spec.shape[2:], *sizes, strict=True
            )
        ]
        if min(space) < 1:  # torch says it better
            return None
        channels = getattr(self, "out_channels", spec.shape[1])
        names = ("batch", "channel", *_SPACE[n_dims])
        return replace(spec, shape=(spec.shape[0], channels, *space), names=names)


class _Pool(_Spatial):
    """A pool that can tell where it found what it kept."""

    outputs: ClassVar[tuple[str, ...]] = ("output", "indices")

    def infer(self, specs: Specs, outputs: tuple[str, ...]) -> Specs:
        if len(outputs) == 1:
            return super().infer(specs, outputs)
        self.check(specs)
        results = trace(lambda: self.make_module(specs, outputs), specs)
        names = self.dimension_names(specs, [len(r.shape) for r in results])
        return [replace(r, names=n) for r, n in zip(results, names, strict=True)]

    def make_module(self, specs: Specs, outputs: tuple[str, ...]) -> nn.Module:
        return self._class(
            **self.arguments(specs), return_indices="indices" in outputs, **self._fixed
        )


class _MaxPool(_Pool, _Strided):
    """The largest value in each window."""


class _Normalized(Layer):
    """Normalization of the last `n_dims` dimensions."""

    _keeps_shape = True

    n_dims: int

    def arguments(self, specs: Specs) -> dict[str, Any]:
        arguments = super().arguments(specs)
        n_dims = arguments.pop("n_dims")
        return {"normalized_shape": specs[0].shape[-n_dims:], **arguments}

    def check(self, specs: Specs) -> None:
        shape = specs[0].shape
        if not 0 < self.n_dims < len(shape):
            raise ArchitectureError(
                f"n_dims={self.n_dims!r} must be between 1 and {len(shape) - 1}"
            )
        if None in shape[-self.n_dims :]:
            raise ArchitectureError(
                "it normalizes dimensions whose sizes must be known"
            )


class _Recurrent(Layer):
    """Over tokens, with the states after the last one as further outputs."""

    def dimension_names(self, specs: Specs, ndims: list[int]) -> list[Any]:
        states = [("batch", "layer", "feature")] * (len(ndims) - 1)
        return [("batch", "token", "feature"), *states]

    def infer(self, specs: Specs, outputs: tuple[str, ...]) -> Specs:
        self.check(specs)
        batch, n_tokens, n_features = specs[0].shape
        # Each token takes its own step, on the meta device too: one is enough to see.
        one = replace(specs[0], shape=(batch, 1, n_features))
        output, *states = super().infer([one], outputs)
        shape = (batch, n_tokens, output.shape[-1])
        return [replace(output, shape=shape), *states]


class _Attention(Layer):
    """From queries to keys and values; all three are the same for one input."""

    inputs: ClassVar[tuple[str, ...]] = ("query",)
    optional_inputs: ClassVar[tuple[str, ...]] = (
        "key",
        "value",
        "key_padding_mask",
        "attn_mask",
    )
    outputs: ClassVar[tuple[str, ...]] = ("output", "weights")

    def arguments(self, specs: Specs) -> dict[str, Any]:
        key = specs[1] if len(specs) > 1 and specs[1] is not None else specs[0]
        value = specs[2] if len(specs) > 2 and specs[2] is not None else key
        sizes = {"kdim": key.shape[-1], "vdim": value.shape[-1]}
        return {**super().arguments(specs), **sizes}

    def make_module(self, specs: Specs, outputs: tuple[str, ...]) -> nn.Module:
        return Attention(
            **self.arguments(specs),
            batch_first=True,
            need_weights="weights" in outputs,
        )

    def dimension_names(self, specs: Specs, ndims: list[int]) -> list[Any]:
        names = [("batch", "token", "feature"), ("batch", "token", "token")]
        return names[: len(ndims)]


class _Flattened(Layer):
    """Neighbouring dimensions become one."""

    start_dim: int
    end_dim: int

    def dimension_names(self, specs: Specs, ndims: list[int]) -> list[Any]:
        names, n = specs[0].names, len(specs[0].shape)
        start, end = self.start_dim % n, self.end_dim % n
        return [(*names[:start], "feature", *names[end + 1 :])]

    def known_output(self, specs: Specs) -> TensorSpec | None:
        (spec,) = specs
        if self.start_dim != 1 or self.end_dim != -1 or None in spec.shape[1:]:
            return None
        size = math.prod(n for n in spec.shape[1:] if n is not None)
        return replace(spec, shape=(spec.shape[0], size), names=("batch", "feature"))


def _by_dimension(size: Any, n_dims: int) -> Any:
    """Return a size for each dimension; None where it is no whole number."""
    sizes = (size,) * n_dims if isinstance(size, Integral) else size
    whole = isinstance(sizes, tuple | list) and len(sizes) == n_dims
    return sizes if whole and all(isinstance(n, Integral) for n in sizes) else None


_last = {"in_features": size_of(-1)}
_channels = {"in_channels": size_of(1)}
_features = {"num_features": size_of(1)}
_tokens = {"input_size": size_of(-1)}
_model = {"d_model": size_of(-1)}
_batch_first: dict[str, Any] = {"batch_first": True}
_conv = partial(layer, fills=_channels, base=_Strided)
_transposed = partial(layer, fills=_channels, base=_Spatial)
_pool = partial(layer, base=_Pool, leave_out=("return_indices",))
_batch_norm = partial(layer, fills=_features, _keeps_shape=True)
_same = partial(layer, _keeps_shape=True)
_norm = partial(
    layer,
    leave_out=("normalized_shape",),
    defaults={"n_dims": 1},
    base=_Normalized,
    _leading=("n_dims",),
)
_rnn = partial(layer, fills=_tokens, base=_Recurrent, _ndims=(3,), _fixed=_batch_first)

# Linear
Linear = layer(nn.Linear, _last, base=_ToFeatures)
Bilinear = layer(
    nn.Bilinear,
    {"in1_features": size_of(-1), "in2_features": size_of(-1, 1)},
    inputs=("input1", "input2"),
)
Identity = layer(nn.Identity, base=_Unchanged)

# Convolution
Conv1d = _conv(nn.Conv1d, _ndims=(3,))
Conv2d = _conv(nn.Conv2d, _ndims=(4,))
Conv3d = _conv(nn.Conv3d, _ndims=(5,))
ConvTranspose1d = _transposed(nn.ConvTranspose1d, _ndims=(3,))
ConvTranspose2d = _transposed(nn.ConvTranspose2d, _ndims=(4,))
ConvTranspose3d = _transposed(nn.ConvTranspose3d, _ndims=(5,))
Fold = layer(nn.Fold)
Unfold = layer(nn.Unfold)

# Pooling
MaxPool1d = _pool(nn.MaxPool1d, base=_MaxPool, _ndims=(3,))
MaxPool2d = _pool(nn.MaxPool2d, base=_MaxPool, _ndims=(4,))
MaxPool3d = _pool(nn.MaxPool3d, base=_MaxPool, _ndims=(5,))
AdaptiveMaxPool1d = _pool(nn.AdaptiveMaxPool1d, _ndims=(3,))
AdaptiveMaxPool2d = _pool(nn.AdaptiveMaxPool2d, _ndims=(4,))
AdaptiveMaxPool3d = _pool(nn.AdaptiveMaxPool3d, _ndims=(5,))
FractionalMaxPool2d = _pool(nn.FractionalMaxPool2d, _ndims=(4,))
FractionalMaxPool3d = _pool(nn.FractionalMaxPool3d, _ndims=(5,))
AvgPool1d = layer(nn.AvgPool1d, base=_Strided, _ndims=(3,))
AvgPool2d = layer(nn.AvgPool2d, base=_Strided, _ndims=(4,))
AvgPool3d = layer(nn.AvgPool3d, base=_Strided, _ndims=(5,))
AdaptiveAvgPool1d = layer(nn.AdaptiveAvgPool1d, base=_Spatial, _ndims=(3,))
AdaptiveAvgPool2d = layer(nn.AdaptiveAvgPool2d, base=_Spatial, _ndims=(4,))
AdaptiveAvgPool3d = layer(nn.AdaptiveAvgPool3d, base=_Spatial, _ndims=(5,))
LPPool1d = layer(nn.LPPool1d, base=_Spatial, _ndims=(3,))
LPPool2d = layer(nn.LPPool2d, base=_Spatial, _ndims=(4,))
LPPool3d = layer(nn.LPPool3d, base=_Spatial, _ndims=(5,))
MaxUnpool1d = layer(
    nn.MaxUnpool1d, base=_Spatial, _ndims=(3,), inputs=("input", "indices")
)
MaxUnpool2d = layer(
    nn.MaxUnpool2d, base=_Spatial, _ndims=(4,), inputs=("input", "indices")
)
MaxUnpool3d = layer(
    nn.MaxUnpool3d, base=_Spatial, _ndims=(5,), inputs=("input", "indices")
)

# Normalization
BatchNorm1d = _batch_norm(nn.BatchNorm1d, _ndims=(2, 3))
BatchNorm2d = _batch_norm(nn.BatchNorm2d, _ndims=(4,))
BatchNorm3d = _batch_norm(nn.BatchNorm3d, _ndims=(5,))
InstanceNorm1d = _batch_norm(nn.InstanceNorm1d, _ndims=(3,))
InstanceNorm2d = _batch_norm(nn.InstanceNorm2d, _ndims=(4,))
InstanceNorm3d = _batch_norm(nn.InstanceNorm3d, _ndims=(5,))
GroupNorm = layer(nn.GroupNorm, {"num_channels": size_of(1)})
LayerNorm = _norm(nn.LayerNorm)
RMSNorm = _norm(nn.RMSNorm)
LocalResponseNorm = layer(nn.LocalResponseNorm)
CrossMapLRN2d = layer(nn.CrossMapLRN2d, _ndims=(4,))

# Dropout; the first draws from the generator of the fit itself
Dropout = _same(own.Dropout)
Dropout1d = layer(nn.Dropout1d)
Dropout2d = layer(nn.Dropout2d)
Dropout3d = layer(nn.Dropout3d)
AlphaDropout = _same(nn.AlphaDropout)
FeatureAlphaDropout = layer(nn.FeatureAlphaDropout)

# Activations
CELU = _same(nn.CELU)
ELU = _same(nn.ELU)
GELU = _same(nn.GELU)
Hardshrink = _same(nn.Hardshrink)
Hardsigmoid = _same(nn.Hardsigmoid)
Hardswish = _same(nn.Hardswish)
Hardtanh = _same(nn.Hardtanh, leave_out=("min_value", "max_value"))
LeakyReLU = _same(nn.LeakyReLU)
LogSigmoid = _same(nn.LogSigmoid)
Mish = _same(nn.Mish)
RReLU = _same(nn.RReLU)
ReLU = _same(nn.ReLU)
ReLU6 = _same(nn.ReLU6)
SELU = _same(nn.SELU)
SiLU = _same(nn.SiLU)
Sigmoid = _same(nn.Sigmoid)
Softplus = _same(nn.Softplus)
Softshrink = _same(nn.Softshrink)
Softsign = _same(nn.Softsign)
Tanh = _same(nn.Tanh)
Tanhshrink = _same(nn.Tanhshrink)
Threshold = _same(nn.Threshold)
GLU = layer(nn.GLU)
PReLU = layer(nn.PReLU)
Softmax = layer(nn.Softmax, defaults={"dim": -1})
LogSoftmax = layer(nn.LogSoftmax, defaults={"dim": -1})
Softmin = layer(nn.Softmin, defaults={"dim": -1})
Softmax2d = layer(nn.Softmax2d)

# Sequences
RNN = _rnn(
    BatchFirstRNN,
    name="RNN",
    _arguments_of=nn.RNNBase,
    leave_out=("mode", "proj_size"),
    defaults={"nonlinearity": "tanh"},
    _leading=("hidden_size", "num_layers", "nonlinearity"),
    outputs=("output", "hidden"),
)
GRU = _rnn(
    BatchFirstGRU,
    name="GRU",
    _arguments_of=nn.RNNBase,
    leave_out=("mode", "proj_size"),
    outputs=("output", "hidden"),
)
LSTM = _rnn(
    BatchFirstLSTM,
    name="LSTM",
    _arguments_of=nn.RNNBase,
    leave_out=("mode",),
    outputs=("output", "hidden", "cell"),
)
RNNCell = layer(nn.RNNCell, _tokens)
GRUCell = layer(nn.GRUCell, _tokens)
LSTMCell = layer(nn.LSTMCell, _tokens, outputs=("output", "cell"))
MultiheadAttention = layer(
    nn.MultiheadAttention,
    {"embed_dim": size_of(-1)},
    leave_out=("kdim", "vdim", "batch_first"),
    base=_Attention,
    _ndims=(3,),
)
TransformerEncoderLayer = layer(
    nn.TransformerEncoderLayer,
    _model,
    _fixed=_batch_first,
    _ndims=(3,),
    inputs=("src",),
    optional_inputs=("src_mask", "src_key_padding_mask"),
)
TransformerDecoderLayer = layer(
    nn.TransformerDecoderLayer,
    _model,
    _fixed=_batch_first,
    _ndims=(3,),
    inputs=("tgt", "memory"),
)
Transformer = layer(
    nn.Transformer,
    _model,
    _fixed=_batch_first,
    _ndims=(3,),
    leave_out=("custom_encoder", "custom_decoder"),
    inputs=("src", "tgt"),
)

# Codes
Embedding = layer(nn.Embedding)
EmbeddingBag = layer(nn.EmbeddingBag)

# Two inputs compared
CosineSimilarity = layer(nn.CosineSimilarity, inputs=("x1", "x2"))
PairwiseDistance = layer(nn.PairwiseDistance, inputs=("x1", "x2"))

# Shape
Flatten = layer(nn.Flatten, base=_Flattened)
Unflatten = layer(nn.Unflatten)
PixelShuffle = layer(nn.PixelShuffle)
PixelUnshuffle = layer(nn.PixelUnshuffle)
ChannelShuffle = layer(nn.ChannelShuffle)
Upsample = layer(nn.Upsample)
UpsamplingBilinear2d = layer(nn.UpsamplingBilinear2d)
UpsamplingNearest2d = layer(nn.UpsamplingNearest2d)
CircularPad1d = layer(nn.CircularPad1d, base=_Spatial, _ndims=(3,))
CircularPad2d = layer(nn.CircularPad2d, base=_Spatial, _ndims=(4,))
CircularPad3d = layer(nn.CircularPad3d, base=_Spatial, _ndims=(5,))
ConstantPad1d = layer(nn.ConstantPad1d, base=_Spatial, _ndims=(3,))
ConstantPad2d = layer(nn.ConstantPad2d, base=_Spatial, _ndims=(4,))
ConstantPad3d = layer(nn.ConstantPad3d, base=_Spatial, _ndims=(5,))
ReflectionPad1d = layer(nn.ReflectionPad1d, base=_Spatial, _ndims=(3,))
ReflectionPad2d = layer(nn.ReflectionPad2d, base=_Spatial, _ndims=(4,))
ReflectionPad3d = layer(nn.ReflectionPad3d, base=_Spatial, _ndims=(5,))
ReplicationPad1d = layer(nn.ReplicationPad1d, base=_Spatial, _ndims=(3,))
ReplicationPad2d = layer(nn.ReplicationPad2d, base=_Spatial, _ndims=(4,))
ReplicationPad3d = layer(nn.ReplicationPad3d, base=_Spatial, _ndims=(5,))
ZeroPad1d = layer(nn.ZeroPad1d, base=_Spatial, _ndims=(3,))
ZeroPad2d = layer(nn.ZeroPad2d, base=_Spatial, _ndims=(4,))
ZeroPad3d = layer(nn.ZeroPad3d, base=_Spatial, _ndims=(5,))
