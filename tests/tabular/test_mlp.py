import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score
from torch import nn

from torchlearners import MLPClassifier, MLPRegressor
from torchlearners.callbacks import callback
from torchlearners.nn import (
    Dropout,
    NTKLinear,
    ParametricActivation,
    PBLDEmbedding,
    PiecewiseLinearEmbedding,
    ScaleFeatures,
)
from torchlearners.tabular._mlp_choices import ACTIVATIONS, NORMALIZATIONS
from torchlearners.training import LBFGS, CrossEntropy


def layers(learner):
    return list(learner.net_.module_.children())


def kinds(learner):
    return [type(layer) for layer in layers(learner)]


@pytest.fixture
def data():
    rng = np.random.RandomState(0)
    return rng.normal(size=(40, 3)), rng.randint(3, size=40)


@pytest.mark.parametrize(
    ("sizes", "widths"),
    [
        (7, [7]),
        (np.int64(7), [7]),
        ((5, 6), [5, 6]),
        ([5, 6], [5, 6]),
        (np.array([5, 6]), [5, 6]),
        ((), []),
    ],
)
def test_hidden_layer_sizes_are_the_widths_of_the_layers(data, sizes, widths):
    learner = MLPClassifier(
        preset="simple", hidden_layer_sizes=sizes, max_epochs=1
    ).fit(*data)
    linear = [layer for layer in layers(learner) if isinstance(layer, nn.Linear)]
    assert [layer.in_features for layer in linear] == [3, *widths]
    assert [layer.out_features for layer in linear] == [*widths, 3]


def test_a_hidden_layer_is_linear_normalization_activation_dropout(data):
    learner = MLPClassifier(
        preset="simple",
        hidden_layer_sizes=(4, 4),
        normalization="layer",
        activation="tanh",
        dropout=0.25,
        max_epochs=1,
    ).fit(*data)
    hidden = [nn.Linear, nn.LayerNorm, nn.Tanh, Dropout]
    assert kinds(learner) == [*hidden, *hidden, nn.Linear]
    assert layers(learner)[3].p == 0.25


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_activation_trains_and_is_the_one_named(data, name):
    learner = MLPClassifier(
        preset="simple",
        hidden_layer_sizes=(8,),
        activation=name,
        max_epochs=1,
        random_state=0,
    ).fit(*data)
    assert kinds(learner)[1].__name__ == ACTIVATIONS[name].__name__
    assert np.isfinite(learner.predict_proba(data[0])).all()


@pytest.mark.parametrize("make", [nn.Softplus, lambda: nn.Softplus()])
def test_an_activation_may_be_a_class_or_a_function(data, make):
    learner = MLPClassifier(
        preset="simple", hidden_layer_sizes=(8,), activation=make, max_epochs=1
    )
    assert kinds(learner.fit(*data))[1] is nn.Softplus


@pytest.mark.parametrize("name", sorted(NORMALIZATIONS))
def test_every_normalization_trains_and_is_the_one_named(data, name):
    learner = MLPClassifier(
        preset="simple",
        hidden_layer_sizes=(8,),
        normalization=name,
        max_epochs=2,
        random_state=0,
    ).fit(*data)
    assert kinds(learner)[1].__name__ == NORMALIZATIONS[name].__name__


@pytest.mark.parametrize(
    "params", [{"dropout": 0.5}, {"normalization": "batch"}], ids=str
)
def test_prediction_runs_in_evaluation_mode(data, params):
    X, y = data
    learner = MLPClassifier(
        preset="simple", max_epochs=2, random_state=0, **params
    ).fit(X, y)
    assert not any(m.training for m in learner.net_.module_.modules())
    whole = learner.predict_proba(X)
    assert_array_equal(whole, learner.predict_proba(X))
    # Batch statistics would make a row depend on those beside it.
    assert_array_equal(whole[:1], learner.predict_proba(X[:1]))


def test_batch_normalization_trains_where_one_row_would_be_left_over(data):
    X, y = data
    learner = MLPClassifier(
        preset="simple", normalization="batch", batch_size=13, max_epochs=1
    )
    assert np.isfinite(learner.fit(X, y).predict_proba(X)).all()  # 13 + 13 + 14


def test_standard_preprocessing_makes_units_irrelevant(data):
    X, y = data
    learner = MLPClassifier(
        preset="simple", hidden_layer_sizes=(8,), max_epochs=5, random_state=0
    )
    plain = learner.fit(X, y).predict_proba(X)
    units = np.array([1e-6, 1.0, 1e6])
    assert_allclose(
        learner.fit(X * units + units, y).predict_proba(X * units + units),
        plain,
        atol=1e-5,
    )


