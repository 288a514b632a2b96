"""Tables: what categories cost before the first step, and a DataFrame of one row."""

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
from skorch.callbacks import Callback

from benchmarks.speed._timing import cpu_seconds
from torchlearners import MLPClassifier

N_ROWS, N_COLUMNS = 10**6, 10


class FirstStepError(Exception):
    """Raised before the first step."""


class StopAtBegin(Callback):
    """End a fit before its first step."""

    def on_train_begin(self, net, **kwargs):
        raise FirstStepError


def seconds_before_training(X, y) -> float:
    """Return the CPU seconds of a fit up to its first step."""
    learner = MLPClassifier(preset="simple", callbacks=[StopAtBegin()], random_state=0)
    start = time.process_time()
    try:
        learner.fit(X, y)
    except FirstStepError:
        return time.process_time() - start
    raise RuntimeError("The fit was not stopped.")


def measure(rounds: int) -> list[dict[str, object]]:
    return [*_categories(min(rounds, 3)), *_single_rows(rounds)]


def _categories(rounds: int) -> list[dict[str, object]]:
    rng = np.random.default_rng(0)
    names = [f"column {i}" for i in range(N_COLUMNS)]
    words = np.array([f"level {i}" for i in range(50)], dtype=object)
    places = rng.integers(0, 50, (N_COLUMNS, N_ROWS))
    y = rng.integers(0, 2, N_ROWS)
    numeric = pd.DataFrame(rng.normal(size=(N_ROWS, N_COLUMNS)), columns=names)
    texts = {n: words[column] for n, column in zip(names, places, strict=True)}
    strings = pd.DataFrame(texts)
    frames = {
        "pandas categories": strings.astype("category"),
        "pandas strings": strings,
        "pandas objects": strings.astype(object),
        "polars Enum": pl.DataFrame(texts, dict.fromkeys(names, pl.Enum(words))),
        "polars Categorical": pl.DataFrame(
            texts, dict.fromkeys(names, pl.Categorical())
        ),
        "polars strings": pl.DataFrame(texts),
    }
    base = [seconds_before_training(numeric, y) for _ in range(rounds)]
    rows = []
    for what, frame in frames.items():
        more = [seconds_before_training(frame, y) for _ in range(rounds)]
        pairs = zip(more, base, strict=True)
        rows.append(
            {
                "what": f"1e6 x 10 {what}: CPU s more than numbers",
                "target": 1.0,
                "min": min(more) - min(base),
                "median": float(np.median([a - b for a, b in pairs])),
            }
        )
    return rows


def _single_rows(rounds: int) -> list[dict[str, object]]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 20))
    y = (X[:, 0] > 0).astype(int)
    names = [f"column {i}" for i in range(20)]
    rows = []
    for library, make in (("pandas", pd.DataFrame), ("polars", pl.DataFrame)):
        for n_categories, target in ((0, 0.4), (5, 1.0)):
            data = dict(zip(names, X.T, strict=True))
            for name in names[:n_categories]:
                data[name] = [f"level {v}" for v in rng.integers(0, 8, len(X))]
            frame = make(data)
            learner = MLPClassifier(preset="simple", max_epochs=2, random_state=0)
            predict: Callable[[], object] = partial(
                learner.fit(frame, y).predict, frame[:1]
            )
            predict()  # warm up
            found = [1e3 * cpu_seconds(predict, 100) for _ in range(rounds)]
            rows.append(
                {
                    "what": f"one row of {library}, {n_categories} categories: ms",
                    "target": target,
                    "min": min(found),
                    "median": float(np.median(found)),
                }
            )
    return rows
