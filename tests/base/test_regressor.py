import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm
from sklearn.base import clone, is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingRegressor,
    HistGradientBoostingRegressor,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import QuantileRegressor, Ridge
from sklearn.metrics import make_scorer, mean_pinball_loss
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.multioutput import MultiOutputRegressor, RegressorChain
from sklearn.utils import get_tags
from torch import nn

from torchlearners import (
    DummyTorchRegressor,
    GraphRegressor,
    MLPClassifier,
    MLPRegressor,
    ModuleRegressor,
)
from torchlearners.callbacks import Checkpoint
from torchlearners.graph import Head, Linear, ReLU
from torchlearners.training import Quantile

rng = np.random.RandomState(0)
X = rng.normal(size=(150, 4))
y = 100 + 10 * X[:, 0] + 5 * X[:, 1] * X[:, 2]
Y = np.column_stack([y, -1e-3 * y + X[:, 3]])


def small(**params):
    defaults = {
        "preset": "simple",
        "hidden_layer_sizes": (32,),
        "max_epochs": 60,
        "lr": 0.02,
        "random_state": 0,
    }
    return MLPRegressor(**{**defaults, **params})


def test_predictions_are_in_the_units_and_the_shape_of_y():
    predicted = small().fit(X, y).predict(X)
    assert predicted.dtype == np.float64
    assert predicted.shape == (150,)
    assert abs(predicted.mean() - 100) < 1


@pytest.mark.parametrize("loss", ["mse", "gaussian", "quantile"])
@pytest.mark.parametrize("n_ensemble", [1, 2])
def test_float32_rows_have_float32_values(loss, n_ensemble):
    learner = small(loss=loss, n_ensemble=n_ensemble, max_epochs=1).fit(X, Y)
    rows = X.astype(np.float32)
    methods = {"predict", "predict_quantiles", "predict_std"}
    for method in (m for m in methods if hasattr(learner, m)):
        predict = getattr(learner, method)
        expected, found = predict(rows.astype(np.float64)), predict(rows)
        assert (expected.dtype, found.dtype) == (np.float64, np.float32)
        assert_array_equal(found, expected.astype(np.float32))


def test_values_beyond_float32_stay_float64():
    rows = X.astype(np.float32)
    for unit in (1e-60, 1e60):
        predicted = small(max_epochs=1).fit(rows, unit * y).predict(rows)
        assert predicted.dtype == np.float64
        assert np.isfinite(predicted).all()
        assert (predicted > 0).all()


@pytest.mark.parametrize("loss", ["mse", "gaussian", "quantile", "poisson"])
def test_a_target_of_one_value_is_predicted_exactly(loss):
    Y_one = np.column_stack([y, np.full(len(y), 7.1)])
    learner = small(loss=loss, max_epochs=1).fit(X, Y_one)
    predicted = learner.predict(X)
    assert (predicted[:, 1] == 7.1).all()
    assert np.ptp(predicted[:, 0]) > 0
    if loss == "gaussian":
        assert (learner.predict_std(X)[:, 1] == 0).all()
        assert (learner.predict_quantiles(X)[:, 1] == 7.1).all()


def test_a_target_that_varies_later_is_learned_later():
    learner = small().partial_fit(X, np.full(len(y), 100.0))
    assert (learner.predict(X) == 100).all()
    before = learner._target.highest.copy()
    with pytest.raises(ValueError, match="NaN"):
        learner.partial_fit(X, np.full(len(y), np.nan))
    assert learner._target.highest == before
    assert np.ptp(learner.partial_fit(X, y).predict(X)) > 0


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
    tags = get_tags(MLPRegressor(preset="simple"))
    assert tags.estimator_type == "regressor"
    assert tags.target_tags.multi_output
    assert tags.target_tags.required
    assert not tags.regressor_tags.poor_score
    assert is_regressor(MLPRegressor(preset="simple"))
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


# Quantiles and standard deviations

