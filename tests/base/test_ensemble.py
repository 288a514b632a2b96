import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scikit_learn_checks import name_of, with_checks
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from torchlearners import (
    MLPClassifier,
    MLPRegressor,
    ModernNCARegressor,
    TabMClassifier,
    TabMRegressor,
    TabNetClassifier,
)
from torchlearners.callbacks import Checkpoint, callback
from torchlearners.training import Quantile

X, Y = make_classification(90, 5, n_informative=3, n_classes=3, random_state=0)
LETTERS = np.array(["a", "b", "c"])[Y]
X_R, Y_R = make_regression(90, 5, noise=10.0, random_state=0)
X_VAL, Y_VAL = X[::3] + 0.1, Y[::3]

QUICK = {
    "preset": "simple",
    "hidden_layer_sizes": (8,),
    "max_epochs": 6,
    "lr": 0.02,
    "batch_size": 32,
    "random_state": 0,
}


def classifier(**params):
    return MLPClassifier(**{**QUICK, **params})


def regressor(**params):
    return MLPRegressor(**{**QUICK, **params})


def mean(fitted, method, *args):
    return np.mean([getattr(m, method)(*args) for m in fitted.members_], axis=0)


# Members


def test_a_single_network_has_no_members():
    fitted = classifier().fit(X, Y)
    assert fitted.members_ is None
    assert fitted.oof_prediction_ is None
    assert fitted.temperature_ is None


def test_members_are_fitted_learners_of_the_same_class_that_differ():
    fitted = classifier(n_ensemble=3, early_stopping=True, dropout=0.1).fit(X, LETTERS)
    assert [type(member) for member in fitted.members_] == 3 * [MLPClassifier]
    assert len({member.seed_ for member in fitted.members_}) == 3
    seen = [member.predict_proba(X).tobytes() for member in fitted.members_]
    assert len(set(seen)) == 3
    assert_array_equal(fitted.classes_, ["a", "b", "c"])
    assert fitted.n_features_in_ == 5


def test_members_do_not_depend_on_how_many_follow():
    alone = classifier().fit(X, Y).predict_proba(X)
    two, three = (classifier(n_ensemble=n).fit(X, Y).members_ for n in (2, 3))
    # But for rounding, since small networks are trained together.
    assert_allclose(two[0].predict_proba(X), alone, rtol=1e-4)
    for ours, theirs in zip(two, three[:2], strict=True):
        assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-4)


def test_what_tells_of_one_training_is_that_of_the_first_member():
    fitted = classifier(n_ensemble=2, early_stopping=True).fit(X, Y)
    first = fitted.members_[0]
    assert fitted.net_ is first.net_
    assert fitted.history_ is first.history_
    assert fitted.best_epoch_ == first.best_epoch_
    assert fitted.seed_ == first.seed_ == 0
    assert fitted.intermediate(X, "relu_1").shape == (90, 8)


def test_members_of_each_fold_stand_together():
    fitted = classifier(n_ensemble=2, n_folds=3).fit(X, Y)
    assert len(fitted.members_) == 6
    rows = [
        len(dict(m.net_.identity)) and m.net_.identity["number of training rows"]
        for m in fitted.members_
    ]
    assert rows == 6 * [60]
    # Those of a fold have the same features scaled by the same rows.
    centers = [m._schema.center.tobytes() for m in fitted.members_]
    assert len(set(centers)) == 3
    assert centers[::2] == centers[1::2]


def test_the_fold_left_out_stops_a_member():
    fitted = classifier(n_folds=3, patience=2, max_epochs=50, lr=0.1).fit(X, Y)
    for member in fitted.members_:
        assert member.net_.identity["number of validation rows"] == 30
        assert member.best_epoch_ is not None
    assert any(member.stopped_epoch_ for member in fitted.members_)


# What is predicted


