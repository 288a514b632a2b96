"""Learners whose network is written as an expression of nodes."""

import copy
import itertools
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_val_score,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import torchlearners.nn as own
from torchlearners import (
    GraphClassifier,
    GraphRegressor,
    MLPClassifier,
    MLPRegressor,
    ModuleClassifier,
    ModuleRegressor,
)
from torchlearners.callbacks import Checkpoint
from torchlearners.exceptions import ArchitectureError
from torchlearners.graph import (
    GELU,
    LSTM,
    BatchNorm1d,
    Categorical,
    CategoricalEmbedding,
    Choice,
    Columns,
    Concat,
    Conv2d,
    Dropout,
    Flatten,
    Fn,
    Head,
    Image,
    LeakyReLU,
    Linear,
    MaxPool2d,
    MultiheadAttention,
    Numeric,
    Param,
    Pretrained,
    ReLU,
    Repeat,
    Residual,
    Select,
    Sequence,
    Sum,
    Tanh,
    Tensor,
)

X, y = load_iris(return_X_y=True)
X, y = X[::2], y[::2]
QUICK = {"max_epochs": 4, "random_state": 0}


def plain(width=8):
    return Linear(width) >> ReLU() >> Head()


def residual():
    block = Residual(Linear(8) >> BatchNorm1d() >> ReLU() >> Dropout(0.2) >> Linear(8))
    return Linear(8) >> block * 2 >> ReLU() >> Head()


def choosing():
    segments = {"wide": Linear(8), "deep": Linear(4) >> Tanh() >> Linear(4)}
    return Choice(segments) >> ReLU() >> Head()


def branches():
    table = Numeric() >> Linear(4)
    return (table >> ReLU() | table >> Tanh()) >> Concat() >> Head()


NETWORKS = {f.__name__: f for f in (plain, residual, choosing, branches)}


def weights(learner):
    return [p.detach().numpy().copy() for p in learner.net_.module_.parameters()]


def assert_same_weights(ours, theirs):
    for a, b in zip(weights(ours), weights(theirs), strict=True):
        assert_array_equal(a, b)


# Without parameters


def test_without_a_network_there_is_one_hidden_layer_of_128():
    learner = GraphClassifier(**QUICK).fit(X, y)
    mlp = MLPClassifier(
        preset="simple", hidden_layer_sizes=(128,), lr=5e-3, **QUICK
    ).fit(X, y)
    assert_same_weights(learner, mlp)
    assert learner.network is None


def test_the_network_may_be_given_by_position_and_nothing_else_may():
    network = plain()
    assert GraphClassifier(network).network is network
    with pytest.raises(TypeError, match="got 2 positional"):
        GraphClassifier(network, 3)


@pytest.mark.parametrize("network", [3, "mlp", nn.Linear(4, 3), Head], ids=str)
def test_what_is_no_node_is_refused_in_fit(network):
    with pytest.raises(ValueError, match="The 'network' parameter of GraphClassifier"):
        GraphClassifier(network).fit(X, y)


# Parameters of the network


def test_every_layer_is_reached_by_get_params():
    params = GraphClassifier(residual()).get_params()
    assert params["network__linear_1__out_features"] == 8
    assert params["network__repeat_1__n"] == 2
    assert params["network__dropout_1__p"] == 0.2
    assert isinstance(params["network__relu_1"], ReLU)
    assert not any("__" in name for name in GraphClassifier(plain()).get_params(False))


def test_what_get_params_gives_set_params_takes():
    learner = GraphClassifier(residual(), lr=0.02)
    twin = GraphClassifier().set_params(**learner.get_params())
    assert repr(twin) == repr(learner)


def test_a_layer_is_set_at_any_depth():
    learner = GraphClassifier(residual())
    learner.set_params(network__linear_2__out_features=5, network__dropout_1__p=0.1)
    assert repr(learner.network) == (
        "Linear(8) >> Residual(Linear(5) >> BatchNorm1d() >> ReLU() >> Dropout(0.1) "
        ">> Linear(8)) * 2 >> ReLU() >> Head()"
    )