NOISE_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def noisy(n_rows, seed, unit=1.0):
    """Return rows with normal noise that grows with the first feature, and its size."""
    rng = np.random.RandomState(seed)
    X = rng.uniform(-1, 1, size=(n_rows, 2))
    std = 0.3 * np.exp(X[:, 0])
    y = 5 + X[:, 1] + std * rng.normal(size=n_rows)
    return X, unit * y, unit * std


@pytest.fixture(scope="module", params=["quantile", "gaussian"])
def calibrated(request):
    X, y, _ = noisy(4000, seed=0)
    return small(loss=request.param, hidden_layer_sizes=(16,), lr=5e-3).fit(X, y)


@pytest.mark.parametrize("side", ["quiet", "loud", "both"])
def test_quantiles_cover_their_share_of_new_rows(calibrated, side):
    X, y, std = noisy(4000, seed=1)
    loud = std > np.median(std)
    rows = {"quiet": ~loud, "loud": loud, "both": loud | ~loud}[side]
    below = y[rows, None] < calibrated.predict_quantiles(X[rows], NOISE_QUANTILES)
    # Four standard deviations of the difference of two binomial shares: of the new
    # rows, and of as many that the network was trained on.
    levels = np.array(NOISE_QUANTILES)
    bound = 4 * np.sqrt(2 * levels * (1 - levels) / rows.sum())
    assert (np.abs(below.mean(axis=0) - levels) < bound).all()


def test_quantiles_follow_the_noise(calibrated):
    X, _, std = noisy(1000, seed=2)
    quantiles = calibrated.predict_quantiles(X)
    assert quantiles.shape == (1000, 5)
    assert quantiles.dtype == np.float64
    assert (np.diff(quantiles) >= 0).all()
    width = quantiles[:, 3] - quantiles[:, 1]
    # Half of a normal distribution is within 0.6745 standard deviations of its mean.
    off = np.abs(width / (2 * 0.6745 * std) - 1)
    assert np.median(off) < 0.15
    assert np.corrcoef(width, std)[0, 1] > 0.97


def test_a_standard_deviation_is_that_of_the_noise():
    X, y, _ = noisy(4000, seed=0)
    learner = small(loss="gaussian", hidden_layer_sizes=(16,), lr=5e-3).fit(X, y)
    X, y, std = noisy(1000, seed=2)
    predicted = learner.predict_std(X)
    assert predicted.shape == (1000,)
    assert predicted.dtype == np.float64
    assert_allclose(predicted, std, rtol=0.35)
    errors = (learner.predict(X) - y) / predicted
    assert abs(errors.std() - 1) < 4 / np.sqrt(2 * 1000)


def constant(loss):
    y = np.random.RandomState(0).gamma(2.0, size=199)
    learner = DummyTorchRegressor(loss=loss, lr=0.03, max_epochs=1000, random_state=0)
    return y, learner.set_params(early_stopping=False).fit(np.zeros((199, 1)), y)


def test_quantiles_of_a_constant_network_are_those_of_y():
    y, learner = constant("quantile")
    found = learner.predict_quantiles([[0.0]])[0]
    shares = (y[:, None] < found).mean(axis=0)
    assert_allclose(shares, NOISE_QUANTILES, atol=2 / 199)


def test_the_normal_distribution_of_a_constant_network_has_the_moments_of_y():
    y, learner = constant("gaussian")
    assert_allclose(learner.predict([[0.0]]), y.mean(), rtol=1e-3)
    assert_allclose(learner.predict_std([[0.0]]), y.std(), rtol=1e-3)
    expected = norm(y.mean(), y.std()).ppf([0.01, 0.9])
    found = learner.predict_quantiles([[0.0]], [0.01, 0.9])[0]
    assert_allclose(found, expected, rtol=2e-3)


@pytest.mark.parametrize("loss", ["quantile", "gaussian"])
@pytest.mark.parametrize("unit", [2.0**10, 2.0**-10])
def test_quantiles_and_deviations_have_the_unit_of_y(loss, unit):
    X, y, _ = noisy(150, seed=0)
    plain = small(loss=loss, max_epochs=10).fit(X, y)
    scaled = small(loss=loss, max_epochs=10).fit(X, y * unit)
    assert_array_equal(scaled.predict_quantiles(X), plain.predict_quantiles(X) * unit)
    if loss == "gaussian":
        assert_array_equal(scaled.predict_std(X), plain.predict_std(X) * unit)


