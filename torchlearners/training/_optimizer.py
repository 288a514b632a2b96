"""The base of optimizers as declared choices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import nn

from torchlearners._compat import same_device_and_dtype
from torchlearners.params import SequenceOf, fraction, param, positive
from torchlearners.training._descriptors import Descriptor


class Optimizer(Descriptor):
    """Base of the optimizers; learning rate and weight decay belong to the learner."""

    torch_class: ClassVar[Any]  # a torch.optim class
    fused_class: ClassVar[Any] = None

    def build(
        self, parameters: Iterable[Any], lr: float, weight_decay: float
    ) -> torch.optim.Optimizer:
        """Return torch's optimizer over `parameters`.

        Parameters
        ----------
        parameters : iterable of torch.nn.Parameter or of dict
            The latter as torch's parameter groups: "params", and what they have of
            their own.
        lr : float
            Learning rate.
        weight_decay : float
            As the torch class of the same name means it.

        Returns
        -------
        torch.optim.Optimizer
            With a single fused kernel call a step where torch has one.

        Raises
        ------
        InvalidParameterError
            Where a parameter of this object is out of range.
        """
        self._validate_params()
        parameters = list(parameters)
        settings = {"lr": lr, "weight_decay": weight_decay, **self.settings()}
        if self.fused_class is not None and same_device_and_dtype(
            each_parameter(parameters)
        ):
            return self.fused_class(parameters, **settings)
        return self.torch_class(parameters, **settings)

    def settings(self) -> dict[str, Any]:
        """Return the keyword arguments for the torch class."""
        return self.get_params(deep=False)

    def group_options(self, module: nn.Module) -> dict[str, dict[str, Any]]:
        """Return what parameters of a network have of their own in their groups.

        Parameters
        ----------
        module : torch.nn.Module

        Returns
        -------
        dict of str to dict
            By the name of the parameter; by default there is none.
        """
        return {}


def each_parameter(parameters: list[Any]) -> list[nn.Parameter]:
    """Return the parameters of groups; those that are in none as they are."""
    groups = [p["params"] if isinstance(p, dict) else [p] for p in parameters]
    return [p for group in groups for p in group]


def declared_betas(
    default: tuple[float, float],
    doc: str = "Decay rates of the running means of the gradient and of its square.",
) -> Any:
    """Declare a pair of decay rates."""
    return param(default=default, check=[SequenceOf(fraction, length=2)], doc=doc)


def declared_eps(default: float) -> Any:
    """Declare the number that keeps denominators from zero."""
    return param(
        default=default,
        check=positive,
        doc="Added to the denominator for numerical stability.",
    )
