"""Names of steps: those that are given, and a class and a number for the others."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from torch import nn

from torchlearners.exceptions import ArchitectureError
from torchlearners.graph._param import value_of

# What a torch module already has under these names must stay what it is.
_TAKEN_BY_TORCH = frozenset(dir(nn.Sequential())) | frozenset(dir(nn.Module))


def named_nodes(nodes: Iterable[Any]) -> dict[str, Any]:
    """Return nodes by name, in order.

    Parameters
    ----------
    nodes : iterable of Node

    Returns
    -------
    dict of str to Node

    Raises
    ------
    ArchitectureError
        Where two nodes have the same name, or a name cannot be that of a step.
    """
    nodes = list(nodes)
    given: dict[str, Any] = {}
    for node in nodes:
        name = value_of(node.name)
        if name is None:
            continue
        _check(name, node)
        if name in given:
            raise ArchitectureError(
                f"Two nodes are called {name!r}: {given[name]!r} and {node!r}. "
                "Give one of them another name=."
            )
        given[name] = node
    counts: dict[str, int] = {}
    named: dict[str, Any] = {}
    for node in nodes:
        name = value_of(node.name)
        while name is None or (name in given and given[name] is not node):
            kind = snake_case(type(node).__name__)
            counts[kind] = counts.get(kind, 0) + 1
            name = f"{kind}_{counts[kind]}"
        named[name] = node
    return named


def snake_case(name: str) -> str:
    """Return the name of a class as the name of a step: ReLU is relu, GLU is glu."""
    name = re.sub("ReLU|SiLU|GELU|CELU", lambda match: match[0].capitalize(), name)
    new_word = "(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])"
    after_letters = "(?<=[A-Z]{2})(?=[A-Z][a-z])"
    return re.sub(f"{new_word}|{after_letters}", "_", name).lower()


def _check(name: Any, node: Any) -> None:
    if not (isinstance(name, str) and name.isidentifier() and "__" not in name):
        raise ArchitectureError(
            f"name={name!r} of {node!r} must be a word without '__'."
        )
    if name in _TAKEN_BY_TORCH:
        raise ArchitectureError(
            f"name={name!r} of {node!r} is what torch calls a part of every module. "
            "Choose another."
        )
