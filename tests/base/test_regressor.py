import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingRegressor,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.multioutput import MultiOutputRegressor, RegressorChain
from sklearn.utils import get_tags

from torchlearners import DummyTorchRegressor, MLPRegressor

rng = np.random.RandomState(0)
X = rng.normal(size=(150, 4))
y = 100 + 10 * X[:, 0] + 5 * X[:, 1] * X[:, 2]
Y = np.column_stack([y, -1e-3 * y + X[:, 3]])


def small(**params):
    defaults = {
        "hidden_layer_sizes": (32,),
        "max_epochs": 60,
        "lr": 0.02,
        "random_state": 0,
    }
    return MLPRegressor(**{**defaults, **params})


def test_predictions_are_float64_in_the_units_and_the_shape_of_y():
    predicted = small().fit(X, y.astype(np.float32)).predict(X.astype(np.float32))
    assert predicted.dtype == np.float64
    assert predicted.shape == (150,)
    assert abs(predicted.mean() - 100) < 1


def test_several_targets_are_learned_together():
    learner = small().fit(X, Y)
    predicted = learner.predict(X)
    assert predicted.shape == (150, 2)
    for k in range(2):
        error = ((predicted[:, k] - Y[:, k]) ** 2).mean()
        assert error < 0.1 * Y[:, k].var()
    assert learner.score(X, Y) > 0.9


@pytest.mark.parametrize(("factor", "offset"), [(2.0**20, 0.0), (2.0**-20, 0.0)])
def test_the_unit_of_the_target_does_not_matter(factor, offset):
    plain = small(max_epochs=10).fit(X, y).predict(X)
    scaled = small(max_epochs=10).fit(X, y * factor + offset).predict(X)
    assert_array_equal(scaled, plain * factor + offset)


def test_a_large_offset_of_the_target_does_not_matter():
    plain = small(max_epochs=10).fit(X, y).predict(X)
    moved = small(max_epochs=10).fit(X, y + 2.0**20).predict(X)
    assert_allclose(moved - 2.0**20, plain, atol=0.01)


def test_a_constant_target_is_predicted_exactly_enough():
    predicted = small().fit(X, np.full(150, 1e6 / 3)).predict(X)
    assert_allclose(predicted, 1e6 / 3, atol=0.5)


def test_extreme_targets_do_not_turn_into_infinity_in_silence():
    with pytest.raises(ValueError, match=r"\by\b"):
        small(max_epochs=1).fit(X, y * 1e200)


def test_the_column_vector_y_gives_a_flat_prediction():
    with pytest.warns(UserWarning, match="column-vector y"):
        learner = small(max_epochs=5).fit(X, y[:, None])
    flat = small(max_epochs=5).fit(X, y)
    assert_array_equal(learner.predict(X), flat.predict(X))


def test_partial_fit_refuses_a_target_with_another_number_of_columns():
    learner = small(max_epochs=1).fit(X, Y)
    with pytest.raises(ValueError, match="y has 1 columns, but the first fit had 2"):
        learner.partial_fit(X, y)


def test_partial_fit_keeps_the_scale_of_the_first_call():
    learner = small().partial_fit(X, y)
    center = learner._target.center.copy()
    before = learner.predict(X)
    learner.partial_fit(X, y + 1000)
    assert_array_equal(learner._target.center, center)
    assert not np.array_equal(learner.predict(X), before)


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_every_loss_for_values_learns(loss):
    assert small(loss=loss).fit(X, y).score(X, y) > 0.9


def test_a_regressor_predicts_no_probabilities():
    learner = small(max_epochs=1).fit(X, y)
    assert not hasattr(learner, "predict_proba")
    assert not hasattr(learner, "decision_function")
    assert not hasattr(learner, "classes_")


def test_tags_tell_what_a_regressor_can_do():
    tags = get_tags(MLPRegressor())
    assert tags.estimator_type == "regressor"
    assert tags.target_tags.multi_output
    assert tags.target_tags.required
    assert not tags.regressor_tags.poor_score
    assert is_regressor(MLPRegressor())
    assert get_tags(DummyTorchRegressor()).regressor_tags.poor_score


META = {
    "bagging": BaggingRegressor(small(), n_estimators=3, random_state=0),
    "stacking": StackingRegressor([("mlp", small()), ("linear", Ridge())], cv=3),
    "voting": VotingRegressor([("mlp", small()), ("linear", Ridge())]),
    "boosting": AdaBoostRegressor(small(), n_estimators=3, random_state=0),
    "log target": TransformedTargetRegressor(small(), func=np.log, inverse_func=np.exp),
    "search": GridSearchCV(small(), {"lr": [1e-6, 0.02]}, cv=2, error_score="raise"),
}


@pytest.mark.parametrize("name", META)
def test_scikit_learns_tools_learn_with_our_regressor(name):
    meta = clone(META[name]).fit(X, y)
    assert meta.score(X, y) > 0.9
    assert_array_equal(meta.predict(X), clone(META[name]).fit(X, y).predict(X))


@pytest.mark.parametrize("tool", [MultiOutputRegressor, RegressorChain])
def test_several_targets_are_learned_by_one_regressor_each(tool):
    assert tool(small()).fit(X, Y).score(X, Y) > 0.9


def test_cross_validation_predicts_each_row_from_the_other_folds():
    predicted = cross_val_predict(small(), X, y, cv=3)
    assert 1 - ((predicted - y) ** 2).mean() / y.var() > 0.7
