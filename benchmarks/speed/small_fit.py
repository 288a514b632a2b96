"""CPU milliseconds that a small fit costs before and after its steps."""

import statistics
import time

from sklearn.datasets import load_iris

from benchmarks.speed._timing import cpu_seconds
from torchlearners import MLPClassifier
from torchlearners.callbacks import callback

TARGET = 6.0


def milliseconds_outside(preset: str) -> float:
    """Return what one epoch on iris costs beside the training itself."""
    times: list[float] = []

    def note(net, **kwargs):
        times.append(time.process_time())

    learner = MLPClassifier(
        preset=preset,
        max_epochs=1,
        random_state=0,
        callbacks=[callback(on_train_begin=note, on_train_end=note)],
    )
    X, y = load_iris(return_X_y=True)
    whole = cpu_seconds(lambda: learner.fit(X, y))
    start, end = times
    return 1e3 * (whole - (end - start))


def measure(rounds: int) -> list[dict[str, object]]:
    rows = []
    for preset in ("simple", "realmlp"):
        milliseconds_outside(preset)  # warm up
        found = [milliseconds_outside(preset) for _ in range(5 * rounds)]
        rows.append(
            {
                "what": f'fit on iris, preset "{preset}": ms outside the training',
                "target": TARGET,
                "min": min(found),
                "median": statistics.median(found),
            }
        )
    return rows
