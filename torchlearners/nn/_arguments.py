"""What our modules have in common: checked arguments, which the repr shows."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any, TypeVar

from torch import Tensor, nn

from torchlearners._compat import make_constraint
from torchlearners.exceptions import ArchitectureError

Value = TypeVar("Value")


class ShowsArguments(nn.Module):
    """A module that keeps each constructor argument as an attribute of that name.

    As in torch, `bias` is the exception: the attribute is the parameter, or None.
    """

    def extra_repr(self) -> str:
        """Return what stands between the parentheses of the repr."""
        cls: Any = type(self)  # which mypy does not take for hashable
        names = _arguments_of(cls)
        values = {n: getattr(self, n) for n in names if hasattr(self, n)}
        if "bias" in values:
            values["bias"] = values["bias"] is not None
        return ", ".join(f"{name}={value!r}" for name, value in values.items())

    def in_words(self) -> str:
        """Return the repr without the modules inside, for errors."""
        return f"{type(self).__name__}({self.extra_repr()})"


@cache
def _arguments_of(cls: Any) -> tuple[str, ...]:
    return tuple(inspect.signature(cls).parameters)


def checked(name: str, value: Value, check: list[Any]) -> Value:
    """Return `value` if `check` (see `torchlearners.params`) allows it, else raise."""
    constraints = [make_constraint(c) for c in check]
    if not any(constraint.is_satisfied_by(value) for constraint in constraints):
        wanted = " or ".join(map(str, constraints))
        raise ValueError(f"{name} must be {wanted}, got {value!r}.")
    return value


def check_shape(module: ShowsArguments, x: Tensor, *sizes: int | str) -> None:
    """Raise unless `x` has these sizes; a string names a size that may be any."""
    fits = x.ndim == len(sizes) and all(
        isinstance(wanted, str) or size == wanted
        for size, wanted in zip(x.shape, sizes, strict=True)
    )
    if not fits:
        wanted = ", ".join(map(str, sizes))
        raise ArchitectureError(
            f"{module.in_words()} takes a tensor of shape ({wanted}), got "
            f"{tuple(x.shape)}."
        )
