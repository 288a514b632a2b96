"""Nodes, the values that networks are written with, and how they are joined."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from torchlearners.exceptions import ArchitectureError
from torchlearners.graph._names import named_nodes
from torchlearners.graph._param import Param, value_of
from torchlearners.params import Parameters, did_you_mean, optional, param


class Node(Parameters):
    """Base of everything that networks are written with.

    A node is a value: it says what a layer will be, and holds neither weights nor
    shapes. ``a >> b`` puts nodes in sequence, ``a | b`` side by side, ``a * 3`` repeats
    one; each gives a node again. A node used in two places stands for two layers, but
    a part that begins with an ingress node is computed once, wherever it is used.

    `get_params` reaches every parameter of every node inside, by the node's name, and
    a node is cloned, pickled and searched like an estimator. It is none to
    scikit-learn, which would print the parameters of a learner's network and not the
    expression.
    """

    name: str | None = param(
        default=None,
        check=optional([str]),
        doc="Name of the step; None makes one of the class and a number, such as "
        "``linear_1``.",
    )

    # Whether the node itself has no name, only what is inside of it.
    _anonymous: ClassVar[bool] = False
    # How tightly the expression binds: | least, then >>, *, and what needs no brackets.
    _precedence: ClassVar[int] = 3

    # Joining

    # What they make is made of nodes, so its files stand on this one.

    def __rshift__(self, other: Any) -> Node:
        from torchlearners.graph._joins import Sequence

        return Sequence([*self._in_sequence(), *_node(other, ">>")._in_sequence()])

    def __or__(self, other: Any) -> Node:
        from torchlearners.graph._joins import Parallel

        return Parallel([*self._in_parallel(), *_node(other, "|")._in_parallel()])

    # For what is no node: it gets the same message on the left as on the right.

    def __rrshift__(self, other: Any) -> Node:
        return _node(other, ">>") >> self

    def __ror__(self, other: Any) -> Node:
        return _node(other, "|") | self

    def __mul__(self, n: Any) -> Node:
        from torchlearners.graph._segments import Repeat

        return Repeat(self, n)

    def _in_sequence(self) -> list[Node]:
        return [self]

    def _in_parallel(self) -> list[Node]:
        return [self]

    def __call__(self, *inputs: Any, **named_inputs: Any) -> Node:
        """Return this node with its inputs given, as ``attention(query=a, key=b)``."""
        from torchlearners.graph._joins import Apply

        return Apply(
            self,
            [_node(x, "a call") for x in inputs],
            {k: _node(x, "a call") for k, x in named_inputs.items()},
        )

    def __getitem__(self, channel: str) -> Node:
        """Return one output of a node that has several, as ``attention["weights"]``."""
        from torchlearners.graph._joins import Channel

        if not isinstance(channel, str):
            raise TypeError(
                f"An output has a name, such as 'weights'; got {channel!r}."
            )
        return Channel(self, channel)

    # With __getitem__ alone, Python would go through a node without end.
    __iter__ = None

    # The tree

    def children(self) -> list[Node]:
        """Return the nodes directly inside this one."""
        return []

    def _set_children(self, children: list[Node]) -> None:
        """Put other nodes in place of `children()`."""

    def walk(self) -> Iterator[Node]:
        """Yield this node and all nodes inside, each once, in the order written.

        Yields
        ------
        Node

        Raises
        ------
        ArchitectureError
            Where a node contains itself.
        """
        seen: set[int] = set()
        yield from _walk(self, (), seen)

    def named(self) -> dict[str, Node]:
        """Return the nodes that have a name, in the order written.

        Returns
        -------
        dict of str to Node

        Raises
        ------
        ArchitectureError
            Where two nodes have the same name, or a name is no word.

        Examples
        --------
        >>> from torchlearners.graph import Head, Linear, ReLU
        >>> list((Linear(8) >> ReLU() >> Linear(4, name="last") >> Head()).named())
        ['linear_1', 'relu_1', 'last', 'head_1']
        """
        return named_nodes(node for node in self.walk() if not node._anonymous)

    # Parameters

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters of the node, or of all nodes inside.

        Parameters
        ----------
        deep : bool, default=True
            Whether to add the nodes inside by name, and their parameters as
            ``linear_1__out_features``. A `Param` appears once, under its own name.

        Returns
        -------
        dict
            Names mapped to values.
        """
        if not deep or not self.children():
            return {name: value_of(getattr(self, name)) for name in self._fields}
        params: dict[str, Any] = {}
        named = self.named()
        for name, node in named.items():
            if node is not self:
                params[name] = node
            for key, value in node._own_params().items():
                if isinstance(value, Param):
                    _check_consistent(params, value, named)
                    params[value.name] = value.value
                else:
                    params[f"{name}__{key}"] = value
        return params

    def set_params(self, **params: Any) -> Node:
        """Set parameters of the node, or of nodes inside.

        Parameters
        ----------
        **params : dict
            As `get_params` names them; a node's name replaces the node.

        Returns
        -------
        Node
            This node.

        Raises
        ------
        ValueError
            Where there is no such parameter; nothing is set then.
        """
        if not self.children():
            self._check_known(params, self._fields)
            for name, value in params.items():
                current = getattr(self, name)
                if isinstance(current, Param) and not isinstance(value, Param):
                    current.value = value
                else:
                    setattr(self, name, value)
            return self
        named = self.named()
        replaced = {
            id(named[k]): _node(v, "set_params")
            for k, v in params.items()
            if k in named and named[k] is not self
        }
        rest = {k: v for k, v in params.items() if id(named.get(k)) not in replaced}
        network = self
        if replaced:
            network = copy.copy(self)
            network._replace(replaced)
            if any(node is self for node in network.walk()):
                raise ArchitectureError(f"{self!r} would contain itself.")
        network._check_known(rest, network.get_params())
        self.__dict__.update(network.__dict__)
        named, shared = self.named(), self.shared()
        for key, value in rest.items():
            name, _, own = key.partition("__")
            if name in shared:
                for place in shared[name]:
                    place.value = value
            else:
                setattr(named[name], own, value)
        return self

    def share(self, name: str, *places: str, value: Any = None) -> Node:
        """Make one parameter of several.

        Parameters
        ----------
        name : str
            Name of the shared parameter.
        *places : str
            Parameters such as ``"linear_1.out_features"``.
        value : object, default=None
            Its value; None takes the one that all places have.

        Returns
        -------
        Node
            This node.

        Examples
        --------
        >>> from torchlearners.graph import Head, Linear
        >>> network = Linear(8) >> Linear(8) >> Head()
        >>> network.share("width", "linear_1.out_features", "linear_2.out_features")
        Linear(Param('width', 8)) >> Linear(Param('width', 8)) >> Head()
        """
        keys = [place.replace(".", "__") for place in places]
        params = self.get_params()
        self._check_known(dict.fromkeys(keys), [k for k in params if "__" in k])
        if name in params:
            raise ValueError(f"{name!r} is already the name of a part of {self!r}.")
        values = [params[key] for key in keys]
        if value is None:
            if not values or any(v != values[0] for v in values):
                raise ValueError(
                    f"{name!r} would stand for different values: "
                    f"{dict(zip(places, values, strict=True))!r}. Give value=."
                )
            value = values[0]
        shared, named = Param(name, value), self.named()
        for key in keys:
            node, _, own = key.partition("__")
            setattr(named[node], own, shared)
        return self

    def shared(self) -> dict[str, list[Param]]:
        """Return the shared parameters inside, by name.

        Returns
        -------
        dict of str to list of Param
            With the objects that carry each name.
        """
        found: dict[str, list[Param]] = {}
        for node in self.walk():
            for value in node._own_params().values():
                if isinstance(value, Param):
                    found.setdefault(value.name, []).append(value)
        return found

    def resolved(self) -> Any:
        """Return a copy in which every `Param` is its value, with checked parameters.

        Returns
        -------
        Node
        """
        node = copy.copy(self)
        node.__dict__.update({k: value_of(v) for k, v in vars(self).items()})
        node._check_values({name: getattr(node, name) for name in node._fields})
        return node

    def _own_params(self) -> dict[str, Any]:
        """Return the parameters of this node alone, without its name and children."""
        inside = {id(node) for node in self.children()}
        values = {name: getattr(self, name) for name in self._fields if name != "name"}
        return {k: v for k, v in values.items() if not _holds(v, inside)}

    def _replace(self, new: dict[int, Node]) -> None:
        """Put nodes in place of those with the given ids, at any depth.

        The nodes above a new one are copied; `new` then holds their copies.
        """
        children = []
        for child in self.children():
            if id(child) not in new:
                new[id(child)] = copied = copy.copy(child)
                copied._replace(new)
            children.append(new[id(child)])
        self._set_children(children)

    def _check_known(self, params: Mapping[str, Any], valid: Any) -> None:
        for key in params:
            if key not in valid:
                raise ValueError(
                    f"Invalid parameter {key!r} for {self!r}."
                    f"{did_you_mean(key, valid)} Valid parameters are: "
                    f"{sorted(valid)!r}."
                )

    # As values

    def __sklearn_clone__(self) -> Node:
        # One deep copy keeps what is shared inside shared.
        return copy.deepcopy(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._arguments())})"

    def _arguments(self) -> Iterator[str]:
        """Yield what stands between the brackets: what differs from the defaults."""
        by_position = True
        for name, field in sorted(self._fields.items(), key=lambda f: f[1].kw_only):
            value, default = getattr(self, name), field.default
            if value is default or (type(value) is type(default) and value == default):
                by_position = False
                continue
            by_position = by_position and not field.kw_only
            yield repr(value) if by_position else f"{name}={value!r}"

    # Networks

    def build(self, data: Any, *, n_outputs: int | None = None) -> Any:
        """Return the network as a torch module with fresh weights.

        Initial weights are drawn as torch draws them; under
        `torchlearners.nn.random_numbers_from` from a generator of your own.

        Parameters
        ----------
        data : DataSpec, TensorSpec, tuple or array-like
            What goes in: a description, a shape with None for unknown sizes, or rows.
        n_outputs : int or None, default=None
            Number of values that `Head` returns; None takes what `data` says, else 1.

        Returns
        -------
        torch.nn.Module
            A `torch.nn.Sequential` where the network is a chain, else a `Graph`. Its
            children are called like the nodes.

        Raises
        ------
        ArchitectureError
            Where a step cannot take what the step before gives.

        Examples
        --------
        >>> from torchlearners.graph import Head, Linear, ReLU
        >>> (Linear(8) >> ReLU() >> Head()).build((None, 4), n_outputs=3)
        Sequential(
          (linear_1): Linear(in_features=4, out_features=8, bias=True)
          (relu_1): ReLU()
          (head_1): Linear(in_features=8, out_features=3, bias=True)
        )
        """
        from torchlearners.graph._plan import plan_network  # which stands on this file

        return plan_network(self, data, n_outputs).module()

    def shapes(self, data: Any, *, n_outputs: int | None = None) -> Any:
        """Return a table of steps, shapes and numbers of parameters.

        Nothing is computed and no weights are made.

        Parameters
        ----------
        data, n_outputs
            See `build`.

        Returns
        -------
        ShapeTable
            One row for each step; it prints as a table.

        Examples
        --------
        >>> from torchlearners.graph import Head, Linear, ReLU
        >>> print((Linear(8) >> ReLU() >> Head()).shapes((None, 4), n_outputs=3))
        step      input               output              parameters
        linear_1  (batch, feature=4)  (batch, feature=8)          40
        relu_1    (batch, feature=8)  (batch, feature=8)           0
        head_1    (batch, feature=8)  (batch, feature=3)          27
        """
        from torchlearners.graph._plan import plan_network

        return plan_network(self, data, n_outputs).table()

    def plot(
        self,
        data: Any,
        *,
        n_outputs: int | None = None,
        format: str = "matplotlib",
        ax: Any = None,
    ) -> Any:
        """Draw the steps as boxes, and the shapes that flow between them.

        Parameters
        ----------
        data, n_outputs
            See `build`.
        format : {"matplotlib", "svg", "dot", "text"}, default="matplotlib"
            "dot" is the source of a graph for Graphviz.
        ax : matplotlib.axes.Axes, default=None
            What to draw into; None makes a figure that fits.

        Returns
        -------
        matplotlib.axes.Axes or str

        Examples
        --------
        >>> from torchlearners.graph import Head
        >>> "5 parameters" in Head().plot((None, 4), format="svg")
        True
        """
        from torchlearners.graph import _plan, _plot

        return _plot.plot_plan(_plan.plan_network(self, data, n_outputs), format, ax)


