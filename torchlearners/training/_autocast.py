"""Computing in the learner's precision whatever the caller has asked torch for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch

from torchlearners._compat import inference_guard
from torchlearners.training._torch_defaults import defaults_changed, torch_defaults

# It can be entered again and again, also from several threads.
_NOTHING = nullcontext()


def no_autocast(device: torch.device) -> AbstractContextManager[Any]:
    """Return a context in which an autocast of the caller has no effect.

    Under it, results would depend on more than data, parameters and seed.

    Parameters
    ----------
    device : torch.device
        Where the network computes.

    Returns
    -------
    context manager

    Examples
    --------
    >>> import torch
    >>> from torchlearners.training import no_autocast
    >>> with torch.autocast("cpu"), no_autocast(torch.device("cpu")):
    ...     torch.is_autocast_enabled("cpu")
    False
    """
    if not torch.is_autocast_enabled(device.type):
        return _NOTHING
    return torch.autocast(device.type, enabled=False)


def inference(device: torch.device) -> AbstractContextManager[Any]:
    """Return a context for predictions: without gradients or the caller's autocast.

    Parameters
    ----------
    device : torch.device
        Where the network computes.

    Returns
    -------
    context manager

    Examples
    --------
    >>> import torch
    >>> from torchlearners.training import inference
    >>> with inference(torch.device("cpu")):
    ...     torch.is_inference_mode_enabled()
    True
    """
    if not torch.is_autocast_enabled(device.type) and not defaults_changed():
        return inference_guard()
    return _full_inference(device)


@contextmanager
def _full_inference(device: torch.device) -> Iterator[None]:
    with torch_defaults(), no_autocast(device), inference_guard():
        yield


def as_array(tensor: torch.Tensor) -> np.ndarray:
    """Return a tensor as an array; bfloat16, which numpy lacks, becomes float32.

    Parameters
    ----------
    tensor : torch.Tensor
        On any device.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import torch
    >>> from torchlearners.training import as_array
    >>> as_array(torch.tensor([0.5], dtype=torch.bfloat16))
    array([0.5], dtype=float32)
    """
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    return tensor.numpy(force=True)
