"""Ops: nodes that become one torch module, and whose output shapes are inferred."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import nn

from torchlearners.exceptions import ArchitectureError
from torchlearners.graph._node import Node
from torchlearners.graph._specs import TensorSpec
from torchlearners.nn import random_numbers_from
from torchlearners.params import REQUIRED, param

# Sizes tried for unknown dimensions, in this order, until two of them work. Primes come
# first, because nothing fits them by chance; the others split into parts.
# They lie far apart, so that rounding, as that of a stride, does not make one of two.
_FILLINGS = (83, 331, 240, 3600, 2, 64)
_CPU_ELEMENTS = 10**7
_KEYWORD_ONLY = inspect.Parameter.KEYWORD_ONLY

Specs = list[TensorSpec]
Fill = Callable[[Specs], Any]


class Op(Node):
    """A node that becomes one torch module.

    A subclass writes `make_module`. Output shapes, unknown dimensions and dtypes are
    found by running the module on torch's meta device, which computes nothing.

    {parameters}

    Examples
    --------
    >>> from torch import nn
    >>> from torchlearners.graph import Head, Op
    >>> class Double(Op):
    ...     def make_module(self, specs, outputs):
    ...         return nn.Linear(specs[0].shape[-1], 2 * specs[0].shape[-1])
    >>> (Double() >> Head()).shapes((None, 3)).steps
    ['double_1', 'head_1']
    """

    # Names of the inputs that must be given, those that may be, and of the outputs.
    inputs: ClassVar[tuple[str, ...]] = ("input",)
    optional_inputs: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[tuple[str, ...]] = ("output",)
    # Whether any number of inputs is taken.
    variadic: ClassVar[bool] = False

    def make_module(self, specs: Specs, outputs: tuple[str, ...]) -> nn.Module:
        """Return the module with fresh weights.

        Parameters
        ----------
        specs : list of TensorSpec
            Of the inputs, in order.
        outputs : tuple of str
            Names of the outputs that are used; for modules that can leave some out.

        Returns
        -------
        torch.nn.Module
            Of one tensor for each input; returns a tensor, or a tuple of tensors
            where the op has several outputs.
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not define make_module()."
        )

    def check(self, specs: Specs) -> None:
        """Raise ArchitectureError where the inputs cannot be taken, and say why.

        Parameters
        ----------
        specs : list of TensorSpec
        """

    def dimension_names(self, specs: Specs, ndims: list[int]) -> list[Any]:
        """Return the names of the dimensions of each output.

        By default an output with as many dimensions as the first input has its names,
        and another one has the batch.

        Parameters
        ----------
        specs : list of TensorSpec
        ndims : list of int
            Number of dimensions of each output.

        Returns
        -------
        list of tuple of str or None
        """
        names = specs[0].names
        return [names if n == len(names) else () for n in ndims]

    def known_output(self, specs: Specs) -> TensorSpec | None:
        """Return what comes out of float32 inputs, where a rule says it.

        A rule spares a trace, and in a new process the second that torch takes to
        import what the meta device needs. By default there is none.

        Parameters
        ----------
        specs : list of TensorSpec

        Returns
        -------
        TensorSpec or None
        """
        return None

    def infer(self, specs: Specs, outputs: tuple[str, ...]) -> Specs:
        """Return what comes out, without computing it.

        Parameters
        ----------
        specs : list of TensorSpec
        outputs : tuple of str
            Names of the outputs that are used.

        Returns
        -------
        list of TensorSpec

        Raises
        ------
        ArchitectureError
            Where the module cannot take such inputs.
        """
        self.check(specs)
        if all(spec is not None and spec.dtype == torch.float32 for spec in specs):
            known = self.known_output(specs)
            if known is not None:
                return [replace(known, cardinalities=())]
        results = trace(lambda: self.make_module(specs, outputs), specs)
        names = self.dimension_names(specs, [len(r.shape) for r in results])
        return [
            replace(r, names=n) if n else replace(r, names=("batch", *r.names[1:]))
            for r, n in zip(results, names, strict=True)
        ]


def trace(make: Callable[[], nn.Module], specs: Specs) -> Specs:
    """Return shapes and dtypes of a module's outputs.

    The module is run on the meta device with several sizes in place of the unknown
    dimensions; what is the same for two sizes that work is known. Modules that the meta
    device cannot run are run on zeros.

    Parameters
    ----------
    make : callable
        Returns the module.
    specs : list of TensorSpec
        Of the inputs.

    Returns
    -------
    list of TensorSpec
        Without names.

    Raises
    ------
    ArchitectureError
        With what torch says of it.
    """
    errors: list[Exception] = []
    for device in ("meta", "cpu"):
        results = _try_sizes(make, specs, device, errors)
        if results is not None:
            return results
    # What the real device says is of the module; the meta device may just lack an op.
    error = errors[-1]
    message = str(error).rstrip(".") or type(error).__name__
    if any(None in spec.shape[1:] for spec in specs if spec is not None):
        message += "; it may be that one of the unknown sizes must be known"
    raise ArchitectureError(message) from error


