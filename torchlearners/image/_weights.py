"""Files of weights from elsewhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from torchlearners.exceptions import WeightsError

# What files of whole trainings keep the weights under.
_HOLDERS = ("state_dict", "model")


def read_weights(path: str | os.PathLike[str]) -> dict[str, torch.Tensor]:
    """Read a state dict, without running what a file may hold.

    Parameters
    ----------
    path : str or path-like
        A ``.safetensors`` file, or one that `torch.save` wrote of tensors.

    Returns
    -------
    dict of str to torch.Tensor

    Raises
    ------
    WeightsError
        Where there is no such file, or it holds something else.
    """
    if not Path(path).is_file():
        raise WeightsError(f"There is no file of weights {str(path)!r}.")
    try:
        if str(path).endswith(".safetensors"):
            found: Any = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # Readers of damaged files raise whatever comes.
        raise WeightsError(
            f"{str(path)!r} cannot be read as weights: {_first_line(error)} Save those "
            "of a module with torch.save(module.state_dict(), path), or with "
            "safetensors.torch.save_file."
        ) from error
    for holder in _HOLDERS:
        if isinstance(found, dict) and isinstance(found.get(holder), dict):
            found = found[holder]
    tensors = isinstance(found, dict) and all(
        isinstance(value, torch.Tensor) for value in found.values()
    )
    if not (tensors and found):
        raise WeightsError(
            f"{str(path)!r} holds {type(found).__name__}, not a state dict: names and "
            "tensors, as module.state_dict() returns them."
        )
    return dict(found)


def _first_line(error: Exception) -> str:
    line = str(error).partition("\n")[0].strip() or type(error).__name__
    return line if line.endswith(".") else line + "."
