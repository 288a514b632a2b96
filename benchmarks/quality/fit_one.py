"""Make one fit in a process of its own: ``fit_one LEARNER TASK SEED ROWS OUT``.

The process sees no targets of the test rows. CPU seconds are those of all threads of
the process; imports and reading come before the clock starts, whatever a learner
imports only in `fit` counts.
"""

import resource
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._record import PACKAGES, versions
from benchmarks.quality._exchange import load_rows, save_predictions
from benchmarks.quality._learners import make_learner

STATUS = Path("/proc/self/status")


def reset_peak() -> None:
    """Let the peak memory start from now, where the system can (Linux)."""
    place = Path("/proc/self/clear_refs")
    if place.exists():
        place.write_text("5")


def memory_mb() -> tuple[float, float]:
    """Return the resident memory now, and its peak."""
    if STATUS.exists():
        lines = dict(
            line.split(":", 1)
            for line in STATUS.read_text().splitlines()
            if ":" in line
        )
        now, peak = (int(lines[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM"))
        return now, peak
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    peak = peak / 1024 if sys.platform == "darwin" else peak
    return peak, peak


def n_iter_of(learner: Any) -> int | None:
    """Return how many passes or trees a learner took, where it tells."""
    inner = learner.steps[-1][1] if hasattr(learner, "steps") else learner
    inner = getattr(inner, "regressor_", inner)
    n_iter = getattr(inner, "n_iter_", None)
    return None if n_iter is None else int(np.max(n_iter))


def main(name: str, task: str, seed: int, rows: Path, out: Path) -> None:
    X_train, y_train, X_test = load_rows(rows)
    learner = make_learner(name, task, X_train, seed)
    reset_peak()
    before, _ = memory_mb()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start = time.process_time()
        learner.fit(X_train, y_train)
        fitted = time.process_time()
    _, peak = memory_mb()
    arrays = {}
    if task in ("binary", "multiclass"):
        # One forward pass gives both.
        arrays["predict_proba"] = np.asarray(learner.predict_proba(X_test))
        arrays["classes"] = np.asarray(learner.classes_).astype(str)
        best = arrays["predict_proba"].argmax(axis=1)
        arrays["predict"] = arrays["classes"][best]
    else:
        predicted = np.asarray(learner.predict(X_test), dtype=float)
        arrays["predict"] = predicted.reshape(len(X_test), *y_train.shape[1:])
    facts = {
        "n_iter": n_iter_of(learner),
        "fit_cpu_s": round(fitted - start, 3),
        "predict_cpu_s": round(time.process_time() - fitted, 4),
        "rss_before_mb": round(before, 1),
        "rss_peak_mb": round(peak, 1),
        "warnings": " ".join(sorted({w.category.__name__ for w in caught})),
        "versions": " ".join(
            f"{package}=={v}"
            for package, v in versions((*PACKAGES, "pandas", "pytabkit")).items()
        ),
    }
    save_predictions(out, facts, arrays)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *map(Path, sys.argv[4:6]))
