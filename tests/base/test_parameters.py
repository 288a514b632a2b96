"""Nested parameters: of the choices that have a name, and of callbacks."""

import inspect

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback, EpochScoring, GradientNormClipping, LRScheduler
from torch import nn

from torchlearners import MLPClassifier, MLPRegressor
from torchlearners.base import ClassifierLearner, _control
from torchlearners.discovery import all_learners
from torchlearners.params import param
from torchlearners.training import SGD, AdamW, CrossEntropy, Huber

rng = np.random.RandomState(0)
X = rng.normal(size=(60, 4))
y = (X[:, 0] + X[:, 1] > 0).astype(int)


def small(**params):
    defaults = {"hidden_layer_sizes": (8,), "max_epochs": 3, "random_state": 0}
    return MLPClassifier(**{**defaults, **params})


class CountBatches(Callback):
    """Keep a count on itself."""

    def __init__(self, every=1):
        self.every = every

    def initialize(self):
        self.count_ = 0
        return self

    def on_batch_end(self, net, **kwargs):
        self.count_ += self.every


# The surface


@pytest.mark.parametrize(("name", "learner"), all_learners())
def test_every_parameter_is_keyword_only_with_a_default(name, learner):
    parameters = list(inspect.signature(learner).parameters.values())
    kinds = {p.name: p.kind for p in parameters}
    # What a learner is wrapped around may stand first without its name.
    for wrapped in ("backbone", "module", "network"):
        kinds.pop(wrapped, None)
    assert set(kinds.values()) == {inspect.Parameter.KEYWORD_ONLY}
    assert learner().get_params(deep=False) == {p.name: p.default for p in parameters}


@pytest.mark.parametrize(("name", "learner"), all_learners())
def test_no_parameter_is_wired_to_nothing(name, learner):
    modules = {inspect.getmodule(base) for base in learner.__mro__} | {_control}
    sources = "".join(
        inspect.getsource(module)
        for module in modules
        if module.__name__.startswith("torchlearners.")
    )
    idle = [
        p
        for p in learner().get_params(deep=False)
        if f"self.{p}" not in sources
        and f"learner.{p}" not in sources
        and f'"{p}"' not in sources
    ]
    assert idle == []


def test_the_repr_shows_changed_parameters_only():
    assert repr(MLPClassifier(lr=0.1)) == "MLPClassifier(lr=0.1)"


# Optimizer and loss


def test_a_nested_parameter_turns_the_name_into_the_object_it_stands_for():
    learner = MLPClassifier().set_params(optimizer__betas=(0.9, 0.95))
    assert isinstance(learner.optimizer, AdamW)
    assert learner.optimizer.betas == (0.9, 0.95)
    assert MLPClassifier().optimizer == "auto"
    learner = MLPRegressor(loss="huber").set_params(loss__delta=0.5)
    assert isinstance(learner.loss, Huber)
    assert learner.loss.delta == 0.5


def test_the_choice_is_set_before_its_nested_parameters():
    learner = MLPClassifier().set_params(optimizer__momentum=0.5, optimizer="sgd")
    assert isinstance(learner.optimizer, SGD)
    assert learner.optimizer.momentum == 0.5


def test_nested_parameters_of_a_name_reach_the_optimizer():
    learner = small().set_params(optimizer__betas=(0.5, 0.6), optimizer__eps=1e-3)
    group = learner.fit(X, y).net_.optimizer_.param_groups[0]
    assert group["betas"] == (0.5, 0.6)
    assert group["eps"] == 1e-3