@pytest.mark.parametrize("loss", ["quantile", "gaussian"])
def test_targets_a_thousand_times_as_large_have_such_quantiles(loss):
    X, y, _ = noisy(150, seed=0)
    plain = small(loss=loss, max_epochs=10).fit(X, y).predict_quantiles(X)
    moved = small(loss=loss, max_epochs=10).fit(X, 1000 * y + 7).predict_quantiles(X)
    assert_allclose(moved, 1000 * plain + 7, rtol=1e-3)


@pytest.mark.parametrize("loss", ["quantile", "gaussian"])
def test_several_targets_have_quantiles_each(loss):
    learner = small(loss=loss).fit(X, Y)
    quantiles = learner.predict_quantiles(X, [0.25, 0.5])
    assert quantiles.shape == (150, 2, 2)
    assert_allclose(quantiles[:, :, 1], learner.predict(X), rtol=1e-6)
    assert learner.score(X, Y) > 0.8
    # Each has its own unit: the second target is a thousandth of the first.
    widths = (quantiles[:, :, 1] - quantiles[:, :, 0]).mean(axis=0)
    assert (widths < Y.std(axis=0)).all()
    assert learner._spec.n_outputs == 2 * learner.net_.criterion_.loss.outputs_per_value
    if loss == "gaussian":
        assert learner.predict_std(X).shape == (150, 2)


def test_the_prediction_is_the_median():
    learner = small(loss="quantile").fit(X, y)
    assert_array_equal(learner.predict(X), learner.predict_quantiles(X, 0.5)[:, 0])
    upper = small(loss=Quantile(quantiles=(0.8, 0.9))).fit(X, y)
    assert_array_equal(upper.predict(X), upper.predict_quantiles(X, 0.8)[:, 0])


def test_quantiles_come_in_the_order_in_which_they_are_asked_for():
    learner = small(loss="quantile", max_epochs=5).fit(X, y)
    found = learner.predict_quantiles(X, [0.9, 0.1, 0.5])
    assert_array_equal(
        found, learner.predict_quantiles(X, [0.1, 0.5, 0.9])[:, [2, 0, 1]]
    )
    assert_array_equal(
        learner.predict_quantiles(X), learner.predict_quantiles(X, NOISE_QUANTILES)
    )


@pytest.mark.parametrize("asked", [0.0, [0.5, 1.0], [np.nan], [], [[0.5]]])
def test_what_is_no_quantile_is_refused(asked):
    learner = small(loss="gaussian", max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match=r"quantiles must be .* in \(0, 1\), got"):
        learner.predict_quantiles(X, asked)


def test_quantiles_beyond_the_trained_ones_are_refused():
    learner = small(loss="quantile", max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match=r"0\.05 to 0\.95, got \[0\.99\]"):
        learner.predict_quantiles(X, 0.99)


@pytest.mark.parametrize(
    ("loss", "has"),
    [
        ("auto", ()),
        ("huber", ()),
        (lambda output, target: (output - target).abs(), ()),
        ("quantile", ("predict_quantiles",)),
        (Quantile, ("predict_quantiles",)),
        (Quantile(quantiles=(0.5,)), ("predict_quantiles",)),
        ("gaussian", ("predict_quantiles", "predict_std")),
    ],
)
def test_methods_are_there_where_the_loss_tells_what_they_need(loss, has):
    learner = small(loss=loss, max_epochs=1)
    for method in ("predict_quantiles", "predict_std"):
        assert hasattr(learner, method) == (method in has)
        assert hasattr(clone(learner).fit(X, y), method) == (method in has)


def test_the_error_of_a_missing_method_names_the_remedy():
    learner = small(max_epochs=1).fit(X, y)
    with pytest.raises(AttributeError) as error:
        learner.predict_quantiles(X)
    assert 'loss="quantile" or loss="gaussian"' in str(error.value)
    with pytest.raises(AttributeError) as error:
        learner.predict_std(X)
    assert 'Fit with loss="gaussian"' in str(error.value)


