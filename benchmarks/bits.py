"""Tell whether a change keeps every bit of training and prediction.

``python -m benchmarks.bits record FILE`` fits each of the kit's quick instances with
three seeds and writes digests of its weights and predictions; ``compare FILE`` does so
again and names what differs. Digests are those of one kind of CPU and one version of
torch, so record and compare on the same machine.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import clone, is_regressor

from benchmarks._record import provenance
from torchlearners.testing import quick_instances

_SEEDS = (0, 1, 2)
_EPOCHS = 3


def digests() -> dict[str, dict[str, str]]:
    """Return for each instance and seed digests of its weights and predictions."""
    return {
        f"{i:02d} {learner!r:.70} seed {seed}": _digests(learner, seed)
        for i, learner in enumerate(quick_instances())
        for seed in _SEEDS
    }


def _digests(learner: Any, seed: int) -> dict[str, str]:
    X, y = _data(learner, seed)
    params = {"max_epochs": _EPOCHS, "random_state": seed}
    known = learner.get_params(deep=False)
    learner = clone(learner).set_params(**{k: params[k] for k in params.keys() & known})
    learner.fit(X, y)
    found = {}
    if hasattr(learner, "net_"):
        state = learner.net_.module_.state_dict()
        found["weights"] = _digest(*(state[name] for name in sorted(state)))
    for method in ("predict", "predict_proba", "transform"):
        if hasattr(learner, method):
            found[method] = _digest(getattr(learner, method)(X[:50]))
    return found


def _data(learner: Any, seed: int) -> tuple[np.ndarray, np.ndarray]:
    # Rows enough for a validation split, so that early stopping takes part.
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(240, 4))
    if is_regressor(learner):
        return X, X @ [3.0, -2.0, 0.5, 0.0] + rng.normal(size=240)
    return X, (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)


def _digest(*arrays: Any) -> str:
    total = hashlib.sha256()
    for array in arrays:
        values = array.numpy(force=True) if torch.is_tensor(array) else array
        values = np.ascontiguousarray(values)
        total.update(f"{values.dtype} {values.shape}".encode() + values.tobytes())
    return total.hexdigest()[:16]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["record", "compare"])
    parser.add_argument("file", type=Path)
    args = parser.parse_args()
    now = digests()
    if args.action == "record":
        record = {"provenance": provenance(), "digests": now}
        args.file.write_text(json.dumps(record, indent=2) + "\n")
        print(f"{len(now)} fits recorded")
        return
    before = json.loads(args.file.read_text())["digests"]
    changed = [
        f"{name}: {', '.join(k for k in now[name] if now[name][k] != was.get(k))}"
        for name, was in before.items()
        if name in now and now[name] != was
    ]
    gone, new = sorted(before.keys() - now.keys()), sorted(now.keys() - before.keys())
    for title, names in (("changed", changed), ("gone", gone), ("new", new)):
        for name in names:
            print(f"{title}: {name}")
    print(
        f"{len(before) - len(changed) - len(gone)} of {len(before)} fits are the same"
    )
    if changed or gone:
        sys.exit(1)


if __name__ == "__main__":
    main()
