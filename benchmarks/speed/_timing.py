"""CPU time of two things that take turns."""

import gc
import statistics
import time
from collections.abc import Callable


def cpu_seconds(call: Callable[[], object], repeats: int = 1) -> float:
    start = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - start) / repeats


def ratio(
    what: str,
    target: float,
    ours: Callable[[], float],
    theirs: Callable[[], float],
    rounds: int,
) -> dict[str, object]:
    """Compare two functions that return their own CPU seconds."""
    ours(), theirs()  # warm up
    pairs = []
    gc.disable()
    try:
        for _ in range(rounds):
            pairs.append((ours(), theirs()))
            gc.collect()
    finally:
        gc.enable()
    best = [min(side) for side in zip(*pairs, strict=True)]
    return {
        "what": what,
        "target": target,
        "min": best[0] / best[1],
        "median": statistics.median(a / b for a, b in pairs),
    }
