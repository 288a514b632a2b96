"""Prediction: one row and many, against scikit-learn's MLP and the bare module."""

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
        single_peer = SklearnClassifier((128, 128), max_iter=2).fit(
            X.astype(np.float32), y
        )
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
    usual = MLPClassifier(max_epochs=2, random_state=0).fit(X, y)
    rows.append(
        ratio(
            "predict one row by the default MLP, against scikit-learn's",
            1.5,
            lambda: cpu_seconds(lambda: usual.predict(one), 200),
            lambda: cpu_seconds(lambda: default.predict(one), 200),
            rounds,
        )
    )
    single = rng.normal(size=(5000, 20)).astype(np.float32)
    rows.append(
        ratio(
            "predict 5,000 float32 rows, against scikit-learn's MLP (128, 128)",
            0.7,
            lambda: cpu_seconds(lambda: ours.predict(single), 5),
            lambda: cpu_seconds(lambda: single_peer.predict(single), 5),
            rounds,
        )
    )

    def predict_first():
        ours.net_.row_blocks.clear()
        ours.predict(single)

    rows.append(
        ratio(
            "first prediction of 5,000 rows, which tries blocks, against later ones",
            2.0,
            lambda: cpu_seconds(predict_first, 5),
            lambda: cpu_seconds(lambda: ours.predict(single), 5),
            rounds,
        )
    )
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