def test_a_node_is_replaced_by_its_name():
    learner = GraphClassifier(plain()).set_params(network__relu_1=GELU())
    assert repr(learner.network) == "Linear(8) >> GELU() >> Head()"


def test_the_constructor_takes_parameters_of_the_network_too():
    learner = GraphClassifier(plain(), network__linear_1__out_features=3, **QUICK)
    assert learner.fit(X, y).net_.module_.linear_1.out_features == 3


def test_a_new_network_and_its_parameters_may_be_set_together():
    learner = GraphClassifier().set_params(
        network__linear_1__out_features=3, network=plain()
    )
    assert repr(learner.network) == "Linear(3) >> ReLU() >> Head()"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("network__linear_1__out_featuers", "linear_1__out_features"),
        ("network__rellu_1", "relu_1"),
        ("netwrok__relu_1", "network"),
        ("network__widht", "width"),
    ],
)
def test_nothing_is_set_where_a_name_is_misspelt(name, nearest):
    network = Linear(4) >> ReLU() >> Linear(Param("width", 8)) >> Head()
    learner = GraphClassifier(network)
    before = repr(learner)
    with pytest.raises(ValueError, match=f"Did you mean '{nearest}'"):
        learner.set_params(lr=0.5, network__linear_1__bias=False, **{name: 3})
    assert repr(learner) == before


def test_a_learner_without_a_network_says_that_there_is_nothing_to_set():
    with pytest.raises(ValueError, match="has no parameters to set"):
        GraphClassifier(network__linear_1__out_features=3)


def test_the_repr_shows_the_network_as_it_is_written():
    learner = GraphClassifier(plain(), lr=0.1)
    shown = "GraphClassifier(lr=0.1, network=Linear(8) >> ReLU() >> Head())"
    assert repr(learner) == shown
    assert "network=Linear(8) >> ReLU() >> Head())" in repr(make_pipeline(learner))


def test_the_html_repr_shows_the_network():
    text = GraphClassifier(plain())._repr_html_()
    assert "Linear(8) &gt;&gt; ReLU()" in text


# Copies


@pytest.mark.parametrize("network", NETWORKS)
def test_a_clone_has_a_network_of_its_own(network):
    learner = GraphClassifier(NETWORKS[network]())
    twin = clone(learner)
    assert twin.network is not learner.network
    assert joblib.hash(twin.network) == joblib.hash(learner.network)
    twin.set_params(network__linear_1__out_features=2)
    assert "Linear(2)" not in repr(learner)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_fitted_learner_can_be_pickled_and_copied(network, tmp_path):
    learner = GraphClassifier(NETWORKS[network](), **QUICK).fit(X, y)
    joblib.dump(learner, tmp_path / "learner")
    for restored in (
        pickle.loads(pickle.dumps(learner)),
        copy.deepcopy(learner),
        joblib.load(tmp_path / "learner"),
    ):
        assert_array_equal(restored.predict_proba(X), learner.predict_proba(X))
        assert str(restored.network_shapes()) == str(learner.network_shapes())
        further = copy.deepcopy(learner).partial_fit(X, y)
        assert_same_weights(restored.partial_fit(X, y), further)


def test_set_params_after_fit_changes_neither_predictions_nor_the_pickle():
    learner = GraphClassifier(plain(), **QUICK).fit(X, y)
    before, table = learner.predict_proba(X), str(learner.network_shapes())
    learner.set_params(network__linear_1__out_features=5)
    restored = pickle.loads(pickle.dumps(learner))
    assert_array_equal(learner.predict_proba(X), before)
    assert_array_equal(restored.predict_proba(X), before)
    assert str(restored.network_shapes()) == table
    assert restored.get_params()["network__linear_1__out_features"] == 5


def test_fit_leaves_the_expression_as_it_was():
    network = residual()
    before = joblib.hash(network)
    learner = GraphClassifier(network, **QUICK).fit(X, y)
    assert learner.network is network
    assert joblib.hash(network) == before


# Search


def grid_scores(learner, grid, n_jobs=1):
    search = GridSearchCV(
        learner, grid, cv=2, n_jobs=n_jobs, scoring="neg_log_loss", error_score="raise"
    ).fit(X, y)
    return search, search.cv_results_["mean_test_score"]


