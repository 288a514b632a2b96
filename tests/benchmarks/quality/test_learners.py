import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, r2_score

from benchmarks.quality._learners import make_learner, names, ours
from benchmarks.quality.fit_one import n_iter_of


def test_our_tabular_learners_join_by_themselves():
    assert {"mlp classifier", "mlp regressor", "tabm classifier"} <= set(ours())
    assert {"mlp", "tabm", "hgb", "linear"} <= set(names())
    assert "graph" not in names()


def table_of(n, n_levels):
    rng = np.random.default_rng(0)
    levels = pd.Categorical(rng.integers(0, n_levels, n).astype(str))
    return pd.DataFrame({"number": rng.normal(size=n), "level": levels}), rng


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_boosting_takes_more_categories_than_it_has_bins(task):
    X, rng = table_of(900, 400)
    y = rng.normal(size=900)
    y = y if task == "regression" else (y > 0).astype(str)
    learner = make_learner("hgb", task, X, seed=0).fit(X[:600], y[:600])
    assert learner.predict(X[600:]).shape == (300,)
    assert learner[-1].is_categorical_.tolist() == [True, False]


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_the_skorch_net_learns(task):
    X, _ = table_of(200, 3)
    y = np.digitize(X["number"], [-0.5, 0.5])
    y = y.astype(float) if task == "regression" else np.array(["a", "b", "c"])[y]
    learner = make_learner("skorch_mlp", task, X, seed=0).fit(X, y)
    score = r2_score if task == "regression" else accuracy_score
    assert score(y, learner.predict(X)) > 0.7
    assert n_iter_of(learner) > 1


@pytest.mark.parametrize("name", ["hgb", "linear", "sklearn_mlp", "skorch_mlp", "mlp"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_several_targets_are_predicted_side_by_side(name):
    X, _ = table_of(60, 3)
    y = np.column_stack((X["number"], -X["number"]))
    learner = make_learner(name, "multioutput", X, seed=0).fit(X, y)
    assert learner.predict(X).shape == (60, 2)