def test_without_preprocessing_the_network_sees_x_as_it_is(data):
    X, y = data
    learner = MLPClassifier(
        preset="simple",
        hidden_layer_sizes=(8,),
        preprocessing=None,
        max_epochs=1,
        random_state=0,
    ).fit(X * 3 + 1, y)
    rows = torch.tensor(X, dtype=torch.float32)
    with torch.no_grad():
        logits = learner.net_.module_(rows).numpy()
    assert_allclose(learner.decision_function(X), logits, rtol=1e-5, atol=1e-6)


def test_a_constant_column_and_a_large_offset_do_no_harm():
    rng = np.random.RandomState(0)
    signal = rng.normal(size=300)
    X = np.column_stack([np.full(300, 1e9 / 3), signal + 1e6])
    y = signal > 0
    learner = MLPClassifier(preset="simple", max_epochs=30, random_state=0).fit(X, y)
    assert learner.score(X, y) > 0.95


def test_weights_are_initialized_by_the_seed_alone(data):
    X, y = data

    def weights(seed):
        learner = MLPClassifier(
            preset="simple", lr=1e-12, max_epochs=1, random_state=seed
        ).fit(X, y)
        return layers(learner)[0].weight.detach().numpy()

    assert_array_equal(weights(0), weights(0))
    assert not np.allclose(weights(0), weights(1), atol=1e-3)


@pytest.mark.parametrize(
    ("load", "accuracy"),
    [(load_breast_cancer, 0.95), (load_iris, 0.93), (load_wine, 0.95)],
)
def test_the_classifier_is_accurate_with_its_defaults(load, accuracy):
    X, y = load(return_X_y=True)
    learner = MLPClassifier(random_state=0)
    assert cross_val_score(learner, X, y, cv=3).mean() > accuracy


def test_the_regressor_is_as_good_as_a_linear_model_on_diabetes():
    X, y = load_diabetes(return_X_y=True)
    learner = MLPRegressor(
        preset="simple",
        hidden_layer_sizes=(32,),
        weight_decay=1.0,
        max_epochs=20,
        random_state=0,
    )
    linear = cross_val_score(Ridge(alpha=0.01), X, y, cv=3).mean()
    assert cross_val_score(learner, X, y, cv=3).mean() > linear - 0.05


def test_the_regressor_fits_what_no_linear_model_can():
    X = np.random.RandomState(0).uniform(-2, 2, size=(400, 2))
    y = 1000 + 50 * X[:, 0] * X[:, 1]
    assert MLPRegressor(random_state=0).fit(X, y).score(X, y) > 0.98


# RealMLP


def table(n_rows=60):
    rng = np.random.RandomState(0)
    X = pd.DataFrame(rng.normal(size=(n_rows, 2)), columns=["a", "b"])
    X["sex"] = pd.Categorical(rng.choice(["f", "m"], n_rows))
    X["city"] = pd.Categorical(rng.choice(list("abcdefghijklmn"), n_rows))
    return X, 100 + 10 * X["a"].to_numpy(), rng.randint(2, size=n_rows)


def realmlp(learner=MLPRegressor, **params):
    small = {"hidden_layer_sizes": (8, 8), "max_epochs": 4, "random_state": 0}
    return learner(preset="realmlp", **{**small, **params})


def test_the_network_of_realmlp_is_the_one_of_the_paper():
    X, _, labels = table()
    learner = MLPClassifier(max_epochs=1, num_embeddings="pbld").fit(X, labels)
    module = learner.net_.module_
    (embedding,) = (m for m in module.modules() if isinstance(m, PBLDEmbedding))
    assert (embedding.n_features, embedding.d_embedding) == (2, 4)
    after = [m for m in module.modules() if not list(m.children())][-11:]
    hidden = [NTKLinear, ParametricActivation, Dropout]
    assert [type(m) for m in after] == [ScaleFeatures, *hidden * 3, NTKLinear]
    # Two embedded numbers, one column for two levels, eight for fourteen.
    assert [m.in_features for m in after[1::3]] == [2 * 4 + 1 + 8, 256, 256, 256]
    assert {m.activation for m in after[2::3]} == {"selu"}
    assert {m.p for m in after[3::3]} == {0.15}


def test_units_of_realmlp_have_unit_spread_before_the_first_step():
    X, y, _ = table(150)
    learner = realmlp(lr=1e-30, weight_decay=0, hidden_layer_sizes=(8,)).fit(X, y)
    hidden = learner.intermediate(X, "ntk_linear_1")
    outputs = learner.intermediate(X, "ntk_linear_2")
    assert_allclose(hidden.std(axis=0), 1, rtol=1e-3)
    assert_allclose(outputs.std(axis=0), 1, rtol=1e-3)