def _node(value: Any, where: str) -> Node:
    if isinstance(value, Node):
        return value
    if isinstance(value, type) and issubclass(value, Node):
        raise TypeError(
            f"{where} takes nodes; got the class {value.__name__}. Write "
            f"{value.__name__}(...)."
        )
    raise TypeError(
        f"{where} takes nodes; got {value!r}. A torch module becomes one by "
        "Pretrained(module), a function by Fn(function)."
    )


def _holds(value: Any, ids: set[int]) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    items = value if isinstance(value, list | tuple) else [value]
    return any(id(item) in ids for item in items)


def _walk(node: Node, above: tuple[Node, ...], seen: set[int]) -> Iterator[Node]:
    _node(node, type(above[-1]).__name__ if above else "A network")
    if any(node is other for other in above):
        raise ArchitectureError(f"A {type(node).__name__} contains itself.")
    if id(node) in seen:
        return
    seen.add(id(node))
    yield node
    for child in node.children():
        yield from _walk(child, (*above, node), seen)


def _check_consistent(
    params: dict[str, Any], shared: Param, named: Mapping[str, Node]
) -> None:
    if shared.name in named:
        raise ValueError(
            f"{shared!r} has the name of {named[shared.name]!r}. Choose another."
        )
    if shared.name in params and params[shared.name] != shared.value:
        raise ValueError(
            f"Param {shared.name!r} stands for {params[shared.name]!r} and for "
            f"{shared.value!r}. One name is one value."
        )
