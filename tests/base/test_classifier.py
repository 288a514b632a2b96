import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import (
    load_iris,
    make_classification,
    make_multilabel_classification,
)
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import SequentialFeatureSelector
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    HalvingGridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    learning_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.utils import get_tags
from sklearn.utils.multiclass import type_of_target

from torchlearners import DummyTorchClassifier, MLPClassifier

X, y = make_classification(
    n_samples=120, n_features=6, n_informative=4, class_sep=2.0, random_state=0
)
X3, y3 = make_classification(
    n_samples=150,
    n_features=6,
    n_informative=4,
    n_classes=3,
    n_clusters_per_class=1,
    class_sep=2.0,
    random_state=0,
)
X_labels, y_labels = make_multilabel_classification(
    n_samples=150, n_features=10, n_classes=3, random_state=0
)


def small(**params):
    defaults = {
        "preset": "simple",
        "hidden_layer_sizes": (16,),
        "max_epochs": 15,
        "lr": 0.02,
        "random_state": 0,
    }
    return MLPClassifier(**{**defaults, **params})


# Labels


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["ape", "bee", "cat"]),
        np.array(["ape", "bee", "cat"], dtype=object),
        np.array([-5, 0, 3]),
        np.array([0.0, 1.0, 2.0]),
        np.array([2**60, 2**60 + 1, 2**60 + 2]),
    ],
    ids=["str", "object", "int", "float", "large"],
)
def test_labels_of_any_kind_come_back(labels):
    learner = small().fit(X3, labels[y3])
    assert_array_equal(learner.classes_, labels)
    assert learner.classes_.dtype == labels.dtype
    predicted = learner.predict(X3)
    assert predicted.dtype == labels.dtype
    assert_array_equal(predicted, labels[small().fit(X3, y3).predict(X3)])
    assert learner.score(X3, labels[y3]) > 0.9


def test_bool_labels_come_back_as_bool():
    learner = small().fit(X, y == 1)
    assert learner.classes_.dtype == bool
    assert_array_equal(learner.predict(X), small().fit(X, y).predict(X) == 1)


def test_columns_of_probabilities_follow_classes():
    learner = small().fit(X3, np.array(["c", "a", "b"])[y3])
    assert_array_equal(learner.classes_, ["a", "b", "c"])
    proba = learner.predict_proba(X3)
    assert proba.dtype == np.float64
    assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-12)
    assert_array_equal(learner.classes_[proba.argmax(axis=1)], learner.predict(X3))


def test_log_probabilities_stay_finite_where_probabilities_vanish():
    learner = small(lr=0.5, max_epochs=40).fit(X3, y3)
    far = 1e4 * X3
    proba, logs = learner.predict_proba(far), learner.predict_log_proba(far)
    assert proba.min() == 0
    assert np.isfinite(logs).all()
    assert_allclose(np.exp(logs), proba, atol=1e-15)


def test_log_probabilities_of_labels_are_those_of_each_label():
    learner = small(max_epochs=3).fit(X_labels, y_labels)
    proba = learner.predict_proba(X_labels)
    assert_allclose(learner.predict_log_proba(X_labels), np.log(proba), rtol=1e-12)


def test_the_decision_function_of_two_classes_is_the_log_odds_of_the_second():
    learner = small().fit(X, y)
    decision, proba = learner.decision_function(X), learner.predict_proba(X)
    assert decision.shape == (120,)
    assert_allclose(decision, np.log(proba[:, 1] / proba[:, 0]), rtol=1e-6, atol=1e-6)
    assert_array_equal(decision > 0, learner.predict(X) == 1)


def test_the_decision_function_of_three_classes_has_three_columns():
    learner = small().fit(X3, y3)
    decision = learner.decision_function(X3)
    powers = np.exp(decision)
    assert decision.shape == (150, 3)
    assert_allclose(
        powers / powers.sum(axis=1, keepdims=True),
        learner.predict_proba(X3),
        rtol=1e-6,
    )