def test_probabilities_are_means_over_the_members():
    fitted = classifier(n_ensemble=3).fit(X, LETTERS)
    proba = fitted.predict_proba(X)
    assert_allclose(proba, mean(fitted, "predict_proba", X), rtol=1e-10)
    assert_array_equal(fitted.predict(X), fitted.classes_[proba.argmax(axis=1)])
    logits = fitted.decision_function(X)
    assert_allclose(np.exp(logits), proba)
    two = classifier(n_ensemble=2).fit(X, Y > 0)
    proba = mean(two, "predict_proba", X)
    assert_allclose(two.decision_function(X), np.log(proba[:, 1] / proba[:, 0]))


def test_probabilities_of_labels_are_means_over_the_members():
    labels = np.column_stack([Y > 0, Y > 1]).astype(int)
    fitted = classifier(n_ensemble=3).fit(X, labels)
    proba = fitted.predict_proba(X)
    assert_allclose(proba, mean(fitted, "predict_proba", X))
    assert_array_equal(fitted.predict(X), proba > 0.5)


def test_probabilities_near_zero_do_not_vanish():
    fitted = classifier(n_ensemble=2, lr=0.5, max_epochs=30).fit(X, Y)
    assert np.isfinite(fitted.decision_function(1e5 * X)).all()


def test_values_are_means_over_the_members():
    for targets in (Y_R, np.column_stack([Y_R, -Y_R])):
        fitted = regressor(n_ensemble=3).fit(X_R, targets)
        assert_allclose(fitted.predict(X_R), mean(fitted, "predict", X_R))
        assert fitted.predict(X_R).shape == targets.shape


def test_quantiles_are_means_of_quantiles():
    loss = Quantile(quantiles=(0.1, 0.5, 0.9))
    fitted = regressor(n_ensemble=3, loss=loss).fit(X_R, Y_R)
    found = fitted.predict_quantiles(X_R, [0.1, 0.3])
    assert_allclose(found, mean(fitted, "predict_quantiles", X_R, [0.1, 0.3]))
    assert (np.diff(fitted.predict_quantiles(X_R)) >= 0).all()
    assert_allclose(fitted.predict(X_R), fitted.predict_quantiles(X_R)[:, 1])


@pytest.mark.parametrize("targets", [Y_R, np.column_stack([Y_R, -Y_R])])
def test_of_gaussians_mean_and_variance_are_those_of_the_mixture(targets):
    fitted = regressor(n_ensemble=2, loss="gaussian").fit(X_R, targets)
    row, rng = X_R[:1], np.random.RandomState(0)
    mean, std = fitted.predict(row), fitted.predict_std(row)
    noise = rng.normal(size=(10**6, *targets.shape[1:]))
    draws = np.concatenate(
        [m.predict(row) + m.predict_std(row) * noise for m in fitted.members_]
    )
    assert mean.shape == std.shape == (1, *targets.shape[1:])
    assert_allclose(mean[0], draws.mean(axis=0), rtol=0.02)
    assert_allclose(std[0], draws.std(axis=0), rtol=0.01)
    found = fitted.predict_quantiles(row, [0.5, 0.8413447])
    assert found.shape == (1, *targets.shape[1:], 2)
    assert_allclose(found[..., 0], mean)
    assert_allclose(found[..., 1] - found[..., 0], std, rtol=1e-6)


def test_members_within_a_network_come_side_by_side():
    params = {"k": 3, "width": 8, "num_embeddings": None, "max_epochs": 2}
    fitted = TabMClassifier(n_ensemble=2, random_state=0, **params).fit(X, Y)
    found = fitted.predict_members(X)
    assert found.shape == (90, 6, 3)
    assert_allclose(found.mean(axis=1), fitted.predict_proba(X), rtol=1e-5)
    fitted = TabMRegressor(n_ensemble=2, random_state=0, **params).fit(X_R, Y_R)
    found = fitted.predict_members(X_R)
    assert found.shape == (90, 6, 1)
    assert_allclose(fitted.predict_std(X_R), found[..., 0].std(axis=1))


