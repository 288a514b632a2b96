"""Prediction: one row against scikit-learn's MLP, many rows against the bare module."""

import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier as SklearnClassifier

from benchmarks.speed._timing import cpu_seconds, ratio
from torchlearners import MLPClassifier


def measure(rounds: int) -> list[dict[str, object]]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 20))
    y = (X[:, 0] + X[:, 1] > 0).astype(int)
    ours = MLPClassifier(preset="simple", max_epochs=2, random_state=0).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        same = SklearnClassifier((128, 128), max_iter=2).fit(X, y)
        default = SklearnClassifier(max_iter=2).fit(X, y)
    one = X[:1]
    rows = [
        ratio(
            f"predict one row, against scikit-learn's MLP {peer.hidden_layer_sizes}",
            0.5,
            lambda: cpu_seconds(lambda: ours.predict(one), 1000),
            lambda peer=peer: cpu_seconds(lambda: peer.predict(one), 1000),
            rounds,
        )
        for peer in (same, default)
    ]
    many = rng.normal(size=(100_000, 20))
    tensor = torch.from_numpy(many.astype(np.float32))
    module = ours.net_.module_

    def forward():
        with torch.inference_mode():
            module(tensor)

    rows.append(
        ratio(
            "predict 100,000 rows, against the bare module's forward",
            1.2,
            lambda: cpu_seconds(lambda: ours.predict(many)),
            lambda: cpu_seconds(forward),
            rounds,
        )
    )
    return rows