def test_a_single_class_is_predicted_with_certainty():
    learner = small().fit(X, np.full(len(X), "only"))
    assert_array_equal(learner.classes_, ["only"])
    assert_array_equal(learner.predict(X[:2]), ["only", "only"])
    assert_array_equal(learner.predict_proba(X[:2]), [[1.0], [1.0]])
    assert learner.decision_function(X[:2]).shape == (2, 1)


# Multilabel


def test_a_matrix_of_zeros_and_ones_is_a_multilabel_target():
    learner = small(max_epochs=40).fit(X_labels, y_labels)
    predicted = learner.predict(X_labels)
    assert predicted.shape == y_labels.shape
    assert set(np.unique(predicted)) == {0, 1}
    assert_array_equal(learner.classes_, [0, 1, 2])
    assert (predicted == y_labels).mean() > 0.85
    assert learner.score(X_labels, y_labels) == (predicted == y_labels).all(1).mean()


def test_multilabel_probabilities_are_those_of_each_label():
    learner = small().fit(X_labels, y_labels)
    proba, decision = (
        learner.predict_proba(X_labels),
        learner.decision_function(X_labels),
    )
    assert proba.shape == decision.shape == y_labels.shape
    assert_allclose(proba, 1 / (1 + np.exp(-decision)), rtol=1e-12)
    assert_array_equal(proba > 0.5, learner.predict(X_labels) == 1)
    assert np.abs(proba.sum(axis=1) - 1).max() > 0.1


def test_multilabel_fits_can_be_continued():
    learner = small()
    for _ in range(3):
        learner.partial_fit(X_labels, y_labels, classes=[0, 1, 2])
    assert learner.n_iter_ == 3
    once = small(max_epochs=3).fit(X_labels, y_labels)
    assert_array_equal(learner.predict_proba(X_labels), once.predict_proba(X_labels))


def test_multilabel_weights_count():
    weight = np.where(y_labels[:, 0] == 1, 1.0, 0.0)
    learner = small().fit(X_labels, y_labels, sample_weight=weight)
    assert learner.predict_proba(X_labels)[:, 0].min() > 0.5


# Class weights


def fits_of(**first):
    """Return probabilities of a fit with class_weight and of one without."""

    def proba(class_weight=None, sample_weight=None):
        learner = small(class_weight=class_weight, **first)
        return learner.fit(X3, y3, sample_weight=sample_weight).predict_proba(X3)

    return proba


@pytest.mark.parametrize("params", [{}, {"batch_size": 32}], ids=str)
def test_class_weights_are_sample_weights_by_class(params):
    proba = fits_of(**params)
    by_class = {0: 1.0, 1: 2.0, 2: 5.0}
    by_row = np.array([1.0, 2.0, 5.0])[y3]
    assert_array_equal(proba(by_class), proba(sample_weight=by_row))
    assert not np.array_equal(proba(by_class), proba())


def test_a_class_without_an_entry_has_weight_one():
    proba = fits_of()
    assert_array_equal(proba({2: 4.0}), proba({0: 1.0, 1: 1.0, 2: 4.0}))


def test_class_weights_multiply_sample_weights():
    proba = fits_of()
    weight = np.random.RandomState(0).uniform(0.5, 2.0, size=len(y3))
    by_row = np.array([1.0, 2.0, 4.0])[y3]
    assert_array_equal(
        proba({0: 1.0, 1: 2.0, 2: 4.0}, weight), proba(sample_weight=weight * by_row)
    )


def test_balanced_class_weights_make_classes_count_the_same():
    rows = np.r_[np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:10]]
    counts = np.bincount(y[rows])
    by_row = (len(rows) / (2 * counts))[y[rows]]
    balanced = small(class_weight="balanced").fit(X[rows], y[rows])
    weighted = small().fit(X[rows], y[rows], sample_weight=by_row)
    plain = small().fit(X[rows], y[rows])
    assert_array_equal(balanced.predict_proba(X), weighted.predict_proba(X))
    assert balanced.predict_proba(X)[:, 1].mean() > plain.predict_proba(X)[:, 1].mean()


