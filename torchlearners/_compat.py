"""The only importer of private names of scikit-learn, skorch and torch.

Everything here may change with their next release; nothing else in the package
may depend on a private name of theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import numpy as np
import sklearn
import torch
from sklearn.base import _fit_context
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    StrOptions,
    make_constraint,
)
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_sample_weight, _num_samples

__all__ = [
    "BaseEstimator",
    "Callback",
    "CallbackSupportMixin",
    "ClassNamePrefixFeaturesOutMixin",
    "ClassifierMixin",
    "Constraint",
    "HTMLAppendix",
    "Interval",
    "InvalidParameterError",
    "ParameterTooltips",
    "RegressorMixin",
    "ScorerParts",
    "StrOptions",
    "TransformerMixin",
    "WithoutDynamo",
    "callback_teardown",
    "check_sample_weight",
    "distribution_samplers",
    "fit_context",
    "foreach_add_",
    "fused_kernel",
    "inference_guard",
    "make_constraint",
    "member_callbacks",
    "n_function_modes",
    "n_samples_of",
    "open_callback_context",
    "safe_rows",
    "safe_split",
    "same_device_and_dtype",
    "scorer_parts",
    "silent_floats",
]

# `make_constraint` takes constraint objects of a few classes only; this is the
# smallest of them to derive one's own from.
Constraint = HasMethods
fit_context = _fit_context
check_sample_weight = _check_sample_weight
n_samples_of = _num_samples
safe_rows = _safe_indexing
safe_split = _safe_split


if TYPE_CHECKING:
    # scikit-learn and skorch publish no types. With bases of unknown type, a checker
    # would let every misspelt constructor argument pass.
    class BaseEstimator:
        """What we use of `sklearn.base.BaseEstimator`."""

        @classmethod
        def _get_param_names(cls) -> list[str]: ...
        def _validate_params(self) -> None: ...
        def get_params(self, deep: bool = True) -> dict[str, Any]: ...
        def set_params(self, **params: Any) -> Any: ...
        def __getstate__(self) -> dict[str, Any]: ...
        def __setstate__(self, state: dict[str, Any]) -> None: ...
        def __sklearn_clone__(self) -> Any: ...
        def __sklearn_tags__(self) -> Any: ...

    class ClassNamePrefixFeaturesOutMixin:
        """What we use of `sklearn.base.ClassNamePrefixFeaturesOutMixin`."""

        def get_feature_names_out(self, input_features: Any = None) -> Any: ...

    class TransformerMixin:
        """What we use of `sklearn.base.TransformerMixin`."""

        def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Any: ...

    class ClassifierMixin:
        """What we use of `sklearn.base.ClassifierMixin`."""

        def score(self, X: Any, y: Any, sample_weight: Any = None) -> float: ...

    class RegressorMixin:
        """What we use of `sklearn.base.RegressorMixin`."""

        def score(self, X: Any, y: Any, sample_weight: Any = None) -> float: ...

    class Callback:
        """What we use of `skorch.callbacks.Callback`."""

        def initialize(self) -> Any: ...
        def get_params(self, deep: bool = True) -> dict[str, Any]: ...
        def set_params(self, **params: Any) -> Any: ...

else:
    from sklearn.base import (
        BaseEstimator,
        ClassifierMixin,
        ClassNamePrefixFeaturesOutMixin,
        RegressorMixin,
        TransformerMixin,
    )
    from skorch.callbacks import Callback


class ParameterTooltips:
    """Mixin that makes the HTML repr show what the docstring says of each parameter.

    scikit-learn 1.9 does so only for classes with a page of their own on the web.
    Older versions never call this.
    """

    def _get_params_html(self, deep: bool = True, doc_link: str = "") -> Any:
        return super()._get_params_html(deep, doc_link or "#")  # type: ignore[misc]


class HTMLAppendix:
    """Mixin that shows more than the parameters below an estimator's HTML repr."""

    def _html_appendix(self) -> str:
        """Return HTML, or an empty string."""
        raise NotImplementedError

    def _repr_html_inner(self) -> str:
        shown = super()._repr_html_inner()  # type: ignore[misc]
        return shown + self._html_appendix()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        output = super()._repr_mimebundle_(**kwargs)  # type: ignore[misc]
        if "text/html" in output:
            output["text/html"] += self._html_appendix()
        return output


