"""Fit learners on public tables: ``python -m benchmarks.quality --data-dir DIR``.

What DIR must hold is said in `benchmarks/quality/_data.py`. Each fit is a process with
one thread, and gives one line of the file of results; fits that stand there are not
made again, so a run may be interrupted and continued, and several may write to one
file. ``python -m benchmarks.quality.report`` makes tables and a picture of it.
"""

import argparse
import itertools
from pathlib import Path

from joblib import Parallel, delayed

from benchmarks.quality import _results
from benchmarks.quality._data import SETS
from benchmarks.quality._learners import OTHER_INTERPRETER, names
from benchmarks.quality._run import Job, run


def chosen(text: str | None, known: list[str], what: str) -> list[str]:
    """Return the names in a comma-separated list, or all that are known."""
    wanted = known if text is None else text.split(",")
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise SystemExit(f"unknown {what} {unknown}; known are {known}.")
    return wanted


def plan(data: list[str], learners: list[str], seeds: int, max_rows: int) -> list[Job]:
    """Return the fits to make, all learners of one seed and table side by side."""
    return [
        Job(table, learner, seed, max_rows)
        for seed, table in itertools.product(range(seeds), data)
        for learner in learners
        if learner in names(SETS[table].task)
    ]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data-dir", type=Path, required=True, help="folder of the tables")
    add("--data", help=f"tables, separated by commas; all are {','.join(SETS)}")
    add("--learners", help=f"learners, likewise; all are {','.join(names())}")
    add("--seeds", type=int, default=3, help="number of seeds, from 0 on")
    add("--max-rows", type=int, default=20_000, help="training rows; 0 takes all")
    add("--jobs", type=int, default=2, help="fits at the same time")
    add("--out", type=Path, default=Path("benchmarks/results/quality.csv"))
    add("--peer-python", type=Path, help="interpreter that has pytabkit, for realmlp")
    add("--time-limit", type=float, help="seconds for one fit")
    add("--retry-errors", action="store_true", help="make fits that failed again")
    args = parser.parse_args(arguments)

    data = chosen(args.data, list(SETS), "data")
    missing = [d for d in data if not (args.data_dir / d / "meta.json").exists()]
    if missing:
        raise SystemExit(f"{args.data_dir} has no {missing}; choose others by --data.")
    learners = chosen(args.learners, names(), "learners")
    if args.peer_python is None:
        learners = [name for name in learners if name not in OTHER_INTERPRETER]

    def make(job: Job) -> None:
        stands = _results.read(args.out)
        if args.retry_errors:
            stands = stands[stands["error"] == ""]
        if job.key in _results.keys(stands):
            return
        row = run(job, args.data_dir, args.peer_python, args.time_limit)
        _results.append(args.out, row)
        result = row.get("error") or f"{row['metric']} {row['value']:.4f}"
        print(f"{job.data:20s}{job.learner:16s}seed {job.seed}  {result}", flush=True)

    jobs = plan(data, learners, args.seeds, args.max_rows)
    # Threads, because each does nothing but wait for the process of its fit.
    pool = Parallel(n_jobs=args.jobs, backend="threading")
    try:
        pool(delayed(make)(job) for job in jobs)
    except KeyboardInterrupt:
        raise SystemExit(f"stopped; the fits made so far are in {args.out}.") from None


if __name__ == "__main__":
    main()
