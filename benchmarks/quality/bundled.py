"""Defaults of our MLP against scikit-learn's, on the data that scikit-learn bundles.

Run with ``python -m benchmarks.quality.bundled``: 5 folds, repeated with 3 seeds, the
same folds for all. Scores are accuracy and R2 (the mean over targets for linnerud). The
"scaled" column gives scikit-learn's MLP a StandardScaler, which ours does not need;
"simple" is the MLP's preset, and "graph" a network of the user's with all defaults.
"""

import argparse
import json
import warnings
from pathlib import Path

import numpy as np
from sklearn import datasets
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.neural_network import MLPRegressor as SklearnRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks._record import provenance
from torchlearners import (
    GraphClassifier,
    GraphRegressor,
    MLPClassifier,
    MLPRegressor,
)

CLASSIFICATION = ("iris", "wine", "breast_cancer", "digits")
REGRESSION = ("diabetes", "linnerud")


def compare(name: str, n_seeds: int, n_jobs: int) -> dict[str, float]:
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    classify = name in CLASSIFICATION
    peer = SklearnClassifier() if classify else SklearnRegressor()
    learners = {
        "torchlearners": MLPClassifier() if classify else MLPRegressor(),
        "simple": (MLPClassifier if classify else MLPRegressor)(preset="simple"),
        "graph": GraphClassifier() if classify else GraphRegressor(),
        "scikit-learn": peer,
        "scikit-learn, scaled": make_pipeline(StandardScaler(), clone(peer)),
    }
    scores = {}
    for label, learner in learners.items():
        runs = []
        for seed in range(n_seeds):
            splitter = StratifiedKFold if classify else KFold
            folds = splitter(5, shuffle=True, random_state=seed)
            seeded = clone(learner)
            key = "random_state" if hasattr(seeded, "random_state") else None
            key = key or f"{seeded.steps[-1][0]}__random_state"
            seeded.set_params(**{key: seed})
            runs.append(cross_val_score(seeded, X, y, cv=folds, n_jobs=n_jobs))
        scores[label] = float(np.mean(runs))
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, help="write the result as JSON")
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    table = {
        name: compare(name, args.seeds, args.jobs)
        for name in CLASSIFICATION + REGRESSION
    }
    labels = list(next(iter(table.values())))
    print(f"{'data':15s}" + "".join(f"{label:>22s}" for label in labels))
    for name, scores in table.items():
        print(f"{name:15s}" + "".join(f"{scores[label]:22.4f}" for label in labels))
    for peer in labels[1:]:
        wins = sum(s["torchlearners"] > s[peer] for s in table.values())
        print(f"better than {peer} on {wins} of {len(table)}")
    if args.out:
        record = {"provenance": provenance(), "scores": table}
        args.out.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