def test_balanced_class_weights_take_sample_weights_into_account():
    # With weights that already balance the classes there is nothing left to do.
    learner = DummyTorchClassifier(class_weight="balanced", max_epochs=200)
    weight = np.where(y == 1, 9.0, 1.0)
    learner.fit(X, y, sample_weight=weight)
    assert_allclose(learner.predict_proba(X[:1]), [[0.5, 0.5]], atol=1e-3)


def test_class_weights_go_by_label_for_strings():
    names = np.array(["no", "yes"])
    by_name = small(class_weight={"no": 1.0, "yes": 3.0}).fit(X, names[y])
    by_code = small(class_weight={0: 1.0, 1: 3.0}).fit(X, y)
    assert_array_equal(by_name.predict_proba(X), by_code.predict_proba(X))


# Continued training


def test_partial_fit_takes_batches_that_lack_classes():
    learner = small(lr=0.05)
    for _ in range(30):
        for k in range(3):
            learner.partial_fit(X3[y3 == k], y3[y3 == k], classes=[0, 1, 2])
    assert_array_equal(learner.classes_, [0, 1, 2])
    assert learner.predict_proba(X3).shape == (150, 3)
    # All classes lie in what it has seen.
    assert len(np.unique(learner.predict(X3))) > 1


def test_warm_start_refuses_other_classes():
    learner = small(warm_start=True).fit(X3, y3)
    before = learner.predict_proba(X3)
    with pytest.raises(
        ValueError, match=r"same classes as in the previous call.*\[0 1 2\].*\[0 1\]"
    ):
        learner.fit(X3, np.minimum(y3, 1))
    assert_array_equal(learner.predict_proba(X3), before)


def test_without_warm_start_fit_takes_other_classes():
    learner = small().fit(X3, y3).fit(X, np.array(["a", "b"])[y])
    assert_array_equal(learner.classes_, ["a", "b"])
    expected = small().fit(X, y).predict_proba(X)
    assert_array_equal(learner.predict_proba(X), expected)


# Tags


def test_tags_tell_what_a_classifier_can_do():
    tags = get_tags(MLPClassifier(preset="simple"))
    assert tags.estimator_type == "classifier"
    assert tags.classifier_tags.multi_class
    assert tags.classifier_tags.multi_label
    assert tags.target_tags.required
    assert tags.input_tags.sparse
    assert tags.input_tags.allow_nan
    assert tags.input_tags.categorical
    # Of DataFrames it takes strings, but of arrays only as categorical_features.
    assert not tags.input_tags.string
    assert not get_tags(DummyTorchClassifier()).input_tags.categorical
    assert not tags.non_deterministic
    assert is_classifier(MLPClassifier(preset="simple"))
    assert get_tags(DummyTorchClassifier()).classifier_tags.poor_score


# Inside scikit-learn's tools


META = {
    "calibrated": CalibratedClassifierCV(small(), cv=3),
    "calibrated, temperature": CalibratedClassifierCV(small(), cv=3, ensemble=False),
    "bagging": BaggingClassifier(small(), n_estimators=3, random_state=0),
    "stacking": StackingClassifier(
        [("mlp", small()), ("linear", LogisticRegression())], cv=3
    ),
    "voting": VotingClassifier(
        [("mlp", small()), ("linear", LogisticRegression())], voting="soft"
    ),
    "boosting": AdaBoostClassifier(small(), n_estimators=3, random_state=0),
    "one against the rest": OneVsRestClassifier(small()),
    "one against one": OneVsOneClassifier(small()),
    "self-training": SelfTrainingClassifier(small()),
    "pipeline": make_pipeline(StandardScaler(), small()),
    "selection of features": SequentialFeatureSelector(
        small(max_epochs=3), n_features_to_select=1, cv=2
    ),
    "halving": HalvingGridSearchCV(
        small(),
        {"lr": [1e-6, 0.02, 0.05]},
        resource="max_epochs",
        min_resources="exhaust",
        max_resources=18,
        cv=2,
        error_score="raise",
    ),
}


