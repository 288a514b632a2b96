"""From a learner's `optimizer` parameter to torch's optimizer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import torch
from torch import nn

from torchlearners.training._descriptors import promote
from torchlearners.training._lion import Lion
from torchlearners.training._muon import Muon
from torchlearners.training._optimizer import Optimizer, each_parameter
from torchlearners.training._optimizers import (
    LBFGS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    NAdam,
    RAdam,
    RMSprop,
)

OptimizerChoice = (
    Literal[
        "adagrad",
        "adam",
        "adamw",
        "lbfgs",
        "lion",
        "muon",
        "nadam",
        "radam",
        "rmsprop",
        "sgd",
    ]
    | Optimizer
    | type
)
OPTIMIZERS: dict[str, type[Optimizer]] = {
    "adagrad": Adagrad,
    "adam": Adam,
    "adamw": AdamW,
    "lbfgs": LBFGS,
    "lion": Lion,
    "muon": Muon,
    "nadam": NAdam,
    "radam": RAdam,
    "rmsprop": RMSprop,
    "sgd": SGD,
}


def group_options(choice: Any, module: nn.Module) -> dict[str, dict[str, Any]]:
    """Return what the chosen optimizer wants for parameters by name.

    Parameters
    ----------
    choice : str, Optimizer or class
        See `build_optimizer`.
    module : torch.nn.Module

    Returns
    -------
    dict of str to dict
        See `Optimizer.group_options`; empty for a class of torch.
    """
    choice = promote(choice, OPTIMIZERS)
    return choice.group_options(module) if isinstance(choice, Optimizer) else {}


def build_optimizer(
    choice: Any,
    parameters: Iterable[nn.Parameter],
    lr: float,
    weight_decay: float,
    own_settings: Mapping[nn.Parameter, dict[str, Any]] | None = None,
) -> torch.optim.Optimizer:
    """Return the torch optimizer that a learner's `optimizer` parameter stands for.

    Parameters
    ----------
    choice : str, Optimizer or class
        A name in `OPTIMIZERS`, one of our objects, or a `torch.optim.Optimizer` class,
        which is called with ``lr`` and, where it is not 0, ``weight_decay``.
    parameters : iterable of torch.nn.Parameter
    lr, weight_decay : float
    own_settings : dict, default=None
        For some of `parameters` what they have of their own, such as
        ``{"lr": 0.01, "weight_decay": 0.0}``: further groups of the optimizer.

    Returns
    -------
    torch.optim.Optimizer

    Examples
    --------
    >>> import torch
    >>> from torchlearners.training import build_optimizer
    >>> weights = [torch.nn.Parameter(torch.zeros(2))]
    >>> type(build_optimizer(torch.optim.SGD, weights, 0.1, 0.0)).__name__
    'SGD'
    """
    choice = promote(choice, OPTIMIZERS)
    parameters = _groups(parameters, own_settings or {})
    if isinstance(choice, Optimizer):
        return choice.build(parameters, lr, weight_decay)
    if not (isinstance(choice, type) and issubclass(choice, torch.optim.Optimizer)):
        raise TypeError(
            f"optimizer={choice!r} is not an optimizer; give one of "
            f"{sorted(OPTIMIZERS)}, an object of torchlearners.training, or a "
            "torch.optim class."
        )
    settings = {"lr": lr}
    if weight_decay:
        settings["weight_decay"] = weight_decay
    if issubclass(choice, torch.optim.LBFGS):
        parameters = each_parameter(parameters)  # a step has one length for all
    make: Any = choice  # its constructor is that of the subclass
    return make(parameters, **settings)


def _groups(
    parameters: Iterable[nn.Parameter],
    own_settings: Mapping[nn.Parameter, dict[str, Any]],
) -> list[Any]:
    """Return the parameters, in groups where some have settings of their own."""
    groups: dict[tuple[tuple[str, Any], ...], list[nn.Parameter]] = {}
    for parameter in parameters:
        settings = tuple(sorted(own_settings.get(parameter, {}).items()))
        groups.setdefault(settings, []).append(parameter)
    if groups.keys() == {()}:
        return groups[()]
    # The common settings stand first, where callbacks read them.
    return [
        {"params": groups[settings], **dict(settings)}
        for settings in sorted(groups, key=len)
    ]
