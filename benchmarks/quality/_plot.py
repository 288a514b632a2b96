"""A picture of the ranks."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd

mpl.use("Agg")
from matplotlib import pyplot as plt

WIDTH, ROW_HEIGHT, MARGIN = 7.0, 0.42, 1.6


def plot_ranks(table: pd.DataFrame, difference: float, path: Path) -> None:
    """Plot ranks on each data set as dots, and their mean as a diamond.

    Parameters
    ----------
    table : DataFrame of shape (n_data_sets, n_learners)
    difference : float
        The critical difference, shaded from the best mean on.
    path : Path
        Of the PNG.
    """
    means = table.mean().sort_values()
    n_data, n_learners = table.shape
    fig, ax = plt.subplots(
        figsize=(WIDTH, MARGIN + ROW_HEIGHT * n_learners), layout="constrained"
    )
    best = means.iloc[0]
    ax.axvspan(
        best,
        best + difference,
        color="0.92",
        label=f"within the critical difference of the best ({difference:.2f})",
    )
    # Equal ranks stand above each other, in the order of the data sets.
    for place, learner in enumerate(means.index):
        values = np.sort(table[learner].to_numpy())
        first = np.searchsorted(values, values)
        count = np.searchsorted(values, values, side="right") - first
        offset = np.arange(n_data) - first - (count - 1) / 2
        label = "on one data set" if place == 0 else None
        height = place + offset * min(0.07, 0.8 / n_data)
        ax.plot(values, height, ".", color="tab:blue", alpha=0.6, label=label)
    hollow = {"mfc": "none", "mec": "black", "mew": 1.5, "ms": 9}  # shows the dots
    ax.plot(means, range(n_learners), "D", label="mean", **hollow)
    for place, mean in enumerate(means):
        ax.annotate(
            f"{mean:.2f}",
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
        )
    ax.set_yticks(range(n_learners), means.index)
    ax.set_ylim(n_learners - 0.5, -0.5)
    ax.set_xlim(0.7, n_learners + 0.3)
    ax.set_xticks(range(1, n_learners + 1))
    ax.set_xlabel(f"rank (1 is best) on {n_data} data sets")
    ax.grid(axis="x", alpha=0.3)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.tick_params(axis="y", length=0)
    fig.legend(loc="outside upper center", ncols=3, frameon=False, fontsize="small")
    fig.savefig(path, dpi=150)
    plt.close(fig)