GRIDS = {
    "width": {"network__linear_1__out_features": [2, 16]},
    "shared width": {"network__width": [2, 16]},
    "repeats": {"network__repeat_1__n": [0, 2]},
    "choice": {"network__choice_1__active": ["bounded", "unbounded"]},
    "node": {"network__relu_1": [GELU(), LeakyReLU(0.2), ReLU()]},
}


def searched():
    width = Param("width", 8)
    chosen = Choice({"bounded": Tanh(), "unbounded": Linear(6) >> ReLU()})
    body = Linear(4) >> ReLU() >> Linear(width) >> Linear(width)
    return body >> (Linear(8) >> ReLU()) * 1 >> chosen >> Head()


@pytest.mark.parametrize("what", GRIDS)
def test_a_grid_over_the_network_equals_fits_one_by_one(what):
    learner = GraphClassifier(searched(), lr=0.01, **QUICK)
    before = repr(learner)
    search, scores = grid_scores(learner, GRIDS[what])
    assert len(set(scores)) == len(scores)
    best = clone(learner).set_params(**search.best_params_).fit(X, y)
    assert_same_weights(search.best_estimator_, best)
    assert repr(learner) == before


def test_a_grid_over_everything_is_the_same_for_one_process_and_two():
    grid = {k: v for one in GRIDS.values() for k, v in one.items()}
    del grid["network__linear_1__out_features"]
    learner = GraphClassifier(searched(), **QUICK)
    (one, scores), (two, others) = (grid_scores(learner, grid, n) for n in (1, 2))
    assert len(scores) == 2 * 2 * 2 * 3
    assert_array_equal(scores, others)
    assert repr(one.best_params_) == repr(two.best_params_)
    assert_same_weights(one.best_estimator_, two.best_estimator_)


def test_what_share_joins_is_one_parameter_of_the_learner():
    network = Linear(8) >> ReLU() >> Linear(8) >> Head()
    network.share("width", "linear_1.out_features", "linear_2.out_features")
    learner = GraphClassifier(network, **QUICK)
    assert "network__linear_1__out_features" not in learner.get_params()
    search, _ = grid_scores(learner, {"network__width": [3]})
    module = search.best_estimator_.net_.module_
    assert (module.linear_1.out_features, module.linear_2.out_features) == (3, 3)
    assert learner.get_params()["network__width"] == 8


def test_a_grid_reaches_the_network_through_a_pipeline():
    pipeline = make_pipeline(StandardScaler(), GraphClassifier(plain(), **QUICK))
    grid = {"graphclassifier__network__linear_1__out_features": [2, 3]}
    search, _ = grid_scores(pipeline, grid)
    best = search.best_estimator_[-1].net_.module_
    assert best.linear_1.out_features == next(iter(search.best_params_.values()))


# The same network written in three ways


def as_layers(n_numeric, n_outputs, dropout=0.0):
    layers, size = [], n_numeric
    for width in (8, 5):
        layers += [nn.Linear(size, width), nn.ReLU()]
        layers += [own.Dropout(dropout)] if dropout else []
        size = width
    return nn.Sequential(*layers, nn.Linear(size, n_outputs))


def as_nodes(dropout=0.0):
    drop = [Dropout(dropout)] if dropout else []
    return Sequence([Linear(8), ReLU(), *drop, Linear(5), ReLU(), *drop, Head()])


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("kind", ["classes", "values"])
def test_graph_module_and_mlp_train_alike_bit_for_bit(kind, dropout):
    settings = {"lr": 0.01, "batch_size": 16, **QUICK}
    graph, module, mlp = {
        "classes": (GraphClassifier, ModuleClassifier, MLPClassifier),
        "values": (GraphRegressor, ModuleRegressor, MLPRegressor),
    }[kind]
    ours = graph(as_nodes(dropout), **settings).fit(X, y)
    theirs = module(as_layers, module__dropout=dropout, **settings).fit(X, y)
    ready = mlp(
        preset="simple", hidden_layer_sizes=(8, 5), dropout=dropout, **settings
    ).fit(X, y)
    for other in (theirs, ready):
        assert_same_weights(ours, other)
        assert_array_equal(ours.predict(X), other.predict(X))
    assert type(ours.net_.module_) is nn.Sequential


