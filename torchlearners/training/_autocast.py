"""Computing in full precision whatever the caller has asked torch for."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch


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
        return nullcontext()
    return torch.autocast(device.type, enabled=False)
