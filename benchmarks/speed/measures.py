"""What three measures cost an epoch, against skorch's three EpochScoring callbacks."""

import numpy as np
from skorch.callbacks import EpochScoring

from benchmarks.speed._timing import cpu_seconds, ratio
from benchmarks.speed.fit import make_data
from torchlearners import MLPClassifier
from torchlearners.callbacks import Measures
from torchlearners.data import ClassTarget

N_TRAIN, N_VALID = 512, 57
NAMES = ["accuracy", "roc_auc", "neg_log_loss"]
EPOCHS = 40


def measure(rounds: int) -> list[dict[str, object]]:
    X, y = make_data(N_TRAIN + N_VALID)
    train, valid = slice(N_TRAIN), slice(N_TRAIN, None)

    def seconds(callbacks: list[object]) -> float:
        learner = MLPClassifier(
            preset="simple",
            batch_size=256,
            max_epochs=EPOCHS,
            early_stopping=False,
            callbacks=callbacks,
            random_state=0,
        )
        return cpu_seconds(
            lambda: learner.fit(X[train], y[train], X_val=X[valid], y_val=y[valid])
        )

    def overhead(callbacks: list[object]) -> float:
        """Seconds more than without; the least of three, since it is a difference."""
        return min(seconds(callbacks) for _ in range(3)) - min(
            seconds([]) for _ in range(3)
        )

    target = ClassTarget(np.array([0, 1]))
    return [
        ratio(
            "three measures an epoch, against three EpochScorings",
            0.3,
            lambda: overhead([Measures(measures=NAMES, target=target)]),
            lambda: overhead([EpochScoring(n, lower_is_better=False) for n in NAMES]),
            rounds,
        )
    ]
