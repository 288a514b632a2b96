"""Tables and a picture of results: ``python -m benchmarks.quality.report``.

Writes beside the file of results, under its name: Markdown (.md), the ranks and the
wins (_ranks.csv, _wins.csv) and a picture of the ranks (.png).
"""

import argparse
import math
from pathlib import Path

import pandas as pd

from benchmarks.quality import _ranks, _results
from benchmarks.quality._data import SETS
from benchmarks.quality._scores import LOWER_IS_BETTER


def markdown(table: pd.DataFrame, corner: str) -> str:
    """Return a table of strings as Markdown."""
    lines = [[corner, *table.columns], ["---"] * (table.shape[1] + 1)]
    lines += [[name, *row] for name, row in zip(table.index, table.values, strict=True)]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def number(value: float, size: float) -> str:
    """Return as many decimals as a number of this size needs."""
    return f"{value:.{4 if size < 10 else 1 if size < 1000 else 0}f}"


def cell(values: pd.Series) -> str:
    """Return mean and standard deviation over seeds."""
    if values.isna().any():
        return "failed"
    mean = values.mean()
    std = f" ± {number(values.std(), mean)}" if len(values) > 1 else ""
    return number(mean, mean) + std


def quality_table(results: pd.DataFrame) -> pd.DataFrame:
    """Return mean ± standard deviation, data sets by learners, the best in bold."""
    groups = results.groupby(["data", "learner"])["value"]
    cells = groups.apply(cell).unstack()
    means = groups.apply(lambda v: v.mean() if v.notna().all() else math.nan).unstack()
    metrics = results.groupby("data")["metric"].first()
    for data in cells.index:
        low = metrics[data] in LOWER_IS_BETTER
        best = means.loc[data].min() if low else means.loc[data].max()
        for learner in cells.columns[means.loc[data] == best]:
            cells.loc[data, learner] = f"**{cells.loc[data, learner]}**"
    names = {
        data: f"{data} ({'log10 ' if SETS[data].log_target else ''}{metrics[data]})"
        for data in cells.index
    }
    return cells.fillna("").rename(index=names)


def summary(
    results: pd.DataFrame, table: pd.DataFrame, scores: pd.DataFrame
) -> pd.DataFrame:
    """Return one line for each ranked learner, the best mean rank first."""
    means = table.mean().sort_values()
    rows = results[results["data"].isin(table.index)]
    rows = rows.assign(fit_mb=rows["rss_peak_mb"] - rows["rss_before_mb"])
    rows = rows.groupby("learner")
    first = scores.eq(scores.max(axis=1), axis=0).sum()
    columns = {
        "mean rank": means.map("{:.2f}".format),
        "best on": first,
        "fits that failed": rows["value"].apply(lambda v: int(v.isna().sum())),
        "fit, median CPU s": rows["fit_cpu_s"].median().map("{:.2f}".format),
        "fit, sum of CPU s": rows["fit_cpu_s"].sum().map("{:.0f}".format),
        "predict, median CPU s": rows["predict_cpu_s"].median().map("{:.3f}".format),
        "memory of a fit, largest MB": rows["fit_mb"].max().map("{:.0f}".format),
    }
    return pd.DataFrame(columns).loc[means.index]


def seconds_table(results: pd.DataFrame) -> pd.DataFrame:
    """Return mean CPU seconds of a fit, data sets by learners."""
    table = results.pivot_table(index="data", columns="learner", values="fit_cpu_s")
    return table.map(lambda s: "" if math.isnan(s) else f"{s:.2f}")