if TYPE_CHECKING:

    class CallbackSupportMixin:
        """What we use of `sklearn.callback.CallbackSupportMixin`."""

        def set_callbacks(self, *callbacks: Any) -> Any: ...

    AutoPropagatedCallback: Any
    callback_management_context: Any
else:
    try:
        from sklearn.callback import AutoPropagatedCallback, CallbackSupportMixin
        from sklearn.callback._callback_support import callback_management_context
    except ImportError:

        class CallbackSupportMixin:
            """What stands in for scikit-learn's mixin before version 1.9."""

            def set_callbacks(self, *callbacks: Any) -> Any:
                """Say what scikit-learn's callbacks need."""
                raise ImportError(
                    f"{type(self).__name__}.set_callbacks needs scikit-learn 1.9 or "
                    f"newer, installed is {sklearn.__version__}. Run "
                    "`pip install -U 'scikit-learn>=1.9'`, or pass skorch callbacks as "
                    "callbacks=[...]."
                )

        callback_management_context = None


def callback_teardown(estimator: Any) -> AbstractContextManager[Any]:
    """Return a context that tears an estimator's callbacks down, also on errors."""
    if callback_management_context is None:
        return nullcontext()
    return callback_management_context(estimator)


def open_callback_context(estimator: Any, max_subtasks: int) -> Any:
    """Set an estimator's callbacks up; return the context of its fit."""
    return estimator._init_callback_context(max_subtasks=max_subtasks)


def member_callbacks(fit: Any, member: Any) -> AbstractContextManager[Any]:
    """Make the fit of a member a subtask of a fit, or do nothing where that is None.

    The member, a clone, has the same callbacks; scikit-learn itself passes on those
    that follow a fit into its parts.
    """
    if fit is None:
        return nullcontext()
    own = [
        c for c in member._skl_callbacks if not isinstance(c, AutoPropagatedCallback)
    ]
    member.set_callbacks(*own)
    return fit.subcontext(task_name="member").propagate_callback_context(member)


class ScorerParts(NamedTuple):
    """What a scorer of scikit-learn is made of."""

    function: Callable[..., Any]
    sign: int
    # Methods of an estimator, in order of preference.
    responses: tuple[str, ...]
    kwargs: dict[str, Any]


def scorer_parts(scorer: Any) -> ScorerParts | None:
    """Take a scorer apart; None where it is not one made by scikit-learn."""
    try:
        methods = scorer._response_method
        parts = scorer._score_func, scorer._sign, scorer._kwargs
    except AttributeError:
        return None
    responses = (methods,) if isinstance(methods, str) else tuple(methods)
    return ScorerParts(parts[0], parts[1], responses, dict(parts[2] or {}))


F = TypeVar("F", bound=Callable[..., Any])


def silent_floats(function: F) -> F:
    """Keep numpy from warning of overflow and invalid values in a function.

    As a decorator `np.errstate` costs half as much as in a with statement. Before
    numpy 2 one decorator must not serve several threads, so each call makes its own.
    """
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        return np.errstate(over="ignore", invalid="ignore")(function)

    @wraps(function)
    def call(*args: Any) -> Any:
        with np.errstate(over="ignore", invalid="ignore"):
            return function(*args)

    return cast(F, call)


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


def inference_guard() -> AbstractContextManager[Any]:
    """Return `torch.inference_mode()` at a quarter of its cost."""
    return torch._C._InferenceMode(True)


# How many `torch.overrides.TorchFunctionMode` this thread is in.
n_function_modes: Callable[[], int] = torch._C._len_torch_function_stack


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