@pytest.mark.parametrize("method", ["predict_quantiles", "predict_std"])
def test_nothing_is_predicted_before_fit(method):
    with pytest.raises(NotFittedError):
        getattr(small(loss="gaussian"), method)(X)


@pytest.mark.parametrize("loss", ["quantile", "gaussian"])
def test_a_loss_of_distributions_is_not_for_classes(loss):
    learner = MLPClassifier(preset="simple", loss=loss)
    with pytest.raises(ValueError, match="is for values, but the target holds classes"):
        learner.fit(X, y > 100)
    assert not hasattr(learner, "net_")


def test_what_was_fitted_is_read_as_it_was_fitted():
    learner = small(loss=Quantile(), max_epochs=3).fit(X, y)
    before = learner.predict_quantiles(X)
    learner.set_params(loss__quantiles=(0.1, 0.9))
    assert_array_equal(learner.predict_quantiles(X), before)
    learner.set_params(loss="mse")
    assert_array_equal(learner.predict_quantiles(X), before)


@pytest.mark.parametrize("loss", ["mse", "quantile", Quantile(quantiles=(0.5,))])
def test_training_goes_on_with_as_many_outputs_as_before(loss):
    learner = small(loss="gaussian", max_epochs=2, warm_start=True).fit(X, y)
    before = learner.predict_quantiles(X)
    with pytest.raises(ValueError, match=r"needs \d outputs .* fitted before has 2"):
        learner.set_params(loss=loss).fit(X, y)
    with pytest.raises(ValueError, match="Set the loss of that fit again"):
        learner.partial_fit(X, y)
    assert_array_equal(learner.predict_quantiles(X), before)
    learner.set_params(loss="gaussian").fit(X, y)
    assert learner.n_iter_ == 4


@pytest.mark.parametrize("loss", ["quantile", "gaussian"])
def test_training_goes_on_by_warm_start_and_partial_fit(loss):
    once = small(loss=loss, max_epochs=6).fit(X, y)
    assert once.history_[-1]["train_loss"] < once.history_[0]["train_loss"]
    twice = small(loss=loss, max_epochs=3, warm_start=True).fit(X, y)
    assert twice.fit(X, y).n_iter_ == 6
    steps = small(loss=loss)
    for _ in range(6):
        steps.partial_fit(X, y)
    losses = [learner.history_[:, "train_loss"] for learner in (twice, steps)]
    assert_allclose(losses[0][:3], losses[1][:3], rtol=1e-5)
    assert losses[1][5] < losses[1][0]


@pytest.mark.parametrize("loss", [Quantile(quantiles=(0.1, 0.9)), "gaussian"])
def test_a_pickled_learner_predicts_the_same_distributions(loss):
    learner = small(loss=loss, max_epochs=3).fit(X, Y)
    copied = pickle.loads(pickle.dumps(learner))
    assert_array_equal(copied.predict(X), learner.predict(X))
    assert_array_equal(copied.predict_quantiles(X), learner.predict_quantiles(X))


@pytest.mark.parametrize("loss", ["quantile", "gaussian"])
def test_a_resumed_training_predicts_the_same_distributions(loss, tmp_path):
    through = small(loss=loss, max_epochs=6).fit(X, y)
    checkpoint = Checkpoint(folder=tmp_path)
    small(loss=loss, max_epochs=3, callbacks=[checkpoint]).fit(X, y, resume=tmp_path)
    resumed = small(loss=loss, max_epochs=6, callbacks=[checkpoint])
    resumed.fit(X, y, resume=tmp_path)
    assert_array_equal(resumed.predict_quantiles(X), through.predict_quantiles(X))


