"""Modules that look at training rows before training starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

MAX_ROWS = 10_000


class _AllHaveSeenRows(BaseException):
    """Ends the forward pass; a module's own `except Exception` must not stop it."""


def fit_to_data(module: nn.Module, x: Any) -> None:
    """Fit the modules that have a method `fit_to` to their own inputs.

    Calls ``module(x)`` once in evaluation mode, without gradients. On its way, each
    inner module with a method `fit_to`, as `PiecewiseLinearEncoding`, is given the
    arguments of its forward pass, right before it; the pass ends with the last of them.
    Draws no random numbers, and leaves the modes of all modules as they are.

    Parameters
    ----------
    module : torch.nn.Module
        The network, searched with all its children.
    x : torch.Tensor, or sequence or dict of them
        Training rows as the network takes them, on its device. Of more than 10 000
        rows, it sees 10 000 at equal distances.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import PiecewiseLinearEncoding, fit_to_data
    >>> net = torch.nn.Sequential(torch.nn.Identity(), PiecewiseLinearEncoding(1, 2))
    >>> fit_to_data(net, torch.tensor([[0.0], [3.0], [5.0]]))
    >>> net[1].edges
    tensor([[0., 3., 5.]])
    """
    # Keyed by the module, which may be called more than once: its first input counts.
    hooks: dict[nn.Module, Any] = {}

    def show(child: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        hooks.pop(child).remove()
        child.fit_to(*args, **kwargs)
        if not hooks:
            raise _AllHaveSeenRows

    modes = {child: child.training for child in module.modules()}
    for child in modes:
        if hasattr(child, "fit_to"):
            hooks[child] = child.register_forward_pre_hook(show, with_kwargs=True)
    if not hooks:
        return
    try:
        module.eval()
        with torch.no_grad():
            module(some_rows(x))
    except _AllHaveSeenRows:
        pass
    finally:
        for hook in hooks.values():
            hook.remove()
        for child, mode in modes.items():
            child.training = mode


def some_rows(x: Any) -> Any:
    """Return the rows that `fit_to_data` looks at.

    Parameters
    ----------
    x : torch.Tensor, sequence or dict of them, or rows that are read when needed
        The latter have a `device`, a length and rows to choose, as a tensor has.

    Returns
    -------
    object
        The same, of at most 10 000 rows.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import some_rows
    >>> some_rows(torch.arange(30_000))[:3]
    tensor([0, 3, 6])
    """
    if isinstance(x, Mapping):
        return {name: some_rows(part) for name, part in x.items()}
    if not isinstance(x, Tensor) and isinstance(x, Sequence):
        return type(x)(some_rows(part) for part in x)  # type: ignore[call-arg]
    if len(x) <= MAX_ROWS:
        return x
    # Spread over all of them, which may be sorted.
    return x[torch.arange(MAX_ROWS, device=x.device) * len(x) // MAX_ROWS]
