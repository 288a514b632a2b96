"""Finding the learners there are."""

from __future__ import annotations

import torchlearners
from torchlearners.base import TorchLearner

__all__ = ["all_learners"]


def all_learners() -> list[tuple[str, type[TorchLearner]]]:
    """Return every public learner.

    Returns
    -------
    list of (name, class)
        Sorted by name.

    Examples
    --------
    >>> from torchlearners.discovery import all_learners
    >>> "MLPClassifier" in dict(all_learners())
    True
    """
    public = ((name, getattr(torchlearners, name)) for name in torchlearners.__all__)
    return sorted(
        (name, obj)
        for name, obj in public
        if isinstance(obj, type) and issubclass(obj, TorchLearner)
    )
