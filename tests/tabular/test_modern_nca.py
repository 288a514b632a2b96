import copy
import json
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_diabetes, load_iris, load_wine
from sklearn.metrics import accuracy_score

from torchlearners import ModernNCAClassifier, ModernNCARegressor
from torchlearners.callbacks import Checkpoint
from torchlearners.data import DataSpec
from torchlearners.storage import read_state, write_state

SMALL = {
    "n_frequencies": 8,
    "d_embedding": 4,
    "dim": 8,
    "max_epochs": 3,
    "random_state": 0,
}
STILL = {**SMALL, "sample_rate": 1.0, "lr": 1e-12, "max_epochs": 1}


def values(n_rows=60):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(n_rows, 3))
    return X, 100 + 10 * np.c_[X[:, 0], X[:, 1] * X[:, 2]]


def points(learner, X):
    """Return what the encoder makes of rows, in float64."""
    with torch.no_grad():
        rows = learner._schema.tensor(learner._columns.matrix(X))
        return learner.net_.module_.encoder(rows).double().numpy()


def by_hand(learner, queries, X, y, weight=None, masked=False):
    """Compute the weighted means in float64."""
    apart = points(learner, queries)[:, None] - points(learner, X)
    share = np.exp(-np.linalg.norm(apart, axis=2) / learner.temperature)
    if weight is not None:
        share = share * weight
    if masked:
        np.fill_diagonal(share, 0)
    return share @ y / share.sum(1, keepdims=True)


@pytest.mark.parametrize("n_blocks", [0, 2])
@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_values_are_the_means_of_the_formula(n_blocks, temperature):
    X, y = values()
    learner = ModernNCARegressor(n_blocks=n_blocks, temperature=temperature, **SMALL)
    weight = np.random.RandomState(1).uniform(0.5, 2, size=40)
    learner.fit(X[:40], y[:40], sample_weight=weight)
    expected = by_hand(learner, X, X[:40], y[:40], weight)
    assert_allclose(learner.predict(X), expected, rtol=1e-4)


def test_probabilities_are_the_shares_of_the_classes():
    X, codes = load_iris(return_X_y=True)
    y = np.array(["a", "b", "c"])[codes]
    learner = ModernNCAClassifier(**SMALL).fit(X[::2], y[::2])
    expected = by_hand(learner, X, X[::2], np.eye(3)[codes[::2]])
    assert_allclose(learner.predict_proba(X), expected, rtol=1e-3, atol=1e-5)


