"""What layers compute whose weights, stacked, are those of several networks.

A function for each kind of layer. Of a layer whose parameters and buffers have the
members as a further first dimension, and of x (members, batch, ...), it returns what
each member's own layer would return for its x.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torchlearners.nn import _tokens as tokens
from torchlearners.nn._batch_ensemble import (
    BatchEnsembleLinear,
    ExpandMembers,
    LinearEnsemble,
    ScaleEnsemble,
)
from torchlearners.nn._dropout import Dropout
from torchlearners.nn._mean_members import MeanMembers
from torchlearners.nn._merging import Concat, Mean, Product, Sum
from torchlearners.nn._ntk import NTKLinear, ScaleFeatures
from torchlearners.nn._numeric_embeddings import (
    PBLDEmbedding,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
    PiecewiseLinearEncoding,
)
from torchlearners.nn._parametric_activation import ParametricActivation

# What these compute is right with a further first dimension too, as they train.
AS_THEY_ARE = frozenset(
    {
        nn.ELU,
        nn.GELU,
        nn.Hardswish,
        nn.Identity,
        nn.LeakyReLU,
        nn.Mish,
        nn.ModuleList,
        nn.ReLU,
        nn.SELU,
        nn.Sequential,
        nn.SiLU,
        nn.Sigmoid,
        nn.Softplus,
        nn.Tanh,
        Mean,
        MeanMembers,
        PiecewiseLinearEmbedding,
        Product,
        Sum,
    }
)


class Own:
    """The members' own layers of one place, and the rows of the batch at hand.

    Parameters
    ----------
    layers : list of torch.nn.Module
    n_rows : list of int
        How many rows of each member's batch are rows, and not there to fill it up.
    """

    def __init__(self, layers: list[Any], n_rows: list[int]) -> None:
        self.layers = layers
        self.n_rows = n_rows


def _beside(weight: Tensor, x: Tensor) -> Tensor:
    """Return a weight (members, ...) of the last dimensions of `x`, to go with it."""
    return weight.view(len(weight), *(x.ndim - weight.ndim) * [1], *weight.shape[1:])


def _multiplied(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return x (members, ..., in) times weight (members, out, in), plus bias."""
    rows = x if x.ndim == 3 else x.flatten(1, -2)
    if bias is None:
        out = torch.bmm(rows, weight.mT)
    else:
        out = torch.baddbmm(bias[:, None], rows, weight.mT)
    return out if x.ndim == 3 else out.view(*x.shape[:-1], -1)


def _linear(layer: Any, own: Own, x: Tensor) -> Tensor:
    return _multiplied(x, layer.weight, layer.bias)


def _ntk_linear(layer: Any, own: Own, x: Tensor) -> Tensor:
    return _multiplied(x, layer.weight * layer.in_features**-0.5, layer.bias)


def _scaled(layer: Any, own: Own, x: Tensor) -> Tensor:
    return x * _beside(layer.weight, x)


def _activation(layer: Any, own: Own, x: Tensor) -> Tensor:
    return torch.addcmul(x, _beside(layer.weight, x), layer.function(x) - x)


def _flatten(layer: Any, own: Own, x: Tensor) -> Tensor:
    start, end = (
        dim + 1 if dim > 0 else dim for dim in (layer.start_dim, layer.end_dim)
    )
    return x.flatten(start, end)


def _concat(layer: Any, own: Own, *inputs: Tensor) -> Tensor:
    return torch.cat(inputs, layer.dim + 1 if layer.dim > 0 else layer.dim)


def _dropout(layer: Any, own: Own, x: Tensor) -> Tensor:
    """Draw for each member from its own generator, for its own rows."""
    if not any(one.p for one in own.layers):
        return x
    factors = torch.empty_like(x, memory_format=torch.contiguous_format)
    for one, factor, n in zip(own.layers, factors, own.n_rows, strict=True):
        if one.p == 0:
            factor.fill_(1)
        else:
            keep = 1 - one.p
            factor[:n].bernoulli_(keep, generator=one.generator).div_(keep)
            factor[n:] = 0
    return x * factors


def _layer_norm(layer: Any, own: Own, x: Tensor) -> Tensor:
    x = F.layer_norm(x, layer.normalized_shape, eps=layer.eps)
    if layer.weight is not None:
        x = x * _beside(layer.weight, x)
    return x if layer.bias is None else x + _beside(layer.bias, x)


def _batch_norm(layer: Any, own: Own, x: Tensor) -> Tensor:
    """Normalize each member's features beside each other, as if one network's."""
    if x.ndim > 3 or min(own.n_rows) < x.shape[1]:
        return _one_by_one(own, x)
    layer.num_batches_tracked.add_(1)
    running = layer.running_mean.view(-1), layer.running_var.view(-1)
    weight, bias = layer.weight.view(-1), layer.bias.view(-1)
    rows = x.transpose(0, 1)
    out = F.batch_norm(
        rows.flatten(1), *running, weight, bias, True, layer.momentum, layer.eps
    )
    return out.view(rows.shape).transpose(0, 1)


