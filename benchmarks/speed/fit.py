"""Training steps and whole fits against a hand-written loop; skorch for comparison."""

import warnings

import numpy as np
import torch
from skorch import NeuralNetClassifier
from torch import nn

from benchmarks.speed._timing import cpu_seconds, ratio
from torchlearners import MLPClassifier
from torchlearners.training import TensorData

N_FEATURES = 20
STEPS = 600


def make_data(n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, N_FEATURES)).astype(np.float32)
    return X, (X[:, 0] + X[:, 1] > 0).astype(np.int64)


def make_module() -> nn.Module:
    return nn.Sequential(
        nn.Linear(N_FEATURES, 128),
        nn.ReLU(),
        nn.Linear(128, 128),
        nn.ReLU(),
        nn.Linear(128, 2),
    )


def hand_written(X: torch.Tensor, y: torch.Tensor, batch_size: int, epochs: int):
    """The loop as the tutorials write it, with a fused optimizer."""
    module = make_module()
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3, fused=True)
    criterion = nn.CrossEntropyLoss()
    module.train()
    for _ in range(epochs):
        order = torch.randperm(len(X))
        for start in range(0, len(X), batch_size):
            rows = order[start : start + batch_size]
            optimizer.zero_grad()
            loss = criterion(module(X[rows]), y[rows])
            loss.backward()
            optimizer.step()


def measure(rounds: int) -> list[dict[str, object]]:
    rows = []
    for batch_size in (32, 256, 1024):
        epochs = 10
        X, y = make_data(STEPS // epochs * batch_size)
        tensors = torch.from_numpy(X), torch.from_numpy(y)
        learner = MLPClassifier(
            preset="simple",
            batch_size=batch_size,
            max_epochs=epochs,
            early_stopping=False,
            weight_decay=0.01,
            random_state=0,
        )
        net = learner.fit(X, y).net_
        data = TensorData(*tensors)

        def by_hand(tensors=tensors, batch_size=batch_size, epochs=epochs):
            return cpu_seconds(lambda: hand_written(*tensors, batch_size, epochs))

        rows += [
            ratio(
                f"step, batch {batch_size}, against a hand-written loop",
                1.05,
                lambda net=net, data=data: cpu_seconds(
                    lambda: net.train_on(data, None)
                ),
                by_hand,
                rounds,
            ),
            ratio(
                f"fit of {STEPS} steps, batch {batch_size}, against the same loop",
                1.10,
                lambda learner=learner, X=X, y=y: cpu_seconds(
                    lambda: learner.fit(X, y)
                ),
                by_hand,
                rounds,
            ),
        ]
    rows += [_default_preset(rounds), _skorch(rounds)]
    return rows


def _default_preset(rounds: int) -> dict[str, object]:
    """A fit of the default preset, of other and wider layers, against the same loop."""
    epochs, batch_size = 2, 256
    X, y = make_data(30 * batch_size)
    tensors = torch.from_numpy(X), torch.from_numpy(y)
    learner = MLPClassifier(max_epochs=epochs, early_stopping=False, random_state=0)
    return ratio(
        "fit of 60 steps, batch 256, default preset, against that loop",
        20.0,
        lambda: cpu_seconds(lambda: learner.fit(X, y)),
        lambda: cpu_seconds(lambda: hand_written(*tensors, batch_size, epochs)),
        rounds,
    )


def _skorch(rounds: int) -> dict[str, object]:
    """Our fit as a share of skorch's default, batch 256; there is no target but 1."""
    X, y = make_data(60 * 256)
    settings = {"max_epochs": 2, "batch_size": 256}
    ours = MLPClassifier(preset="simple", **settings, early_stopping=False)

    def skorch_fit():
        net = NeuralNetClassifier(
            make_module,
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.AdamW,
            lr=1e-3,
            train_split=None,
            verbose=0,
            **settings,
        )
        return cpu_seconds(lambda: net.fit(X, y))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ratio(
            "fit, batch 256, against skorch's defaults",
            1.0,
            lambda: cpu_seconds(lambda: ours.fit(X, y)),
            skorch_fit,
            max(3, rounds // 3),
        )
