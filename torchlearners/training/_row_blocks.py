"""Blocks of rows in which a row gets the same bits whatever stands beside it.

The kernels that torch calls round a row by the number of rows in the call and by its
place among them, each processor in its own way. Which numbers of rows agree with each
other is therefore tried, with the fitted network itself, in the process that predicts.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from torchlearners.training._threads import torch_threads

# From 64 on, a size is a half or a third more than the one before: little is padding.
_SIZES = (4, 8, 16, 32, *(2**i * j // 2 for i in range(6, 15) for j in (2, 3)))
_REFERENCE = 64
# Loops over single values take up to so many at once, in two vectors of AVX-512. The
# rest of them, at the end of the block, goes through scalar functions.
_VALUES_AT_ONCE = 32
# Outputs that are further apart than rounding takes them, relative to the largest.
_FAR = 1e-3
_EQUAL, _ROUNDED, _OTHER = range(3)
# Torch computes these in another way where a part of them has a hook.
_WITHOUT_HOOKS = nn.MultiheadAttention, nn.TransformerEncoderLayer
_PRODUCTS = {
    F.linear,
    torch.addmm,
    torch.baddbmm,
    torch.bmm,
    torch.einsum,
    torch.matmul,
    torch.mm,
    Tensor.__matmul__,
    Tensor.addmm,
    Tensor.baddbmm,
    Tensor.bmm,
    Tensor.matmul,
    Tensor.mm,
}
_AS_THEY_ARE: AbstractContextManager[Any] = nullcontext()
_AS_INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


class RowBlocks:
    """Which numbers of rows a network gives the same bits for, found by trial.

    Every block that `cut` returns has a size whose outputs were seen to equal those of
    a block of reference, bit by bit, for rows in several places. Sizes are tried when
    they are first wanted. Where a row's bits depend on its place in the block of
    reference, products of matrices are computed in float64; where that does not help
    either, rows go alone. A network that looks at the rows beside a row on purpose is
    recognised, and gets rows as they come.

    Parameters
    ----------
    largest : int
        The most rows in a block, unless the kernels need more.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.training import RowBlocks, Trial
    >>> layer, rows = torch.nn.Linear(3, 2), torch.randn(64, 3)
    >>> sum(RowBlocks(4096).cut(5, 4096, lambda: Trial(layer, rows))) >= 5
    True
    """

    def __init__(self, largest: int) -> None:
        fitting = [int(size) for size in _SIZES if size <= largest]
        self._sizes = fitting or [int(_SIZES[0])]
        self._n_reference = max(s for s in self._sizes if s <= _REFERENCE)
        self._agree: dict[int, bool] = {}
        self._lock = threading.Lock()  # of the choice of a reference
        self._rows: Tensor
        self._expected: _Found
        self.looks_across = self.float64 = False

    def cut(self, n_rows: int, most: int, trial: Callable[[], Trial]) -> list[int]:
        """Return sizes of blocks that together take at least `n_rows` rows.

        Parameters
        ----------
        n_rows : int
        most : int
            Rows in a block, where the kernels do not need more.
        trial : callable
            Called where a size must be tried.

        Returns
        -------
        list of int
            The rows after the last one of X are padding.
        """
        trial = _Once(trial)
        if not self._agree:
            with self._lock:
                if not self._agree:
                    self._begin(trial())
        if self.looks_across:
            return [min(most, n_rows - i) for i in range(0, n_rows, most)]
        blocks = []
        while n_rows > 0:
            blocks.append(self._best(n_rows, most, trial))
            n_rows -= blocks[-1]
        return blocks

    def products(self) -> AbstractContextManager[Any]:
        """Return the context in which the network is to be called for such blocks."""
        return _Float64Products() if self.float64 else _AS_THEY_ARE

    def _best(self, n_rows: int, most: int, trial: Callable[[], Trial]) -> int:
        """Return the smallest size for the rows, else the largest one that agrees."""
        limit = min(most, max(2 * n_rows, self._n_reference))
        for size in self._sizes:
            if size > limit:
                break
            if size >= n_rows and self._agrees(size, trial):
                return size
        fewer = [size for size in self._sizes if size < n_rows and size <= most]
        # All of them, where none within `most` agrees.
        return next(
            size
            for size in (*reversed(fewer), *self._sizes)
            if self._agrees(size, trial)
        )

    def _agrees(self, size: int, trial: Callable[[], Trial]) -> bool:
        if size not in self._agree:
            self._agree[size] = self._compared(size, trial()) == _EQUAL
        return self._agree[size]

    def _begin(self, trial: Trial) -> None:
        """Choose the size of reference, in which the place of a row is no matter."""
        reference = self._n_reference
        for n, self.float64 in ((reference, False), (reference, True), (1, False)):
            # An odd number, so that a row comes at odd places and at even ones.
            n_different = min(max(n // 3, 1), len(trial.rows))
            self._rows = trial.rows[: n_different - 1 + n_different % 2]
            places = torch.arange(n) % len(self._rows)
            found = self._outputs(trial, places)
            with torch_threads(1):
                self._expected = found[: len(self._rows)]
                compared = found.compared(self._expected[places])
            if compared != _ROUNDED:
                break
        self._n_reference = n
        self._sizes = [s for s in self._sizes if s % trial.multiple == 0 or s == n]
        if n not in self._sizes:
            self._sizes = [n]
        smallest = self._compared(self._sizes[0], trial)
        self.looks_across = _OTHER in (compared, smallest)
        # Last, as it tells other threads that all is chosen.
        self._agree = {self._sizes[0]: smallest == _EQUAL, n: True}

    def _compared(self, size: int, trial: Trial) -> int:
        """Compare blocks of a size with the block of reference."""
        worst = _EQUAL
        for start in range(0, 20, min(size + 1, 20)):
            places = (torch.arange(size) + start) % len(self._rows)
            found = self._outputs(trial, places)
            with torch_threads(1):
                worst = max(worst, found.compared(self._expected[places]))
        return worst

    def _outputs(self, trial: Trial, places: Tensor) -> _Found:
        # The network chooses its threads; what is done around it must not meet those
        # that a fork has left behind.
        with torch_threads(1):
            rows = self._rows[places]
        with self.products():
            return trial(rows)


class _Once:
    """Makes a thing when it is first wanted; `functools.cache` costs ten times that."""

    def __init__(self, make: Callable[[], Trial]) -> None:
        self._make = make
        self._made: Trial | None = None

    def __call__(self) -> Trial:
        if self._made is None:
            self._made = self._make()
        return self._made


class _Float64Products(TorchFunctionMode):
    """Computes products of float32 matrices in float64, and rounds what comes out.

    The order of a sum then changes an output with a probability of about 1e-8.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func not in _PRODUCTS or "out" in kwargs:
            return func(*args, **kwargs)
        product = func(
            *(_doubled(value) for value in args),
            **{name: _doubled(value) for name, value in kwargs.items()},
        )
        tensors = (*args, *kwargs.values())
        single = any(_is_float32(v) or _holds_float32(v) for v in tensors)
        return product.float() if single else product


