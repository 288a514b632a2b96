"""Learn images: ``python -m benchmarks.quality.images --data-dir DIR``.

What DIR must hold is said in `benchmarks/quality/_image_data.py`. `ImageClassifier` has
its defaults, or an augmentation by name beside them; peers get pixels from 0 to 1. Each
fit is a process with one thread and gives one line of the file of results; fits that
stand there are not made again. A table in Markdown is written beside it.
"""

import argparse
import os
import platform
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from threadpoolctl import threadpool_limits

from benchmarks._record import commit, versions
from benchmarks.quality import _results
from benchmarks.quality.__main__ import chosen
from benchmarks.quality._image_data import OURS, TASKS
from benchmarks.quality._skorch_cnn import SkorchCNN
from benchmarks.quality.fit_one import memory_mb, n_iter_of, reset_peak
from benchmarks.quality.report import made_with, markdown
from torchlearners import ImageClassifier

OUT = Path("benchmarks/results/images.csv")
PEERS = {
    "logistic": lambda seed: LogisticRegression(random_state=seed),
    "sklearn_mlp": lambda seed: MLPClassifier(random_state=seed),
    "hgb": lambda seed: HistGradientBoostingClassifier(random_state=seed),
    "skorch_cnn": SkorchCNN,
}


def rows_of_pixels(X: np.ndarray) -> np.ndarray:
    """Return images as rows of floats from 0 to 1; those of the digits end at 16."""
    white = 255 if X.dtype == np.uint8 else 16
    return X.reshape(len(X), -1) / np.float32(white)


def make_learner(name: str, seed: int) -> Any:
    if name in PEERS:
        return make_pipeline(FunctionTransformer(rows_of_pixels), PEERS[name](seed))
    augment = name.removeprefix(OURS).removeprefix("_") or None
    return ImageClassifier(
        augment=augment, device="cpu", n_threads=1, random_state=seed
    )


def measure(task: str, learner: str, seed: int, folder: Path) -> dict[str, Any]:
    """Make a fit in this process, with one thread, and return its row of results."""
    torch.set_num_threads(1)
    X_train, y_train, X_test, y_test = TASKS[task].rows(folder, seed)
    model = make_learner(learner, seed)
    reset_peak()
    before, _ = memory_mb()
    with threadpool_limits(1), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start = time.process_time()
        model.fit(X_train, y_train)
        fitted = time.process_time()
        _, peak = memory_mb()
        accuracy = float(np.mean(model.predict(X_test) == y_test))
        predicted = time.process_time()
    return {
        "data": TASKS[task].data,
        "learner": learner,
        "seed": seed,
        "max_rows": TASKS[task].max_rows,
        "n_train": len(y_train),
        "n_test": len(y_test),
        "metric": "accuracy",
        "value": accuracy,
        "accuracy": accuracy,
        "n_iter": n_iter_of(model),
        "fit_cpu_s": round(fitted - start, 3),
        "predict_cpu_s": round(predicted - fitted, 4),
        "rss_before_mb": round(before, 1),
        "rss_peak_mb": round(peak, 1),
        "warnings": " ".join(sorted({w.category.__name__ for w in caught})),
        "versions": " ".join(f"{name}=={v}" for name, v in versions().items()),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
    }


def report(results: pd.DataFrame) -> str:
    """Return a table of the mean over seeds, one line for each learner of a task."""
    # In the order of the tasks, not in that of the measurements.
    order = [
        (task.data, task.max_rows, learner)
        for task in TASKS.values()
        for learner in task.learners
    ]
    made = zip(results["data"], results["max_rows"], results["learner"], strict=True)
    place = [order.index(key) for key in made]
    memory = results["rss_peak_mb"] - results["rss_before_mb"]
    results = results.assign(place=place, memory=memory).sort_values("place")
    groups = results.groupby(["data", "n_train", "n_test", "learner"], sort=False)
    low, high = groups["value"].min(), groups["value"].max()
    columns = {
        "accuracy": groups["value"].mean().map("{:.4f}".format),
        "least to most": [
            f"{a:.4f} to {b:.4f}" for a, b in zip(low, high, strict=True)
        ],
        "seeds": groups.size(),
        "fit, CPU s": groups["fit_cpu_s"].mean().map("{:.1f}".format),
        "predict, CPU s": groups["predict_cpu_s"].mean().map("{:.2f}".format),
        "memory of a fit, MB": groups["memory"].max().map("{:.0f}".format),
    }
    table = pd.DataFrame(columns).reset_index("learner")
    table.index = [f"{data}, {n} and {m}" for data, n, m in table.index]
    parts = [
        "# Images",
        "Accuracy on test images, with defaults; mean over seeds. CPU seconds are of "
        "one thread.",
        markdown(table, "data, training and test images"),
        "## Made with",
        "\n".join(f"- {line}" for line in made_with(results)),
    ]
    return "\n\n".join(parts) + "\n"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality.images",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data-dir", type=Path, default=Path(), help="folder of the sets")
    add("--only", help=f"tasks, separated by commas; all are {','.join(TASKS)}")
    add("--learners", help="learners, likewise; all that a task has")
    add("--seeds", type=int, help="number of seeds; each task has a default")
    add("--out", type=Path, default=OUT)
    args = parser.parse_args(arguments)
    tasks = chosen(args.only, list(TASKS), "tasks")
    missing = [name for name in tasks if TASKS[name].missing(args.data_dir)]
    if missing:
        raise SystemExit(f"{args.data_dir} has no data of {missing}; choose by --only.")
    known = sorted({name for task in TASKS.values() for name in task.learners})
    learners = chosen(args.learners, known, "learners")
    jobs = [
        (name, learner, seed)
        for name in tasks
        for seed in range(args.seeds or TASKS[name].seeds)
        for learner in TASKS[name].learners
        if learner in learners
    ]
    for name, learner, seed in jobs:
        key = (TASKS[name].data, learner, seed, TASKS[name].max_rows)
        if key in _results.keys(_results.read(args.out)):
            continue
        code = commit()
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            row = process.submit(measure, name, learner, seed, args.data_dir).result()
        _results.append(args.out, row | {"commit": code})
        print(f"{name:14s}{learner:26s}seed {seed}  {row['value']:.4f}", flush=True)
    results = _results.read(args.out)
    if not results.empty:
        args.out.with_suffix(".md").write_text(report(results), encoding="utf-8")


if __name__ == "__main__":
    main()
