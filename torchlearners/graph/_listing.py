"""What nodes there are."""

from __future__ import annotations

from typing import Any

from torchlearners.graph import _layers, _own
from torchlearners.graph._ingress import Categorical, Columns, Image, Numeric, Tensor
from torchlearners.graph._node import Node
from torchlearners.graph._op import Layer, Op
from torchlearners.graph._segments import Choice, Repeat, Residual
from torchlearners.graph._table import Table

# By the file that the module class is defined in, without underscores.
_GROUPS = {
    "activation": "activation",
    "batch_ensemble": "ensemble",
    "batchnorm": "normalization",
    "channelshuffle": "shape",
    "conv": "convolution",
    "distance": "comparison",
    "dropout": "dropout",
    "flatten": "shape",
    "fold": "shape",
    "gated": "activation",
    "ghost_batch_norm": "normalization",
    "instancenorm": "normalization",
    "linear": "linear",
    "mean_members": "ensemble",
    "merging": "merge",
    "normalization": "normalization",
    "ntk": "linear",
    "numeric_embeddings": "embedding",
    "padding": "padding",
    "parametric_activation": "activation",
    "pixelshuffle": "shape",
    "pooling": "pooling",
    "recurrent": "recurrent",
    "rnn": "recurrent",
    "shapes": "shape",
    "sparse": "embedding",
    "sparsemax": "activation",
    "tabnet": "attention",
    "tokens": "embedding",
    "transformer": "attention",
    "upsampling": "shape",
}
_OF_NODES: dict[type[Node], str] = {
    **dict.fromkeys([Numeric, Categorical, Columns, Image, Tensor], "ingress"),
    **dict.fromkeys([Repeat, Residual, Choice], "segment"),
    _own.Head: "linear",
    _layers.MultiheadAttention: "attention",
}


def list_ops() -> Table:
    """List all nodes that networks can be written with.

    Returns
    -------
    Table
        A list of dicts that prints as a table, with the keys ``name``, ``group`` (such
        as "convolution"), ``filled`` (the module's arguments that come from the input),
        ``inputs`` and ``outputs`` (their names; "*" stands for any number, brackets
        for inputs that need not be given) and ``module`` (the class it becomes).

    Examples
    --------
    >>> from torchlearners.graph import list_ops
    >>> [op["name"] for op in list_ops() if op["group"] == "segment"]
    ['Choice', 'Repeat', 'Residual']
    >>> next(op for op in list_ops() if op["name"] == "Linear")["filled"]
    ['in_features']
    """
    nodes = set(_OF_NODES)
    for room in (_layers, _own):
        nodes |= {
            value
            for name, value in vars(room).items()
            if isinstance(value, type) and issubclass(value, Op)
            if value not in (Op, Layer) and not name.startswith("_")
        }
    rows = [_row(node) for node in nodes]
    return Table(sorted(rows, key=lambda row: (row["group"], row["name"].lower())))


def _row(node: Any) -> dict[str, Any]:
    op = node if issubclass(node, Op) else None
    inputs: list[str] = []
    if op is not None:
        inputs = ["*"] if op.variadic else list(op.inputs)
        inputs += [f"[{name}]" for name in op.optional_inputs]
    module = getattr(node, "_class", None)
    return {
        "name": node.__name__,
        "group": _group(node, module),
        "filled": list(getattr(node, "_fills", ())),
        "inputs": inputs,
        "outputs": list(op.outputs) if op else [],
        "module": "" if module is None else _public_name(module),
    }


def _group(node: type[Node], module: Any) -> str:
    if node in _OF_NODES:
        return _OF_NODES[node]
    if module is None:
        return "module"
    return _GROUPS[module.__module__.rpartition(".")[2].strip("_")]


def _public_name(module: Any) -> str:
    """Return where the class, or the one that it is derived from, is imported from."""
    for base in module.__mro__:
        home = base.__module__.rpartition(".")[0]
        if home == "torch.nn.modules":
            return f"torch.nn.{base.__name__}"
        if home == "torchlearners.nn":
            return f"torchlearners.nn.{base.__name__}"
    raise ValueError(f"{module!r} is in no public room.")