def test_learners_with_more_than_weights_have_members_too():
    nca = ModernNCARegressor(dim=8, num_embeddings=None, max_epochs=2, n_folds=2)
    fitted = clone(nca).set_params(random_state=0).fit(X_R, Y_R)
    again = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(again.predict(X_R), fitted.predict(X_R))
    tabnet = TabNetClassifier(n_d=4, n_a=4, max_epochs=2, n_ensemble=2).fit(X, Y)
    assert tabnet.feature_importances_.shape == (5,)


# Out of fold


def test_out_of_fold_predictions_are_those_of_members_that_did_not_see_the_row():
    fitted = classifier(n_folds=3, preprocessing=None).fit(X, LETTERS)
    assert fitted.oof_prediction_.shape == (90, 3)
    proba = np.stack([m.predict_proba(X) for m in fitted.members_])
    same = np.isclose(proba, fitted.oof_prediction_).all(axis=2)
    assert_array_equal(same.sum(axis=0), 1)
    assert_array_equal(same.sum(axis=1), 30)
    # The member was stopped by these rows: its best validation loss is theirs.
    for member, rows in zip(fitted.members_, same, strict=True):
        loss = log_loss(LETTERS[rows], fitted.oof_prediction_[rows])
        assert loss == pytest.approx(member.best_score_, rel=1e-4)


def test_out_of_fold_predictions_of_regressors_have_the_shape_of_y():
    for targets in (Y_R, np.column_stack([Y_R, -Y_R])):
        fitted = regressor(n_folds=3, n_ensemble=2).fit(X_R, targets)
        values = np.stack([m.predict(X_R) for m in fitted.members_])
        values = values.reshape(3, 2, *targets.shape).mean(axis=1)
        same = np.isclose(values, fitted.oof_prediction_).reshape(3, 90, -1).all(axis=2)
        assert fitted.oof_prediction_.shape == targets.shape
        assert_array_equal(same.sum(axis=0), 1)


def test_rows_of_weight_zero_are_predicted_by_all_members():
    weight = np.ones(90)
    weight[[3, 50]] = 0
    fitted = classifier(n_folds=3).fit(X, Y, weight)
    assert_allclose(
        fitted.oof_prediction_[[3, 50]], fitted.predict_proba(X[[3, 50]]), rtol=1e-6
    )
    moved = X.copy()
    moved[[3, 50]] = 77
    again = classifier(n_folds=3).fit(moved, Y, weight)
    assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))


def test_a_class_that_a_fold_lacks_is_known_to_all_members():
    y = Y.copy()
    y[0] = 7
    fitted = classifier(n_folds=3, class_weight="balanced").fit(X, y)
    assert_array_equal(fitted.classes_, [0, 1, 2, 7])
    assert fitted.oof_prediction_.shape == (90, 4)
    for member in fitted.members_:
        assert_array_equal(member.classes_, [0, 1, 2, 7])


def test_tables_with_names_and_categories_are_split():
    table = pd.DataFrame(X, columns=list("abcde"))
    table["word"] = pd.Categorical(LETTERS)
    fitted = classifier(n_folds=3, max_epochs=30).fit(table, Y)
    assert_array_equal(fitted.feature_names_in_, [*"abcde", "word"])
    assert (fitted.oof_prediction_.argmax(axis=1) == Y).mean() > 0.8
    assert fitted.predict(table).shape == (90,)


# Calibration