@pytest.mark.parametrize("network", NETWORKS)
def test_the_seed_decides_all_and_the_global_one_is_left_alone(network):
    before = torch.get_rng_state()
    learner = GraphClassifier(NETWORKS[network](), batch_size=16, **QUICK).fit(X, y)
    assert_same_weights(learner, clone(learner).fit(X, y))
    other = clone(learner).set_params(random_state=1).fit(X, y)
    assert not np.array_equal(weights(learner)[0], weights(other)[0])
    assert torch.equal(torch.get_rng_state(), before)


# Targets


def test_labels_may_be_strings():
    names = np.array(["a", "b", "c"])[y]
    learner = GraphClassifier(plain(), random_state=0, lr=0.05).fit(X, names)
    assert_array_equal(learner.classes_, ["a", "b", "c"])
    assert learner.score(X, names) > 0.9


def test_targets_may_be_several_labels():
    Y = np.column_stack([y == 0, y == 2, y > 0]).astype(int)
    learner = GraphClassifier(plain(), random_state=0, lr=0.05).fit(X, Y)
    assert (learner.predict(X) == Y).mean() > 0.9


def test_targets_may_be_several_numbers():
    X, y = load_diabetes(return_X_y=True)
    Y = np.column_stack([y, -y])
    settings = {"random_state": 0, "lr": 0.02, "max_epochs": 40}
    learner = GraphRegressor(residual(), **settings).fit(X, Y)
    assert learner.predict(X).shape == Y.shape
    assert learner.score(X, Y) > 0.4


# Kinds of networks

DIGITS = train_test_split(*load_digits(return_X_y=True), random_state=0)


def score_on_digits(network, **settings):
    X_train, X_test, y_train, y_test = DIGITS
    learner = GraphClassifier(network, random_state=0, **settings)
    return learner.fit(X_train, y_train).score(X_test, y_test)


def test_a_convolutional_network_reads_digits():
    conv = Conv2d(16, 3, padding=1) >> ReLU() >> MaxPool2d(2) >> Conv2d(32, 3)
    network = Image() >> conv >> ReLU() >> Flatten() >> Head()
    settings = {"preprocessing": None, "lr": 5e-3, "max_epochs": 10}
    assert score_on_digits(network, **settings) > 0.95


def test_a_recurrent_network_reads_digits_line_by_line():
    lines = Tensor((8, 8), ["token", "feature"])
    network = lines >> LSTM(32) >> Select(1, -1) >> Head()
    assert score_on_digits(network, lr=1e-2, max_epochs=8) > 0.9


def test_attention_reads_digits_line_by_line():
    lines = Tensor((8, 8), ["token", "feature"]) >> Linear(32)
    attended = lines >> MultiheadAttention(4)
    network = (lines | attended) >> Sum() >> Flatten() >> Head()
    assert score_on_digits(network, lr=1e-2, max_epochs=6) > 0.9


def test_a_shared_part_is_computed_once():
    learner = GraphClassifier(branches(), **QUICK).fit(X, y)
    assert [name for name, _ in learner.net_.module_.named_children()] == [
        "linear_1",
        "relu_1",
        "tanh_1",
        "concat_1",
        "head_1",
    ]


def test_columns_are_taken_by_the_names_of_a_data_frame():
    frame, target = load_iris(return_X_y=True, as_frame=True)
    petals = ["petal length (cm)", "petal width (cm)"]
    settings = {"max_epochs": 4, "early_stopping": False, "random_state": 0}
    learner = GraphClassifier(Columns(petals) >> Linear(8) >> Head(), **settings)
    learner.fit(frame, target)
    alone = GraphClassifier(Linear(8) >> Head(), **settings).fit(frame[petals], target)
    # The means of the columns were taken over arrays of other layouts.
    np.testing.assert_allclose(weights(learner)[0], weights(alone)[0], atol=1e-6)
    by_function = clone(learner).set_params(
        network__columns_1__columns=lambda name: name.startswith("petal")
    )
    assert_same_weights(by_function.fit(frame, target), learner)
    with pytest.raises(ArchitectureError, match="the data have no names"):
        clone(learner).fit(frame.to_numpy(), target)
    with pytest.raises(ArchitectureError, match="Did you mean 'petal width"):
        clone(learner).set_params(network__columns_1__columns=["petal widht (cm)"]).fit(
            frame, target
        )


