"""Maps of several resolutions inside a network of images."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from torchlearners.nn import ImageInput

Maps = dict[tuple[int, ...], Tensor]
_GLOBAL_POOLS = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


@contextmanager
def pyramids_of(network: nn.Module) -> Iterator[list[list[Tensor]]]:
    """Keep, of each pass through a network, the last map of each resolution.

    Parameters
    ----------
    network : torch.nn.Module
        That a learner of images built.

    Yields
    ------
    list of list of torch.Tensor
        Grows by one list for each batch that passes in this thread: maps (batch,
        channel, height, width), the finest first.
    """
    found: list[Maps] = []
    thread = threading.get_ident()
    pooled = channels_last = False

    def begin(module: nn.Module, inputs: Any) -> None:
        nonlocal pooled, channels_last
        if threading.get_ident() == thread:
            found.append({})
            pooled = channels_last = False

    def look(module: Any, inputs: Any, output: Any) -> None:
        nonlocal pooled, channels_last
        if threading.get_ident() != thread:
            return
        # What comes after is no map, whatever its shape.
        pooled = pooled or isinstance(module, _GLOBAL_POOLS)
        if type(module).__name__ == "Permute":  # Swin's, in torchvision
            channels_last = list(module.dims) == [0, 2, 3, 1]
        if not pooled:
            is_map = channels_last and isinstance(output, Tensor) and output.ndim == 4
            _keep(found[-1], output.permute(0, 3, 1, 2) if is_map else output)

    def ask(module: Any, inputs: tuple[Tensor, ...], output: Any) -> None:
        if threading.get_ident() == thread:
            maps = module.forward_intermediates(inputs[0], intermediates_only=True)
            for one in maps:
                _keep(found[-1], one)

    handles = []
    for module in _stages(network):
        if isinstance(module, ImageInput):
            handles.append(module.register_forward_pre_hook(begin))
        elif hasattr(module, "forward_intermediates"):  # timm's networks know it
            handles.append(module.register_forward_hook(ask))
        else:
            handles.append(module.register_forward_hook(look))
    pyramids: list[list[Tensor]] = []
    try:
        yield pyramids
    finally:
        for handle in handles:
            handle.remove()
        pyramids += [list(maps.values()) for maps in found]


def _keep(maps: Maps, output: Any) -> None:
    if isinstance(output, Tensor) and output.ndim == 4:
        maps[tuple(output.shape[2:])] = output.detach()


def _stages(network: nn.Module) -> Iterator[nn.Module]:
    """Yield the modules that images go through one after the other.

    Blocks inside of them are left out, which may have maps of their own.
    """
    for name, module in network.named_children():
        whole = hasattr(module, "forward_intermediates")
        chain = type(module) in (nn.Sequential, nn.ModuleList) or name == "backbone"
        if chain and not whole and any(True for _ in module.children()):
            yield from _stages(module)
        else:
            yield module