def test_realmlp_trains_each_kind_of_weight_at_its_own_rate():
    X, y, _ = table()
    net = realmlp(lr_schedule=None, num_embeddings="pbld").fit(X, y).net_
    names = {id(p): name for name, p in net.module_.named_parameters()}
    found = {
        names[id(p)]: group["lr"]
        for group in net.optimizer_.param_groups
        for p in group["params"]
    }
    factors = {"scale_features": 6, "pbld": 0.1, "parametric": 0.1}
    for name, lr in found.items():
        kind = next((k for k in factors if name.startswith(k)), None)
        factor = 0.1 if name.endswith("bias") else factors.get(kind, 1)
        assert lr == pytest.approx(0.2 * factor), name


def test_rates_of_realmlp_move_together():
    X, y, _ = table()
    seen = []

    def note(net, **kwargs):
        seen.append([group["lr"] for group in net.optimizer_.param_groups])

    noted = callback(on_batch_end=note)
    realmlp(batch_size=20, max_epochs=5, callbacks=[noted]).fit(X, y)
    p = np.arange(15) / 15
    waves = 0.5 * (1 - np.cos(2 * np.pi * np.log2(1 + 15 * p)))
    assert_allclose(np.array(seen)[:, 0], 0.2 * waves, atol=1e-12)
    factors = np.array(seen)[2] / seen[2][0]
    assert sorted(np.round(factors, 9)) == [0.1, 0.1, 1, 6]
    assert_allclose(np.array(seen), waves[:, None] * 0.2 * factors, atol=1e-12)


def test_dropout_and_weight_decay_of_realmlp_fall_in_the_second_half():
    X, y, _ = table()
    history = realmlp(max_epochs=8).fit(X, y).history_
    falls = [1, 1, 1, 1, 1, *(0.5 * (1 + np.cos(np.pi * np.array([1, 2, 3]) / 4)))]
    assert_allclose(history[:, "dropout"], 0.15 * np.array(falls))
    assert_allclose(history[:, "weight_decay"], 0.02 * np.array(falls))


def test_biases_of_realmlp_do_not_decay():
    X, y, _ = table()
    net = realmlp().fit(X, y).net_
    names = {id(p): name for name, p in net.module_.named_parameters()}
    for group in net.optimizer_.param_groups:
        bias = {names[id(p)].endswith("bias") for p in group["params"]}
        assert bias == {group["weight_decay"] == 0}


def test_predictions_of_realmlp_stay_in_the_range_of_the_training_rows():
    X = np.random.RandomState(0).normal(size=(150, 2))
    y = np.c_[X[:, 0], 100 * X[:, 1]]
    far = np.array([[1e3, -1e3], [-1e3, 1e3]])
    learner = realmlp(max_epochs=20).fit(X, y)
    predicted = learner.predict(np.r_[far, X])
    assert (predicted >= y.min(axis=0)).all()
    assert (predicted <= y.max(axis=0)).all()
    straight = (
        MLPRegressor(preset="simple", max_epochs=20, random_state=0)
        .fit(X, y)
        .predict(far)
    )
    assert (np.abs(straight) > np.abs(y).max(axis=0)).any()


@pytest.mark.parametrize(
    ("n_rows", "params", "splits"),
    [
        (499, {}, False),
        (500, {}, True),
        (499, {"preset": "simple"}, True),
        (499, {"patience": 3}, True),
        (499, {"lr_schedule": None}, True),
        (499, {"measures_valid": "accuracy"}, True),
        (499, {"early_stopping": True}, True),
        (500, {"early_stopping": False}, False),
    ],
)
def test_classes_of_fewer_than_500_rows_all_train(n_rows, params, splits):
    X = np.arange(n_rows * 2.0).reshape(n_rows, 2)
    settings = {"hidden_layer_sizes": (2,), "max_epochs": 1, "random_state": 0}
    learner = MLPClassifier(**settings, **params).fit(X, np.arange(n_rows) % 2)
    assert ("valid_loss" in learner.history_[0]) == splits


@pytest.mark.parametrize(
    ("n_rows", "params", "n_train"),
    [
        (1999, {}, 1599),
        (2000, {}, 1800),
        (2000, {"validation_fraction": 0.2}, 1600),
        (1999, {"preset": "simple"}, 1799),
    ],
)
def test_of_2000_rows_of_classes_a_tenth_validates(n_rows, params, n_train):
    X = np.arange(n_rows * 2.0).reshape(n_rows, 2)
    settings = {"hidden_layer_sizes": (2,), "max_epochs": 1, "random_state": 0}
    learner = MLPClassifier(**settings, **params).fit(X, np.arange(n_rows) % 2)
    assert learner._spec.n_rows == n_train


