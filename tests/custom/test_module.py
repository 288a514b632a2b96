"""Learners around a module of the user's: a class, a function or an object."""

import copy
import functools
import pickle

import joblib
import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator
from torch import nn

from torchlearners import (
    MLPClassifier,
    MLPRegressor,
    ModuleClassifier,
    ModuleRegressor,
)
from torchlearners.callbacks import Freeze
from torchlearners.custom import ModuleCall
from torchlearners.exceptions import ArchitectureError
from torchlearners.nn import Dropout

X, y = load_iris(return_X_y=True)
X, y = X[::2], y[::2]
QUICK = {"max_epochs": 4, "random_state": 0}


class Net(nn.Module):
    def __init__(self, n_numeric, n_outputs, width=8, *, drop=0.0):
        super().__init__()
        self.hidden = nn.Linear(n_numeric, width)
        self.drop = nn.Dropout(drop)
        self.output = nn.Linear(width, n_outputs)

    def forward(self, x):
        return self.output(self.drop(self.hidden(x).relu()))


class Needy(Net):
    def __init__(self, n_numeric, width, n_outputs):
        super().__init__(n_numeric, n_outputs, width)


class RandomFeatures(nn.Module):
    """Project on directions that are no part of the weights."""

    def __init__(self, spec, width=6):
        super().__init__()
        self.directions = torch.randn(spec.n_numeric, width)
        self.register_buffer("shift", torch.rand(width), persistent=False)
        self.register_buffer("n_calls", torch.tensor(0))
        self.norm = nn.BatchNorm1d(width)
        self.output = nn.Linear(width, spec.n_outputs)

    def forward(self, x):
        self.n_calls += self.training
        return self.output(self.norm((x @ self.directions + self.shift).cos()))


def as_layers(n_numeric, n_outputs, width=8):
    hidden, output = nn.Linear(n_numeric, width), nn.Linear(width, n_outputs)
    return nn.Sequential(hidden, nn.ReLU(), output)


def as_mlp_with_our_dropout(n_numeric, n_outputs):
    return nn.Sequential(
        nn.Linear(n_numeric, 8),
        nn.ReLU(),
        Dropout(0.2),
        nn.Linear(8, 5),
        nn.ReLU(),
        Dropout(0.2),
        nn.Linear(5, n_outputs),
    )


def weights(learner):
    return [p.detach().numpy().copy() for p in learner.net_.module_.parameters()]


def assert_same_weights(ours, theirs):
    for a, b in zip(weights(ours), weights(theirs), strict=True):
        assert_array_equal(a, b)


# What a module may be

FORMS = {
    "nothing": {},
    "class": {"module": Net},
    "class and arguments": {"module": Net, "module__width": 3},
    "function": {"module": as_layers},
    "partial": {"module": functools.partial(Net, width=3)},
    "of the spec": {"module": RandomFeatures},
    "call": {"module": ModuleCall(Net, width=3)},
    "lambda": {"module": lambda spec: nn.Linear(spec.n_numeric, spec.n_outputs)},
    "lazy object": {"module": nn.Sequential(nn.LazyLinear(3))},
    "object": {"module": Net(4, 3)},
}


@pytest.mark.parametrize("form", FORMS)
def test_a_module_may_be_given_in_any_of_these_forms(form):
    learner = ModuleClassifier(**FORMS[form], **QUICK).fit(X, y)
    assert learner.predict_proba(X).shape == (len(X), 3)
    assert_same_weights(learner, clone(learner).fit(X, y))


def test_without_a_module_there_is_one_hidden_layer_of_128():
    learner = ModuleRegressor(**QUICK).fit(X, y)
    mlp = MLPRegressor(
        preset="simple", hidden_layer_sizes=(128,), lr=5e-3, **QUICK
    ).fit(X, y)
    assert_same_weights(learner, mlp)


def test_the_module_may_be_given_by_position_and_nothing_else_may():
    assert ModuleClassifier(Net).module is Net
    with pytest.raises(TypeError, match="got 2 positional"):
        ModuleClassifier(Net, 3)


def test_arguments_that_may_only_stand_by_position_are_filled_in_too():
    def make(spec, width=5, /, bias=True):
        return nn.Linear(spec.n_numeric, spec.n_outputs, bias=bias)

    learner = ModuleClassifier(make, module__bias=False, **QUICK).fit(X, y)
    assert learner.net_.module_.bias is None
    learner = ModuleClassifier(make, module__width=3, **QUICK).fit(X, y)
    assert learner.get_params()["module__width"] == 3


