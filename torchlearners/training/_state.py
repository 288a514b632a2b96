"""The trained state of a net as arrays and plain values, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

_BFLOAT16 = "bfloat16 as int16"


def to_plain(value: Any) -> Any:
    """Turn tensors into arrays and numpy scalars into Python's, at any depth."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        if value.dtype == torch.bfloat16:  # numpy has none
            return {_BFLOAT16: value.view(torch.int16).numpy().copy()}
        return value.numpy().copy()
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
    if isinstance(value, dict) and value.keys() == {_BFLOAT16}:
        return to_tensors(value[_BFLOAT16]).view(torch.bfloat16)
    if isinstance(value, dict):
        return {key: to_tensors(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(to_tensors(item) for item in value)
    return value
