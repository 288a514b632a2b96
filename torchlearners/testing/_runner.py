"""Running the checks of a kit over one object, and reporting what they found."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any
from unittest import SkipTest

from sklearn.exceptions import SkipTestWarning

from torchlearners.params import did_you_mean
from torchlearners.testing._kinds import applies

# Of the name to use in messages, and the object.
Check = Callable[[str, Any], None]


class CheckFailedWarning(UserWarning):
    """A check failed, and ``on_fail="warn"`` was asked for."""


class CheckReport(list[dict[str, Any]]):
    """What the checks of a kit found: a list of dicts that prints as a table.

    Each dict has the keys of those of `sklearn.utils.estimator_checks.check_estimator`:
    ``estimator``, ``check_name``, ``exception``, ``status`` ("passed", "failed",
    "skipped" or "xfail"), ``expected_to_fail`` and ``expected_to_fail_reason``.

    Examples
    --------
    >>> from torchlearners import DummyTorchClassifier
    >>> from torchlearners.testing import check_torch_learner
    >>> report = check_torch_learner(DummyTorchClassifier(), on_skip=None)
    >>> report.names("failed")
    []
    """

    def names(self, status: str) -> list[str]:
        """Return the names of the checks that ended with a status.

        Parameters
        ----------
        status : {"passed", "failed", "skipped", "xfail"}

        Returns
        -------
        list of str
        """
        return [r["check_name"] for r in self if r["status"] == status]

    def __str__(self) -> str:
        if not self:
            return "no check applies"
        counts = {s: len(self.names(s)) for s in ("passed", "failed", "skipped")}
        counts["expected failures"] = len(self.names("xfail"))
        head = type(self[0]["estimator"]).__name__
        told = ", ".join(f"{n} {s}" for s, n in counts.items() if n)
        rows = [r for r in self if r["status"] != "passed"]
        return "\n".join([f"{head}: {told}", *map(_line, rows)])


def _line(row: dict[str, Any]) -> str:
    error = row["exception"]
    kind = type(error).__name__
    plain = isinstance(error, AssertionError | SkipTest)
    text = " ".join(str(error).split()) or "no message"
    reason = f" (expected: {row['expected_to_fail_reason']})"
    return (
        f"  {row['status']:8}{row['check_name']}\n"
        f"          {'' if plain else kind + ': '}{text}"
        f"{reason if row['status'] == 'xfail' else ''}"
    )


def checks_for(subject: Any, kit: Iterable[Check]) -> Iterator[Check]:
    """Yield those checks of a kit that apply to an object.

    Parameters
    ----------
    subject : object
        A learner, callback, loss, optimizer or op.
    kit : iterable of callable
        Checks, marked by `torch_check`.

    Yields
    ------
    callable
    """
    return (check for check in kit if applies(check, subject))


def run_checks(
    subject: Any,
    kit: Iterable[Check],
    *,
    on_fail: str | None,
    on_skip: str | None,
    callback: Callable[..., None] | None,
    expected_failed_checks: dict[str, str] | None,
) -> CheckReport:
    """Run a kit over one object, as `check_torch_learner` documents it.

    Parameters
    ----------
    subject : object
    kit : iterable of callable
    on_fail, on_skip, callback, expected_failed_checks
        See `check_torch_learner`.

    Returns
    -------
    CheckReport
    """
    if isinstance(subject, type):
        raise TypeError(f"Pass an instance, not the class: {subject.__name__}().")
    if on_fail not in ("raise", "warn", None):
        raise ValueError(f'on_fail={on_fail!r} must be "raise", "warn" or None.')
    if on_skip not in ("warn", None):
        raise ValueError(f'on_skip={on_skip!r} must be "warn" or None.')
    if on_fail == "raise" and callback is not None:
        raise ValueError('callback needs on_fail="warn" or on_fail=None.')
    expected = expected_failed_checks or {}
    kit = list(kit)
    check_expected(expected, kit)
    name = type(subject).__name__
    report = CheckReport()
    for check in checks_for(subject, kit):
        result = _run_one(check, name, subject, expected, raises=on_fail == "raise")
        report.append(result)
        if result["status"] == "failed" and on_fail == "warn":
            warnings.warn(
                f"{name}: {_line(result).strip()}", CheckFailedWarning, stacklevel=3
            )
        if result["status"] == "skipped" and on_skip == "warn":
            warnings.warn(
                f"{name}: {_line(result).strip()}", SkipTestWarning, stacklevel=3
            )
        if callback is not None:
            callback(**result)
    return report


def check_expected(expected: dict[str, str], kit: Iterable[Check]) -> None:
    """Raise where an expected failure names no check of the kit.

    Parameters
    ----------
    expected : dict of str to str
    kit : iterable of callable
    """
    names = [check.__name__ for check in kit]
    for name in expected:
        if name not in names:
            raise ValueError(
                f"expected_failed_checks names {name!r}, which is no check."
                f"{did_you_mean(name, names)}"
            )


def _run_one(
    check: Check, name: str, subject: Any, expected: dict[str, str], *, raises: bool
) -> dict[str, Any]:
    is_expected = check.__name__ in expected
    status = "passed"
    exception: Exception | None = None
    try:
        check(name, subject)
    except SkipTest as reason:
        status, exception = "skipped", reason
    except Exception as error:
        if raises and not is_expected:
            raise
        status, exception = ("xfail" if is_expected else "failed"), error
    return {
        "estimator": subject,
        "check_name": check.__name__,
        "exception": exception,
        "status": status,
        "expected_to_fail": is_expected,
        "expected_to_fail_reason": expected.get(check.__name__, ""),
    }


def parametrize(
    subjects: Iterable[Any],
    kit: Iterable[Check],
    expected_failed_checks: Callable[[Any], dict[str, str]] | None,
    names: str,
) -> Any:
    """Return a pytest mark with one case for each object and check.

    Parameters
    ----------
    subjects : iterable of object
    kit : iterable of callable
    expected_failed_checks : callable or None
        Of an object; returns names of checks and reasons.
    names : str
        Those of the test's two arguments.

    Returns
    -------
    pytest.MarkDecorator
    """
    import pytest

    kit = list(kit)
    cases = []
    for subject in subjects:
        if isinstance(subject, type):
            raise TypeError(f"Pass an instance, not the class: {subject.__name__}().")
        expected = expected_failed_checks(subject) if expected_failed_checks else {}
        check_expected(expected, kit)
        # Without addresses, so that parallel workers agree on the cases.
        shown = re.sub(r" at 0x\w+", "", " ".join(repr(subject).split()))
        for check in checks_for(subject, kit):
            reason = expected.get(check.__name__)
            cases.append(
                pytest.param(
                    subject,
                    partial(check, type(subject).__name__),
                    marks=[pytest.mark.xfail(reason=reason)] if reason else [],
                    id=f"{shown}-{check.__name__}",
                )
            )
    return pytest.mark.parametrize(names, cases)