def _try_sizes(
    make: Callable[[], nn.Module], specs: Specs, device: str, errors: list[Exception]
) -> Specs | None:
    given = [spec for spec in specs if spec is not None]
    unknown = any(None in spec.shape for spec in given)
    found: list[Specs] = []
    try:
        # Weights made to look at shapes must not move the generator of the fit.
        with random_numbers_from(torch.Generator()), torch.device(device):
            module = as_float32(make()).to(device).eval()
    except Exception as error:  # noqa: BLE001 - as below
        errors.append(error)
        return None
    for size in _FILLINGS if unknown else (1,):
        if device == "cpu" and _elements(given, size) > _CPU_ELEMENTS:
            continue
        inputs = [None if s is None else s.filled(size, device) for s in specs]
        try:
            with torch.no_grad(), random_numbers_from(torch.Generator()):
                result = module(*inputs)
        except Exception as error:  # noqa: BLE001 - modules raise what they like; told
            errors.append(error)
            continue
        found.append(_specs_of(result, next(len(x) for x in inputs if x is not None)))
        if not unknown:
            return found[0]
        if len(found) == 2:
            return _common(*found)
    return None


def _elements(specs: Specs, size: int) -> int:
    return sum(
        int(torch.Size([size if n is None else n for n in spec.shape]).numel())
        for spec in specs
    )


def as_float32(module: nn.Module) -> nn.Module:
    """Return the module in float32, where torch's default is something else."""
    default = torch.get_default_dtype()
    return module if default == torch.float32 else module.to(torch.float32)


def _specs_of(result: Any, n_rows: int) -> Specs:
    tensors = result if isinstance(result, tuple | list) else (result,)
    for tensor in tensors:
        if not isinstance(tensor, torch.Tensor):
            raise ArchitectureError(
                f"it returns {_in_words(result)}; an op returns a tensor, or a tuple "
                "of tensors"
            )
        if tensor.shape[:1] != (n_rows,):
            raise ArchitectureError(
                f"it returns the shape {tuple(tensor.shape)} for a batch of {n_rows} "
                "rows; the first dimension must stay the batch"
            )
    return [TensorSpec(tuple(t.shape), (None,) * t.ndim, t.dtype) for t in tensors]


def _in_words(result: Any) -> str:
    inside = result if isinstance(result, tuple | list) else ()
    kinds = ", ".join(type(item).__name__ for item in inside)
    return f"a {type(result).__name__}" + (f" of {kinds}" if kinds else "")


def _common(these: Specs, those: Specs) -> Specs:
    return [
        replace(
            one,
            shape=tuple(
                a if a == b else None for a, b in zip(one.shape, two.shape, strict=True)
            ),
        )
        for one, two in zip(these, those, strict=True)
    ]


class Layer(Op):
    """A torch module class as a node: the base of what `as_op` makes."""

    _class: ClassVar[Any] = None
    _fills: ClassVar[Mapping[str, Fill]] = {}
    _fixed: ClassVar[dict[str, Any]] = {}
    # Parameters that stand first, where that is not their place in the constructor.
    _leading: ClassVar[tuple[str, ...]] = ()
    # Numbers of dimensions that the first input may have; empty: any.
    _ndims: ClassVar[tuple[int, ...]] = ()
    # Whether the output has the shape of the input, whatever the (number) parameters.
    _keeps_shape: ClassVar[bool] = False

    def make_module(self, specs: Specs, outputs: tuple[str, ...]) -> nn.Module:
        """Return the torch module, sized by its inputs."""
        return self._class(**self.arguments(specs), **self._fixed)

    def arguments(self, specs: Specs) -> dict[str, Any]:
        """Return the arguments of the module's constructor."""
        own = {k: getattr(self, k) for k in self._fields if k != "name"}
        return {**{name: fill(specs) for name, fill in self._fills.items()}, **own}

    def check(self, specs: Specs) -> None:
        """Raise where the number of dimensions is wrong or a needed size unknown."""
        if self._ndims and len(specs[0].shape) not in self._ndims:
            wanted = " or ".join(map(str, self._ndims))
            raise ArchitectureError(f"it takes an input of {wanted} dimensions")
        for name, fill in self._fills.items():
            if fill(specs) is None:
                raise ArchitectureError(
                    f"{name} comes from the input, where that size is unknown"
                )

    def known_output(self, specs: Specs) -> TensorSpec | None:
        """Return the input where the layer keeps its shape."""
        own = {k: f.default for k, f in self._fields.items() if k != "name"}
        values = {k: getattr(self, k) for k in own}
        plain = all(
            isinstance(v, bool | int | float) or v == own[k] for k, v in values.items()
        )
        if not (self._keeps_shape and plain):
            return None
        try:
            self.make_module(specs, self.outputs[:1])  # such layers draw no weights
        except (RuntimeError, TypeError, ValueError) as error:
            raise ArchitectureError(str(error).rstrip(".")) from error
        return specs[0]


