"""Ranks and wins of learners over tables.

References
----------
Demsar (2006). Statistical comparisons of classifiers over multiple data sets. Journal
of Machine Learning Research 7.
"""

import math

import numpy as np
import pandas as pd
from scipy.stats import studentized_range

from benchmarks.quality._scores import LOWER_IS_BETTER


def complete_learners(results: pd.DataFrame) -> list[str]:
    """Return the learners that have a row for each kind of task there is.

    A learner for numbers alone cannot be ranked beside those that were also measured
    on classes.
    """
    regression = results["metric"].isin(LOWER_IS_BETTER)
    kinds = pd.crosstab(results["learner"], regression)
    return sorted(kinds.index[(kinds > 0).all(axis=1)])


def compared_scores(results: pd.DataFrame, learners: list[str]) -> pd.DataFrame:
    """Return mean scores on the seeds that all learners have, the higher the better.

    Parameters
    ----------
    results : DataFrame
        As `_results.read` returns it, all of one `max_rows`.
    learners : list of str

    Returns
    -------
    DataFrame of shape (n_data_sets, n_learners)
        Errors (RMSE ...) are negative. A learner that failed with any of the seeds has
        -inf. Data sets on which a learner has not been run are left out.
    """
    rows = results[results["learner"].isin(learners)]
    sign = np.where(rows["metric"].isin(LOWER_IS_BETTER), -1.0, 1.0)
    scores = rows.assign(score=(sign * rows["value"]).fillna(-np.inf))
    table = scores.pivot(index=["data", "seed"], columns="learner", values="score")
    means = table.reindex(columns=learners).dropna().groupby(level="data").mean()
    # Equal means may differ by how they were rounded.
    return means.round(10)


def ranks(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rank of each learner on each data set: 1 is best, ties share."""
    return scores.rank(axis=1, ascending=False, method="average")


def wins(scores: pd.DataFrame) -> pd.DataFrame:
    """Return on how many data sets the learner of a row beats that of a column."""
    values = scores.to_numpy()
    better = (values[:, :, None] > values[:, None, :]).sum(axis=0)
    return pd.DataFrame(better, index=scores.columns, columns=scores.columns)


def critical_difference(n_learners: int, n_data: int, level: float = 0.05) -> float:
    """Return how far mean ranks must differ to be told apart (Nemenyi's test)."""
    q = studentized_range.ppf(1 - level, n_learners, np.inf) / math.sqrt(2)
    return float(q * math.sqrt(n_learners * (n_learners + 1) / (6 * n_data)))