@pytest.mark.parametrize("module", [3, "mlp", [Net]], ids=str)
def test_what_is_no_module_is_refused_in_fit(module):
    with pytest.raises(ValueError, match="The 'module' parameter of ModuleClassifier"):
        ModuleClassifier(module).fit(X, y)


def test_a_function_that_makes_no_module_is_refused():
    with pytest.raises(ArchitectureError, match=r"must return a torch\.nn\.Module"):
        ModuleClassifier(dict).fit(X, y)


# Weights and seeds


def test_a_class_trains_like_the_mlp_of_the_same_layers_bit_for_bit():
    ours = ModuleClassifier(Net, lr=0.01, batch_size=16, **QUICK).fit(X, y)
    mlp = MLPClassifier(
        preset="simple", hidden_layer_sizes=(8,), lr=0.01, batch_size=16, **QUICK
    )
    assert_same_weights(ours, mlp.fit(X, y))
    assert_array_equal(ours.predict_proba(X), mlp.predict_proba(X))


def test_a_function_trains_like_the_mlp_also_with_dropout():
    settings = {"lr": 0.01, "batch_size": 16, **QUICK}
    ours = ModuleRegressor(as_mlp_with_our_dropout, **settings).fit(X, y)
    mlp = MLPRegressor(
        preset="simple", hidden_layer_sizes=(8, 5), dropout=0.2, **settings
    ).fit(X, y)
    assert_same_weights(ours, mlp)
    assert_array_equal(ours.predict(X), mlp.predict(X))


def test_an_object_made_under_the_same_seed_trains_like_its_class():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(QUICK["random_state"])
        net = Net(4, 3)
    # All rows in one batch: after its weights a class draws other orders than an
    # object, which draws none.
    settings = {"batch_size": len(X), "lr": 0.01, **QUICK}
    ours = ModuleClassifier(net, **settings).fit(X, y)
    assert_same_weights(ours, ModuleClassifier(Net, **settings).fit(X, y))


def test_the_seed_decides_the_weights_and_the_global_one_is_left_alone():
    def first_weights(seed):
        learner = ModuleClassifier(Net, random_state=seed, lr=1e-12, max_epochs=1)
        return weights(learner.fit(X, y))[0]

    before = torch.get_rng_state()
    assert_array_equal(first_weights(1), first_weights(1))
    assert np.abs(first_weights(1) - first_weights(2)).max() > 1e-2
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "net",
    [Net(4, 3, drop=0.3), nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3)).eval()],
    ids=["dropout", "batch normalization"],
)
def test_an_object_is_left_as_it_was_and_each_fit_starts_from_it(net):
    before = copy.deepcopy(net)
    learner = ModuleClassifier(net, batch_size=16, **QUICK)
    first = weights(learner.fit(X, y))
    assert learner.module is net
    assert learner.net_.module_ is not net
    assert net.training == before.training
    for name, value in before.state_dict().items():
        assert torch.equal(net.state_dict()[name], value)
    assert all(p.grad is None for p in net.parameters())
    for a, b in zip(first, weights(learner.fit(X, y)), strict=True):
        assert_array_equal(a, b)
    assert any(
        not np.array_equal(a, p.detach())
        for a, p in zip(first, net.parameters(), strict=True)
    )


def test_an_object_given_as_an_argument_is_copied_too():
    def head_on(body, n_outputs):
        return nn.Sequential(body, nn.Linear(4, n_outputs))

    body = nn.Linear(4, 4)
    before = body.weight.detach().clone()
    learner = ModuleClassifier(head_on, module__body=body, **QUICK).fit(X, y)
    assert torch.equal(body.weight, before)
    assert not torch.equal(learner.net_.module_[0].weight, before)


def test_double_weights_are_trained_as_float_in_a_copy():
    net = Net(4, 3).double()
    learner = ModuleClassifier(net, **QUICK).fit(X, y)
    assert {p.dtype for p in learner.net_.module_.parameters()} == {torch.float32}
    assert {p.dtype for p in net.parameters()} == {torch.float64}


def test_a_trained_module_of_another_learner_can_be_trained_on():
    mlp = MLPClassifier(
        preset="simple", hidden_layer_sizes=(8,), dropout=0.1, **QUICK
    ).fit(X, y)
    before = weights(mlp)
    learner = ModuleClassifier(mlp.net_.module_, **QUICK).fit(X, y)
    for a, b in zip(weights(mlp), before, strict=True):
        assert_array_equal(a, b)
    assert not np.array_equal(weights(learner)[0], before[0])


