"""The table of a network's steps and shapes."""

from __future__ import annotations

from typing import Any

from torchlearners.graph._table import Table


class ShapeTable(Table):
    """Steps of a network with shapes: a list of dicts that prints as a table.

    Each dict has the keys ``step``, ``input`` (list of `TensorSpec`), ``output`` (list
    of `TensorSpec`) and ``parameters`` (number of weights). ``pandas.DataFrame`` takes
    it as it is.

    Examples
    --------
    >>> from torchlearners.graph import Head, Linear
    >>> table = (Linear(8) >> Head()).shapes((None, 4))
    >>> table[0]["parameters"], table.n_parameters
    (40, 49)
    """

    def __init__(self, plan: Any) -> None:
        super().__init__(
            {
                "step": step.name,
                "input": step.input_specs,
                "output": step.specs,
                "parameters": n_parameters(step),
            }
            for step in plan.steps
        )

    @property
    def steps(self) -> list[str]:
        """Names of the steps."""
        return [row["step"] for row in self]

    @property
    def n_parameters(self) -> int:
        """Number of weights of the network."""
        return sum(row["parameters"] for row in self)


def n_parameters(step: Any) -> int:
    """Return the number of weights of a step, counted on the meta device."""
    if step.make is None:
        return 0
    import torch

    from torchlearners.nn import random_numbers_from

    with torch.device("meta"), random_numbers_from(torch.Generator()):
        module = step.make(step.channels)
    return sum(p.numel() for p in module.parameters())
