"""From an expression to a list of steps with shapes, and from that to a module."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import nn

from torchlearners.exceptions import ArchitectureError
from torchlearners.graph._ingress import Ingress
from torchlearners.graph._joins import Apply, Channel, Parallel, Sequence
from torchlearners.graph._module import Graph
from torchlearners.graph._node import Node
from torchlearners.graph._op import Op, as_float32
from torchlearners.graph._own import Head, Sum
from torchlearners.graph._segments import Choice, Repeat, Residual
from torchlearners.graph._shape_table import ShapeTable
from torchlearners.graph._source import Source, as_source
from torchlearners.graph._specs import TensorSpec


class Wire(NamedTuple):
    """Output `channel` of step number `step`; step -1 is what enters the network."""

    step: int
    channel: int = 0


@dataclass
class Step:
    """One module of a network, with what goes in and what comes out."""

    name: str
    node: Node
    inputs: list[Wire | None]
    input_specs: list[TensorSpec]
    # None passes the input on; else this makes the module, of the outputs used.
    make: Callable[[tuple[str, ...]], nn.Module] | None
    channels: tuple[str, ...]
    specs: list[TensorSpec]


def plan_network(network: Node, data: Any, n_outputs: int | None) -> Plan:
    """Return the steps of a network for given data.

    Parameters
    ----------
    network : Node
    data : DataSpec, TensorSpec, tuple or array-like
    n_outputs : int or None

    Returns
    -------
    Plan

    Raises
    ------
    ArchitectureError
        Where a step cannot take what the step before gives.
    """
    source = as_source(data)
    if n_outputs is None:
        n_outputs = 1 if source.table is None else source.table.n_outputs
    return Plan(network, source, n_outputs)


class Plan:
    """The steps of a network for given data, in the order in which they run.

    Parameters
    ----------
    network : Node
    source : Source
    n_outputs : int
    """

    def __init__(self, network: Node, source: Source, n_outputs: int) -> None:
        self.source = source
        self.n_outputs = n_outputs
        self.steps: list[Step] = []
        self._names = {id(node): name for name, node in network.named().items()}
        self._taken: set[str] = set(self._names.values())
        self._used: set[str] = set()
        self._kept: list[Node] = []
        self._paths: dict[tuple[int, ...], list[Wire]] = {}
        self._closed: dict[int, bool] = {}
        self._asked = _asked_channels(network)
        self._has_ingress = any(isinstance(node, Ingress) for node in network.walk())
        network.shared()
        network.get_params()  # finds a Param of two values
        ends = self._emit(network, None, "")
        if len(ends) > 1:
            raise ArchitectureError(
                f"The network ends in {len(ends)} branches: "
                + " and ".join(self._end(wire) for wire in ends)
                + ". Merge them, for example with Sum() or Concat()."
            )
        self.end = ends[0]
        self._check_all_used()

    # What comes out

    def module(self) -> nn.Module:
        """Return the network with fresh weights."""
        made: list[tuple[str, nn.Module | None]] = [
            (s.name, s.make and s.make(s.channels)) for s in self.steps
        ]
        chain = all(
            step.inputs == [Wire(i - 1)] and len(step.specs) == 1
            for i, step in enumerate(self.steps)
        )
        if chain and self.end == Wire(len(self.steps) - 1):
            modules = [(name, module) for name, module in made if module is not None]
            return nn.Sequential(OrderedDict(modules))
        return Graph(made, [step.inputs for step in self.steps], self.end)

    def table(self) -> ShapeTable:
        """Return the table of shapes."""
        return ShapeTable(self)

    def spec(self, wire: Wire) -> TensorSpec:
        """Return what flows in a wire."""
        if wire.step < 0:
            return self.source.spec
        return self.steps[wire.step].specs[wire.channel]

    @property
    def output(self) -> TensorSpec:
        """What comes out of the network."""
        return self.spec(self.end)

    # The walk through the expression. Values are lists of wires: one, or one for each
    # of several branches; None is what comes before the first node.

    def _emit(self, node: Node, given: list[Wire] | None, copy: str) -> list[Wire]:
        if isinstance(node, Sequence):
            return self._emit_sequence(node, given, copy)
        if isinstance(node, Parallel):
            if not node.branches:
                raise ArchitectureError("A Parallel has no branch.")
            branches = [self._emit(b, given, copy) for b in node.branches]
            return [wire for wires in branches for wire in wires]
        if isinstance(node, Apply):
            return self._once(node, lambda: self._emit_apply(node, given, copy))
        if isinstance(node, Channel):
            return self._emit_channel(node, given, copy)
        if isinstance(node, Repeat):
            return self._emit_repeat(node, given, copy)
        if isinstance(node, Residual):
            return self._emit_residual(node, given, copy)
        if isinstance(node, Choice):
            return self._emit(node.resolved().chosen(), given, copy)
        if isinstance(node, Ingress):
            return self._emit_ingress(node, given, copy)
        assert isinstance(node, Op)
        return self._emit_op(node, [*self._start(node, given)], copy)

    def _emit_sequence(
        self, node: Sequence, given: list[Wire] | None, copy: str
    ) -> list[Wire]:
        wires = given
        path: tuple[int, ...] = ()
        closed = self._is_closed(node)
        for step in node.steps:
            path = (*path, id(step))
            if closed and path in self._paths:
                wires = self._paths[path]
                continue
            wires = self._emit(step, wires, copy)
            if closed:
                self._paths[path] = wires
        return self._entering(wires)

    def _once(self, node: Node, emit: Callable[[], list[Wire]]) -> list[Wire]:
        """Emit a part that stands on ingress nodes of its own only once."""
        if not self._is_closed(node):
            return emit()
        path = (id(node),)
        if path not in self._paths:
            self._paths[path] = emit()
        return self._paths[path]

    def _emit_ingress(
        self, node: Ingress, given: list[Wire] | None, copy: str
    ) -> list[Wire]:
        if given is not None:
            raise ArchitectureError(
                f"{self._names[id(node)]} ({node!r}) is where rows enter, so it must "
                f"be the first of its branch; it follows {self._end(given[0])}."
            )
        path = (id(node),)
        if path not in self._paths:
            self._paths[path] = self._enter(node, self._name(node, copy))
        return self._paths[path]

    def _enter(self, node: Ingress, name: str) -> list[Wire]:
        resolved = node.resolved()
        try:
            module, spec = resolved.enter(self.source)
        except ArchitectureError as error:
            raise ArchitectureError(f"{name} ({node!r}): {error}.") from error
        make = None if module is None else lambda outputs: module
        return self._add(
            Step(name, node, [Wire(-1)], [self.source.spec], make, (), [spec])
        )

    def _emit_op(
        self, node: Op, wires: list[Wire | None], copy: str, channel: str | None = None
    ) -> list[Wire]:
        op = node.resolved()
        name = self._name(node, copy)
        if isinstance(op, Head):
            op = op.for_task(self.n_outputs)
            self._check_one_head(name, wires)
        most = len(op.inputs) + len(op.optional_inputs)
        if not op.variadic and not len(op.inputs) <= len(wires) <= most:
            takes = ", ".join([*op.inputs, *(f"[{o}]" for o in op.optional_inputs)])
            ends = " and ".join(self._end(w) for w in wires if w is not None)
            merge = " Merge them before, for example with Sum() or Concat()."
            raise ArchitectureError(
                f"{name} ({node!r}) takes {takes}; it gets {len(wires)} inputs: {ends}."
                + (merge if len(wires) > most else "")
            )
        for key, wire in zip(op.inputs, wires, strict=False):
            if wire is None:
                raise ArchitectureError(f"{name} ({node!r}) has no input {key!r}.")
        specs = [None if wire is None else self.spec(wire) for wire in wires]
        used = self._asked.get(id(node), op.outputs[:1])

        def make(outputs: tuple[str, ...]) -> nn.Module:
            return as_float32(op.make_module(specs, outputs))

        try:
            results = op.infer(specs, used)
        except ArchitectureError as error:
            shown = " and ".join(map(str, [s for s in specs if s is not None]))
            raise ArchitectureError(
                f"{name} ({node!r}) cannot take {shown}: {error}."
            ) from error
        given = [spec for spec in specs if spec is not None]
        step = Step(name, node, wires, given, make, used, results)
        return self._add(step)

    def _emit_apply(
        self, node: Apply, given: list[Wire] | None, copy: str
    ) -> list[Wire]:
        op = node.node
        if not isinstance(op, Op):
            if node.named_inputs:
                raise ArchitectureError(
                    f"{op!r} takes no inputs by name; only single ops do."
                )
            wires = [w for x in node.inputs for w in self._emit(x, given, copy)]
            return self._emit(op, wires, copy)
        placed: list[Wire | None] = [
            wire for x in node.inputs for wire in self._emit(x, given, copy)
        ]
        known = [*op.inputs, *op.optional_inputs]
        for key, x in node.named_inputs.items():
            if key not in known:
                raise ArchitectureError(
                    f"{type(op).__name__} has no input {key!r}; it has {known}."
                )
            place = known.index(key)
            placed += [None] * (place + 1 - len(placed))
            if placed[place] is not None:
                raise ArchitectureError(f"{op!r} gets two values for {key!r}.")
            wires = self._emit(x, given, copy)
            if len(wires) != 1:
                raise ArchitectureError(
                    f"{op!r} takes one value for {key!r}; it gets {len(wires)}: "
                    + " and ".join(map(self._end, wires))
                    + "."
                )
            (placed[place],) = wires
        return self._emit_op(op, placed, copy)

    def _emit_channel(
        self, node: Channel, given: list[Wire] | None, copy: str
    ) -> list[Wire]:
        op = _last_op(node)
        (wire,) = self._emit(node.node, given, copy)
        place = op.outputs.index(node.channel)
        return [Wire(wire.step, place)]

    def _emit_repeat(
        self, node: Repeat, given: list[Wire] | None, copy: str
    ) -> list[Wire]:
        wires = given
        resolved = node.resolved()
        for i, segment in enumerate(resolved.copies(), 1):
            if resolved.vary is not None:
                self._name_copies(node.segment, segment)
            wires = self._emit(segment, wires, f"{copy}__{i}")
        return self._entering(wires)

    def _name_copies(self, original: Node, varied: Node) -> None:
        """Give the nodes of a varied copy the names of those they are copies of."""
        for name, node in varied.named().items():
            self._names[id(node)] = name
        mine, others = list(original.walk()), list(varied.walk())
        if len(mine) == len(others):  # else a part was replaced by one of another size
            for node, other in zip(mine, others, strict=True):
                if type(node) is type(other) and id(node) in self._names:
                    self._names[id(other)] = self._names[id(node)]
        self._asked |= _asked_channels(varied)
        self._kept.append(varied)  # whose ids must not be given to others

    def _emit_residual(
        self, node: Residual, given: list[Wire] | None, copy: str
    ) -> list[Wire]:
        wires = self._start(node, given)
        inside = self._emit(node.segment, wires, copy)
        if node.shortcut is not None:
            wires = self._emit(node.shortcut, wires, copy)
        name = self._name(node, copy)
        if len(wires) != 1 or len(inside) != 1:
            raise ArchitectureError(
                f"{name} adds one input to one output; it has {len(wires)} and "
                f"{len(inside)}."
            )
        before, after = self.spec(wires[0]), self.spec(inside[0])
        if before.shape != after.shape:
            raise ArchitectureError(
                f"{name}: the segment turns {before} into {after}, which cannot be "
                "added to it. Make it return the shape it takes, or give shortcut=."
            )
        merge = Sum()
        specs = [before, after]
        return self._add(
            Step(
                name,
                node,
                [*wires, *inside],
                specs,
                lambda outputs: merge.make_module(specs, outputs),
                (),
                [after],
            )
        )

    def _is_closed(self, node: Node) -> bool:
        """Tell whether a node stands on ingress nodes of its own."""
        if id(node) not in self._closed:
            begins = _beginnings(node)
            closed = isinstance(node, Ingress) or bool(begins)
            self._closed[id(node)] = closed and all(map(self._is_closed, begins))
        return self._closed[id(node)]

    # Small parts

    def _add(self, step: Step) -> list[Wire]:
        self.steps.append(step)
        return [Wire(len(self.steps) - 1)]

    def _start(self, node: Node, given: list[Wire] | None) -> list[Wire]:
        if given is not None:
            return given
        if self._has_ingress:
            raise ArchitectureError(
                f"{self._names[id(node)]} ({node!r}) has no input. The network has "
                "ingress nodes, so each branch must begin with one, such as Numeric()."
            )
        return list(self._entering(None))

    def _entering(self, given: list[Wire] | None) -> list[Wire]:
        """Return the wires, or what enters a network that has no ingress node."""
        if given is not None:
            return given
        table = self.source.table
        if table is not None and table.cardinalities:
            raise ArchitectureError(
                "The data have categorical features; say where they enter, for "
                "example (Numeric() | Categorical() >> CategoricalEmbedding()) >> "
                "Concat() >> ..."
            )
        return [Wire(-1)]

    def _name(self, node: Node, copy: str) -> str:
        name = base = self._names[id(node)] + copy
        number = 2
        while name in self._used:
            name, number = f"{base}__{number}", number + 1
        self._used.add(name)
        return name

    def _end(self, wire: Wire) -> str:
        name = self.steps[wire.step].name if wire.step >= 0 else "the input"
        return f"{name} {self.spec(wire)}"

    def _check_all_used(self) -> None:
        used, above = set(), [self.end]
        while above:
            wire = above.pop()
            if wire.step >= 0 and wire.step not in used:
                used.add(wire.step)
                above += [w for w in self.steps[wire.step].inputs if w is not None]
        for i, step in enumerate(self.steps):
            if i not in used:
                raise ArchitectureError(
                    f"Nothing takes what {step.name} ({step.node!r}) gives. Merge it "
                    "into the network, or leave it out."
                )

    def _check_one_head(self, name: str, wires: list[Wire | None]) -> None:
        above = {wire for wire in wires if wire is not None}
        while above:
            wire = above.pop()
            if wire.step < 0:
                continue
            step = self.steps[wire.step]
            if isinstance(step.node, Head):
                raise ArchitectureError(
                    f"{name} comes after {step.name}: a network has one Head, at its "
                    "end."
                )
            above |= {w for w in step.inputs if w is not None}


def _asked_channels(network: Node) -> dict[int, tuple[str, ...]]:
    """Return which outputs of ops are used besides the first, by the op's id."""
    asked: dict[int, tuple[str, ...]] = {}
    for node in network.walk():
        if isinstance(node, Channel):
            op = _last_op(node)
            if node.channel not in op.outputs:
                raise ArchitectureError(
                    f"{type(op).__name__} has no output {node.channel!r}; it has "
                    f"{list(op.outputs)}."
                )
            last = op.outputs.index(node.channel)
            so_far = asked.get(id(op), op.outputs[:1])
            asked[id(op)] = max(so_far, op.outputs[: last + 1], key=len)
    return asked


def _last_op(node: Node) -> Op:
    """Return the op whose output a node's is."""
    if isinstance(node, Op):
        return node
    if isinstance(node, Sequence) and node.steps:
        return _last_op(node.steps[-1])
    if isinstance(node, Apply | Channel):
        return _last_op(node.node)
    raise ArchitectureError(f"{node!r} has no outputs by name; only single ops have.")


def _beginnings(node: Node) -> list[Node]:
    """Return the parts that take what enters a node."""
    if isinstance(node, Sequence):
        return node.steps[:1]
    if isinstance(node, Parallel):
        return list(node.branches)
    if isinstance(node, Apply):
        return [*node.inputs, *node.named_inputs.values()]
    if isinstance(node, Channel):
        return [node.node]
    if isinstance(node, Choice):
        return [node.resolved().chosen()]
    if isinstance(node, Repeat | Residual):
        return [node.segment]
    return []