def test_frozen_weights_of_an_object_stay_as_they_are():
    net = Net(4, 3)
    net.hidden.requires_grad_(False)
    learner = ModuleClassifier(net, lr=0.1, weight_decay=0.1, **QUICK).fit(X, y)
    trained = learner.net_.module_
    assert torch.equal(trained.hidden.weight, net.hidden.weight)
    assert not torch.equal(trained.output.weight, net.output.weight)
    assert not trained.hidden.weight.requires_grad
    restored = pickle.loads(pickle.dumps(learner))
    assert not restored.net_.module_.hidden.weight.requires_grad


def test_weights_of_an_object_can_be_frozen_by_the_learner():
    net = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3))
    learner = ModuleClassifier(net, callbacks=[Freeze(select="0")], **QUICK).fit(X, y)
    for name, value in net[0].state_dict().items():
        assert torch.equal(learner.net_.module_[0].state_dict()[name], value)
    assert all(p.requires_grad for p in net.parameters())


# Arguments


def test_arguments_are_nested_parameters_with_the_defaults_of_the_signature():
    params = ModuleClassifier(Net).get_params()
    nested = {k: v for k, v in params.items() if k.startswith("module__")}
    assert nested == {"module__width": 8, "module__drop": 0.0}
    assert params["module"] is Net
    assert "module__width" not in ModuleClassifier(Net).get_params(deep=False)
    assert not any(k.startswith("module__") for k in ModuleClassifier().get_params())


def test_arguments_can_be_given_to_the_constructor_or_set():
    learners = [
        ModuleClassifier(Net, module__width=5, **QUICK),
        ModuleClassifier(module=Net, **QUICK).set_params(module__width=5),
        ModuleClassifier(**QUICK).set_params(module__width=5, module=Net),
        ModuleClassifier(functools.partial(Net, width=5), **QUICK),
        ModuleClassifier(ModuleCall(Net, width=5), **QUICK),
    ]
    for learner in learners:
        assert learner.get_params()["module__width"] == 5
        assert learner.fit(X, y).net_.module_.hidden.out_features == 5
        assert clone(learner).get_params()["module__width"] == 5
        assert_same_weights(learner, learners[0])


def test_a_clone_does_not_share_arguments():
    learner = ModuleClassifier(Net, module__width=5)
    copied = clone(learner).set_params(module__width=6)
    assert learner.get_params()["module__width"] == 5
    assert copied.get_params()["module__width"] == 6


def test_another_class_starts_from_its_own_defaults():
    learner = ModuleClassifier(Net, module__width=5).set_params(module=as_layers)
    assert learner.get_params()["module__width"] == 8


def test_the_repr_shows_the_arguments_that_were_given():
    text = repr(ModuleClassifier(Net, module__width=5, lr=0.1))
    assert text == "ModuleClassifier(lr=0.1, module=ModuleCall(Net, width=5))"


@pytest.mark.parametrize(
    ("module", "params", "match"),
    [
        (Net, {"module__widht": 3}, "Invalid parameter 'widht'.* Did you mean 'width'"),
        (Net, {"module__width__x": 3}, "Invalid parameter 'width__x'"),
        (lambda *args, **kwargs: None, {"module__width": 3}, "Invalid parameter"),
        (None, {"module__width": 3}, "no parameters to set"),
        (Net(4, 3), {"module__width": 3}, "no parameters to set"),
    ],
    ids=["misspelt", "too deep", "no names", "nothing", "object"],
)
def test_nothing_is_set_where_an_argument_does_not_exist(module, params, match):
    match = f"(?s){match}"
    with pytest.raises(ValueError, match=match):
        ModuleClassifier(module, **params)
    learner = ModuleClassifier(module)
    with pytest.raises(ValueError, match=match):
        learner.set_params(lr=0.5, **params)
    assert learner.lr == 5e-3
    assert learner.module is module


def test_a_call_refuses_arguments_that_do_not_exist():
    with pytest.raises(ValueError, match=r"ModuleCall\(Net\)\. Did you mean 'width'"):
        ModuleCall(Net, widht=3)


def test_a_misspelt_parameter_gets_a_suggestion():
    with pytest.raises(TypeError, match="Did you mean 'module'"):
        ModuleClassifier(modul__width=3)


def test_a_missing_argument_is_named_with_what_to_do():
    learner = ModuleClassifier(Needy, **QUICK)
    expected = (
        "Needy needs 'width'.*spec, n_numeric, n_outputs, .* are filled in.*"
        r"module__width=\.\.\."
    )
    with pytest.raises(ArchitectureError, match=expected):
        learner.fit(X, y)
    assert not hasattr(learner, "net_")
    learner.set_params(module__width=3).fit(X, y)
    assert learner.net_.module_.hidden.out_features == 3


