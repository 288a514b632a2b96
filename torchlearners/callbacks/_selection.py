"""What the functions of `select` make: choices of parameters by their names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from torchlearners.params import did_you_mean


class Selection:
    """Base of selections; made by the functions of `select`."""

    def of(self, module: nn.Module) -> set[str]:
        """Return the names of the parameters of a module that are selected."""
        raise NotImplementedError

    def __and__(self, other: Selection | str) -> Selection:
        return Both(self, as_selection(other))

    def __or__(self, other: Selection | str) -> Selection:
        return Either(self, as_selection(other))

    def __invert__(self) -> Selection:
        return Others(self)


@dataclass(frozen=True)
class All(Selection):
    def of(self, module: nn.Module) -> set[str]:
        return set(_names(module))


@dataclass(frozen=True)
class Nothing(Selection):
    def of(self, module: nn.Module) -> set[str]:
        return set()


@dataclass(frozen=True)
class Both(Selection):
    first: Selection
    second: Selection

    def of(self, module: nn.Module) -> set[str]:
        return self.first.of(module) & self.second.of(module)


@dataclass(frozen=True)
class Either(Selection):
    first: Selection
    second: Selection

    def of(self, module: nn.Module) -> set[str]:
        return self.first.of(module) | self.second.of(module)


@dataclass(frozen=True)
class Others(Selection):
    selection: Selection

    def of(self, module: nn.Module) -> set[str]:
        return set(_names(module)) - self.selection.of(module)


@dataclass(frozen=True)
class Pattern(Selection):
    kind: str
    pattern: str

    def of(self, module: nn.Module) -> set[str]:
        if self.kind == "glob":
            found = {n for n in _names(module) if self._fits_name_or_holder(n)}
        else:
            found = {n for n in _names(module) if re.search(self.pattern, n)}
        return found or _nothing(f"{self.kind}({self.pattern!r})", module)

    def _fits_name_or_holder(self, name: str) -> bool:
        parts = name.split(".")
        holders = (".".join(parts[: i + 1]) for i in range(len(parts)))
        return any(fnmatchcase(holder, self.pattern) for holder in holders)


@dataclass(frozen=True)
class Names(Selection):
    chosen: tuple[str, ...]

    def of(self, module: nn.Module) -> set[str]:
        known = _names(module)
        for name in self.chosen:
            if name not in known:
                _nothing(f"{name!r}", module, did_you_mean(name, known))
        return set(self.chosen)


@dataclass(frozen=True)
class Layers(Selection):
    chosen: tuple[int | str, ...]

    def of(self, module: nn.Module) -> set[str]:
        children = [name for name, _ in module.named_children()]
        found: set[str] = set()
        for layer in self.chosen:
            try:
                index = layer if isinstance(layer, int) else children.index(layer)
                name = children[index]
            except (IndexError, ValueError):
                raise ValueError(
                    f"layers: there is no layer {layer!r}."
                    f"{did_you_mean(str(layer), children)} The network has "
                    f"{len(children)}: {children}."
                ) from None
            found |= {n for n in _names(module) if n.split(".")[0] == name}
        return found or _nothing(f"layers({list(self.chosen)})", module)


def as_selection(choice: Any) -> Selection:
    """Return a selection, made by `glob` of a string."""
    if isinstance(choice, Selection):
        return choice
    if isinstance(choice, str):
        return Pattern("glob", choice)
    raise TypeError(
        f"A selection is a pattern or made by torchlearners.callbacks.select, for "
        f"example select.layers(range(2)); got {choice!r}."
    )


def selected(choice: Any, module: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Return names and parameters that are selected, in the module's order.

    Parameters
    ----------
    choice : Selection or str
    module : torch.nn.Module

    Returns
    -------
    list of (str, torch.nn.Parameter)

    Raises
    ------
    ValueError
        Where nothing is selected, except by `none`.
    """
    selection = as_selection(choice)
    found = selection.of(module)
    if not found and not isinstance(selection, Nothing):
        _nothing(repr(choice), module)
    return [(n, p) for n, p in module.named_parameters() if n in found]


def _names(module: nn.Module) -> list[str]:
    return [name for name, _ in module.named_parameters()]


def _nothing(what: str, module: nn.Module, hint: str = "") -> Any:
    names = ", ".join(_names(module))
    raise ValueError(
        f"{what} selects no parameter.{hint} The parameters of the network are: "
        f"{names}."
    )
