import pytest

from benchmarks.quality import _ranks, _results

# Metric, then the mean score of each learner over its seeds.
MEANS = {
    "adult": ("roc_auc", {"a": 0.9, "b": 0.8, "c": 0.7}),
    "titanic": ("roc_auc", {"a": 0.6, "b": 0.8, "c": 0.6}),
    "penguins": ("accuracy", {"a": 0.9, "b": None, "c": 0.7}),
    "diamonds": ("rmse", {"a": 2.0, "b": 1.0, "c": 3.0}),
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "results.csv"
    for data, (metric, means) in MEANS.items():
        for learner, mean in means.items():
            for seed, shift in enumerate((-0.1, 0.1)):
                failed = mean is None and seed == 1
                value = None if failed else (mean or 0.99) + shift
                result = {"metric": metric, "value": value, "fit_cpu_s": 1 + seed}
                error = {"error": "ValueError: no"} if failed else {}
                key = {"data": data, "learner": learner, "seed": seed, "max_rows": 50}
                _results.append(path, key | result | error)
    return path


@pytest.fixture
def results(path):
    return _results.read(path)


@pytest.fixture
def scores(results):
    return _ranks.compared_scores(results, ["a", "b", "c"])
