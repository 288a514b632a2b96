"""What training members together saves: ``python -m benchmarks.speed.ensemble``.

CPU time on one thread of a whole fit with members, one by one over together. Stacking
is forced in all rows; the last column tells whether the learner stacks by itself. The
two sides alternate in one process: the ratio is that of the minima, and the median of
the rounds' own ratios stands beside it.
"""

import argparse
import json
import math
from functools import partial
from pathlib import Path
from unittest import mock

import torch
from sklearn.base import clone
from sklearn.datasets import make_classification

from benchmarks._record import provenance
from benchmarks.speed._timing import cpu_seconds, ratio
from torchlearners import MLPClassifier, ResNetClassifier, TabMClassifier
from torchlearners.base import _ensemble
from torchlearners.training import StackedNets

SIMPLE = {"preset": "simple", "batch_size": 32}
# Name, number of rows, members, learner; epochs are few, since each costs the same.
CASES = [
    ("default MLP", 500, 5, MLPClassifier(max_epochs=8)),
    ("default MLP", 5000, 5, MLPClassifier(max_epochs=1)),
    *(
        (
            f"MLP of 3 x {width}, steps of {rows}",
            500,
            n,
            MLPClassifier(
                hidden_layer_sizes=3 * (width,), batch_size=rows, max_epochs=4
            ),
        )
        for n, width, rows in [
            (2, 32, 32),
            (5, 32, 32),
            (10, 32, 32),
            (5, 64, 32),
            (2, 64, 128),
            (5, 64, 128),
            (10, 64, 128),
            (5, 128, 128),
        ]
    ),
    (
        "MLP of 3 x 64",
        5000,
        5,
        MLPClassifier(hidden_layer_sizes=3 * (64,), max_epochs=1),
    ),
    (
        "simple MLP of 2 x 64, steps of 32",
        500,
        5,
        MLPClassifier(hidden_layer_sizes=(64, 64), max_epochs=4, **SIMPLE),
    ),
    (
        "simple MLP of 2 x 64, batch norm, steps of 32",
        500,
        5,
        MLPClassifier(
            hidden_layer_sizes=(64, 64), normalization="batch", max_epochs=4, **SIMPLE
        ),
    ),
    ("ResNet of 64, steps of 32", 500, 5, ResNetClassifier(width=64, max_epochs=2)),
    ("ResNet of 128, steps of 32", 500, 5, ResNetClassifier(width=128, max_epochs=2)),
    ("default ResNet", 500, 5, ResNetClassifier(max_epochs=1)),
    ("TabM of 64, k=8", 500, 5, TabMClassifier(width=64, k=8, max_epochs=2)),
    ("default TabM", 500, 5, TabMClassifier(max_epochs=1)),
]


def compare(name, n_rows, n_members, learner, rounds):
    """Return the row of one case."""
    X, y = make_classification(n_rows, 20, n_informative=10, random_state=0)
    learner.set_params(n_ensemble=n_members, random_state=0)

    def fit(limit):
        nets = partial(StackedNets, most_work=limit, most_weights=limit)
        with mock.patch.object(_ensemble, "StackedNets", nets):
            return cpu_seconds(lambda: learner.fit(X, y))

    row = ratio(
        f"{n_members} x {name}, {n_rows} rows",
        1.0,
        lambda: fit(0),
        lambda: fit(math.inf),
        rounds,
    )
    net = learner.members_[0].net_
    rows = min(net.batch_size, net.identity["number of training rows"])
    row["log2_weights"] = round(math.log2(net.n_weights), 1)
    row["log2_work"] = round(math.log2(net.n_weights * rows), 1)
    row["by_itself"] = _stacks_by_itself(clone(learner), X, y)
    del row["target"]
    return row


def _stacks_by_itself(learner, X, y):
    takes, taken = StackedNets.takes, []

    def watched(*args):
        taken.append(takes(*args))
        return taken[-1]

    with mock.patch.object(StackedNets, "takes", watched):
        learner.set_params(max_epochs=1).fit(X, y)
    return all(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="write the result as JSON")
    args = parser.parse_args()
    torch.set_num_threads(1)
    titles = ("2^weights", "2^work", "min", "median", "stacked")
    print(f"{'':60s}" + "".join(f"{title:>10s}" for title in titles))
    rows = []
    for case in CASES:
        row = compare(*case, args.rounds)
        rows.append(row)
        numbers = f"{row['log2_weights']:10.1f}{row['log2_work']:10.1f}"
        numbers += f"{row['min']:10.2f}{row['median']:10.2f}"
        stacked = "yes" if row["by_itself"] else "no"
        print(f"{row['what']:60s}{numbers}{stacked:>10s}", flush=True)
    if args.out:
        record = {"provenance": provenance(), "rows": rows}
        args.out.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