def test_of_2000_rows_of_values_a_fifth_validates():
    X = np.arange(4000.0).reshape(2000, 2)
    assert realmlp(max_epochs=1).fit(X, X[:, 0])._spec.n_rows == 1600


def test_values_of_200_rows_are_split():
    X = np.arange(400.0).reshape(200, 2)
    learner = realmlp(max_epochs=1).fit(X, X[:, 0])
    assert "valid_loss" in learner.history_[0]


@pytest.mark.parametrize(("n_rows", "width"), [(1999, 8), (2000, 14)])
def test_many_levels_have_indicators_where_there_are_2000_rows(n_rows, width):
    X, y, _ = table(n_rows)
    learner = realmlp(max_epochs=1, early_stopping=False).fit(X[["city"]], y)
    assert learner.net_.module_.scale_features_1.weight.shape == (width,)


def test_too_many_levels_together_have_vectors():
    X = pd.DataFrame({"a": np.arange(2000) % 600})
    for n_levels, width in ((350, 950), (500, 16)):
        X["b"] = np.arange(2000) % n_levels
        learner = realmlp(max_epochs=1, early_stopping=False)
        learner.set_params(categorical_features=["a", "b"]).fit(X, X["a"])
        assert learner.net_.module_.scale_features_1.weight.shape == (width,)


def test_labels_of_realmlp_are_smoothed_where_there_is_one_class_a_row():
    X, _, y = table()
    loss = realmlp(MLPClassifier).fit(X, y).net_.criterion_
    assert loss(torch.tensor([[100.0, -100.0]]), torch.tensor([0])) == 10
    labels = realmlp(MLPClassifier).fit(X, np.c_[y, 1 - y]).net_.criterion_
    assert labels(torch.tensor([[100.0, -100.0]]), torch.tensor([[1.0, 0]])) < 1e-6


@pytest.mark.parametrize("learner", [MLPClassifier, MLPRegressor])
def test_what_auto_stands_for_is_decided_by_preset_and_task(learner):
    simple, real = learner(preset="simple"), learner()
    regressor = learner is MLPRegressor
    expected = {
        "hidden_layer_sizes": ((128, 128), (256, 256, 256)),
        "activation": ("relu", "mish" if regressor else "selu"),
        "dropout": (0.0, 0.15),
        "num_embeddings": (None, "ple"),
        "preprocessing": ("standard", "robust"),
        "max_epochs": (100, 64),
        "lr": (2e-3, 0.2 if regressor else 0.04),
        "weight_decay": (0.0, 0.02),
        "lr_schedule": (None, "coslog4"),
        "validation_fraction": (0.1, 0.2),
        "patience": (16, None),
        "batch_size": ("auto", 256),
        "early_stopping": ("auto", "auto"),
        "normalization": (None, None),
        "grad_clip": (None, None),
    }
    for name, values in expected.items():
        assert (simple.value_of(name), real.value_of(name)) == values, name
    assert real.value_of("optimizer").betas == (0.9, 0.95)
    assert learner(early_stopping=True).value_of("patience") == 64
    if regressor:
        steep = learner(loss="gaussian")
        assert (steep.value_of("lr"), steep.value_of("grad_clip")) == (0.04, 1.0)


@pytest.mark.parametrize("preset", ["simple", "realmlp"])
def test_what_a_user_sets_holds_under_each_preset(preset):
    X, _, y = table(220)
    learner = MLPClassifier(
        preset=preset,
        hidden_layer_sizes=(5,),
        activation="tanh",
        dropout=0.25,
        num_embeddings="ple",
        preprocessing="quantile",
        max_epochs=3,
        batch_size=32,
        optimizer="sgd",
        lr=0.123,
        weight_decay=0.0,
        lr_schedule=None,
        loss=CrossEntropy(label_smoothing=0.5),
        patience=1,
    ).fit(X, y)
    net, modules = learner.net_, list(learner.net_.module_.modules())
    assert any(isinstance(m, PiecewiseLinearEmbedding) for m in modules)
    assert not any(isinstance(m, PBLDEmbedding) for m in modules)
    wanted = ParametricActivation if preset == "realmlp" else nn.Tanh
    (activation,) = (m for m in modules if isinstance(m, wanted))
    assert getattr(activation, "activation", "tanh") == "tanh"
    assert learner._schema.scaling == "quantile"
    assert (net.max_epochs, net.batch_size, net.lr) == (3, 32, 0.123)
    assert type(net.optimizer_).__name__ == "FusedSGD"
    assert net.optimizer_.param_groups[0]["lr"] == 0.123
    assert net.criterion_.loss.label_smoothing == 0.5
    assert dict(net.callbacks_)["early_stopping"].patience == 1