def test_probabilities_of_labels_are_their_shares():
    X, codes = load_iris(return_X_y=True)
    y = np.c_[codes > 0, codes > 1, codes < 2].astype(int)
    learner = ModernNCAClassifier(**SMALL).fit(X[::2], y[::2])
    expected = by_hand(learner, X, X[::2], y[::2])
    assert_allclose(learner.predict_proba(X), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("batch_size", [7, 60])
def test_a_row_is_no_neighbor_of_itself_while_training(batch_size, weighted):
    X, y = values()
    weight = np.random.RandomState(1).uniform(0.5, 2, size=60) if weighted else None
    learner = ModernNCARegressor(batch_size=batch_size, **STILL)
    learner.fit(X, y, sample_weight=weight)
    scaled = (y - learner._target.center) / learner._target.scale
    means = by_hand(learner, X, X, scaled, weight, masked=True)
    losses = ((means - scaled) ** 2).mean(1)
    expected = np.average(losses, weights=weight)
    assert_allclose(learner.history_[-1]["train_loss"], expected, rtol=1e-4)
    with_itself = by_hand(learner, X, X, scaled, weight)
    assert_allclose(learner.predict(X), with_itself * y.std(0) + y.mean(0), rtol=0.1)


def test_equal_rows_are_neighbors_of_each_other_in_small_batches():
    X, _ = values(30)
    X = np.repeat(X, 2, axis=0)
    y = np.arange(60.0) // 2
    learner = ModernNCARegressor(batch_size=8, temperature=1e-4, **STILL).fit(X, y)
    assert learner.history_[-1]["train_loss"] < 1e-6
    alone = ModernNCARegressor(batch_size=60, temperature=1e-4, **STILL).fit(X, y)
    assert alone.history_[-1]["train_loss"] > 0.1


def test_the_loss_of_classes_is_that_of_the_shares_without_the_row():
    X, y = load_iris(return_X_y=True)
    learner = ModernNCAClassifier(batch_size=16, **STILL).fit(X, y)
    shares = by_hand(learner, X, X, np.eye(3)[y], masked=True)
    expected = -np.log(shares[np.arange(150), y]).mean()
    assert_allclose(learner.history_[-1]["train_loss"], expected, rtol=1e-3)


def test_rows_that_validate_or_weigh_nothing_are_no_neighbors():
    X, y = values(300)
    weight = np.arange(300) % 3 > 0
    for kind in ({}, {"X_val": X[:20], "y_val": y[:20]}):
        learner = ModernNCARegressor(**SMALL).fit(X, y, sample_weight=weight, **kind)
        n_rows = 200 if kind else 180
        assert len(learner.net_.module_.rows) == n_rows
        assert learner.net_.module_.weight is None


def test_the_chunk_size_changes_rounding_only():
    X, y = values()
    fitted = [
        ModernNCARegressor(chunk_size=size, **SMALL).fit(X, y).predict(X)
        for size in (7, 1000)
    ]
    assert_allclose(*fitted, rtol=1e-4)


def test_a_sample_of_the_rows_is_drawn_from_the_seed():
    X, y = values()
    fits = [
        ModernNCARegressor(**{**SMALL, **kw}).fit(X, y).history_[-1]["train_loss"]
        for kw in (
            {},
            {},
            {"random_state": 1},
            {"sample_rate": 1.0},
            {"max_candidates": 5},
        )
    ]
    assert fits[0] == fits[1]
    assert len(set(fits)) == 4


@pytest.mark.parametrize("size", [1, 5, 4096])
def test_predictions_depend_neither_on_batches_nor_on_the_order_of_rows(size):
    X, y = load_iris(return_X_y=True)
    learner = ModernNCAClassifier(**SMALL).fit(X, y)
    expected = learner.predict_proba(X)
    order = np.random.RandomState(0).permutation(150)
    learner.set_params(predict_batch_size=size)
    assert_allclose(learner.predict_proba(X[order]), expected[order], rtol=1e-5)
    assert_array_equal(learner.predict_proba(X), learner.predict_proba(X))


def table(n_rows=300):
    rng = np.random.RandomState(0)
    color = rng.choice(["red", "green", "blue"], n_rows)
    size = rng.normal(size=n_rows)
    y = np.where(color == "red", size, -size) + 3.0 * (color == "blue")
    X = pd.DataFrame({"size": size, "color": pd.Series(color, dtype="category")})
    X.loc[::9, "size"] = np.nan
    X.loc[::7, "color"] = None
    return X, y


@pytest.mark.parametrize("num_embeddings", [None, "plr"])
@pytest.mark.parametrize("columns", [["size", "color"], ["color"], ["size"]])
def test_categories_and_missing_values_are_taken(columns, num_embeddings):
    X, y = table()
    settings = {**SMALL, "max_epochs": 40, "dim": 16, "lr": 0.01}
    learner = ModernNCARegressor(num_embeddings=num_embeddings, **settings)
    score = learner.fit(X.loc[:, columns], y).score(X.loc[:, columns], y)
    # The size alone tells nothing but that there are two signs.
    assert score > {("size", "color"): 0.6, ("color",): 0.3}.get(tuple(columns), -0.1)
    unseen = X.loc[:2, columns].assign(color="violet") if "color" in columns else None
    if unseen is not None:
        assert np.isfinite(learner.predict(unseen.loc[:, columns])).all()


def through_a_file(learner, folder):
    write_state(folder / "learner", learner.__getstate__(), kind="learner")
    again = type(learner).__new__(type(learner))
    again.__setstate__(read_state(folder / "learner", kind="learner"))
    return again


def through_joblib(learner, folder):
    joblib.dump(learner, folder / "learner.joblib")
    return joblib.load(folder / "learner.joblib")


def through_pickle(learner, folder):
    return pickle.loads(pickle.dumps(learner))


@pytest.mark.parametrize("way", [through_a_file, through_joblib, through_pickle])
@pytest.mark.parametrize("kind", ["values", "classes", "labels"])
def test_the_neighbors_are_stored_with_the_learner(way, kind, tmp_path):
    X, codes = load_iris(return_X_y=True)
    y = {"values": X[:, :2], "classes": codes, "labels": np.c_[codes > 0, codes > 1]}
    cls = ModernNCARegressor if kind == "values" else ModernNCAClassifier
    weight = np.random.RandomState(1).uniform(0.5, 2, size=150)
    learner = cls(**SMALL, n_blocks=1).fit(X, y[kind].astype(float), weight)
    again = way(learner, tmp_path)
    assert_array_equal(again.predict(X), learner.predict(X))
    for name, ours in learner.net_.module_.candidates().items():
        assert_array_equal(again.net_.module_.candidates()[name], ours)
    # A copy has a new optimizer, as what is stored has.
    other = copy.deepcopy(learner).partial_fit(X, y[kind].astype(float))
    again.partial_fit(X, y[kind].astype(float))
    assert_array_equal(again.predict(X), other.predict(X))


def test_the_state_of_the_network_holds_no_rows():
    X, y = values()
    net = ModernNCARegressor(**SMALL).fit(X, y).net_
    assert all(len(v) < 60 for v in net.module_.state_dict().values())
    spec = DataSpec(n_numeric=3, n_outputs=2)
    fresh = ModernNCARegressor(**SMALL).build_module(spec)
    fresh.load_state_dict(net.module_.state_dict())
    assert ModernNCARegressor._keeps_training_data


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_resumed_run_ends_with_the_same_bits(early_stopping, tmp_path):
    X, y = values(100)

    def learner(folder, n_epochs):
        return ModernNCARegressor(
            **{**SMALL, "max_epochs": n_epochs},
            n_blocks=1,
            batch_size=16,
            early_stopping=early_stopping,
            callbacks=[Checkpoint(folder=tmp_path / folder)],
        )

    straight = learner("one", 6).fit(X, y)
    learner("two", 3).fit(X, y)
    resumed = learner("two", 6).fit(X, y, resume=tmp_path / "two")
    assert_array_equal(resumed.predict(X), straight.predict(X))
    # All but the time it took.
    losses = [[r["train_loss"] for r in fit.history_] for fit in (resumed, straight)]
    assert json.dumps(losses[0]) == json.dumps(losses[1])


def test_going_on_takes_the_rows_of_the_last_call_as_neighbors():
    X, y = load_iris(return_X_y=True)
    learner = ModernNCAClassifier(**SMALL, batch_size=16)
    learner.partial_fit(X, y, classes=[0, 1, 2])
    before = learner.net_.module_.encoder.linear.weight.detach().clone()
    learner.partial_fit(X[50:], y[50:])
    assert len(learner.net_.module_.rows) == 100
    assert (learner.predict_proba(X)[:, 0] < 1e-6).all()
    assert_allclose(
        learner.net_.module_.encoder.linear.weight.detach(), before, atol=0.1
    )
    learner.set_params(warm_start=True).fit(X[::2], y[::2])
    assert len(learner.net_.module_.rows) == 75
    assert learner.n_iter_ == 5
    again = by_hand(learner, X, X[::2], np.eye(3)[y[::2]])
    assert_allclose(learner.predict_proba(X), again, rtol=1e-3, atol=1e-5)


def test_a_refused_fit_leaves_the_neighbors():
    X, y = values()
    learner = ModernNCARegressor(**SMALL).fit(X, y)
    expected = learner.predict(X)
    learner.set_params(warm_start=True)
    with pytest.raises(ValueError, match="NaN"):
        learner.fit(X[:30], np.full((30, 2), np.nan))
    assert_array_equal(learner.predict(X), expected)


@pytest.mark.parametrize(
    ("n_rows", "expected"), [(10, 10), (300, 256), (20_000, 512), (100_000, 1024)]
)
def test_automatic_batches_are_no_smaller_than_what_they_are_predicted_from(
    n_rows, expected
):
    assert ModernNCARegressor()._batch_size(n_rows) == expected
    assert ModernNCARegressor(batch_size=16)._batch_size(n_rows) == 16


def test_one_row_is_enough():
    learner = ModernNCARegressor(**SMALL).fit([[1.0, 2.0]], [3.0])
    assert_allclose(learner.predict([[1.0, 2.0], [5.0, 5.0]]), 3.0)


def test_the_classifier_is_accurate_with_its_defaults():
    X, y = load_wine(return_X_y=True)
    learner = ModernNCAClassifier(random_state=0).fit(X[::2], y[::2])
    assert accuracy_score(y[1::2], learner.predict(X[1::2])) > 0.95


def test_the_regressor_learns_which_features_matter():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(600, 6))
    y = X[:, 0] + np.sin(3 * X[:, 1])
    learner = ModernNCARegressor(**{**SMALL, "max_epochs": 60, "lr": 0.01})
    assert learner.fit(X[:400], y[:400]).score(X[400:], y[400:]) > 0.8


def test_a_loss_of_several_outputs_is_refused():
    X, y = load_diabetes(return_X_y=True)
    learner = ModernNCARegressor(loss="quantile", max_epochs=1)
    with pytest.raises(ValueError, match="loss='quantile' wants several outputs"):
        learner.fit(X, y)
    assert not hasattr(learner, "net_")