def test_a_required_argument_is_listed_and_can_be_searched():
    learner = ModuleClassifier(Needy, **QUICK)
    assert "module__width" in learner.get_params()
    copied = ModuleClassifier().set_params(**learner.get_params())
    with pytest.raises(ArchitectureError, match="needs 'width'"):
        copied.fit(X, y)
    search = GridSearchCV(learner, {"module__width": [2, 3]}, cv=2).fit(X, y)
    assert search.best_params_["module__width"] in (2, 3)


def test_what_the_data_decide_can_be_given_all_the_same():
    learner = ModuleClassifier(Net, module__n_outputs=2, **QUICK)
    assert clone(learner).get_params()["module__n_outputs"] == 2
    with pytest.raises(ArchitectureError, match=r"\(2, 2\); it must be \(2, 3\)"):
        learner.fit(X, y)
    learner.fit(X, y > 0)
    assert learner.predict_proba(X).shape == (len(X), 2)


@pytest.mark.parametrize("module", [Net, as_layers])
def test_a_grid_over_an_argument_equals_fits_one_by_one(module):
    learner = ModuleClassifier(module, **QUICK)
    search = GridSearchCV(
        learner, {"module__width": [1, 16]}, cv=2, error_score="raise"
    ).fit(X, y)
    best = clone(learner).set_params(**search.best_params_).fit(X, y)
    assert_same_weights(search.best_estimator_, best)
    assert learner.module is module


def test_a_grid_gives_the_same_in_two_processes():
    # Of this function, by value, joblib's processes need not import this file.
    def make(n_numeric, n_outputs, width=2):
        hidden = nn.Linear(n_numeric, width)
        return nn.Sequential(hidden, nn.Tanh(), nn.Linear(width, n_outputs))

    grid = {"module": [make], "module__width": [1, 16]}
    grids = [grid, {"module": [nn.Linear(4, 3)]}]
    alone, together = (
        GridSearchCV(
            ModuleClassifier(**QUICK),
            grids,
            cv=2,
            n_jobs=n_jobs,
            scoring="neg_log_loss",
            error_score="raise",
        ).fit(X, y)
        for n_jobs in (1, 2)
    )
    assert_array_equal(
        alone.cv_results_["mean_test_score"], together.cv_results_["mean_test_score"]
    )


def test_a_grid_reaches_arguments_through_a_pipeline():
    pipeline = make_pipeline(StandardScaler(), ModuleClassifier(Net, **QUICK))
    grid = {"moduleclassifier__module__width": [2, 3]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, y)
    best = search.best_estimator_[-1]
    assert best.net_.module_.hidden.out_features == next(
        iter(search.best_params_.values())
    )


# Output


def test_a_flat_output_is_told_to_unsqueeze():
    class Flat(nn.Module):
        def __init__(self, n_numeric):
            super().__init__()
            self.linear = nn.Linear(n_numeric, 1)

        def forward(self, x):
            return self.linear(x)[:, 0]

    with pytest.raises(ArchitectureError, match=r"\(2,\).*output\.unsqueeze\(1\)"):
        ModuleRegressor(Flat).fit(X, y)
    with pytest.raises(ArchitectureError, match=r"\(2,\); it must be \(2, 3\)[^A]*$"):
        ModuleClassifier(Flat).fit(X, y)


def test_an_output_that_is_no_tensor_is_refused():
    class Pair(Net):
        def forward(self, x):
            return super().forward(x), x

    with pytest.raises(ArchitectureError, match="returns a tuple; it must return a"):
        ModuleClassifier(Pair).fit(X, y)


def test_an_object_of_other_sizes_is_refused():
    with pytest.raises(ArchitectureError, match=r"fails on rows of shape \(2, 4\)"):
        ModuleClassifier(Net(5, 3)).fit(X, y)


@pytest.mark.parametrize("error", [IndexError, TypeError, ValueError, RuntimeError])
def test_a_module_that_raises_on_the_rows_is_named(error):
    class Raising(Net):
        def forward(self, x):
            raise error("no such rows")

    with pytest.raises(ArchitectureError, match="no such rows"):
        ModuleClassifier(Raising).fit(X, y)


# Targets


def test_labels_may_be_strings():
    names = np.array(["a", "b", "c"])[y]
    learner = ModuleClassifier(Net, random_state=0, lr=0.05).fit(X, names)
    assert_array_equal(learner.classes_, ["a", "b", "c"])
    assert learner.score(X, names) > 0.9


def test_targets_may_be_several_numbers():
    X, y = load_diabetes(return_X_y=True)
    Y = np.column_stack([y, -y])
    learner = ModuleRegressor(Net, random_state=0, lr=0.02, max_epochs=40).fit(X, Y)
    assert learner.predict(X).shape == Y.shape
    assert learner.score(X, Y) > 0.4