def size_of(dimension: int, place: int = 0) -> Fill:
    """Return a function that reads the size of one dimension of one input."""

    def read(specs: Specs) -> int | None:
        shape = specs[place].shape
        inside = -len(shape) <= dimension < len(shape)
        return shape[dimension] if inside else None

    return read


def as_op(
    module_class: Any,
    fills: Mapping[str, Fill] | None = None,
    *,
    name: str | None = None,
    module: str | None = None,
    leave_out: tuple[str, ...] = (),
    defaults: dict[str, Any] | None = None,
    base: type[Layer] = Layer,
    _arguments_of: Any = None,
    **attributes: Any,
) -> Any:
    """Return the node class of a torch module class.

    Its parameters are those of the module's constructor, with the same defaults, but
    for those that the input decides.

    Parameters
    ----------
    module_class : type
        Derived from `torch.nn.Module`.
    fills : dict of str to callable, default=None
        Constructor arguments that the input decides, as functions of the list of
        `TensorSpec` of the inputs.
    name : str, default=None
        Name of the node class; None takes that of the module class.
    module : str, default=None
        Where the node class can be imported from, for pickles; None takes the module
        that calls this function.
    leave_out : tuple of str, default=()
        Constructor arguments that keep torch's default and are no parameters.
    defaults : dict, default=None
        Other defaults than the module's, and further parameters, which `base` must
        then know about.
    base : type, default=Layer
    **attributes : dict
        Of the node class, such as ``inputs`` and ``outputs``.

    Returns
    -------
    type
        Derived from `Layer`. Assign it to a variable of the same name, so that its
        nodes can be pickled.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from torchlearners.graph import Head, as_op
    >>> class Scale(nn.Module):
    ...     def __init__(self, n_features, start=1.0):
    ...         super().__init__()
    ...         self.factor = nn.Parameter(torch.full((n_features,), start))
    ...
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> ScaleOp = as_op(Scale, {"n_features": lambda specs: specs[0].shape[-1]})
    >>> (ScaleOp(2.0) >> Head()).shapes((None, 3)).steps
    ['scale_1', 'head_1']
    """
    fills = fills or {}
    fixed = attributes.get("_fixed", {})
    skipped = {"self", "device", "dtype", "inplace", *fills, *fixed, *leave_out}
    given = {
        a.name: a
        for a in inspect.signature(_arguments_of or module_class).parameters.values()
        if a.kind not in (a.VAR_POSITIONAL, a.VAR_KEYWORD)
        and a.name not in skipped
        and not a.name.startswith("_")
    }
    values = {
        **dict.fromkeys(attributes.get("_leading", ())),
        **{
            n: REQUIRED if a.default is a.empty else a.default for n, a in given.items()
        },
        **(defaults or {}),
    }
    fields = {
        argument: param(
            default=default,
            doc=f"See {module_class.__qualname__}.",
            kw_only=argument in given and given[argument].kind is _KEYWORD_ONLY,
        )
        for argument, default in values.items()
    }
    clash = sorted(set(fields) & {*dir(base), *base._fields})
    if clash:
        raise ValueError(
            f"{module_class.__qualname__} has arguments called {clash}, which nodes "
            "have themselves. Name them in leave_out=, or write a subclass of Op."
        )
    node_name = name or module_class.__name__
    home = module or sys._getframe(1).f_globals["__name__"]
    filled = ", ".join(f"`{f}`" for f in fills)
    namespace = {
        "__doc__": f"`{module_class.__qualname__}` as a node"
        + (f"; {filled} comes from the input." if fills else ".")
        + "\n\n{parameters}\n",
        "__module__": home,
        "_class": module_class,
        "_fills": fills,
        **fields,
        **attributes,
    }
    return type(node_name, (base,), namespace)
