"""Deep learners that behave like scikit-learn's own estimators.

Every public learner can be imported from here; the room it lives in is loaded on
first use.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what the lazy import below gives, for editors and type checkers
    from torchlearners.custom import (
        GraphClassifier,
        GraphRegressor,
        ModuleClassifier,
        ModuleRegressor,
    )
    from torchlearners.image import (
        ImageClassifier,
        ImageRegressor,
    )
    from torchlearners.tabular import (
        DummyTorchClassifier,
        DummyTorchRegressor,
        FTTransformerClassifier,
        FTTransformerRegressor,
        MLPClassifier,
        MLPRegressor,
        ModernNCAClassifier,
        ModernNCARegressor,
        ResNetClassifier,
        ResNetRegressor,
        TabMClassifier,
        TabMRegressor,
        TabNetClassifier,
        TabNetPretrainer,
        TabNetRegressor,
    )

# Learner -> the room it lives in.
_LEARNERS = {
    "DummyTorchClassifier": "tabular",
    "DummyTorchRegressor": "tabular",
    "FTTransformerClassifier": "tabular",
    "FTTransformerRegressor": "tabular",
    "GraphClassifier": "custom",
    "GraphRegressor": "custom",
    "ImageClassifier": "image",
    "ImageRegressor": "image",
    "MLPClassifier": "tabular",
    "MLPRegressor": "tabular",
    "ModernNCAClassifier": "tabular",
    "ModernNCARegressor": "tabular",
    "ModuleClassifier": "custom",
    "ModuleRegressor": "custom",
    "ResNetClassifier": "tabular",
    "ResNetRegressor": "tabular",
    "TabMClassifier": "tabular",
    "TabMRegressor": "tabular",
    "TabNetClassifier": "tabular",
    "TabNetPretrainer": "tabular",
    "TabNetRegressor": "tabular",
}

__all__ = [
    "DummyTorchClassifier",
    "DummyTorchRegressor",
    "FTTransformerClassifier",
    "FTTransformerRegressor",
    "GraphClassifier",
    "GraphRegressor",
    "ImageClassifier",
    "ImageRegressor",
    "MLPClassifier",
    "MLPRegressor",
    "ModernNCAClassifier",
    "ModernNCARegressor",
    "ModuleClassifier",
    "ModuleRegressor",
    "ResNetClassifier",
    "ResNetRegressor",
    "TabMClassifier",
    "TabMRegressor",
    "TabNetClassifier",
    "TabNetPretrainer",
    "TabNetRegressor",
]

__version__ = version("torchlearners")


if not TYPE_CHECKING:  # there, a name that does not exist is an error

    def __getattr__(name: str) -> Any:
        if name in _LEARNERS:
            room = importlib.import_module(f"torchlearners.{_LEARNERS[name]}")
            return getattr(room, name)
        begin = name.lower()
        meant = [f"'{known}'" for known in _LEARNERS if known.lower().startswith(begin)]
        raise AttributeError(
            f"module 'torchlearners' has no attribute '{name}'."
            + (f" Did you mean {' or '.join(meant)}?" if meant else "")
        )


def __dir__() -> list[str]:
    return sorted([*globals(), *_LEARNERS])
