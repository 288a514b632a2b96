"""What a network built from a graph costs: to run, and to build."""

import numpy as np
import torch
from torch import nn

from benchmarks.speed._timing import cpu_seconds, ratio
from torchlearners.graph import Head, Linear, ReLU, Repeat

N_IN, WIDTH, N_OUT, BATCH = 20, 128, 3, 256
STEPS = 200
NODES = 100


def steps(module: nn.Module) -> None:
    """Run forward and backward passes of one batch."""
    x = torch.zeros(BATCH, N_IN)
    for _ in range(STEPS):
        module(x).sum().backward()


def measure(rounds: int) -> list[dict[str, object]]:
    built = (Repeat(Linear(WIDTH) >> ReLU(), 2) >> Head()).build(
        (None, N_IN), n_outputs=N_OUT
    )
    by_hand = nn.Sequential(
        nn.Linear(N_IN, WIDTH),
        nn.ReLU(),
        nn.Linear(WIDTH, WIDTH),
        nn.ReLU(),
        nn.Linear(WIDTH, N_OUT),
    )

    def build() -> None:
        (Repeat(Linear(WIDTH) >> ReLU(), NODES // 2) >> Head()).build((None, N_IN))

    build()  # the first call imports what it needs
    seconds = [cpu_seconds(build) for _ in range(rounds)]
    return [
        ratio(
            "steps of a graph-built MLP, against nn.Sequential",
            1.005,  # 1.00 as it is printed
            lambda: cpu_seconds(lambda: steps(built)),
            lambda: cpu_seconds(lambda: steps(by_hand)),
            5 * rounds,  # two equal networks differ by more than 0.005 in few rounds
        ),
        {
            "what": f"CPU seconds to build {NODES} nodes",
            "target": 0.5,
            "min": min(seconds),
            "median": float(np.median(seconds)),
        },
    ]
