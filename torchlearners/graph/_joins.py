"""What the operators make of nodes: sequences, branches, inputs and outputs by name."""

from __future__ import annotations

from typing import Any

from torchlearners.graph._node import Node
from torchlearners.params import param


class Sequence(Node):
    """Nodes one after the other: what ``a >> b`` makes."""

    _anonymous = True
    _precedence = 1

    steps: Any = param(kw_only=False, default=(), check=[list, tuple], doc="The nodes.")

    def children(self) -> list[Node]:
        """Return the steps."""
        return list(self.steps)

    def _set_children(self, children: list[Node]) -> None:
        self.steps = children

    def _in_sequence(self) -> list[Node]:
        return self.children()

    def __repr__(self) -> str:
        return " >> ".join(bracketed(step, 1) for step in self.steps)


class Parallel(Node):
    """Nodes side by side, each of which gets the same input: what ``a | b`` makes."""

    _anonymous = True
    _precedence = 0

    branches: Any = param(
        kw_only=False, default=(), check=[list, tuple], doc="The nodes."
    )

    def children(self) -> list[Node]:
        """Return the branches."""
        return list(self.branches)

    def _set_children(self, children: list[Node]) -> None:
        self.branches = children

    def _in_parallel(self) -> list[Node]:
        return self.children()

    def __repr__(self) -> str:
        return " | ".join(bracketed(branch, 1) for branch in self.branches)


class Apply(Node):
    """A node with inputs of its own: what ``node(query=a, key=b)`` makes."""

    _anonymous = True

    node: Any = param(kw_only=False, default=None, check=[Node], doc="The node.")
    inputs: Any = param(
        kw_only=False, default=(), check=[list, tuple], doc="Its inputs in order."
    )
    named_inputs: Any = param(
        kw_only=False, default=None, check=[dict], doc="Its inputs by name."
    )

    def children(self) -> list[Node]:
        """Return the inputs and the node."""
        return [*self.inputs, *self.named_inputs.values(), self.node]

    def _set_children(self, children: list[Node]) -> None:
        *inputs, self.node = children
        n = len(self.inputs)
        self.inputs = inputs[:n]
        self.named_inputs = dict(zip(self.named_inputs, inputs[n:], strict=True))

    def __repr__(self) -> str:
        given = [repr(x) for x in self.inputs]
        given += [f"{k}={x!r}" for k, x in self.named_inputs.items()]
        return f"{bracketed(self.node, 3)}({', '.join(given)})"


class Channel(Node):
    """One of the outputs of a node: what ``node["weights"]`` makes."""

    _anonymous = True

    node: Any = param(kw_only=False, default=None, check=[Node], doc="The node.")
    channel: Any = param(
        kw_only=False, default="output", check=[str], doc="Name of the output."
    )

    def children(self) -> list[Node]:
        """Return the node."""
        return [self.node]

    def _set_children(self, children: list[Node]) -> None:
        (self.node,) = children

    def __repr__(self) -> str:
        return f"{bracketed(self.node, 3)}[{self.channel!r}]"


def bracketed(node: Node, precedence: int) -> str:
    """Return a node's expression, in brackets where it binds less than `precedence`."""
    return f"({node!r})" if node._precedence < precedence else repr(node)
