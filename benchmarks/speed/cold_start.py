"""CPU seconds a fresh process spends on us, beyond importing torch and scikit-learn."""

import json
import os
import statistics
import subprocess
import sys

_PROGRAM = """
import json, sys, time
clock = time.process_time
import torch
import sklearn.base, sklearn.model_selection
from sklearn.datasets import load_iris
start = clock()
import torchlearners
imported = clock()
from torchlearners import MLPClassifier
MLPClassifier().fit(*load_iris(return_X_y=True))
fitted = clock()
print(json.dumps([imported - start, fitted - start, "torch._dynamo" in sys.modules]))
"""


def measure(rounds: int) -> list[dict[str, object]]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    runs = []
    for _ in range(max(3, rounds // 2)):
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        runs.append(json.loads(done.stdout))
    names = (
        ("import torchlearners, CPU seconds", 0.1),
        ("from import to an MLP fitted on iris, CPU seconds", 0.5),
    )
    return [
        {
            "what": what,
            "target": target,
            "min": min(run[i] for run in runs),
            "median": statistics.median(run[i] for run in runs),
        }
        for i, (what, target) in enumerate(names)
    ]
