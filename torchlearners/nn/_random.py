"""Random numbers of foreign code, drawn from the generator of one fit.

Our own modules take a generator. Foreign ones (`torch.nn.init`, `torch.nn.Dropout`, a
user's module) ask torch's global state, which threads share and the caller owns.
`random_numbers_from` answers those requests from a private generator, for the current
thread only.
"""

from __future__ import annotations

import inspect
import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from torchlearners._compat import distribution_samplers
from torchlearners.nn._dropout import Dropout
from torchlearners.nn._neighbors import SoftNearestNeighbors

# Functions that take `generator=` themselves, all of torch.nn.init among them.
_TAKE_GENERATOR: frozenset[Any] = frozenset(
    {
        torch.bernoulli,
        torch.binomial,
        torch.multinomial,
        torch.normal,
        torch.poisson,
        torch.rand,
        torch.randint,
        torch.randn,
        torch.randperm,
        Tensor.bernoulli,
        Tensor.bernoulli_,
        Tensor.cauchy_,
        Tensor.exponential_,
        Tensor.geometric_,
        Tensor.log_normal_,
        Tensor.multinomial,
        Tensor.normal_,
        Tensor.random_,
        Tensor.uniform_,
        *distribution_samplers,
    }
    | {
        function
        for function in vars(nn.init).values()
        if inspect.isfunction(function)
        and "generator" in inspect.signature(function).parameters
    }
)

# Functions that can only ask the global state. They borrow it for one call.
_BORROW: frozenset[Any] = frozenset(
    {
        F.alpha_dropout,
        F.dropout,
        F.dropout1d,
        F.dropout2d,
        F.dropout3d,
        F.feature_alpha_dropout,
        F.fractional_max_pool2d,
        F.fractional_max_pool2d_with_indices,
        F.fractional_max_pool3d,
        F.fractional_max_pool3d_with_indices,
        F.gumbel_softmax,
        F.multi_head_attention_forward,
        F.rrelu,
        F.scaled_dot_product_attention,
        torch.alpha_dropout,
        torch.alpha_dropout_,
        torch.dropout,
        torch.dropout_,
        torch.feature_alpha_dropout,
        torch.feature_alpha_dropout_,
        torch.feature_dropout,
        torch.feature_dropout_,
        torch.gru,
        torch.lstm,
        torch.native_dropout,
        torch.rand_like,
        torch.randint_like,
        torch.randn_like,
        torch.rnn_relu,
        torch.rnn_tanh,
        torch.rrelu,
        torch.rrelu_,
    }
)
_BORROWING = threading.Lock()
# Whether the current thread holds that lock.
_borrowing_here = threading.local()


class _PrivateGenerator(TorchFunctionMode):
    """Answer requests for random numbers from one generator."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.generator = generator

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _BORROW and not getattr(_borrowing_here, "now", False):
            return self._borrow(func, args, kwargs)
        if func in _TAKE_GENERATOR and kwargs.get("generator") is None:
            kwargs = {**kwargs, "generator": self.generator}
        return func(*args, **kwargs)

    def _borrow(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Call with the global generator in the private one's place; put it back."""
        device = self.generator.device
        borrowed = (
            torch.default_generator
            if device.type == "cpu"
            else getattr(torch, device.type).default_generators[device.index or 0]
        )
        with _BORROWING:
            before = borrowed.get_state()
            borrowed.set_state(self.generator.get_state())
            # The call passes through the contexts around this one, which must not
            # borrow in its place.
            _borrowing_here.now = True
            try:
                return func(*args, **kwargs)
            finally:
                _borrowing_here.now = False
                self.generator.set_state(borrowed.get_state())
                borrowed.set_state(before)


def random_numbers_from(
    generator: torch.Generator, *, when: bool = True
) -> AbstractContextManager[Any]:
    """Draw the random numbers of foreign torch code from `generator`.

    Holds for the current thread while the context lasts, and covers the random
    functions of `torch`, `torch.Tensor`, `torch.nn.init` and `torch.nn.functional`.
    Those that can only ask torch's global generator (dropout, attention, LSTM) run one
    at a time with its state exchanged, and leave it as it was.

    Parameters
    ----------
    generator : torch.Generator
        Where numbers come from; must be on the device where they are drawn.
    when : bool, default=True
        False makes the context do nothing.

    Returns
    -------
    context manager
        To be used in a ``with`` statement.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import random_numbers_from
    >>> with random_numbers_from(torch.Generator().manual_seed(3)):
    ...     a = torch.nn.Linear(2, 2).weight
    >>> with random_numbers_from(torch.Generator().manual_seed(3)):
    ...     b = torch.nn.Linear(2, 2).weight
    >>> torch.equal(a, b)
    True
    """
    return _PrivateGenerator(generator) if when else nullcontext()


def bind_generator(module: nn.Module, generator: torch.Generator) -> None:
    """Make every module of ours inside `module` draw from `generator`.

    Parameters
    ----------
    module : torch.nn.Module
        Searched with all its children.
    generator : torch.Generator
        The generator of the fit, on the module's device.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import Dropout, bind_generator
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 2), Dropout(0.1))
    >>> bind_generator(net, torch.Generator())
    >>> net[1].generator is None
    False
    """
    for child in module.modules():
        if isinstance(child, Dropout | SoftNearestNeighbors):
            child.generator = generator


def draws_unbound_numbers(module: nn.Module) -> bool:
    """Tell whether training `module` may ask torch's global random state.

    True for modules defined outside torch and this package, about which nothing is
    known, and for the random layers of `torch.nn`. Such a module trains under
    `random_numbers_from`, which costs a few microseconds an operation.

    Parameters
    ----------
    module : torch.nn.Module
        Looked at with all its children.

    Returns
    -------
    bool

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import Dropout, draws_unbound_numbers
    >>> draws_unbound_numbers(torch.nn.Sequential(torch.nn.Linear(2, 2), Dropout(0.1)))
    False
    >>> draws_unbound_numbers(torch.nn.Dropout(0.1))
    True
    """
    return any(map(_is_unbound, module.modules()))


def _is_unbound(module: nn.Module) -> bool:
    home = type(module).__module__
    random = (nn.RReLU, nn.FractionalMaxPool2d, nn.FractionalMaxPool3d)
    rate = getattr(module, "dropout", 0)  # of RNNs, attention and transformers
    if home.startswith("torchlearners."):
        # Ours, but for what torch does in layers that we derive from its own.
        derived = isinstance(module, nn.RNNBase | nn.MultiheadAttention)
        return derived and rate > 0
    if not home.startswith("torch.nn.modules."):
        return True
    return (
        home == "torch.nn.modules.dropout"
        or isinstance(module, random)
        or (isinstance(rate, float) and rate > 0)
    )
