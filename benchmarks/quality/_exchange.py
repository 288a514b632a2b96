"""Rows and predictions as files that any environment with numpy and pandas can read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def save_rows(path: Path, X_train: Any, y_train: np.ndarray, X_test: Any) -> None:
    """Write what a fit may see: training rows and the features of the test rows."""
    arrays = {"y_train": y_train}
    levels: dict[str, list[str] | None] = {}
    for name in X_train.columns:
        coded = isinstance(X_train[name].dtype, pd.CategoricalDtype)
        levels[name] = list(X_train[name].cat.categories) if coded else None
        for part, X in (("train", X_train), ("test", X_test)):
            column = X[name].cat.codes if coded else X[name]
            arrays[f"{part}/{len(levels)}"] = column.to_numpy()
    np.savez(path, levels=np.array(json.dumps(levels)), **arrays)


def load_rows(path: Path) -> tuple[pd.DataFrame, np.ndarray, pd.DataFrame]:
    """Return X_train, y_train and X_test as they were saved."""
    with np.load(path, allow_pickle=False) as arrays:
        levels = json.loads(str(arrays["levels"]))
        frames = [
            pd.DataFrame(
                {
                    name: _column(arrays[f"{part}/{number}"], known)
                    for number, (name, known) in enumerate(levels.items(), start=1)
                }
            )
            for part in ("train", "test")
        ]
        return frames[0], arrays["y_train"], frames[1]


def _column(values: np.ndarray, levels: list[str] | None) -> Any:
    return values if levels is None else pd.Categorical.from_codes(values, levels)


def save_predictions(
    path: Path, facts: dict[str, Any], arrays: dict[str, np.ndarray]
) -> None:
    """Write what a fit gave: predictions, and facts about the run."""
    np.savez(path, facts=np.array(json.dumps(facts)), **arrays)


def load_predictions(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the facts and the arrays as they were saved."""
    with np.load(path, allow_pickle=False) as arrays:
        facts = json.loads(str(arrays["facts"]))
        return facts, {name: arrays[name] for name in arrays.files if name != "facts"}
