"""Nodes of networks of images."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Literal

from torch import nn

import torchlearners.nn as own
from torchlearners.exceptions import ArchitectureError
from torchlearners.graph import Ingress, Op, TensorSpec, as_op, size_of
from torchlearners.params import (
    REQUIRED,
    boolean,
    one_of,
    optional,
    param,
    positive_int,
)

Specs = list[TensorSpec]
_node = partial(as_op, module="torchlearners.image")
_NAMES = ("batch", "channel", "height", "width")


def _same(self: Any, specs: Specs) -> TensorSpec:
    return specs[0]


class Pixels(Ingress):
    """Rows of pixels, as normalized images (batch, channel, height, width).

    {parameters}
    """

    channels: int = param(
        kw_only=False, default=REQUIRED, check=positive_int, doc="Number of channels."
    )
    height: int = param(
        kw_only=False, default=REQUIRED, check=positive_int, doc="Rows of pixels."
    )
    width: int = param(
        kw_only=False, default=REQUIRED, check=positive_int, doc="Columns of pixels."
    )
    channels_last: bool = param(
        default=False,
        check=boolean,
        doc="Whether the channels of a pixel stand side by side.",
    )
    normalize: Literal["standard", "imagenet"] | tuple[Any, ...] | None = param(
        default=None,
        check=optional([*one_of("standard", "imagenet"), tuple]),
        doc="See `torchlearners.nn.ImageInput`.",
    )

    def enter(self, source: Any) -> tuple[nn.Module, TensorSpec]:
        """Return what makes images of rows."""
        sizes = (self.channels, self.height, self.width)
        module = own.ImageInput(*sizes, self.channels_last, self.normalize)
        return module, TensorSpec((None, *sizes), _NAMES)


class MadeBy(Op):
    """The module that a function of the user's returns.

    {parameters}
    """

    make: Any = param(
        kw_only=False, default=REQUIRED, check=[callable], doc="Returns a module."
    )

    def make_module(self, specs: Specs, outputs: tuple[str, ...]) -> nn.Module:
        """Return a new module."""
        module = self.make()
        if not isinstance(module, nn.Module):
            raise ArchitectureError(
                f"backbone={self.make!r} returned {module!r}, which is no "
                "torch.nn.Module"
            )
        return module


def _pooled(self: Any, specs: Specs) -> TensorSpec | None:
    batch, *given = specs[0].shape
    sizes = [size for size in given if size is not None]
    if len(sizes) < len(given) or len(sizes) > 3:
        return None
    size = sizes[-1]
    if len(sizes) == 3:
        n_positions = sizes[1] * sizes[2]
        size = sizes[0] * (n_positions if n_positions <= self.max_positions else 1)
    return replace(specs[0], shape=(batch, size), names=("batch", "feature"))


def _patches(self: Any, specs: Specs) -> TensorSpec:
    batch, _, height, width = specs[0].shape
    assert height is not None
    assert width is not None
    n_tokens = -(-height // self.patch_size) * -(-width // self.patch_size)
    return TensorSpec((batch, n_tokens, self.d_token), ("batch", "token", "feature"))


_map = {"channels": size_of(1)}
ChannelNorm2d = _node(own.ChannelNorm2d, _map, _ndims=(4,), known_output=_same)
ConvNeXtBlock = _node(own.ConvNeXtBlock, _map, _ndims=(4,), known_output=_same)
PatchTokens = _node(
    own.PatchTokens,
    {**_map, "height": size_of(2), "width": size_of(3)},
    _ndims=(4,),
    known_output=_patches,
)
PoolPositions = _node(own.PoolPositions, known_output=_pooled)