def test_columns_are_found_again_in_a_restored_learner():
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    network = (Columns(["b", "c"]) >> Linear(4) | Columns(["a"])) >> Concat() >> Head()
    learner = GraphClassifier(network, **QUICK).fit(frame, y)
    restored = pickle.loads(pickle.dumps(learner))
    assert_array_equal(restored.predict_proba(frame), learner.predict_proba(frame))


def halve(x):
    return x / 2


def test_a_function_of_ones_own_is_a_step():
    learner = GraphClassifier(Fn(halve) >> plain(), **QUICK).fit(X, y)
    restored = pickle.loads(pickle.dumps(learner))
    assert_array_equal(restored.predict_proba(X), learner.predict_proba(X))


# Weights that stay


def test_frozen_weights_of_a_pretrained_module_stay():
    module = nn.Linear(4, 8)
    before = copy.deepcopy(module.state_dict())
    network = Pretrained(module, freeze=True) >> ReLU() >> Head()
    learner = GraphClassifier(network, lr=0.1, weight_decay=0.1, **QUICK).fit(X, y)
    for fitted in (learner, pickle.loads(pickle.dumps(learner))):
        part = fitted.net_.module_.pretrained_1
        assert all(torch.equal(v, before[k]) for k, v in part.state_dict().items())
        assert not part.weight.requires_grad


def test_a_pretrained_module_is_trained_in_a_copy():
    module = nn.Linear(4, 8)
    before = module.weight.detach().clone()
    network = Pretrained(module) >> ReLU() >> Head()
    learner = GraphClassifier(network, lr=0.1, **QUICK).fit(X, y)
    assert torch.equal(module.weight, before)
    assert not torch.equal(learner.net_.module_[0].weight, before)


def test_a_step_is_frozen_by_a_pattern_on_its_name():
    learner = GraphClassifier(plain(), max_epochs=1, lr=1e-12, random_state=0)
    start = learner.fit(X, y).net_.module_.linear_1.weight
    frozen = clone(learner).set_params(freeze="linear_1.*", lr=0.1, max_epochs=5)
    frozen.fit(X, y)
    np.testing.assert_allclose(
        frozen.net_.module_.linear_1.weight.detach(), start.detach(), atol=1e-9
    )
    assert not frozen.net_.module_.linear_1.weight.requires_grad
    assert frozen.net_.module_.head_1.weight.requires_grad


# Training


@pytest.mark.parametrize("network", NETWORKS)
def test_a_warm_start_goes_on_where_the_fit_before_stopped(network):
    settings = {"batch_size": 16, "random_state": 0}
    whole = GraphClassifier(NETWORKS[network](), max_epochs=6, **settings).fit(X, y)
    parts = GraphClassifier(
        NETWORKS[network](), max_epochs=3, warm_start=True, **settings
    )
    assert_same_weights(parts.fit(X, y).fit(X, y), whole)
    assert parts.n_iter_ == 6


def test_a_warm_start_with_another_network_is_refused():
    learner = GraphClassifier(plain(), warm_start=True, **QUICK).fit(X, y)
    with pytest.raises(ArchitectureError, match="was fitted with"):
        learner.set_params(network__linear_1__out_features=9).fit(X, y)


def test_partial_fit_trains_one_epoch():
    learner = GraphClassifier(residual(), random_state=0)
    learner.partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X[:20], y[:20])
    assert learner.n_iter_ == 2


def test_early_stopping_keeps_the_best_epoch():
    settings = {"early_stopping": True, "patience": 3, "lr": 0.05, "random_state": 0}
    learner = GraphClassifier(plain(32), max_epochs=300, **settings).fit(X, y)
    assert learner.stopped_epoch_ == learner.best_epoch_ + 3


