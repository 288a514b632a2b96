"""The file of results: one line of CSV for each fit."""

import csv
import fcntl
import io
import os
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.quality._scores import METRICS

KEY = ("data", "learner", "seed", "max_rows")
COLUMNS = (
    *KEY,
    "n_train",
    "n_test",
    "metric",
    "value",
    *METRICS,
    "n_iter",
    "fit_cpu_s",
    "predict_cpu_s",
    "rss_before_mb",
    "rss_peak_mb",
    "warnings",
    "error",
    "versions",
    "python",
    "machine",
    "cores",
    "commit",
)


def append(path: Path, row: dict[str, Any]) -> None:
    """Add one line, in one write, while no other process writes.

    A line that a killed process left unfinished is closed first; `read` skips it.
    """
    unknown = set(row) - set(COLUMNS)
    if unknown:
        raise ValueError(f"row has unknown columns {sorted(unknown)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = file.seek(0, os.SEEK_END)
        text = "" if size else _line(COLUMNS)
        if size:
            file.seek(-1, os.SEEK_END)
            text = "" if file.read(1) == b"\n" else "\n"
        text += _line([row.get(name) for name in COLUMNS])
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def _line(cells: Any) -> str:
    out = io.StringIO()
    flat = [" ".join(c.split()) if isinstance(c, str) else c for c in cells]
    csv.writer(out, lineterminator="\n").writerow(flat)
    return out.getvalue()


def read(path: Path) -> pd.DataFrame:
    """Return the results, the last one where a fit was made twice."""
    rows = []
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if len(row) == len(COLUMNS)]
    if rows and tuple(rows[0]) != COLUMNS:
        raise ValueError(
            f"{path} has the columns {rows[0]}, not those of this version; "
            "write to another file."
        )
    table = pd.DataFrame(rows[1:], columns=list(COLUMNS))
    texts = {"data", "learner", "metric", "warnings", "error", "versions", "python"}
    for name in set(COLUMNS) - texts - {"machine", "commit"}:
        table[name] = pd.to_numeric(table[name])
    return table.drop_duplicates(list(KEY), keep="last").reset_index(drop=True)


def keys(table: pd.DataFrame) -> set[tuple[Any, ...]]:
    """Return (data, learner, seed, max_rows) of each row; no limit is max_rows 0."""
    return set(table[list(KEY)].itertuples(index=False, name=None))