@pytest.mark.parametrize("loss", ["quantile", "gaussian"])
def test_measures_judge_the_point_and_early_stopping_the_loss(loss):
    X, y, _ = noisy(400, seed=0)
    X_val, y_val, _ = noisy(200, seed=1)
    learner = small(
        loss=loss,
        measures_valid=["loss", "r2", "neg_mean_absolute_error"],
        early_stopping=True,
        patience=3,
        max_epochs=40,
    ).fit(X, y, X_val=X_val, y_val=y_val)
    assert learner.best_score_ == min(learner.history_[:, "valid_loss"])
    best = learner.history_[learner.best_epoch_ - 1]
    assert_allclose(best["valid_r2"], learner.score(X_val, y_val), rtol=1e-6)
    errors = np.abs(learner.predict(X_val) - y_val)
    assert_allclose(best["valid_neg_mean_absolute_error"], -errors.mean(), rtol=1e-6)
    if loss == "gaussian":
        std = learner.predict_std(X_val)
        expected = -norm(learner.predict(X_val), std).logpdf(y_val).mean()
        scale = np.log(learner._target.scale[0])
        assert_allclose(best["valid_loss"] + scale, expected, rtol=1e-4)


def test_a_scorer_of_the_users_sees_point_predictions():
    seen = []

    def scorer(estimator, X, y):
        seen.append(estimator.predict(X[:7]).shape)
        return float(-np.abs(estimator.predict(X) - y).mean())

    small(loss="quantile", measures_valid={"mine": scorer}, max_epochs=2).fit(
        X[:100], y[:100], X_val=X[100:], y_val=y[100:]
    )
    assert seen == [(7,), (7,)]


@pytest.mark.parametrize("loss", ["quantile", "gaussian"])
def test_weights_of_training_rows_are_repetition(loss):
    times = np.random.RandomState(0).randint(0, 3, size=150)
    settings = {"loss": loss, "max_epochs": 10, "early_stopping": False}
    weighted = small(**settings).fit(X, y, sample_weight=times)
    repeated = small(**settings).fit(np.repeat(X, times, 0), np.repeat(y, times))
    assert_allclose(
        weighted.predict_quantiles(X), repeated.predict_quantiles(X), rtol=1e-4
    )


def test_a_search_finds_the_quantiles_for_a_pinball_loss():
    scoring = make_scorer(mean_pinball_loss, alpha=0.9, greater_is_better=False)
    grid = {"loss__quantiles": [(0.1,), (0.1, 0.5, 0.9), (0.9,)]}
    X, y, _ = noisy(300, seed=0)
    learner = small(loss="quantile", max_epochs=20)
    search = GridSearchCV(learner, grid, scoring=scoring, cv=2, error_score="raise")
    # Of those, the last one alone predicts the quantile that the score is for.
    assert search.fit(X, y).best_params_ == {"loss__quantiles": (0.9,)}


def test_quantiles_are_as_good_as_those_of_scikit_learn():
    X, y = load_diabetes(return_X_y=True)
    at = (0.1, 0.5, 0.9)

    def cost(predicted):
        return np.mean(
            [
                mean_pinball_loss(y[rows], predicted[rows, i], alpha=alpha)
                for rows in (slice(300, None),)
                for i, alpha in enumerate(at)
            ]
        )

    def of(make):
        return np.column_stack([make(a).fit(X[:300], y[:300]).predict(X) for a in at])

    linear = cost(of(lambda a: QuantileRegressor(quantile=a, alpha=0)))
    trees = cost(
        of(
            lambda a: HistGradientBoostingRegressor(
                loss="quantile", quantile=a, max_iter=30, random_state=0
            )
        )
    )
    for loss in ("quantile", "gaussian"):
        learner = small(loss=loss, hidden_layer_sizes=(16,), lr=2e-3, max_epochs=100)
        ours = cost(learner.fit(X[:300], y[:300]).predict_quantiles(X, at))
        assert ours < 1.05 * min(linear, trees)


def test_networks_of_graphs_and_modules_have_the_outputs_they_need():
    graph = GraphRegressor(Linear(8) >> ReLU() >> Head(), loss="quantile", max_epochs=2)
    assert graph.fit(X, Y).predict_quantiles(X).shape == (150, 2, 5)

    def linear(n_numeric, n_outputs):
        return nn.Linear(n_numeric, n_outputs)

    module = ModuleRegressor(linear, loss="gaussian", max_epochs=2)
    assert module.fit(X, Y).predict_std(X).shape == (150, 2)
