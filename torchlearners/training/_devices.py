"""Which device trains."""

from __future__ import annotations

import torch

_ACCELERATORS = ("cuda", "mps", "xpu")


def resolve_device(device: str | torch.device) -> torch.device:
    """Return the device that a learner's `device` parameter stands for.

    Parameters
    ----------
    device : str or torch.device
        "auto" is the first available of cuda, mps, xpu and cpu.

    Returns
    -------
    torch.device

    Raises
    ------
    ValueError
        Where there is no such device, or it is not available here.

    Examples
    --------
    >>> from torchlearners.training import resolve_device
    >>> resolve_device("cpu")
    device(type='cpu')
    """
    available = [kind for kind in _ACCELERATORS if _is_available(kind)]
    if device == "auto":
        return torch.device(available[0] if available else "cpu")
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device={device!r} is not a device; try 'auto' or 'cpu'."
        ) from error
    if resolved.type not in ("cpu", *available):
        raise ValueError(
            f"device={str(device)!r} is not available here; available: "
            f"{', '.join(['cpu', *available])}. device='auto' takes the best of them."
        )
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device={str(device)!r} does not exist; this machine has "
            f"{torch.cuda.device_count()} cuda devices."
        )
    return resolved


def _is_available(kind: str) -> bool:
    backend = getattr(torch, kind, None)
    return backend is not None and backend.is_available()