@pytest.mark.parametrize("name", META)
def test_scikit_learns_tools_learn_with_our_classifier(name):
    meta = clone(META[name])
    if name == "selection of features":
        chosen = meta.fit(X3, y3).transform(X3)
        assert chosen.shape == (150, 1)
        return
    target = y3.copy()
    if name == "self-training":
        target[::3] = -1
    meta.fit(X3, target)
    assert meta.score(X3, y3) > 0.9
    again = clone(META[name]).fit(X3, target)
    assert_array_equal(meta.predict(X3), again.predict(X3))


def test_halving_gives_the_survivor_the_most_epochs():
    search = clone(META["halving"]).fit(X3, y3)
    assert search.n_resources_ == [6, 18]
    assert search.best_params_["lr"] > 1e-3
    assert search.best_estimator_.n_iter_ == 18


@pytest.mark.parametrize("tool", [MultiOutputClassifier, ClassifierChain])
def test_several_targets_are_learned_by_one_classifier_each(tool):
    meta = tool(small(max_epochs=30)).fit(X_labels, y_labels)
    assert (meta.predict(X_labels) == y_labels).mean() > 0.85


def test_a_threshold_can_be_chosen():
    fixed = FixedThresholdClassifier(small(), threshold=0.3).fit(X, y)
    proba = small().fit(X, y).predict_proba(X)
    assert_array_equal(fixed.predict(X) == 1, proba[:, 1] >= 0.3)
    tuned = TunedThresholdClassifierCV(small(), cv=3).fit(X, y)
    assert tuned.score(X, y) > 0.85
    assert 0 < tuned.best_threshold_ < 1


def test_permutation_importance_finds_the_feature_that_counts():
    rows = np.random.RandomState(0).normal(size=(120, 3))
    learner = small().fit(rows, rows[:, 1] > 0)
    importance = permutation_importance(
        learner, rows, rows[:, 1] > 0, n_repeats=3, random_state=0
    ).importances_mean
    assert importance.argmax() == 1
    assert importance[1] > 0.3


def test_partial_dependence_rises_with_the_feature_that_counts():
    rows = np.random.RandomState(0).normal(size=(120, 3))
    learner = small().fit(rows, rows[:, 1] > 0)
    average = partial_dependence(learner, rows, [1], grid_resolution=5)["average"][0]
    assert (np.diff(average) > 0).all()


def test_cross_validation_predicts_each_row_from_the_other_folds():
    proba = cross_val_predict(small(), X3, y3, cv=3, method="predict_proba")
    assert (proba.argmax(axis=1) == y3).mean() > 0.85
    accuracies = cross_val_score(small(), X3, y3, cv=3)
    assert accuracies.mean() > 0.85


def test_learning_curves_use_partial_fit():
    sizes, _, test = learning_curve(
        small(lr=0.1),
        X3,
        y3,
        cv=3,
        train_sizes=[20, 60, 100],
        exploit_incremental_learning=True,
        error_score="raise",
    )
    assert_array_equal(sizes, [20, 60, 100])
    assert test.shape == (3, 3)
    assert np.isfinite(test).all()


def test_a_fit_looks_at_the_type_of_y_once(monkeypatch):
    seen = []

    def look(y, **options):
        seen.append(len(y))
        return type_of_target(y, **options)

    for module in ("torchlearners.base._classifier", "sklearn.utils.multiclass"):
        monkeypatch.setattr(f"{module}.type_of_target", look)
    X, y = load_iris(return_X_y=True)
    MLPClassifier(preset="simple", max_epochs=1).fit(X, y)
    assert seen == [150]