def test_targets_may_be_several_labels():
    Y = np.column_stack([y == 0, y == 2, y > 0]).astype(int)
    learner = ModuleClassifier(Net, random_state=0, lr=0.05).fit(X, Y)
    assert learner.predict(X).shape == Y.shape
    assert (learner.predict(X) == Y).mean() > 0.9


# State


@pytest.mark.parametrize("form", [form for form in FORMS if form != "lambda"])
def test_a_fitted_learner_can_be_pickled_and_copied(form):
    learner = ModuleClassifier(**FORMS[form], **QUICK).fit(X, y)
    for restored in (pickle.loads(pickle.dumps(learner)), copy.deepcopy(learner)):
        assert_array_equal(restored.predict_proba(X), learner.predict_proba(X))
        assert_same_weights(restored.partial_fit(X, y), clone_trained_on(learner))


def clone_trained_on(learner):
    return copy.deepcopy(learner).partial_fit(X, y)


def test_what_a_module_drew_besides_weights_is_restored():
    learner = ModuleClassifier(RandomFeatures, **QUICK).fit(X, y)
    module = learner.net_.module_
    restored = pickle.loads(pickle.dumps(learner)).net_.module_
    assert torch.equal(restored.directions, module.directions)
    assert torch.equal(restored.shift, module.shift)
    assert restored.n_calls == module.n_calls == learner.n_iter_


def test_a_lambda_trains_but_cannot_be_pickled():
    learner = ModuleClassifier(FORMS["lambda"]["module"], **QUICK).fit(X, y)
    assert_array_equal(
        copy.deepcopy(learner).predict_proba(X), learner.predict_proba(X)
    )
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(learner)


def test_set_params_after_fit_changes_neither_predictions_nor_the_pickle():
    learner = ModuleClassifier(Net, module__width=5, **QUICK).fit(X, y)
    before = learner.predict_proba(X)
    learner.set_params(module__width=9)
    assert_array_equal(learner.predict_proba(X), before)
    restored = pickle.loads(pickle.dumps(learner))
    assert_array_equal(restored.predict_proba(X), before)
    assert restored.get_params()["module__width"] == 9


@pytest.mark.parametrize("module", [Net, RandomFeatures, Net(4, 3)])
def test_a_warm_start_goes_on_where_the_fit_before_stopped(module):
    settings = {"batch_size": 16, "early_stopping": False, "random_state": 0}
    whole = ModuleClassifier(module, max_epochs=6, **settings).fit(X, y)
    parts = ModuleClassifier(module, max_epochs=3, warm_start=True, **settings)
    assert_same_weights(parts.fit(X, y).fit(X, y), whole)
    assert parts.n_iter_ == 6


def test_a_warm_start_with_other_arguments_is_refused():
    learner = ModuleClassifier(Net, warm_start=True, **QUICK).fit(X, y)
    with pytest.raises(ArchitectureError, match="was fitted with"):
        learner.set_params(module__width=9).fit(X, y)


@pytest.mark.parametrize("module", [Net, Net(4, 3)])
def test_partial_fit_trains_one_epoch(module):
    learner = ModuleClassifier(module, random_state=0)
    learner.partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X[:20], y[:20])
    assert learner.n_iter_ == 2
    assert learner.predict(X).shape == y.shape


def test_preprocessing_can_be_left_to_the_module():
    learner = ModuleClassifier(Net, preprocessing=None, **QUICK).fit(X, y)
    rows = torch.tensor(X, dtype=torch.float32)
    with torch.no_grad():
        logits = learner.net_.module_(rows).numpy()
    np.testing.assert_allclose(learner.decision_function(X), logits, atol=1e-5)


# scikit-learn's checks of an object


def test_an_object_passes_every_check_that_its_sizes_and_hash_allow():
    # Lazy inputs, so that one object fits rows of any width.
    module = nn.Sequential(nn.LazyLinear(32), nn.ReLU(), nn.Linear(32, 1))
    # joblib's hash of a torch module is another one for a copy, and that check
    # compares with a copy; above we compare the weights.
    assert joblib.hash(Net(2, 1)) != joblib.hash(copy.deepcopy(Net(2, 1)))
    not_for_it = {"check_regressor_multioutput", "check_estimators_overwrite_params"}
    learner = ModuleRegressor(module, lr=0.01)
    passed = 0
    for estimator, check in estimator_checks_generator(learner):
        name = getattr(check, "func", check).__name__
        if name not in not_for_it | {"check_array_api_input"}:
            check(estimator)
            passed += 1
    assert passed > 50
