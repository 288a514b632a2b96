"""Objects that are broken on purpose, each in one way that one check must find."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torchlearners.testing import check_torch_learner


@dataclass(frozen=True)
class Mutant:
    """A broken object, the check that must catch it, and others that fail with it."""

    subject: Any
    caught_by: str
    # Checks that fail for the same reason. No other check may fail.
    also: tuple[str, ...] = ()
    kit: Callable[..., Any] = check_torch_learner

    @property
    def name(self):
        """The name of the class."""
        return type(self.subject).__name__

    @property
    def breaks(self):
        """What is broken: the first line of the class's docstring."""
        return (type(self.subject).__doc__ or "").strip().splitlines()[0]


def all_mutants():
    """Return the mutants of every module of this package."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return [mutant for module in modules for mutant in module.MUTANTS]
