"""The package's own modules as nodes, and the nodes that are no layers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import nn

import torchlearners.nn as own
from torchlearners.exceptions import ArchitectureError
from torchlearners.graph._layers import _ToFeatures
from torchlearners.graph._op import Layer, Op, Specs, as_op, size_of
from torchlearners.graph._specs import TensorSpec
from torchlearners.nn import random_numbers_from
from torchlearners.params import REQUIRED, boolean, optional, param

layer = partial(as_op, module="torchlearners.graph")


class Head(Op):
    """The last layer: as many outputs as the task needs.

    {parameters}

    Examples
    --------
    >>> from torchlearners.graph import Head, Linear
    >>> (Linear(8) >> Head()).build((None, 4), n_outputs=3)[-1]
    Linear(in_features=8, out_features=3, bias=True)
    """

    bias: bool = param(
        kw_only=False, default=True, check=boolean, doc="Whether to add a bias."
    )

    n_outputs: ClassVar[int] = 1

    def for_task(self, n_outputs: int) -> Head:
        """Return a head with that many outputs."""
        head = copy.copy(self)
        head.__dict__["n_outputs"] = n_outputs
        return head

    def check(self, specs: Specs) -> None:
        """Raise where rows are no vectors of known length."""
        shape = specs[0].shape
        if len(shape) == 2 and shape[1] is None:
            raise ArchitectureError("the number of features must be known")
        if len(shape) != 2:
            raise ArchitectureError(
                "it takes (batch, feature); put Flatten(), a pool or Select(...) before"
            )
        if not specs[0].dtype.is_floating_point:
            raise ArchitectureError(f"it takes float numbers, not {specs[0].dtype}")

    def make_module(self, specs: Specs, outputs: tuple[str, ...]) -> nn.Module:
        """Return a linear layer."""
        return nn.Linear(specs[0].shape[1], self.n_outputs, bias=self.bias)  # type: ignore[arg-type]

    def infer(self, specs: Specs, outputs: tuple[str, ...]) -> Specs:
        """Return (batch, n_outputs)."""
        self.check(specs)
        return [
            replace(
                specs[0], shape=(specs[0].shape[0], self.n_outputs), cardinalities=()
            )
        ]


class Fn(Op):
    """Any function of tensors as a node.

    {parameters}

    Examples
    --------
    >>> import torch
    >>> from torchlearners.graph import Fn, Head
    >>> (Fn(torch.sin) >> Head()).shapes((None, 4)).steps
    ['fn_1', 'head_1']
    """

    variadic = True

    function: Callable[..., Any] = param(
        kw_only=False,
        default=REQUIRED,
        check=[callable],
        doc="Of one tensor for each input; returns a tensor. Batch first. Give a "
        "function that can be imported, where the learner is to be pickled.",
    )
    kwargs: dict[str, Any] | None = param(
        kw_only=False,
        default=None,
        check=optional([dict]),
        doc="Further arguments of the function.",
    )

    def make_module(self, specs: Specs, outputs: tuple[str, ...]) -> nn.Module:
        """Return a module that calls the function."""
        return own.Function(self.function, self.kwargs)


class Tap(Op):
    """Gives a point of the network a name, under which its values can be read.

    {parameters}

    Examples
    --------
    >>> from torchlearners.graph import Head, Linear, Tap
    >>> (Linear(8) >> Tap("code") >> Head()).shapes((None, 4)).steps
    ['linear_1', 'code', 'head_1']
    """

    name: str | None = param(kw_only=False)

    def make_module(self, specs: Specs, outputs: tuple[str, ...]) -> nn.Module:
        """Return a module that does nothing."""
        return nn.Identity()

    def infer(self, specs: Specs, outputs: tuple[str, ...]) -> Specs:
        """Return what comes in."""
        return list(specs)


class Pretrained(Op):
    """A torch module with the weights that it has.

    Each network gets a copy of its own.

    {parameters}

    Examples
    --------
    >>> from torch import nn
    >>> from torchlearners.graph import Head, Pretrained
    >>> network = Pretrained(nn.Linear(4, 8), freeze=True) >> Head()
    >>> [p.requires_grad for p in network.build((None, 4)).parameters()]
    [False, False, True, True]
    """

    variadic = True

    module: Any = param(
        kw_only=False,
        default=REQUIRED,
        check=[nn.Module],
        doc="The module. It is never changed.",
    )
    freeze: bool = param(
        kw_only=False,
        default=False,
        check=boolean,
        doc="Whether its weights keep their values.",
    )

    def make_module(self, specs: Specs, outputs: tuple[str, ...]) -> nn.Module:
        """Return a copy of the module."""
        module = copy.deepcopy(self.module)
        return module.requires_grad_(False) if self.freeze else module


class _Merge(Layer):
    """Several inputs become one."""

    variadic = True

    def check(self, specs: Specs) -> None:
        if not specs:
            raise ArchitectureError("it has no input")
        super().check(specs)
        self._check_shapes(specs)

    def _check_shapes(self, specs: Specs) -> None:
        for other in specs[1:]:
            pairs = zip(specs[0].shape[::-1], other.shape[::-1], strict=False)
            if any(None not in (a, b) and a != b and 1 not in (a, b) for a, b in pairs):
                raise ArchitectureError(
                    "their shapes differ; bring them to one shape, for example with "
                    "Linear(...), or use Concat()"
                )


class _Combined(_Merge):
    """Inputs of one shape, number by number; others are broadcast."""

    def known_output(self, specs: Specs) -> TensorSpec | None:
        return specs[0] if all(s.shape == specs[0].shape for s in specs) else None


class _Joined(_Merge):
    """Several inputs one after the other."""

    dim: int

    def known_output(self, specs: Specs) -> TensorSpec | None:
        place = self.dim % len(specs[0].shape)
        sizes = [s.shape[place] for s in specs]
        others = {s.shape[:place] + s.shape[place + 1 :] for s in specs}
        if place == 0 or len(others) > 1:
            return None
        total = None if None in sizes else sum(n for n in sizes if n is not None)
        shape = (*specs[0].shape[:place], total, *specs[0].shape[place + 1 :])
        return replace(specs[0], shape=shape)

    def _check_shapes(self, specs: Specs) -> None:
        first, n = specs[0].shape, len(specs[0].shape)
        for other in specs[1:]:
            if len(other.shape) != n:
                raise ArchitectureError("they have different numbers of dimensions")
            for i, (a, b) in enumerate(zip(first, other.shape, strict=True)):
                if i != self.dim % n and None not in (a, b) and a != b:
                    raise ArchitectureError(
                        f"they may differ only in dimension {self.dim}"
                    )


class _Stacked(_Merge):
    """Several inputs along a new dimension."""

    dim: int

    def dimension_names(self, specs: Specs, ndims: list[int]) -> list[Any]:
        names = list(specs[0].names)
        names.insert(self.dim % (len(names) + 1), "token")
        return [tuple(names)]


class _Rearranged(Layer):
    """The names of the dimensions move with them."""

    dim: int
    dims: tuple[int, ...]

    def dimension_names(self, specs: Specs, ndims: list[int]) -> list[Any]:
        names, n = list(specs[0].names), len(specs[0].shape)
        if hasattr(self, "dims"):
            return [tuple(names[d] for d in self.dims)]
        if isinstance(self, Unsqueeze):
            names.insert(self.dim % (n + 1), None)
        elif len(names) != ndims[0]:
            del names[self.dim % n]
        return [tuple(names)]


class _OfKnownShape(Layer):
    """Returns a shape that is known without a run.

    The meta device imports, for some functions, torch's compiler, which takes seconds.
    """

    _shape: ClassVar[Any]  # from the module and the input's shape to the output's
    _names: ClassVar[tuple[str, ...]] = ("batch", "token", "feature")

    def infer(self, specs: Specs, outputs: tuple[str, ...]) -> Specs:
        (given,) = specs
        if given.dtype not in (torch.float32, torch.int64):
            return super().infer(specs, outputs)
        self.check(specs)
        try:
            with random_numbers_from(torch.Generator()):
                module = self.make_module(specs, outputs)
        except (RuntimeError, TypeError, ValueError) as error:
            raise ArchitectureError(str(error).rstrip(".")) from error
        shape = self._shape(module, given.shape)
        return [TensorSpec(shape, self._names)]

    def dimension_names(self, specs: Specs, ndims: list[int]) -> list[Any]:
        return [self._names]


class _OfCodes(_OfKnownShape):
    """Takes the codes of categories."""

    def check(self, specs: Specs) -> None:
        if not specs[0].cardinalities:
            raise ArchitectureError(
                "it takes the codes of categories, straight from Categorical() or "
                "Columns(...)"
            )


class _Probabilities(Layer):
    """Along one dimension besides the batch."""

    dim: int

    def known_output(self, specs: Specs) -> TensorSpec | None:
        try:
            self.make_module(specs, self.outputs)
        except ValueError as error:
            raise ArchitectureError(str(error).rstrip(".")) from error
        ndim = len(specs[0].shape)
        return specs[0] if -ndim < self.dim < ndim else None


class _Elementwise(Layer):
    """Keeps the shape of its input, with weights that are not drawn."""

    def known_output(self, specs: Specs) -> TensorSpec | None:
        try:
            self.make_module(specs, self.outputs[:1])
        except ValueError as error:
            raise ArchitectureError(str(error).rstrip(".")) from error
        return specs[0]


def _cardinalities(specs: Specs) -> Any:
    return specs[0].cardinalities or None


# Merges
Sum = layer(own.Sum, base=_Combined)
Product = layer(own.Product, base=_Combined)
Mean = layer(own.Mean, base=_Combined)
Concat = layer(own.Concat, base=_Joined)
Stack = layer(own.Stack, base=_Stacked)
Attend = layer(own.Attend, {"in_features": size_of(-1)}, base=_Merge)

# Shape
Reshape = layer(own.Reshape)
Squeeze = layer(own.Squeeze, base=_Rearranged)
Unsqueeze = layer(own.Unsqueeze, base=_Rearranged)
Permute = layer(own.Permute, base=_Rearranged)
Select = layer(own.Select, base=_Rearranged)

# Gated activations
GEGLU = layer(own.GEGLU)
ReGLU = layer(own.ReGLU)
SwiGLU = layer(own.SwiGLU)

# Sparse probabilities
Sparsemax = layer(own.Sparsemax, base=_Probabilities)
Entmax15 = layer(own.Entmax15, base=_Probabilities)

# Tokens and embeddings
_table = partial(layer, base=_OfKnownShape, _ndims=(2,))
_tokens = partial(layer, base=_OfKnownShape, _ndims=(3,))
_n_features = {"n_features": size_of(1)}
_coded = {"cardinalities": _cardinalities}
_d_token = {"d_token": size_of(-1)}
CLSToken = _tokens(
    own.CLSToken, _d_token, _shape=lambda _, __, x: (x[0], x[1] and x[1] + 1, x[2])
)
NumericTokenizer = _table(
    own.NumericTokenizer, _n_features, _shape=lambda op, _, x: (*x, op.d_token)
)
CategoricalTokenizer = layer(
    own.CategoricalTokenizer,
    _coded,
    base=_OfCodes,
    _shape=lambda op, _, x: (*x, op.d_token),
)
_vectors = partial(
    layer,
    fills=_coded,
    base=_OfCodes,
    _shape=lambda _, module, x: (x[0], module.out_features),
    _names=("batch", "feature"),
)
CategoricalEmbedding = _vectors(own.CategoricalEmbedding)
OneHotEmbedding = _vectors(own.OneHotEmbedding)
FTTransformerBlock = _tokens(
    own.FTTransformerBlock,
    _d_token,
    _shape=lambda op, _, x: (x[0], 1 if op.query == "first" else x[1], x[2]),
)
PiecewiseLinearEmbedding = _table(
    own.PiecewiseLinearEmbedding,
    _n_features,
    _shape=lambda op, _, x: (*x, op.d_embedding),
)
PBLDEmbedding = _table(
    own.PBLDEmbedding, _n_features, _shape=lambda op, _, x: (*x, op.d_embedding)
)

# Weights of order one
NTKLinear = layer(own.NTKLinear, {"in_features": size_of(-1)}, base=_ToFeatures)
ScaleFeatures = layer(own.ScaleFeatures, _n_features, base=_Elementwise, _ndims=(2,))
ParametricActivation = layer(
    own.ParametricActivation, {"n_features": size_of(-1)}, base=_Elementwise
)

# Members of an ensemble
_member_names = ("batch", "member", "feature")
_members = partial(
    layer,
    fills={"in_features": size_of(-1), "k": size_of(1)},
    base=_OfKnownShape,
    _ndims=(3,),
    _names=_member_names,
)
ExpandMembers = _table(
    own.ExpandMembers, _shape=lambda op, _, x: (x[0], op.k, x[1]), _names=_member_names
)
ScaleEnsemble = _members(own.ScaleEnsemble, _shape=lambda _, __, x: x)
BatchEnsembleLinear = _members(
    own.BatchEnsembleLinear, _shape=lambda op, _, x: (*x[:2], op.out_features)
)
LinearEnsemble = _members(
    own.LinearEnsemble, _shape=lambda op, _, x: (*x[:2], op.out_features)
)
MeanMembers = _tokens(
    own.MeanMembers, _shape=lambda _, __, x: (x[0], x[2]), _names=("batch", "feature")
)

# TabNet
GhostBatchNorm1d = layer(
    own.GhostBatchNorm1d, {"num_features": size_of(1)}, _keeps_shape=True, _ndims=(2,)
)
TabNetEncoder = _table(
    own.TabNetEncoder,
    {"in_features": size_of(1)},
    _shape=lambda op, _, x: (x[0], op.n_d),
    _names=("batch", "feature"),
)