@pytest.mark.parametrize(
    ("name", "values", "learner"),
    [
        ("optimizer__betas", [(0.9, 0.999), (0.1, 0.2)], small(lr=0.05)),
        ("loss__label_smoothing", [0.0, 0.4], small(loss="cross_entropy", lr=0.05)),
        ("loss__label_smoothing", [0.0, 0.4], small(loss=CrossEntropy(), lr=0.05)),
        (
            "callbacks__clip__gradient_clip_value",
            [1e-6, 1e3],
            small(callbacks=[("clip", GradientNormClipping(1.0))], optimizer="sgd"),
        ),
        (
            "callbacks__GradientNormClipping__gradient_clip_value",
            [1e-6, 1e3],
            small(callbacks=[GradientNormClipping(1.0)], optimizer="sgd"),
        ),
    ],
)
def test_a_grid_over_nested_parameters_equals_fits_one_by_one(name, values, learner):
    folds, before = KFold(3), learner.get_params().get(name)
    search = GridSearchCV(
        learner,
        {name: values},
        cv=folds,
        scoring="neg_log_loss",
        error_score="raise",
    ).fit(X, y)
    for i, value in enumerate(values):
        for k, (train, test) in enumerate(folds.split(X)):
            alone = clone(learner).set_params(**{name: value}).fit(X[train], y[train])
            proba = alone.predict_proba(X[test])
            loss = -np.log(proba[np.arange(len(test)), y[test]]).mean()
            found = -search.cv_results_[f"split{k}_test_score"][i]
            assert found == pytest.approx(loss, rel=1e-12)
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] != scores[1]
    # The searched learner itself is untouched.
    assert learner.get_params().get(name) == before


def test_a_grid_reaches_nested_parameters_through_a_pipeline():
    pipeline = make_pipeline(StandardScaler(), small())
    grid = {"mlpclassifier__optimizer__betas": [(0.9, 0.99), (0.1, 0.2)]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, y)
    best = search.best_estimator_[-1]
    assert best.optimizer.betas == search.best_params_[next(iter(grid))]
    assert pipeline[-1].optimizer == "auto"


def test_setting_a_nested_parameter_does_not_reach_a_clone():
    learner = MLPClassifier(optimizer=AdamW())
    copy = clone(learner)
    copy.set_params(optimizer__betas=(0.1, 0.2))
    assert learner.optimizer.betas == (0.9, 0.999)


# Callbacks


def test_callbacks_are_listed_among_the_parameters_by_name():
    clip, scheduler = GradientNormClipping(2.0), LRScheduler()
    learner = MLPClassifier(callbacks=[("clip", clip), scheduler])
    params = learner.get_params()
    assert params["callbacks__clip"] is clip
    assert params["callbacks__clip__gradient_clip_value"] == 2.0
    assert params["callbacks__LRScheduler"] is scheduler
    assert "callbacks__clip" not in learner.get_params(deep=False)


def test_a_callback_can_be_replaced_by_its_name():
    clip, other = GradientNormClipping(2.0), GradientNormClipping(3.0)
    learner = MLPClassifier(callbacks=[("clip", clip), CountBatches()])
    learner.set_params(callbacks__clip=other)
    assert learner.get_params()["callbacks__clip"] is other
    assert isinstance(learner.get_params()["callbacks__CountBatches"], CountBatches)


def test_fit_trains_with_each_callback_itself():
    callback = CountBatches(every=2)
    learner = small(callbacks=[callback]).fit(X, y)
    used = dict(learner.net_.callbacks_)["CountBatches"]
    assert used.count_ == 2 * learner.n_iter_
    assert used is callback


def test_clone_copies_callbacks():
    learner = small(callbacks=[("count", CountBatches()), LRScheduler()])
    copy = clone(learner)
    copy.set_params(callbacks__count__every=5)
    assert learner.get_params()["callbacks__count__every"] == 1
    ours, theirs = learner.get_params(), copy.get_params()
    for name in ("callbacks__count", "callbacks__LRScheduler"):
        assert type(ours[name]) is type(theirs[name])
        assert ours[name] is not theirs[name]


def test_candidates_of_a_grid_do_not_share_callbacks():
    learner = small(callbacks=[("count", CountBatches())])
    grid = {"callbacks__count__every": [1, 10]}
    search = GridSearchCV(learner, grid, cv=2, error_score="raise").fit(X, y)
    best = dict(search.best_estimator_.net_.callbacks_)["count"]
    assert best.count_ == best.every * search.best_estimator_.n_iter_
    assert learner.get_params()["callbacks__count__every"] == 1
    assert not hasattr(learner.get_params()["callbacks__count"], "count_")


