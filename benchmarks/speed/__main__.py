"""Measure every speed target: ``python -m benchmarks.speed [--out FILE]``.

All figures are ratios of CPU time on one thread. The two sides of a ratio alternate in
one process; the ratio is that of the minima, and the median of the rounds' own ratios
stands beside it.
"""

import argparse
import json
from pathlib import Path

import torch

from benchmarks._record import provenance
from benchmarks.speed import (
    augmentation,
    cold_start,
    fit,
    graph,
    measures,
    predict,
    small_fit,
    tables,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--out", type=Path, help="write the result as JSON")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = [
        *fit.measure(args.rounds),
        *small_fit.measure(args.rounds),
        *predict.measure(args.rounds),
        *tables.measure(args.rounds),
        *measures.measure(args.rounds),
        *graph.measure(args.rounds),
        *augmentation.measure(args.rounds),
        *cold_start.measure(args.rounds),
    ]
    print(f"{'what':58s}{'target':>9s}{'min':>9s}{'median':>9s}")
    for row in rows:
        met = "" if row["min"] <= row["target"] else "  MISSED"
        print(
            f"{row['what']:58s}{row['target']:9.2f}{row['min']:9.3f}"
            f"{row['median']:9.3f}{met}"
        )
    if args.out:
        record = {"provenance": provenance(), "rows": rows}
        args.out.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
