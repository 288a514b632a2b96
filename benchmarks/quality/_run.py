"""One fit, from the rows to its line in the file of results."""

import os
import platform
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import _record
from benchmarks.quality._data import SETS, DataSet, rows_of
from benchmarks.quality._exchange import load_predictions, save_rows
from benchmarks.quality._learners import OTHER_INTERPRETER
from benchmarks.quality._scores import scores_of

ROOT = Path(__file__).resolve().parents[2]
ONE_THREAD = dict.fromkeys(
    ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1"
)
MOST_LETTERS = 300


@dataclass(frozen=True)
class Job:
    """A fit that is to be made; a `max_rows` of 0 is no limit."""

    data: str
    learner: str
    seed: int
    max_rows: int

    @property
    def key(self) -> tuple[str, str, int, int]:
        return self.data, self.learner, self.seed, self.max_rows


def run(
    job: Job,
    data_dir: Path,
    peer_python: Path | None = None,
    time_limit: float | None = None,
) -> dict[str, Any]:
    """Make the fit in a fresh process and return its row of results.

    A fit that fails, is killed or takes longer than `time_limit` seconds (of wall time)
    gives a row with an error. An interrupt gives no row.
    """
    data_set: DataSet = SETS[job.data]
    rows = rows_of(data_dir, data_set, job.seed, job.max_rows or None)
    row: dict[str, Any] = {
        "data": job.data,
        "learner": job.learner,
        "seed": job.seed,
        "max_rows": job.max_rows,
        "n_train": len(rows.y_train),
        "n_test": len(rows.y_test),
        "metric": data_set.metric,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "commit": _record.commit(),
    }
    other = job.learner in OTHER_INTERPRETER and peer_python is not None
    interpreter = peer_python if other else sys.executable
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder, "rows.npz"), Path(folder, "predictions.npz")
        save_rows(given, rows.X_train, rows.y_train, rows.X_test)
        command = [str(interpreter), "-m", "benchmarks.quality.fit_one", job.learner]
        command += [data_set.task, str(job.seed), str(given), str(made)]
        error = _error_of(command, time_limit)
        if error:
            return row | {"error": error}
        facts, arrays = load_predictions(made)
    try:
        scores = scores_of(rows.y_test, arrays)
    except ValueError as problem:
        return row | facts | {"error": f"ValueError: {problem}"}
    return row | facts | scores | {"value": scores[data_set.metric]}


def _error_of(command: list[str], time_limit: float | None) -> str:
    """Run a command; return why it failed, or nothing."""
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | ONE_THREAD,
            capture_output=True,
            text=True,
            timeout=time_limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"took longer than {time_limit:g} seconds"
    if done.returncode in (-signal.SIGINT, -signal.SIGTERM):
        raise KeyboardInterrupt
    if done.returncode < 0:
        return f"killed by {signal.Signals(-done.returncode).name}"
    if done.returncode:
        return _last_error(done.stderr) or f"exit status {done.returncode}"
    return ""


def _last_error(text: str) -> str:
    """Return the message at the end of a traceback, shortened, in one line."""
    lines = text.splitlines()
    frames = [i for i, line in enumerate(lines) if line.startswith('  File "')]
    after = lines[frames[-1] :] if frames else lines
    start = next((i for i, s in enumerate(after) if s and s[0] != " "), len(after))
    return " ".join(" ".join(after[start:]).split())[:MOST_LETTERS]
