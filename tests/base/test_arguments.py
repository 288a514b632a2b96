import inspect
import re

import numpy as np
import pandas as pd
import pytest

import torchlearners
from torchlearners import MLPClassifier, MLPRegressor
from torchlearners.base._arguments import names_of_validation_rows

X, y = np.arange(40.0).reshape(40, 1), np.arange(40) % 2


def small(cls=MLPClassifier, **params):
    return cls(preset="simple", hidden_layer_sizes=(4,), max_epochs=1, **params)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"eval_set": [(X, y)]},
            "'eval_set'. Give validation rows as X_val",
        ),
        ({"validation_data": (X, y)}, "Give validation rows as X_val and y_val."),
        ({"max_epochs": 3}, "of the constructor: MLPClassifier(max_epochs=...)."),
        ({"sample_weigth": y}, "Did you mean 'sample_weight'?"),
        ({"max_epoch": 3}, "Did you mean 'max_epochs'?"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_an_unknown_argument_is_told_what_to_write(method, given, told):
    learner = small()
    with pytest.raises(TypeError, match=re.escape(told)) as error:
        getattr(learner, method)(X, y, **given)
    assert f"MLPClassifier.{method}() got an unexpected" in str(error.value)
    assert not hasattr(learner, "net_")


def test_the_signature_of_fit_stays_readable():
    assert list(inspect.signature(MLPClassifier.fit).parameters)[:4] == [
        "self",
        "X",
        "y",
        "sample_weight",
    ]


@pytest.mark.parametrize(
    ("cls", "given", "told"),
    [
        (MLPRegressor, {"X_val": [[np.inf]], "y_val": [1]}, "Input X_val contains inf"),
        (MLPRegressor, {"X_val": [[1]], "y_val": [np.nan]}, "Input y_val contains NaN"),
        (MLPRegressor, {"X_val": [[1, 2]], "y_val": [1]}, "X_val has 2 features, but"),
        (MLPClassifier, {"X_val": [[1]], "y_val": [4]}, "`y_val` has classes not in"),
        (
            MLPClassifier,
            {"X_val": [[1]], "y_val": [0, 1]},
            "In X_val, y_val or sam",
        ),
        (MLPClassifier, {"X_val": [[1]]}, "X_val and y_val must be given together"),
        (
            MLPClassifier,
            {"X_val": [[1]], "y_val": [0], "sample_weight_val": [-1]},
            "Negative values in data passed to `sample_weight_val`",
        ),
    ],
)
def test_errors_of_validation_rows_name_them(cls, given, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        small(cls).fit(X, y, **given)


def test_the_users_own_names_stay_as_they_are():
    with (
        pytest.raises(ValueError, match="X_val lacks column 'X'"),
        names_of_validation_rows(),
    ):
        raise ValueError("X lacks column 'X'")


@pytest.mark.parametrize("container", [list, np.array, pd.Series])
def test_text_as_the_target_of_a_regressor_is_told_the_remedy(container):
    values = container(["cheap", "dear"] * 20)
    with pytest.raises(ValueError, match="has 'cheap'"):
        small(MLPRegressor).fit(X, values)


def test_quantiles_without_their_loss_are_told_which_losses_have_them():
    learner = small(MLPRegressor).fit(X, y)
    assert not hasattr(learner, "predict_quantiles")
    with pytest.raises(AttributeError, match=r'Fit with loss="quantile" or'):
        learner.predict_quantiles(X)


def test_a_measure_that_others_call_otherwise_is_suggested():
    with pytest.raises(ValueError, match="Did you mean 'accuracy'"):
        small(measures_valid="acc").fit(X, y)


def test_a_family_is_told_its_learners():
    with pytest.raises(AttributeError, match="'MLPClassifier' or 'MLPRegressor'"):
        _ = torchlearners.MLP