def _one_by_one(own: Own, x: Tensor) -> Tensor:
    """Call each member's own layer, with its own rows."""
    parts = zip(own.layers, x, own.n_rows, strict=True)
    outs = [layer(rows[:n]) for layer, rows, n in parts]
    most = x.shape[1]
    filled = [
        torch.cat((out, out.new_zeros(most - len(out), *out.shape[1:]))) for out in outs
    ]
    return torch.stack(filled)


def _expand_members(layer: Any, own: Own, x: Tensor) -> Tensor:
    return x.unsqueeze(2).expand(-1, -1, layer.k, *x.shape[2:])


def _batch_ensemble_linear(layer: Any, own: Own, x: Tensor) -> Tensor:
    out = _multiplied(x * _beside(layer.r, x), layer.weight, None)
    out = out * _beside(layer.s, out)
    return out if layer.bias is None else out + _beside(layer.bias, out)


def _linear_ensemble(layer: Any, own: Own, x: Tensor) -> Tensor:
    out = torch.matmul(x.transpose(1, 2), layer.weight).transpose(1, 2)
    return out if layer.bias is None else out + _beside(layer.bias, out)


def _piecewise_linear_encoding(layer: Any, own: Own, x: Tensor) -> Tensor:
    left, right = layer.edges[..., :-1], layer.edges[..., 1:]
    width = right - left
    scale = width.reciprocal().masked_fill(width == 0, 0)
    one = layer.edges.new_ones(())
    upper = torch.where(right < layer.edges[..., -1:], one, math.inf)
    x = (x.unsqueeze(-1) - left[:, None]) * scale[:, None]
    return x.clamp(_beside(layer.lower, x), upper[:, None])


def _periodic(layer: Any, own: Own, x: Tensor) -> Tensor:
    phase = x.unsqueeze(-1) * (2 * math.pi * layer.frequencies)[:, None]
    out = layer.linear(torch.cat((phase.cos(), phase.sin()), -1))
    return out.relu() if layer.activation else out


def _pbld(layer: Any, own: Own, x: Tensor) -> Tensor:
    number = x.unsqueeze(-1)
    phase = number * (2 * math.pi * layer.frequencies)[:, None]
    waves = (phase + layer.shifts[:, None]).cos()
    return torch.cat((layer.linear(waves), number), -1)


def _numeric_tokens(layer: Any, own: Own, x: Tensor) -> Tensor:
    out = x.unsqueeze(-1) * layer.weight[:, None]
    return out if layer.bias is None else out + layer.bias[:, None]


def _embedding(layer: Any, own: Own, x: Tensor) -> Tensor:
    """Look each member's codes up in its own part of one long table."""
    members, n, _ = layer.weight.shape
    starts = torch.arange(0, members * n, n, device=x.device)
    # The row after the last makes the look-up raise.
    rows = torch.where((x >= 0) & (x < n), x + _beside(starts, x), members * n)
    return F.embedding(rows, layer.weight.flatten(0, 1))


def _indicators(layer: Any, own: Own, x: Tensor) -> Tensor:
    return F.embedding(x, layer.weight[0])


def _categorical_embedding(layer: Any, own: Own, codes: Tensor) -> Tensor:
    columns = zip(layer.tables, codes.unbind(-1), strict=True)
    try:
        return torch.cat([table(column) for table, column in columns], -1)
    except IndexError:
        sizes = layer.cardinalities
        raise tokens.code_outside(codes.flatten(0, 1), sizes) from None


Formula = Callable[..., Tensor]

FORMULAS: dict[type[nn.Module], Formula] = {
    nn.BatchNorm1d: _batch_norm,
    nn.Embedding: _embedding,
    nn.Flatten: _flatten,
    nn.LayerNorm: _layer_norm,
    nn.Linear: _linear,
    BatchEnsembleLinear: _batch_ensemble_linear,
    Concat: _concat,
    Dropout: _dropout,
    ExpandMembers: _expand_members,
    LinearEnsemble: _linear_ensemble,
    NTKLinear: _ntk_linear,
    PBLDEmbedding: _pbld,
    ParametricActivation: _activation,
    PeriodicEmbedding: _periodic,
    PiecewiseLinearEncoding: _piecewise_linear_encoding,
    ScaleEnsemble: _scaled,
    ScaleFeatures: _scaled,
    tokens.CategoricalEmbedding: _categorical_embedding,
    tokens.Indicators: _indicators,
    tokens.NumericTokenizer: _numeric_tokens,
    tokens.OneHotEmbedding: _categorical_embedding,
}


def is_known(layer: Any) -> bool:
    """Tell whether a layer, without those inside it, can be one of a stack."""
    kind = type(layer)
    if kind is nn.BatchNorm1d:
        weights = layer.weight, layer.bias, layer.running_mean, layer.momentum
        return all(value is not None for value in weights)
    if kind is nn.Embedding:
        plain = layer.padding_idx is None and layer.max_norm is None
        return plain and not (layer.sparse or layer.scale_grad_by_freq)
    if kind is nn.Flatten:
        return layer.start_dim != 0
    # A class of another room may say so of itself; its subclasses compute otherwise.
    says_so = vars(kind).get("takes_stacked", False)
    return kind in FORMULAS or kind in AS_THEY_ARE or says_so