def test_two_callbacks_of_one_class_need_no_names():
    scores = [
        EpochScoring("accuracy", name="accuracy"),
        EpochScoring("f1", name="f1", lower_is_better=False),
    ]
    learner = small(callbacks=scores).fit(X, y, X_val=X, y_val=y)
    assert {"accuracy", "f1"} <= set(learner.history_[-1])


# All or nothing


@pytest.mark.parametrize(
    "wrong",
    [
        {"batchsize": 3},
        {"optimizer__bettas": (0.1, 0.2)},
        {"loss__smoothing": 0.1},
        {"callbacks__clap__gradient_clip_value": 3.0},
        {"callbacks__clip__gradient_clip": 3.0},
    ],
    ids=str,
)
def test_nothing_is_set_where_one_name_is_wrong(wrong):
    learner = MLPClassifier(
        loss="cross_entropy", callbacks=[("clip", GradientNormClipping(1.0))]
    )
    before = repr(learner.get_params(deep=False))
    with pytest.raises(ValueError, match="Invalid"):
        learner.set_params(
            lr=0.5,
            callbacks__clip__gradient_clip_value=9.0,
            optimizer__eps=1e-3,
            **wrong,
        )
    assert repr(learner.get_params(deep=False)) == before
    assert learner.get_params()["callbacks__clip__gradient_clip_value"] == 1.0
    assert learner.optimizer == "auto"


def test_set_params_without_parameters_returns_the_learner():
    learner = MLPClassifier()
    assert learner.set_params() is learner


def test_set_params_after_fit_does_not_change_predictions():
    learner = small(dropout=0.2).fit(X, y)
    before = learner.predict_proba(X)
    learner.set_params(
        hidden_layer_sizes=(3,),
        activation="tanh",
        dropout=0.9,
        loss="cross_entropy",
        optimizer__betas=(0.1, 0.2),
        random_state=5,
    )
    assert_array_equal(learner.predict_proba(X), before)


# Any object with get_params and set_params


class Tree:
    """Keep parameters by path, as a network of named nodes does."""

    def __init__(self, **values):
        self.values = values

    def get_params(self, deep=True):
        return {"node": "a node", **self.values}

    def set_params(self, **params):
        self.values.update(params)
        return self


class TreeClassifier(ClassifierLearner):
    tree = param(default=None)

    def network(self, spec):
        return nn.Linear(spec.n_numeric, spec.n_outputs)


def test_parameters_of_any_object_can_be_set_at_any_depth():
    learner = TreeClassifier(tree=Tree(node__size=3), lr=0.5)
    assert learner.get_params()["tree__node__size"] == 3
    learner.set_params(tree__node__size=8)
    assert learner.tree.values == {"node__size": 8}


def test_a_misspelt_name_at_depth_gets_a_suggestion_and_sets_nothing():
    learner = TreeClassifier(tree=Tree(node__size=3, node__bias=True))
    with pytest.raises(ValueError, match="Did you mean 'node__size'"):
        learner.set_params(lr=0.5, tree__node__bias=False, tree__node__sise=8)
    assert learner.lr == 1e-3
    assert learner.tree.values == {"node__size": 3, "node__bias": True}


@pytest.mark.parametrize("tree", [None, "oak", nn.Linear(1, 1), Tree], ids=str)
def test_nested_parameters_of_what_has_none_are_refused(tree):
    with pytest.raises(ValueError, match=r"(?s)Invalid .* no parameters to set"):
        TreeClassifier(tree=tree).set_params(tree__size=3)


def test_the_constructor_takes_nested_parameters():
    learner = MLPClassifier(optimizer__betas=(0.5, 0.6), lr=0.5)
    assert learner.optimizer.betas == (0.5, 0.6)
    assert learner.lr == 0.5
    assert clone(learner).optimizer.betas == (0.5, 0.6)
    assert MLPClassifier().optimizer == "auto"
    with pytest.raises(ValueError, match="Did you mean 'betas'"):
        MLPClassifier(optimizer__beta=(0.5, 0.6))