@pytest.mark.parametrize("y", [Y, Y > 0, np.column_stack([Y > 0, Y > 1]).astype(int)])
def test_a_temperature_lowers_the_log_loss_out_of_fold(y):
    # So long a training of so few rows ends in probabilities that are too sure.
    settings = {"n_folds": 3, "max_epochs": 80, "lr": 0.05, "restore_best": False}
    settings["early_stopping"] = False
    rng = np.random.RandomState(0)
    noise = rng.normal(size=X.shape)
    plain = classifier(**settings).fit(noise, y)
    calibrated = classifier(calibration="temperature", **settings).fit(noise, y)
    assert plain.temperature_ is None
    assert calibrated.temperature_ > 1.5

    def loss(proba):
        proba = proba if y.ndim == 2 else proba[np.arange(90), y.astype(int)][:, None]
        right = y if y.ndim == 2 else np.ones((90, 1))
        return -np.log(np.where(right == 1, proba, 1 - proba)).mean()

    assert loss(calibrated.oof_prediction_) < 0.8 * loss(plain.oof_prediction_)
    # The temperature moves no row across a border.
    assert_array_equal(calibrated.predict(noise), plain.predict(noise))
    logits, proba = calibrated.decision_function(noise), calibrated.predict_proba(noise)
    assert_allclose(logits, plain.decision_function(noise) / calibrated.temperature_)
    if logits.ndim == 1 or y.ndim == 2:
        of_logits = 1 / (1 + np.exp(-logits))
        assert_allclose(of_logits, proba if y.ndim == 2 else proba[:, 1])
    else:
        assert_array_equal(logits.argmax(axis=1), proba.argmax(axis=1))


def test_calibration_without_folds_is_an_error():
    for n_ensemble in (1, 2):
        learner = classifier(calibration="temperature", n_ensemble=n_ensemble)
        with pytest.raises(ValueError, match=r"needs .* Set n_folds"):
            learner.fit(X, Y)


# Settings


def test_equal_seeds_give_equal_members_whatever_came_before():
    settings = {"n_folds": 2, "n_ensemble": 2, "dropout": 0.2}
    one = classifier(**settings).fit(X, Y)
    torch.manual_seed(7)
    other = classifier(**settings).fit(X[::2], Y[::2]).fit(X, Y)
    assert_array_equal(one.predict_proba(X), other.predict_proba(X))
    assert_array_equal(one.oof_prediction_, other.oof_prediction_)
    third = classifier(**settings).set_params(random_state=1).fit(X, Y)
    assert np.abs(one.oof_prediction_ - third.oof_prediction_).max() > 1e-3


def test_given_validation_rows_are_for_each_member():
    fitted = classifier(n_ensemble=2, measures_valid="accuracy")
    fitted.fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    for member in fitted.members_:
        assert member.net_.identity["number of validation rows"] == 30
        assert "valid_accuracy" in member.history_[-1]


def test_arguments_that_do_not_go_with_folds_are_errors():
    folds = classifier(n_folds=2)
    with pytest.raises(ValueError, match="X_val, y_val and sample_weight_val"):
        folds.fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    with pytest.raises(ValueError, match="partial_fit does not go with n_folds=2"):
        folds.partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="warm_start=True does not go with n_folds=2"):
        classifier(n_folds=2, warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match="n_folds"):
        classifier(n_folds=1).fit(X, Y)
    assert not hasattr(folds, "net_")


def test_checkpoints_of_several_trainings_are_an_error(tmp_path):
    for params in ({"n_ensemble": 2}, {"n_folds": 2}):
        learner = classifier(callbacks=[Checkpoint(folder=tmp_path)], **params)
        with pytest.raises(ValueError, match="one training"):
            learner.fit(X, Y)
        with pytest.raises(ValueError, match="resume"):
            classifier(**params).fit(X, Y, resume=tmp_path)
    assert not list(tmp_path.iterdir())


def test_partial_fit_and_warm_start_train_each_member_on():
    fitted = classifier(n_ensemble=2, warm_start=True, max_epochs=2).fit(X, Y)
    before = fitted.members_
    expected = copy.deepcopy(before[1]).set_params(warm_start=True).fit(X, Y)
    before[1].net_.optimizer_.state.clear()  # which copies are without
    fitted.fit(X, Y)
    assert [m.n_iter_ for m in fitted.members_] == [4, 4]
    assert_array_equal(fitted.members_[1].predict_proba(X), expected.predict_proba(X))
    fitted.partial_fit(X, Y)
    assert [m.n_iter_ for m in fitted.members_] == [5, 5]
    assert [m.n_iter_ for m in before] == [2, 2]
    assert regressor(n_ensemble=2).partial_fit(X_R, Y_R).n_iter_ == 1