@pytest.mark.parametrize("network", NETWORKS)
def test_a_resumed_training_ends_with_the_same_bits(network, tmp_path):
    settings = {"batch_size": 16, "random_state": 0}
    straight = GraphClassifier(NETWORKS[network](), max_epochs=6, **settings).fit(X, y)
    saving = GraphClassifier(
        NETWORKS[network](),
        max_epochs=3,
        callbacks=[Checkpoint(folder=tmp_path)],
        **settings,
    ).fit(X, y)
    resumed = clone(saving).set_params(max_epochs=6)
    assert_same_weights(resumed.fit(X, y, resume=tmp_path), straight)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    settings = {"callbacks": [Checkpoint(folder=tmp_path)], **QUICK}
    GraphClassifier(plain(), **settings).fit(X, y)
    other = GraphClassifier(Linear(8) >> Tanh() >> Head(), **settings)
    with pytest.raises(ValueError, match="network"):
        other.fit(X, y, resume=tmp_path)


# Networks that do not fit

WRONG = {
    "no head": (
        Linear(8) >> ReLU(),
        r"GraphClassifier ends in \(batch, feature=8\).*feature=3\)\. End it with Head",
    ),
    "wrong output": (
        Linear(8) >> Head() >> Linear(2),
        r"ends in \(batch, feature=2\).*\(batch, feature=3\)",
    ),
    "two ends": (Linear(8) | Linear(3), "ends in 2 branches: linear_1.*and linear_2"),
    "no categories": (
        (Numeric() | Categorical() >> CategoricalEmbedding()) >> Concat() >> Head(),
        r"categorical_1 \(Categorical\(\)\): the data have no categorical features",
    ),
    "merge": (
        (Linear(8) | Linear(3)) >> Sum() >> Head(),
        r"sum_1 .*feature=8\) and \(batch, feature=3\): their shapes differ",
    ),
    "residual": (
        Residual(Linear(3)) >> Head(),
        r"residual_1: the segment turns \(batch, feature=4\) into",
    ),
    "dimensions": (
        Linear(8) >> Conv2d(3, 3) >> Head(),
        r"conv2d_1 .*cannot take \(batch, feature=8\): it takes an input of 4",
    ),
    "size": (Image(1, 3, 3) >> Flatten() >> Head(), "image_1 .*rows of 4 values"),
    "choice": (Choice({"a": ReLU()}, "b") >> Head(), "no segment active='b'"),
    "names": (Linear(8, name="a") >> Linear(8, name="a") >> Head(), "called 'a'"),
    "width": (Linear(0) >> Head(), "linear_1 .*out_features=0 must be a positive int"),
    "repeats": (Repeat(Linear(4), -1) >> Head(), "'n' parameter of Repeat"),
    "nothing to train": (Fn(halve, name="halved"), r"ends in \(batch, feature=4\)"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_network_is_told_before_training_and_nothing_is_fitted(wrong):
    network, message = WRONG[wrong]
    learner = GraphClassifier(network, **QUICK)
    with pytest.raises(ValueError, match=f"(?s){message}"):
        learner.fit(X, y)
    assert set(vars(learner)) == set(learner.get_params(deep=False))


def test_a_fitted_learner_stays_fitted_where_a_new_network_is_wrong():
    learner = GraphClassifier(plain(), **QUICK).fit(X, y)
    before = learner.predict_proba(X)
    with pytest.raises(ArchitectureError, match="End it with Head"):
        learner.set_params(network=Linear(7)).fit(X, y)
    assert_array_equal(learner.predict_proba(X), before)


def test_every_network_here_is_another_one():
    for one, other in itertools.combinations(NETWORKS.values(), 2):
        assert repr(one()) != repr(other())


def test_defaults_are_as_good_on_few_rows_as_those_of_the_simple_mlp():
    small = Linear(16) >> ReLU() >> Linear(16) >> ReLU() >> Head()
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    simple, graph = (
        cross_val_score(learner, *load_iris(return_X_y=True), cv=folds).mean()
        for learner in (
            MLPClassifier(preset="simple", random_state=0),
            GraphClassifier(small, random_state=0),
        )
    )
    assert graph >= simple - 0.02  # three rows
