"""The only importer of private names of scikit-learn, skorch and torch.

Everything here may change with their next release; nothing else in the package
may depend on a private name of theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from sklearn.base import _fit_context
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    StrOptions,
    make_constraint,
)
from sklearn.utils.validation import _check_sample_weight

__all__ = [
    "Constraint",
    "Interval",
    "InvalidParameterError",
    "ParameterTooltips",
    "StrOptions",
    "WithoutDynamo",
    "check_sample_weight",
    "distribution_samplers",
    "fit_context",
    "foreach_add_",
    "fused_kernel",
    "make_constraint",
    "same_device_and_dtype",
]

# `make_constraint` takes constraint objects of a few classes only; this is the
# smallest of them to derive one's own from.
Constraint = HasMethods
fit_context = _fit_context
check_sample_weight = _check_sample_weight


class ParameterTooltips:
    """Mixin that makes the HTML repr show what the docstring says of each parameter.

    scikit-learn 1.9 does so only for classes with a page of their own on the web.
    Older versions never call this.
    """

    def _get_params_html(self, deep: bool = True, doc_link: str = "") -> Any:
        return super()._get_params_html(deep, doc_link or "#")  # type: ignore[misc]


F = TypeVar("F", bound=Callable[..., Any])


def _undecorated(function: F) -> F:
    """Return the function below torch's ``_disable_dynamo`` decorator."""
    return getattr(function, "__wrapped__", function)


class WithoutDynamo:
    """Mixin for `torch.optim` classes: their housekeeping without `torch._dynamo`.

    torch wraps these methods in a decorator that imports ``torch._dynamo`` (about
    two CPU seconds) on the first call in every process, only to switch off a
    compiler that an eager optimizer never meets.
    """

    add_param_group = _undecorated(torch.optim.Optimizer.add_param_group)
    zero_grad = _undecorated(torch.optim.Optimizer.zero_grad)
    state_dict = _undecorated(torch.optim.Optimizer.state_dict)
    load_state_dict = _undecorated(torch.optim.Optimizer.load_state_dict)


def fused_kernel(name: str) -> Callable[..., None]:
    """Return torch's in-place fused optimizer kernel: adam, adamw or sgd."""
    return getattr(torch, f"_fused_{name}_")


# What the distributions of torch draw from; they take `generator=`.
distribution_samplers = (torch._standard_gamma, torch._sample_dirichlet)

# Adds a number to every tensor of a list in one call.
foreach_add_ = torch._foreach_add_


def same_device_and_dtype(tensors: Sequence[torch.Tensor]) -> bool:
    """Tell whether one fused kernel call can take all of the tensors."""
    first = tensors[0]
    return all(
        t.device == first.device
        and t.dtype == first.dtype
        and t.is_floating_point()
        and t.layout == torch.strided
        for t in tensors
    )
