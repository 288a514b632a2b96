import math

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_iris, make_classification, make_regression
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    HalvingGridSearchCV,
    StratifiedKFold,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from torchlearners import MLPClassifier, MLPRegressor
from torchlearners.tuning import EarlyStoppingCV

X, Y = make_classification(120, 6, flip_y=0.2, random_state=0)
LEARNER = MLPClassifier(
    preset="simple",
    hidden_layer_sizes=(16,),
    max_epochs=40,
    lr=0.02,
    patience=5,
    random_state=0,
)
CV = StratifiedKFold(3)


@pytest.fixture(scope="module")
def search():
    return EarlyStoppingCV(LEARNER, cv=CV).fit(X, Y)


def by_hand(train, test, **kwargs):
    return clone(LEARNER).fit(X[train], Y[train], X_val=X[test], y_val=Y[test])


def test_each_split_is_a_fit_that_its_test_rows_validate(search):
    folds = [by_hand(*split) for split in CV.split(X, Y)]
    epochs = [fold.best_epoch_ for fold in folds]
    assert search.n_splits_ == 3
    assert search.cv_results_["best_epoch"].tolist() == epochs
    assert search.cv_results_["n_iter"].tolist() == [f.n_iter_ for f in folds]
    assert search.best_epoch_ == math.ceil(np.mean(epochs))


def test_defect_the_reported_score_is_that_of_the_best_epoch(search):
    folds = [by_hand(*split) for split in CV.split(X, Y)]
    best = [min(fold.history_[:, "valid_loss"]) for fold in folds]
    assert search.cv_results_["best_score"] == pytest.approx(best)
    assert search.best_score_ == pytest.approx(np.mean(best))


def test_a_scorer_sees_the_network_of_the_best_epoch_even_without_restore_best():
    worst = clone(LEARNER).set_params(restore_best=False)
    search = EarlyStoppingCV(worst, cv=CV, scoring="roc_auc").fit(X, Y)
    scorer = get_scorer("roc_auc")
    expected = [scorer(by_hand(a, b), X[b], Y[b]) for a, b in CV.split(X, Y)]
    assert search.cv_results_["best_score"] == pytest.approx(expected)


def test_the_final_fit_takes_all_rows_and_that_many_epochs(search):
    params = {"max_epochs": search.best_epoch_, "early_stopping": False}
    expected = clone(LEARNER).set_params(**params).fit(X, Y)
    assert search.best_estimator_.n_iter_ == search.best_epoch_
    assert "valid_loss" not in search.best_estimator_.history_[-1]
    for method in ("predict_proba", "predict_log_proba"):
        found, wanted = (getattr(fit, method)(X) for fit in (search, expected))
        np.testing.assert_array_equal(found, wanted)
    assert search.score(X, Y) == expected.score(X, Y)


@pytest.mark.parametrize(
    ("aggregate", "expected"), [("mean", 4), ("median", 2), ("max", 8)]
)
def test_epochs_are_aggregated_and_rounded_up(monkeypatch, aggregate, expected):
    results = iter([2, 1, 8])

    def split(*args):
        row = {"best_score": 0.0, "n_iter": 9, "fit_time": 0.0}
        return {"best_epoch": next(results), **row}

    monkeypatch.setattr("torchlearners.tuning._early_stopping_cv.fit_split", split)
    search = EarlyStoppingCV(LEARNER, cv=3, aggregate=aggregate, refit=False)
    assert search.fit(X, Y).best_epoch_ == expected


def test_weights_count_in_training_and_in_validation():
    weight = np.random.default_rng(0).integers(1, 4, len(X)).astype(float)
    search = EarlyStoppingCV(LEARNER, cv=CV, refit=False).fit(X, Y, weight)
    train, test = next(CV.split(X, Y))
    fold = clone(LEARNER).fit(
        X[train],
        Y[train],
        weight[train],
        X_val=X[test],
        y_val=Y[test],
        sample_weight_val=weight[test],
    )
    assert search.cv_results_["best_score"][0] == fold.best_score_


def test_a_pipeline_transforms_the_validation_rows_with_steps_fitted_on_the_others():
    pipeline = make_pipeline(PolynomialFeatures(2), StandardScaler(), LEARNER)
    weight = np.full(len(X), 2.0)
    search = EarlyStoppingCV(pipeline, cv=CV).fit(X, Y, sample_weight=weight)
    train, test = next(CV.split(X, Y))
    steps = clone(pipeline)[:-1].fit(X[train])
    fold = clone(LEARNER).fit(
        steps.transform(X[train]),
        Y[train],
        X_val=steps.transform(X[test]),
        y_val=Y[test],
    )
    assert search.cv_results_["best_epoch"][0] == fold.best_epoch_
    assert search.n_features_in_ == 6
    assert search.best_estimator_[-1].n_iter_ == search.best_epoch_
    assert is_classifier(search)