def report(results: pd.DataFrame, learners: list[str] | None = None) -> str:
    """Return the whole report as Markdown."""
    learners = learners or _ranks.complete_learners(results)
    scores = _ranks.compared_scores(results, learners)
    limit = int(results["max_rows"].iloc[0])
    failed = results[results["error"] != ""]
    parts = [
        "# Quality on public tables",
        f"At most {limit} training rows (max_rows={limit})."
        if limit
        else "All training rows (max_rows=0).",
    ]
    if len(scores):
        table = _ranks.ranks(scores)
        gap = _ranks.critical_difference(len(learners), len(scores))
        parts += [
            f"Ranks are over {len(scores)} data sets that all {len(learners)} ranked "
            "learners have, on the mean of their common seeds; a fit that failed ranks "
            "last. Mean ranks that differ by less than the critical difference "
            f"{gap:.2f} (Nemenyi, 5 %) are not told apart. CPU seconds are of one "
            "thread.",
            markdown(summary(results, table, scores), "learner"),
            "## Wins",
            "Number of data sets on which the learner of the row is better than that "
            "of the column.",
            markdown(_ranks.wins(scores), ""),
        ]
    else:
        parts.append("No data set has been measured with all learners: no ranks.")
    parts += [
        "## Each data set",
        "Mean ± standard deviation over all seeds that a learner has; one seed has no "
        "deviation.",
        markdown(quality_table(results), "data (metric)"),
        "## CPU seconds of a fit",
        markdown(seconds_table(results), "data"),
    ]
    if len(failed):
        lines = failed.apply(
            lambda r: f"- {r['data']}, {r['learner']}, seed {r['seed']}: {r['error']}",
            axis=1,
        )
        parts += ["## Failures", "\n".join(lines)]
    parts += ["## Made with", "\n".join(f"- {line}" for line in made_with(results))]
    return "\n\n".join(parts) + "\n"


def made_with(results: pd.DataFrame) -> list[str]:
    """Return versions, commits and machines of the results."""
    versions = sorted(set(results["versions"]) - {""})
    machines = results[["python", "machine", "cores"]].drop_duplicates()
    return [
        *versions,
        "commits: " + ", ".join(sorted(set(results["commit"]))),
        *(f"python {p}, {m}, {c} cores" for p, m, c in machines.values),
    ]


def of_one_limit(results: pd.DataFrame, max_rows: int | None) -> pd.DataFrame:
    """Return the results of one `max_rows`; figures of several do not compare."""
    limits = sorted(set(results["max_rows"]))
    if max_rows is None and len(limits) > 1:
        raise SystemExit(f"results are of max_rows {limits}; choose by --max-rows.")
    if max_rows is not None and max_rows not in limits:
        raise SystemExit(f"no results of max_rows {max_rows}; there are {limits}.")
    return results if max_rows is None else results[results["max_rows"] == max_rows]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality.report",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--results", type=Path, default=Path("benchmarks/results/quality.csv"))
    add("--learners", help="learners to compare, separated by commas")
    add("--max-rows", type=int, help="where the file has results of several")
    args = parser.parse_args(arguments)

    results = _results.read(args.results)
    if results.empty:
        raise SystemExit(
            f"{args.results} has no results; python -m benchmarks.quality makes them."
        )
    results = of_one_limit(results, args.max_rows)
    learners = args.learners.split(",") if args.learners else None
    if learners:
        unknown = sorted(set(learners) - set(results["learner"]))
        if unknown:
            raise SystemExit(f"no results of {unknown}.")
        results = results[results["learner"].isin(learners)]
    text = report(results, learners)
    print(text)
    stem = args.results.with_suffix("")
    stem.with_suffix(".md").write_text(text, encoding="utf-8")
    learners = learners or _ranks.complete_learners(results)
    scores = _ranks.compared_scores(results, learners)
    if scores.empty:
        return
    table = _ranks.ranks(scores)
    table.to_csv(f"{stem}_ranks.csv")
    _ranks.wins(scores).to_csv(f"{stem}_wins.csv")
    from benchmarks.quality._plot import plot_ranks

    gap = _ranks.critical_difference(len(learners), len(scores))
    plot_ranks(table, gap, stem.with_suffix(".png"))


if __name__ == "__main__":
    main()