def test_training_goes_on_with_as_many_members_only():
    fitted = classifier(n_ensemble=2, warm_start=True).fit(X, Y)
    for n_ensemble in (1, 3):
        fitted.set_params(n_ensemble=n_ensemble)
        with pytest.raises(ValueError, match=f"n_ensemble={n_ensemble}, but .* had 2"):
            fitted.fit(X, Y)
    assert len(fitted.members_) == 2
    assert fitted.set_params(n_ensemble=1, warm_start=False).fit(X, Y).members_ is None


@pytest.mark.parametrize("params", [{"n_ensemble": 3}, {"n_folds": 3}])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_fit_that_is_broken_off_leaves_the_learner_as_it_was(params, error):
    begun = []

    def fail_in_second(net, **kwargs):
        begun.append(1)
        if len(begun) == 2:
            raise error

    broken = classifier(callbacks=[callback(on_train_end=fail_in_second)], **params)
    with pytest.raises(error):
        broken.fit(X, Y)
    assert not hasattr(broken, "members_")
    assert not hasattr(broken, "net_")
    fitted = classifier(**params, warm_start="n_ensemble" in params).fit(X, Y)
    expected, state = fitted.predict_proba(X), dict(vars(fitted))
    begun.clear()
    fitted.set_params(callbacks=[callback(on_train_end=fail_in_second)])
    with pytest.raises(error):
        fitted.fit(X, Y)
    assert {k: v for k, v in vars(fitted).items() if k != "callbacks"} == {
        k: v for k, v in state.items() if k != "callbacks"
    }
    assert_array_equal(fitted.predict_proba(X), expected)


def test_the_first_member_gets_the_callbacks_and_each_other_one_new_ones():
    given = callback(on_train_begin=lambda net, **kwargs: None)
    fitted = classifier(n_ensemble=2, callbacks=[("mine", given)]).fit(X, Y)
    first, second = (dict(m.net_.callbacks_)["mine"] for m in fitted.members_)
    assert first is given
    assert second is not given


# Storing, copying, searching


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_a_stored_ensemble_is_the_same(copied):
    params = {"n_folds": 2, "n_ensemble": 2, "calibration": "temperature"}
    fitted = classifier(**params).fit(X, LETTERS)
    again = copied(fitted)
    assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
    assert_array_equal(again.oof_prediction_, fitted.oof_prediction_)
    assert again.temperature_ == fitted.temperature_
    assert again.net_ is again.members_[0].net_
    assert again.get_params() == fitted.get_params()
    assert vars(again).keys() == vars(fitted).keys()
    two = classifier(n_ensemble=2).fit(X, Y)
    for member in two.members_:
        member.net_.optimizer_.state.clear()
    ours, theirs = copied(two).partial_fit(X, Y), two.partial_fit(X, Y)
    assert_array_equal(ours.predict_proba(X), theirs.predict_proba(X))


def test_the_state_holds_each_member_once_and_nothing_of_torch():
    one = len(pickle.dumps(classifier(hidden_layer_sizes=(64, 64)).fit(X, Y)))
    fitted = classifier(hidden_layer_sizes=(64, 64), n_ensemble=2).fit(X, Y)
    stored = pickle.dumps(fitted)
    assert len(stored) < 2.1 * one
    assert b"torch._utils" not in stored
    assert b"skorch" not in stored


def test_a_clone_is_unfitted_and_trains_the_same():
    fitted = classifier(n_folds=2).fit(X, Y)
    again = clone(fitted)
    assert not hasattr(again, "members_")
    assert_array_equal(again.fit(X, Y).predict_proba(X), fitted.predict_proba(X))


