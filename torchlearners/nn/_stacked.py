"""Networks of one shape that are computed at once."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from torchlearners.nn._stacked_layers import FORMULAS, Own, is_known


class StackedModules:
    """Several networks that differ in their numbers only, trained at once.

    Their parameters and buffers are stacked along a first axis, and become views of
    the stack, gradients too: what optimizer, measures or callbacks do with one of the
    networks holds for the stack, and the other way round.

    Networks are made of linear layers, normalizations, dropout, embeddings, elementwise
    functions and what joins these, of torch and of this package. Of another class,
    ``takes_stacked = True`` in its body says that its forward is right as it is for
    (members, batch, ...) too.

    Parameters
    ----------
    modules : sequence of torch.nn.Module
        Of equal `stacking_key`, all trainable.

    Attributes
    ----------
    n_rows : list of int
        Rows in each member's batch, up to which random numbers are drawn and
        statistics taken; what comes after them fills batches up to equal size.

    See Also
    --------
    stacking_key : Tells which networks can be stacked.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import StackedModules
    >>> one, other = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    >>> stack = StackedModules([one, other])
    >>> x = torch.ones(2, 5, 3)
    >>> torch.allclose(stack(x, [5, 5])[1], other(x[1]))
    True
    >>> stack.release()
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self.modules = modules
        self.n_rows: list[int] = []
        self._grads: list[Tensor] = []
        first = modules[0]
        self._stacked = copy.deepcopy(first).train()
        names = [name for name, _ in first.named_modules()]
        for name in names:
            layers = [module.get_submodule(name) for module in modules]
            layer = self._stacked.get_submodule(name)
            formula = FORMULAS.get(type(layer))
            if formula is not None:
                own = Own(layers, self.n_rows)
                # Of this copy alone: the layers themselves stay as they are.
                layer.forward = partial(formula, layer, own)
        self._stack_numbers()

    def _stack_numbers(self) -> None:
        """Give the copy all numbers of the modules, and the modules views of them."""
        modules = self.modules
        known: dict[Any, Tensor] = {}
        for name, layer in self._stacked.named_modules():
            own = [module.get_submodule(name) for module in modules]
            for key, before in layer._parameters.items():
                if before is None:
                    continue
                if before not in known:
                    weights = [one._parameters[key] for one in own]
                    known[before] = self._stack_parameter(weights)
                layer._parameters[key] = known[before]
            for key, before in layer._buffers.items():
                if before is None:
                    continue
                buffers: list[Any] = [one._buffers[key] for one in own]
                layer._buffers[key] = torch.stack(buffers)
                for buffer, value in zip(buffers, layer._buffers[key], strict=True):
                    buffer.data = value

    def _stack_parameter(self, weights: list[Any]) -> nn.Parameter:
        stacked = nn.Parameter(torch.stack([p.data for p in weights]))
        grads = stacked.grad = torch.zeros_like(stacked)
        for p, value, grad in zip(weights, stacked.data, grads, strict=True):
            p.data, p.grad = value, grad
        self._grads.append(grads)
        return stacked

    def __call__(self, x: Tensor, n_rows: list[int]) -> Tensor:
        """Return each member's outputs in training mode, (members, batch, ...).

        Parameters
        ----------
        x : torch.Tensor of shape (members, batch, ...)
            A batch of each; rows after the member's own count for nothing.
        n_rows : list of int
            Rows of each member's own.
        """
        self.n_rows[:] = n_rows
        return self._stacked(x)

    def zero_grad(self) -> None:
        """Set all gradients to zero, in place."""
        for grad in self._grads:
            grad.zero_()

    def release(self) -> None:
        """Give each module numbers of its own again, and no gradients."""
        for module in self.modules:
            for p in module.parameters():
                p.data, p.grad = p.data.clone(), None
            for buffer in module.buffers():
                buffer.data = buffer.data.clone()


def stacking_key(module: nn.Module) -> str | None:
    """Return what is equal in networks that can be stacked.

    Parameters
    ----------
    module : torch.nn.Module

    Returns
    -------
    str or None
        None for a network with layers that `StackedModules` does not know, with hooks,
        or with parameters that are not trained.

    Examples
    --------
    >>> from torch import nn
    >>> from torchlearners.nn import stacking_key
    >>> stacking_key(nn.Linear(3, 2)) == stacking_key(nn.Linear(3, 2))
    True
    >>> stacking_key(nn.Conv2d(1, 1, 1)) is None
    True
    """
    layers = dict(module.named_modules())
    known = all(is_known(layer) and not _has_hooks(layer) for layer in layers.values())
    if not known or not all(p.requires_grad for p in module.parameters()):
        return None
    numbers = [*module.named_parameters(), *module.named_buffers()]
    return repr(
        (
            {name: (type(m).__name__, _settings(m)) for name, m in layers.items()},
            [(name, value.shape, value.dtype) for name, value in numbers],
        )
    )


def _settings(module: nn.Module) -> dict[str, Any]:
    """Return a module's plain attributes, but for the rate of dropout."""
    plain = (bool, float, int, list, slice, str, tuple)
    return {k: v for k, v in vars(module).items() if isinstance(v, plain) and k != "p"}


def _has_hooks(module: nn.Module) -> bool:
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )
