"""The kit for callbacks, with the checks of what one declares."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable
from typing import Any

from skorch.callbacks import Callback

from torchlearners.params import did_you_mean
from torchlearners.testing._callback_fits import (
    check_callback_closes_what_it_opens,
    check_callback_initialize_forgets,
    check_callback_is_left_as_it_was,
    check_callback_keeps_parameters_apart_from_state,
    check_callback_leaves_random_numbers_alone,
    check_callback_leaves_settings_alone,
    check_callback_resumed_run_equals_straight,
    check_callback_starts_anew_in_each_fit,
    check_callback_state_is_plain_data,
    check_callback_state_survives_loading,
    check_callback_travels_to_another_process,
    check_callback_works_for_any_network,
    check_callback_works_with_sparse_evaluation,
    check_callback_works_with_validation_rows,
    check_callback_works_without_validation_rows,
    undone,
)
from torchlearners.testing._declared import (
    require_clone,
    require_documented,
    require_signature,
)
from torchlearners.testing._kinds import torch_check
from torchlearners.testing._runner import CheckReport, run_checks
from torchlearners.training import Net

_HOOKS = sorted(name for name in dir(Net) if name.startswith("on_"))


def _overridden(callback: Any) -> dict[str, Callable[..., Any]]:
    """Return the functions of the hooks that the net calls."""
    found = {hook: getattr(type(callback), hook, None) for hook in _HOOKS}
    return {
        hook: function
        for hook, function in found.items()
        if function is not None and function is not getattr(Callback, hook, None)
    }


@torch_check(subject="callback")
def check_callback_overrides_known_hooks(name: str, callback: Any) -> None:
    """Check that it is a callback with at least one hook, and no misspelt one."""
    assert isinstance(callback, Callback), (
        f"{name} is no callback. Derive from skorch.callbacks.Callback."
    )
    found = {attribute for attribute in dir(callback) if attribute.startswith("on_")}
    params = set(callback.get_params(deep=False))
    unknown = sorted(found - set(_HOOKS) - params)
    assert not unknown, (
        f"{name} has {unknown[0]!r}, which no training calls."
        f"{did_you_mean(unknown[0], _HOOKS)} The hooks are {_HOOKS}."
    )
    assert _overridden(callback), (
        f"{name} overrides no hook, so it does nothing. The hooks are {_HOOKS}."
    )


@torch_check(subject="callback")
def check_callback_hooks_take_keywords(name: str, callback: Any) -> None:
    """Check that every hook takes further keywords.

    skorch tells a hook what it may want to know, and may tell it more one day.
    """
    for hook, function in _overridden(callback).items():
        kinds = [p.kind for p in inspect.signature(function).parameters.values()]
        assert inspect.Parameter.VAR_KEYWORD in kinds, (
            f"{name}.{hook} takes no further keywords. Add **kwargs to its arguments."
        )


@torch_check(subject="callback")
def check_callback_has_no_empty_hook(name: str, callback: Any) -> None:
    """Check that no hook is overridden by a body that does nothing.

    The net calls a hook for each batch only where a callback overrides it, and keeps a
    history of batches for it; an empty hook costs that time for nothing.
    """
    nothing = {"RESUME", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE", "NOP"}
    for hook, function in _overridden(callback).items():
        steps = {step.opname for step in dis.get_instructions(function)}
        assert not steps <= nothing, (
            f"{name}.{hook} does nothing, but makes training call it. Remove it."
        )


@torch_check(subject="callback")
def check_callback_parameters_are_the_signature(name: str, callback: Any) -> None:
    """Check that get_params returns the arguments of the constructor."""
    require_signature(name, callback)


@torch_check(subject="callback")
def check_callback_documents_parameters(name: str, callback: Any) -> None:
    """Check that the docstring of the class has an entry for each parameter."""
    require_documented(name, callback)


@torch_check(subject="callback")
def check_callback_clones_alike(name: str, callback: Any) -> None:
    """Check that a clone is another object of the same class and parameters."""
    require_clone(name, callback)


CALLBACK_CHECKS = (
    check_callback_overrides_known_hooks,
    check_callback_hooks_take_keywords,
    check_callback_has_no_empty_hook,
    check_callback_parameters_are_the_signature,
    check_callback_documents_parameters,
    check_callback_clones_alike,
    # First of those that fit, since a change may show once only.
    check_callback_is_left_as_it_was,
    check_callback_works_with_validation_rows,
    check_callback_works_without_validation_rows,
    check_callback_works_with_sparse_evaluation,
    check_callback_works_for_any_network,
    check_callback_keeps_parameters_apart_from_state,
    check_callback_initialize_forgets,
    check_callback_starts_anew_in_each_fit,
    check_callback_leaves_random_numbers_alone,
    check_callback_leaves_settings_alone,
    check_callback_travels_to_another_process,
    check_callback_state_is_plain_data,
    check_callback_state_survives_loading,
    check_callback_resumed_run_equals_straight,
    check_callback_closes_what_it_opens,
)


def check_callback(
    instance: Any,
    *,
    on_fail: str | None = "raise",
    on_skip: str | None = "warn",
    callback: Callable[..., None] | None = None,
    expected_failed_checks: dict[str, str] | None = None,
) -> CheckReport:
    """Check that a callback works in trainings of any kind and leaves no traces.

    Takes a few seconds. Small learners are trained with clones of it, each in an empty
    working directory: what it writes should have a relative path.

    Parameters
    ----------
    instance : skorch.callbacks.Callback
        What is checked.
    on_fail : {"raise", "warn"} or None, default="raise"
        As in `check_torch_learner`, like all that follow.
    on_skip : {"warn"} or None, default="warn"
        Whether checks that cannot run here are warned of.
    callback : callable or None, default=None
        Called after each check with the keys of its result.
    expected_failed_checks : dict of str to str, default=None
        Names of checks that may fail, and why.

    Returns
    -------
    CheckReport
        A list with one dict for each check; ``print`` shows it as a table.

    Raises
    ------
    Exception
        What the first failing check raised, with ``on_fail="raise"``.

    See Also
    --------
    check_torch_learner : The same for a learner.

    Examples
    --------
    >>> from torchlearners.callbacks import TimeLimit
    >>> from torchlearners.testing import check_callback
    >>> report = check_callback(TimeLimit(seconds=60))
    >>> report.names("failed")
    []
    """
    with undone():
        return run_checks(
            instance,
            CALLBACK_CHECKS,
            on_fail=on_fail,
            on_skip=on_skip,
            callback=callback,
            expected_failed_checks=expected_failed_checks,
        )