def test_the_number_of_jobs_changes_nothing(search):
    parallel = EarlyStoppingCV(LEARNER, cv=CV, n_jobs=2).fit(X, Y)
    for key in "best_epoch", "best_score":
        np.testing.assert_array_equal(
            parallel.cv_results_[key], search.cv_results_[key]
        )


def test_it_works_inside_a_search():
    grid = GridSearchCV(
        EarlyStoppingCV(clone(LEARNER).set_params(max_epochs=5), cv=2),
        {"estimator__lr": [1e-4, 2e-2]},
        cv=2,
    ).fit(X, Y)
    assert grid.best_params_ == {"estimator__lr": 2e-2}
    assert grid.best_estimator_.best_estimator_.lr == 2e-2


def test_epochs_are_a_resource_of_successive_halving():
    halving = HalvingGridSearchCV(
        LEARNER,
        {"lr": [1e-5, 1e-4, 1e-3, 1e-2]},
        resource="max_epochs",
        max_resources=8,
        min_resources=2,
        factor=2,
        cv=2,
        random_state=0,
    ).fit(X, Y)
    assert halving.n_resources_ == [2, 4, 8]
    assert halving.best_estimator_.n_iter_ == 8


def test_without_refit_it_says_what_to_do():
    search = EarlyStoppingCV(LEARNER, cv=2, refit=False).fit(X, Y)
    with pytest.raises(AttributeError, match="refit=True"):
        search.predict(X)


def test_an_estimator_without_validation_rows_is_refused():
    with pytest.raises(TypeError, match="got LogisticRegression"):
        EarlyStoppingCV(LogisticRegression()).fit(X, Y)


def test_a_regressor_is_one():
    X, y = make_regression(90, 4, noise=1.0, random_state=0)
    learner = MLPRegressor(preset="simple", max_epochs=20, lr=0.01, random_state=0)
    search = EarlyStoppingCV(learner, cv=2, scoring="r2").fit(X, y)
    assert not is_classifier(search)
    assert search.score(X, y) > 0
    assert not hasattr(search, "predict_proba")


QUICK = {"hidden_layer_sizes": (8,), "lr": 0.05, "random_state": 0}


CHECKS = [
    pytest.param(
        estimator,
        check,
        id=f"{type(search.estimator).__name__}-{check.func.__name__}",
    )
    for search in (
        EarlyStoppingCV(MLPClassifier(preset="simple", max_epochs=5, **QUICK), cv=2),
        EarlyStoppingCV(MLPRegressor(preset="simple", max_epochs=30, **QUICK), cv=2),
    )
    for estimator, check in estimator_checks_generator(search)
]


@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_a_measure_decides_in_the_splits_and_is_left_out_of_the_refit():
    X, y = load_iris(return_X_y=True)
    learner = MLPClassifier(
        preset="simple",
        max_epochs=5,
        lr=0.01,
        measures_valid=["accuracy"],
        random_state=0,
    )
    search = EarlyStoppingCV(learner, cv=3).fit(X, y)
    assert search.best_score_ == search.cv_results_["best_score"].mean()
    assert 0 < search.best_score_ <= 1
    assert search.best_estimator_.n_iter_ == search.best_epoch_


def test_groups_are_for_the_splits_and_test_rows_take_the_place_of_validation_split():
    groups = np.arange(120) // 4
    own = clone(LEARNER).set_params(
        max_epochs=3, validation_split=GroupShuffleSplit(), early_stopping=True
    )
    found = EarlyStoppingCV(own, cv=GroupKFold(2)).fit(X, Y, groups=groups)
    plain = clone(own).set_params(validation_split=None)
    expected = EarlyStoppingCV(plain, cv=GroupKFold(2)).fit(X, Y, groups=groups)
    assert found.cv_results_["n_iter"].tolist() == [3, 3]
    scores = found.cv_results_["best_score"], expected.cv_results_["best_score"]
    assert scores[0].tolist() == scores[1].tolist()
    # The final fit has all rows.
    assert found.best_estimator_.net_.identity["number of training rows"] == 120
