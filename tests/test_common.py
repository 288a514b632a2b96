"""Every learner passes all of scikit-learn's checks, with no exception listed."""

import json
from collections import Counter
from pathlib import Path

import pytest
from scikit_learn_checks import name_of, with_checks
from sklearn import neural_network
from sklearn.utils.estimator_checks import estimator_checks_generator
from torch import nn

from torchlearners import (
    GraphClassifier,
    GraphRegressor,
    MLPClassifier,
    MLPRegressor,
    ModuleClassifier,
    ModuleRegressor,
)
from torchlearners.custom import ModuleCall
from torchlearners.discovery import all_learners
from torchlearners.graph import (
    GELU,
    BatchNorm1d,
    Choice,
    Dropout,
    Head,
    Linear,
    ReLU,
    Residual,
)
from torchlearners.training import Quantile

# Where another process finds `scikit_learn_checks`.
OF_TESTS = str(Path(__file__).with_name("testing"))
# Our tag says that X may hold NaN; tests/test_bad_inputs.py tests infinity.
NAN_IS_REFUSED = {"check_estimators_nan_inf"}
SIMPLE = {"preset": "simple", "hidden_layer_sizes": 16}
OTHER_PARAMETERS = [
    {**SIMPLE, "normalization": "layer", "activation": "silu"},
    {**SIMPLE, "normalization": "batch"},
    {**SIMPLE, "hidden_layer_sizes": [16], "optimizer": "lbfgs", "max_epochs": 5},
]


class HiddenLayer(nn.Module):
    def __init__(self, n_numeric, n_outputs, width=8):
        super().__init__()
        self.hidden = nn.Linear(n_numeric, width)
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(0.1)
        self.output = nn.Linear(width, n_outputs)

    def forward(self, x):
        return self.output(self.drop(self.norm(self.hidden(x)).relu()))


def linear_model(spec):
    return nn.Linear(spec.n_numeric, spec.n_outputs)


MODULES = [
    {"module": HiddenLayer, "module__width": 32, "lr": 1e-2},
    # Its repr, of which pytest makes an id, is the same in each process.
    {"module": ModuleCall(linear_model), "lr": 1e-2},
]

BLOCK = Residual(Linear(32) >> BatchNorm1d() >> ReLU() >> Dropout(0.1) >> Linear(32))
PAIR = Choice({"wide": Linear(32), "deep": Linear(16) >> GELU() >> Linear(16)})
NETWORKS = [
    Linear(32) >> BLOCK * 2 >> ReLU() >> Head(),
    PAIR >> ReLU() >> Head(),
]


def check_names(estimator):
    return Counter(name_of(check) for _, check in estimator_checks_generator(estimator))


@with_checks([learner() for _, learner in all_learners()])
def test_every_learner_passes_every_check_with_default_parameters(estimator, check):
    check(estimator)


@with_checks(
    [
        learner(**params)
        for params in OTHER_PARAMETERS
        for learner in (MLPClassifier, MLPRegressor)
    ]
)
def test_mlps_pass_every_check_with_other_parameters(estimator, check):
    check(estimator)


@with_checks(
    [
        MLPRegressor(preset="simple", hidden_layer_sizes=16, loss=loss)
        for loss in ("quantile", Quantile(quantiles=(0.1, 0.9)), "gaussian")
    ]
)
def test_regressors_that_predict_distributions_pass_every_check(estimator, check):
    check(estimator)


@with_checks([MLPRegressor(preset="simple", hidden_layer_sizes=16, loss="gamma")])
def test_regressors_of_positive_values_pass_every_check(estimator, check):
    # This one gives negative y, whatever the tag positive_only says.
    if getattr(check, "func", check).__name__ != "check_regressor_multioutput":
        check(estimator)


@with_checks(
    [
        learner(**params)
        for params in MODULES
        for learner in (ModuleClassifier, ModuleRegressor)
    ]
)
def test_learners_around_a_module_pass_every_check(estimator, check):
    check(estimator)


@with_checks(
    [
        learner(network, lr=1e-2)
        for network in NETWORKS
        for learner in (GraphClassifier, GraphRegressor)
    ]
)
def test_learners_of_a_graph_pass_every_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("learner", [MLPClassifier, MLPRegressor])
def test_our_mlps_get_every_check_that_those_of_scikit_learn_get(learner):
    theirs = check_names(getattr(neural_network, learner.__name__)())
    ours = check_names(learner())
    missing = {name for name in theirs if ours[name] < theirs[name]}
    assert missing <= NAN_IS_REFUSED
    assert ours.total() >= theirs.total()


# The MLPs get all checks; the others, whose checks take long, those else skipped.
@pytest.mark.takes_long("another process runs more than a hundred checks")
def test_no_check_is_skipped_where_scipy_has_the_array_api(run_script):
    code = """
import json
import os
import sys
import unittest
import warnings

sys.path.append(os.environ["OF_TESTS"])
from scikit_learn_checks import FEW_EPOCHS, OF_ACCURACY, name_of
from sklearn.base import clone
from sklearn.utils.estimator_checks import estimator_checks_generator

from torchlearners.discovery import all_learners

warnings.simplefilter("error")
failed, skipped, passed = [], [], []
for name, learner in all_learners():
    cheap = {"preset": "simple"} if name.startswith("MLP") else {}
    for estimator, check in estimator_checks_generator(learner(**cheap)):
        check_name = name_of(check)
        if not name.startswith("MLP") and "array_api" not in check_name:
            continue
        if check_name not in OF_ACCURACY:
            estimator = clone(estimator).set_params(**FEW_EPOCHS)
        label = f"{name}: {check_name}"
        try:
            check(estimator)
        except unittest.SkipTest as reason:
            skipped.append(f"{label}: {reason}")
        except Exception as error:
            failed.append(f"{label}: {error!r}")
        else:
            passed.append(label)
print(json.dumps([failed, skipped, passed]))
"""
    failed, skipped, passed = json.loads(
        run_script(code, timeout=400, SCIPY_ARRAY_API="1", OF_TESTS=OF_TESTS)
    )
    assert failed == []
    assert skipped == []
    for name, learner in all_learners():
        names = check_names(learner())
        if not name.startswith("MLP"):
            names = {check: n for check, n in names.items() if "array_api" in check}
        assert Counter(x for x in passed if x.startswith(f"{name}: ")) == Counter(
            {f"{name}: {check}": count for check, count in names.items()}
        )
