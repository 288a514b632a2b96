"""What must hold, said in words: assertions that several groups of checks share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import SkipTest

import numpy as np

from torchlearners.testing._probe import outputs, quick, toy


@contextmanager
def must_work(name: str, doing: str, advice: str) -> Iterator[None]:
    """Turn any error inside the block into an AssertionError that explains it.

    Parameters
    ----------
    name : str
        Of the learner.
    doing : str
        What goes on inside, such as "fit on one feature".
    advice : str
        Where to look; a sentence.
    """
    try:
        yield
    except (AssertionError, SkipTest):
        raise
    except Exception as error:
        raise AssertionError(
            f"{name} breaks in {doing} with {type(error).__name__}: {error} {advice}"
        ) from error


@contextmanager
def must_refuse(
    name: str, doing: str, *words: str, error: type[Exception] = ValueError
) -> Iterator[None]:
    """Raise AssertionError unless the block raises `error` with all the words.

    Parameters
    ----------
    name : str
        Of the learner.
    doing : str
        What goes on inside, such as "fit with NaN in X".
    *words : str
        Parts of the message, whatever their case.
    error : type, default=ValueError
    """
    try:
        yield
    except (AssertionError, SkipTest):
        raise
    except error as raised:
        missing = [w for w in words if w.lower() not in str(raised).lower()]
        if missing:
            raise AssertionError(
                f"{name} refuses {doing}, but the message does not say "
                f"{' or '.join(map(repr, missing))}: {raised}"
            ) from raised
    except Exception as raised:
        raise AssertionError(
            f"{name} answers {doing} with {type(raised).__name__}: {raised} "
            f"It must be {error.__name__}, from a check of the data before training."
        ) from raised
    else:
        raise AssertionError(
            f"{name} accepts {doing}; it must raise {error.__name__}. Check the data "
            "with torchlearners.data.check_features and check_weights, as the base "
            "classes do."
        )


def assert_same(
    name: str, learner: Any, ours: Any, theirs: Any, what: str, advice: str
) -> None:
    """Raise AssertionError unless two arrays are bit-equal.

    Parameters
    ----------
    name : str
        Of the learner.
    learner : estimator
        Whose outputs they are.
    ours, theirs : ndarray
    what : str
        What should not matter, such as "X as float32".
    advice : str
        Where to look; a sentence.
    """
    if np.array_equal(ours, theirs):
        return
    skip_unless_repeatable(learner)
    assert ours.shape == theirs.shape, (
        f"Outputs of {name} change their shape from {theirs.shape} to {ours.shape} "
        f"with {what}. {advice}"
    )
    raise AssertionError(
        f"Outputs of {name} change by up to {np.abs(ours - theirs).max():.3g} with "
        f"{what}; they must be bit-equal. {advice}"
    )


def skip_unless_repeatable(learner: Any) -> None:
    """Raise SkipTest where not even two equal fits agree, so that none compare.

    That is for the checks of determinism to report, and not for all others.

    Parameters
    ----------
    learner : estimator
    """
    X, y = toy(learner)
    fitted = quick(learner).fit(X, y)
    found = [outputs(fitted, X), outputs(fitted, X)]
    found.append(outputs(quick(learner).fit(X, y), X))
    if not all(np.array_equal(found[0], again) for again in found[1:]):
        raise SkipTest(
            "Two fits with one random_state differ, so no two fits can be compared. "
            "See the checks of determinism first."
        )


def assert_finite(name: str, learner: Any, X: Any, doing: str) -> None:
    """Raise AssertionError unless there is one row of finite outputs for each of X.

    Parameters
    ----------
    name : str
        Of the learner.
    learner : estimator
        Fitted.
    X : array-like
    doing : str
        What goes on, such as "fit on one feature".
    """
    found = outputs(learner, X)
    assert found.shape[:1] == (len(X),), (
        f"Outputs of {name} after {doing} have shape {found.shape} for {len(X)} rows."
    )
    n_bad = int((~np.isfinite(found)).sum())
    assert n_bad == 0, (
        f"{n_bad} of {found.size} outputs of {name} after {doing} are NaN or infinite. "
        "Look for a division by zero in schema() or the network."
    )
