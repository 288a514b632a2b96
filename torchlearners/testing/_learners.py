"""The kit for learners: all groups of checks, in one call or as pytest cases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import ModuleType
from typing import Any

from torchlearners.testing import (
    _control,
    _determinism,
    _ecosystem,
    _effects,
    _frames,
    _inputs,
    _interface,
    _learning,
    _persistence,
    _resuming,
    _stopping,
    _structure,
    _targets,
    _weighting,
)
from torchlearners.testing._runner import (
    Check,
    CheckReport,
    checks_for,
    parametrize,
    run_checks,
)


def _checks_of(*modules: ModuleType) -> tuple[Check, ...]:
    return tuple(
        value
        for module in modules
        for name, value in vars(module).items()
        if name.startswith("check_") and value.__module__ == module.__name__
    )


def torch_checks() -> dict[str, tuple[Check, ...]]:
    """Return all checks of learners, by group.

    Returns
    -------
    dict of str to tuple of callable
        In the order in which they run.

    Examples
    --------
    >>> from torchlearners.testing import torch_checks
    >>> list(torch_checks())[:2]
    ['structure', 'data']
    """
    return {
        "structure": _checks_of(_structure, _interface),
        "data": _checks_of(_inputs, _frames, _targets),
        "learning": _checks_of(_learning, _weighting),
        "control": _checks_of(_control, _effects, _stopping),
        "determinism": _checks_of(_determinism),
        "persistence": _checks_of(_persistence, _resuming),
        "ecosystem": _checks_of(_ecosystem),
    }


_KIT = tuple(check for group in torch_checks().values() for check in group)


def check_torch_learner(
    learner: Any,
    *,
    on_fail: str | None = "raise",
    on_skip: str | None = "warn",
    callback: Callable[..., None] | None = None,
    expected_failed_checks: dict[str, str] | None = None,
) -> CheckReport:
    """Check that a learner trains, predicts and is controlled as one of ours.

    To be run beside `sklearn.utils.estimator_checks.check_estimator`, whose shape this
    function has: that one looks at the estimator, this one at the deep learner inside.
    A small learner takes some ten seconds on one core; `max_epochs` and `random_state`
    are set by the checks.

    Parameters
    ----------
    learner : estimator
        An instance; clones of it are fitted. Its scikit-learn tags decide which checks
        apply.
    on_fail : {"raise", "warn"} or None, default="raise"
        Whether the first failure is raised, or each one is warned of
        (`CheckFailedWarning`), or only reported.
    on_skip : {"warn"} or None, default="warn"
        Whether checks that cannot run here, for want of an optional package, are
        warned of (`sklearn.exceptions.SkipTestWarning`).
    callback : callable or None, default=None
        Called after each check with the keys of its result as keyword arguments; not
        with ``on_fail="raise"``.
    expected_failed_checks : dict of str to str, default=None
        Names of checks that may fail, and why. They are reported as "xfail".

    Returns
    -------
    CheckReport
        A list with one dict for each check; ``print`` shows it as a table.

    Raises
    ------
    Exception
        What the first failing check raised, with ``on_fail="raise"``; most often an
        AssertionError that says what is wrong and where to look.

    See Also
    --------
    parametrize_with_torch_checks : The same as pytest cases.

    Examples
    --------
    >>> from torchlearners import DummyTorchRegressor
    >>> from torchlearners.testing import check_torch_learner
    >>> report = check_torch_learner(DummyTorchRegressor(), on_skip=None)
    >>> report[0]["status"]
    'passed'
    """
    return run_checks(
        learner,
        _KIT,
        on_fail=on_fail,
        on_skip=on_skip,
        callback=callback,
        expected_failed_checks=expected_failed_checks,
    )


def torch_checks_generator(learner: Any) -> Iterator[tuple[Any, Check]]:
    """Yield a learner with each of the checks that apply to it.

    Parameters
    ----------
    learner : estimator
        An instance.

    Yields
    ------
    learner : estimator
    check : callable
        Of the learner.

    Examples
    --------
    >>> from torchlearners import DummyTorchClassifier
    >>> from torchlearners.testing import torch_checks_generator
    >>> learner, check = next(torch_checks_generator(DummyTorchClassifier()))
    >>> check(learner)
    """
    name = type(learner).__name__
    for check in checks_for(learner, _KIT):
        yield learner, partial(check, name)


def parametrize_with_torch_checks(
    learners: Iterable[Any],
    *,
    expected_failed_checks: Callable[[Any], dict[str, str]] | None = None,
) -> Any:
    """Turn a pytest function of ``learner`` and ``check`` into one case for each check.

    Parameters
    ----------
    learners : iterable of estimator
        Instances.
    expected_failed_checks : callable or None, default=None
        Of a learner; returns a dict of the names of checks that may fail and why. They
        are marked as expected failures.

    Returns
    -------
    pytest.MarkDecorator

    See Also
    --------
    check_torch_learner : The same in one call, without pytest.

    Examples
    --------
    >>> from torchlearners import DummyTorchClassifier
    >>> from torchlearners.testing import parametrize_with_torch_checks
    >>> @parametrize_with_torch_checks([DummyTorchClassifier()])
    ... def test_torch_learner(learner, check):
    ...     check(learner)
    """
    return parametrize(learners, _KIT, expected_failed_checks, "learner, check")