def _is_float32(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.float32


def _holds_float32(value: Any) -> bool:
    return isinstance(value, tuple | list) and any(map(_is_float32, value))


def _doubled(value: Any) -> Any:
    if _holds_float32(value):
        return [_doubled(one) for one in value]
    return value.double() if _is_float32(value) else value


class _Found:
    """What a network gave for some rows: its outputs, and a sum for each part of it."""

    def __init__(self, outputs: Tensor, sums: Tensor) -> None:
        self.outputs, self.sums = outputs, sums

    def __getitem__(self, rows: Any) -> _Found:
        return _Found(self.outputs[rows], self.sums[rows])

    def compared(self, other: _Found) -> int:
        """Return `_EQUAL`, `_ROUNDED` or `_OTHER`."""
        found, expected = self.outputs, other.outputs
        if not torch.equal(found, expected):
            found, expected = found.nan_to_num(), expected.nan_to_num()
        if torch.equal(found, expected):
            return _EQUAL if torch.equal(self.sums, other.sums) else _ROUNDED
        # Of most rows: a single one may stand at a jump of the function.
        off = (found - expected).abs().flatten(1).amax(1).median()
        return _OTHER if off > _FAR * expected.abs().max() else _ROUNDED


class Trial:
    """A fitted network that can be tried without anybody noticing.

    No hook that somebody else has registered is called (but those that the network was
    built with), and what modules keep of a
    call is not kept in the network; parameters and buffers are shared with it.

    Parameters
    ----------
    module : torch.nn.Module
    rows : torch.Tensor of shape (n_rows, n_columns)
        Rows that the network takes.
    compute : callable, default=None
        Of a module and rows; None calls the module.
    own_hooks : frozenset of int, default=frozenset()
        Hooks without which the network would compute something else; see `hooks_of`.

    Attributes
    ----------
    multiple : int
        Of how many rows a block must be a multiple so that loops over single values,
        seen in a call, leave no rest.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.training import Trial
    >>> layer = torch.nn.Linear(2, 1)
    >>> _ = layer.register_forward_hook(lambda *args: 1 / 0)
    >>> Trial(layer, torch.zeros(1, 2))(torch.zeros(3, 2)).outputs.shape
    torch.Size([3, 1])
    """

    def __init__(
        self,
        module: nn.Module,
        rows: Tensor,
        compute: Callable[[Any, Tensor], Tensor] | None = None,
        own_hooks: frozenset[int] = frozenset(),
    ) -> None:
        self.rows, self.multiple = rows, 1
        self._module = _copied(module, {}, own_hooks)
        self._compute = compute
        self._sums: list[Tensor] = []
        self._counting: list[Any] = []  # hooks of the first call
        self._watch(self._module)

    def __call__(self, rows: Tensor) -> _Found:
        """Return outputs of the network and of its parts."""
        self._sums, self._n_rows = [], len(rows)
        compute = self._compute
        outputs = compute(self._module, rows) if compute else self._module(rows)
        while self._counting:
            self._counting.pop().remove()
        with torch_threads(1):
            none = outputs.new_zeros(len(rows), dtype=torch.int64)
            return _Found(outputs, torch.stack([none, *self._sums], 1))

    def _watch(self, module: nn.Module) -> None:
        if isinstance(module, (*_WITHOUT_HOOKS, torch.jit.ScriptModule)):
            return
        if any(p is not None and p.ndim > 1 for p in module._parameters.values()):
            module.register_forward_hook(self._sum_bits)
        children = list(module.children())
        if not children:
            self._counting.append(module.register_forward_hook(self._count_values))
        for child in children:
            self._watch(child)

    def _sum_bits(self, module: nn.Module, inputs: Any, output: Any) -> None:
        output = self._rows_in(output)
        if output is not None and output.is_floating_point():
            bits = output.view(_AS_INTEGERS[output.element_size()])
            self._sums.append(bits.sum(tuple(range(1, output.ndim))))

    def _count_values(self, module: nn.Module, inputs: Any, output: Any) -> None:
        output = self._rows_in(output)
        if output is not None and not any(p.ndim > 1 for p in module.parameters()):
            n_values = output[0].numel()
            rest = _VALUES_AT_ONCE // math.gcd(n_values, _VALUES_AT_ONCE)
            self.multiple = max(self.multiple, rest)

    def _rows_in(self, output: Any) -> Tensor | None:
        """Return the first output, where it holds something for each row."""
        first = output[0] if isinstance(output, tuple | list) else output
        if isinstance(first, Tensor) and first.shape[:1] == (self._n_rows,):
            return first.reshape(self._n_rows, -1) if first.ndim < 2 else first
        return None


def hooks_of(module: nn.Module) -> frozenset[int]:
    """Return the numbers by which torch knows the hooks of a network.

    Parameters
    ----------
    module : torch.nn.Module

    Returns
    -------
    frozenset of int

    Examples
    --------
    >>> import torch
    >>> from torchlearners.training import hooks_of
    >>> len(hooks_of(torch.nn.Linear(1, 1)))
    0
    """
    return frozenset(
        number
        for part in module.modules()
        for name, hooks in vars(part).items()
        if name.endswith("_hooks")
        for number in hooks
    )


def _copied(
    module: nn.Module, seen: dict[nn.Module, nn.Module], own_hooks: frozenset[int]
) -> nn.Module:
    if isinstance(module, torch.jit.ScriptModule):
        return module  # of which Python has no inside
    if module not in seen:
        copy = seen[module] = module.__new__(type(module))
        copy.__dict__ = {
            name: OrderedDict((n, value[n]) for n in value if n in own_hooks)
            if name.endswith("_hooks")
            else value
            for name, value in vars(module).items()
        }
        copy.__dict__["_modules"] = {
            name: child and _copied(child, seen, own_hooks)
            for name, child in module._modules.items()
        }
    return seen[module]
