"""The trained state of a net as arrays and plain values, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


def to_plain(value: Any) -> Any:
    """Turn tensors into arrays and numpy scalars into Python's, at any depth."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().numpy().copy()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(to_plain(item) for item in value)
    return value


def to_tensors(value: Any) -> Any:
    """Turn arrays into tensors, at any depth: the inverse of `to_plain`."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, dict):
        return {key: to_tensors(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(to_tensors(item) for item in value)
    return value
