"""The torch module of a network that is no chain."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Graph(nn.Module):
    """Modules that run one after the other, each on outputs of earlier ones.

    Made by `Node.build`. Its children are called like the nodes of the network.

    Parameters
    ----------
    modules : list of (name, torch.nn.Module or None)
        In the order in which they run; None passes its input on.
    inputs : list of list of (step, channel)
        For each module, whose outputs it takes; step -1 is the input of the graph.
    end : (step, channel)
        The output of the graph.

    Examples
    --------
    >>> from torchlearners.graph import Head, Linear, Residual
    >>> type((Residual(Linear(4)) >> Head()).build((None, 4)))
    <class 'torchlearners.graph._module.Graph'>
    """

    takes_stacked = True  # as far as the modules do; see nn.StackedModules

    def __init__(self, modules: Any, inputs: Any, end: Any) -> None:
        super().__init__()
        # Slot 0 holds None, for inputs that are not given; 1 what enters.
        slots: dict[Any, int] = {None: 0, (-1, 0): 1}
        self._n_slots = 2
        self._plan: list[tuple[str, list[int], int, int]] = []
        used = {wire for wires in inputs for wire in wires if wire is not None} | {end}
        for i, (name, module) in enumerate(modules):
            places = [slots[wire] for wire in inputs[i]]
            if module is None:
                slots[i, 0] = places[0]
                continue
            self.add_module(name, module)
            n = 1 + max((c for s, c in used if s == i), default=0)
            self._plan.append((name, places, self._n_slots, n))
            slots |= {(i, c): self._n_slots + c for c in range(n)}
            self._n_slots += n
        self._end = slots[end]
        self._last_use = self._find_last_use()

    def _find_last_use(self) -> list[list[int]]:
        """Return for each module the slots that nothing after it reads."""
        last_use: list[list[int]] = []
        read_later = {0, self._end}
        for _, places, _, _ in reversed(self._plan):
            last_use.append([place for place in set(places) if place not in read_later])
            read_later |= set(places)
        return last_use[::-1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the output for a batch."""
        values: list[Any] = [None] * self._n_slots
        values[1] = x
        for (name, places, first, n), done in zip(
            self._plan, self._last_use, strict=True
        ):
            result = getattr(self, name)(*[values[place] for place in places])
            if isinstance(result, tuple | list):
                values[first : first + n] = result[:n]
            else:
                values[first] = result
            for place in done:
                values[place] = None
        return values[self._end]