def test_auto_stays_auto_after_fit():
    X, y, _ = table()
    learner = MLPRegressor(preset="realmlp", max_epochs=1, hidden_layer_sizes=4)
    before = repr(learner.get_params())
    learner.fit(X, y).set_params(optimizer__eps=1e-3)
    assert learner.optimizer.betas == (0.9, 0.95)
    assert MLPRegressor(preset="realmlp").value_of("optimizer").eps == 1e-8
    assert repr(learner.set_params(optimizer="auto").get_params()) == before


def test_realmlp_goes_to_the_end_and_keeps_the_best_epoch():
    X, _, y = table(600)
    learner = realmlp(MLPClassifier, max_epochs=40).fit(X, y)
    assert learner.n_iter_ == 40
    assert learner.stopped_epoch_ is None
    losses = learner.history_[:, "valid_loss"]
    assert learner.best_score_ == min(losses)
    assert learner.best_epoch_ == np.argmin(losses) + 1


@pytest.mark.parametrize("activation", ["identity", nn.Softplus])
def test_realmlp_takes_any_activation(activation):
    X, y, _ = table()
    learner = realmlp(activation=activation).fit(X, y)
    assert np.isfinite(learner.predict(X)).all()


def test_realmlp_is_as_good_as_the_simple_network_on_breast_cancer():
    X, y = load_breast_cancer(return_X_y=True)
    score = {
        preset: MLPClassifier(preset=preset, max_epochs=60, random_state=0)
        .fit(X[::2], y[::2])
        .score(X[1::2], y[1::2])
        for preset in ("simple", "realmlp")
    }
    assert score["realmlp"] > score["simple"] - 0.01


def test_realmlp_is_better_than_the_simple_network_at_what_wiggles():
    rng = np.random.RandomState(0)
    X = np.exp(rng.normal(size=(1500, 4)))  # with far outliers, as in real tables
    y = np.sin(3 * X[:, 0]) + X[:, 1].clip(max=3) * (X[:, 2] > 1)
    y += rng.normal(scale=0.1, size=len(y))
    score = {
        preset: MLPRegressor(preset=preset, max_epochs=60, random_state=0)
        .fit(X[:1000], y[:1000])
        .score(X[1000:], y[1000:])
        for preset in ("simple", "realmlp")
    }
    assert score["realmlp"] > score["simple"] + 0.05


def test_few_rows_of_values_train_longer():
    X = np.random.RandomState(0).normal(size=(1300, 2))
    y = X[:, 0]

    def epochs(n_rows, **params):
        learner = MLPRegressor(hidden_layer_sizes=(2,), random_state=0, **params)
        return learner.fit(X[:n_rows], y[:n_rows]).n_iter_

    # A fifth of the rows is set aside.
    assert [epochs(n) for n in (100, 1250, 1300)] == [256, 256, 64]
    assert epochs(100, max_epochs=3) == 3
    assert epochs(100, preset="simple", early_stopping=False) == 100


def test_the_shapes_of_the_default_network_are_known():
    X, _, labels = table()
    learner = MLPClassifier(max_epochs=1, random_state=0).fit(X, labels)
    shapes = str(learner.network_shapes())
    assert "piecewise_linear_embedding_1" in shapes
    assert "one_hot_embedding_1" in shapes
    assert "(batch, feature=2)" in shapes


def test_the_default_learns_by_partial_fit_too():
    X, y = load_iris(return_X_y=True)
    learner = MLPClassifier(random_state=0)
    for _ in range(20):
        learner.partial_fit(X, y, classes=[0, 1, 2])
    assert learner.score(X, y) > 0.9


@pytest.mark.parametrize("optimizer", ["lbfgs", LBFGS(max_iter=5), torch.optim.LBFGS])
def test_lbfgs_needs_no_other_parameter(optimizer):
    X, y = load_iris(return_X_y=True)
    learner = MLPClassifier(optimizer=optimizer, max_epochs=5, random_state=0)
    assert learner.fit(X, y).score(X, y) > 0.9
    assert learner.net_.weight_decay == 0
    assert MLPClassifier().value_of("weight_decay") > 0