def test_a_search_in_a_pipeline_finds_the_number_of_members():
    pipeline = make_pipeline(StandardScaler(), classifier())
    grid = {"mlpclassifier__n_ensemble": [1, 2], "mlpclassifier__n_folds": [None, 2]}
    searches = [
        GridSearchCV(pipeline, grid, cv=2, n_jobs=n_jobs, error_score="raise").fit(X, Y)
        for n_jobs in (1, 2)
    ]
    scores = [search.cv_results_["mean_test_score"] for search in searches]
    assert len(scores[0]) == 4
    assert_array_equal(scores[0], scores[1])


def test_callbacks_of_scikit_learn_see_each_member_as_a_subtask():
    sklearn_callback = pytest.importorskip("sklearn.callback")
    plain = classifier(n_ensemble=2, max_epochs=2).fit(X, Y)

    class Recorder:
        max_propagation_depth = None

        def __init__(self):
            self.calls = []

        def setup(self, estimator, context):
            self.calls.append("setup")

        def teardown(self, estimator, context):
            self.calls.append("teardown")

        def on_fit_task_begin(self, estimator, context):
            self.calls.append(f"begin {context.task_name} {context.task_id}")

        def on_fit_task_end(self, estimator, context):
            self.calls.append(f"end {context.task_name} {context.task_id}")

    recorder = Recorder()
    monitor = sklearn_callback.ScoringMonitor(scoring="accuracy")
    watched = clone(plain).set_callbacks(recorder, monitor).fit(X, Y)
    epochs = ["begin epoch 0", "end epoch 0", "begin epoch 1", "end epoch 1"]
    assert recorder.calls == [
        "setup",
        "begin fit 0",
        *("begin fit 0", *epochs, "end fit 0"),
        *("begin fit 1", *epochs, "end fit 1"),
        "end fit 0",
        "teardown",
    ]
    # Members that are watched are trained one by one, with other rounding.
    assert_allclose(watched.predict_proba(X), plain.predict_proba(X), rtol=1e-4)
    rows = monitor.get_logs().data
    paths = [row["task_id_path"] for row in rows if row["task_name"] == "epoch"]
    assert paths == [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)]
    whole = next(row for row in rows if row["task_id_path"] == (0,))
    assert whole["accuracy"] == plain.score(X, Y)
    assert len(watched._skl_callbacks) == 2
    watched.set_callbacks().fit(X, Y)


def test_callbacks_of_a_pipeline_reach_the_members():
    sklearn_callback = pytest.importorskip("sklearn.callback")
    monitor = sklearn_callback.ScoringMonitor(scoring="accuracy")
    last = classifier(n_folds=2, max_epochs=2).set_callbacks(monitor)
    make_pipeline(StandardScaler(), last).fit(X, Y)
    rows = monitor.get_logs().data
    paths = [row["task_id_path"] for row in rows if row["task_name"] == "epoch"]
    assert paths == [(0, 1, 0, 0), (0, 1, 0, 1), (0, 1, 1, 0), (0, 1, 1, 1)]


SMALL = {"hidden_layer_sizes": (16,)}


@with_checks(
    [MLPClassifier(n_ensemble=2, **SMALL), MLPRegressor(n_ensemble=2, **SMALL)]
)
def test_ensembles_pass_every_check(estimator, check):
    check(estimator)


# Repeated rows are dealt to folds one by one, and partial_fit is refused.
NOT_OF_FOLDS = {
    "check_estimators_partial_fit_n_features",
    "check_fit_score_takes_y",
    "check_n_features_in_after_fitting",
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
}


@with_checks(
    [
        MLPClassifier(n_folds=2, calibration="temperature", **SMALL),
        MLPRegressor(n_folds=2, **SMALL),
    ]
)
def test_bags_pass_every_check_that_is_not_about_partial_fit_or_repetition(
    estimator, check
):
    if name_of(check) in NOT_OF_FOLDS:
        with pytest.raises((AssertionError, ValueError)):
            check(estimator)
        return
    check(estimator)
