"""Checks that a learner works with the meta-estimators and tools of scikit-learn."""

from __future__ import annotations

from typing import Any
from unittest import SkipTest

import numpy as np
import sklearn
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.inspection import permutation_importance
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupShuffleSplit,
    KFold,
    cross_val_score,
)
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import nn

from torchlearners.testing._assertions import must_work
from torchlearners.testing._kinds import (
    classifies,
    learns,
    predicts,
    regresses,
    torch_check,
)
from torchlearners.testing._probe import (
    outputs,
    quick,
    require_fitted,
    toy,
)
from torchlearners.training import AdamW

_FOLDS = KFold(2)
_GROUPS = "groups must be an argument of fit, and go to fit of the base class."


@torch_check(predicts)
def check_pipeline_equals_steps(name: str, learner: Any) -> None:
    """Check that a pipeline predicts what its steps do, one after the other."""
    X, y = toy(learner)
    X = 100 * X + 7
    pipeline = make_pipeline(StandardScaler(), quick(learner)).fit(X, y)
    scaled = StandardScaler().fit_transform(X)
    _assert_equal(
        _outputs(name, pipeline, X),
        outputs(quick(learner).fit(scaled, y), scaled),
        f"{name} behind a StandardScaler predicts otherwise than on scaled X.",
    )


@torch_check(predicts)
def check_data_frame_through_column_transformer(name: str, learner: Any) -> None:
    """Check that a DataFrame of numbers and strings reaches the learner encoded.

    With `set_output`, it comes as a DataFrame; predictions must be the same.
    """
    pandas = _optional("pandas")
    X, y = toy(learner)
    frame = pandas.DataFrame(X, columns=list("abcd"))
    frame["kind"] = np.where(X[:, 0] > 0, "high", "low")
    encoder = ColumnTransformer(
        [
            ("numbers", StandardScaler(), list("abcd")),
            ("words", OneHotEncoder(sparse_output=False), ["kind"]),
        ]
    )
    encoded = encoder.fit_transform(frame)
    direct = outputs(quick(learner).fit(encoded, y), encoded)
    for container in ("default", "pandas"):
        pipeline = make_pipeline(clone(encoder), quick(learner))
        pipeline.set_output(transform=container).fit(frame, y)
        _assert_equal(
            _outputs(name, pipeline, frame),
            direct,
            f"{name} after a ColumnTransformer with set_output(transform="
            f"{container!r}) predicts otherwise than on the encoded array.",
        )
    names = list(getattr(pipeline[-1], "feature_names_in_", []))
    wanted = list(encoder.get_feature_names_out())
    assert names == wanted, (
        f"{name} fitted on a DataFrame has feature_names_in_={names}; its columns are "
        f"{wanted}. Take X through torchlearners.data.check_features in fit."
    )


@torch_check(predicts)
def check_grid_search_refits_the_best(name: str, learner: Any) -> None:
    """Check that a grid search over plain and nested parameters keeps the best.

    Its best estimator must be what a fit with the best parameters gives, and the
    searched learner must stay as it was.
    """
    X, y = toy(learner)
    base = quick(learner, optimizer=AdamW(), max_epochs=2)
    before = repr(base.get_params())
    grid = [
        {"max_epochs": [1, 3], "lr": [1e-3, 1e-2]},
        {"optimizer__betas": [(0.9, 0.99), (0.1, 0.2)]},
    ]
    search = GridSearchCV(base, grid, cv=_FOLDS, error_score="raise").fit(X, y)
    alone = clone(base).set_params(**search.best_params_).fit(X, y)
    _assert_equal(
        outputs(search, X),
        outputs(alone, X),
        f"best_estimator_ of a GridSearchCV over {name} differs from a fit with "
        f"{search.best_params_}. Candidates must share nothing.",
    )
    assert repr(base.get_params()) == before, (
        f"GridSearchCV changed the parameters of the {name} that it was given: from "
        f"{before} to {base.get_params()}. Its clones share an object with it."
    )


@torch_check(predicts)
def check_halving_search_over_epochs(name: str, learner: Any) -> None:
    """Check that a successive halving search can take epochs as its resource."""
    import sklearn.experimental.enable_halving_search_cv
    import sklearn.model_selection

    X, y = toy(learner)
    search = sklearn.model_selection.HalvingGridSearchCV(
        quick(learner),
        {"lr": [1e-3, 1e-2]},
        resource="max_epochs",
        min_resources=2,
        max_resources=4,
        factor=2,
        cv=_FOLDS,
        error_score="raise",
        random_state=0,
    ).fit(X, y)
    best = search.best_estimator_
    require_fitted(best, "n_iter_")
    assert best.n_iter_ == search.n_resources_[-1], (
        f"{name} trained {best.n_iter_} epochs where HalvingGridSearchCV set "
        f"max_epochs={search.n_resources_[-1]}. Read self.max_epochs in fit."
    )


@torch_check(predicts)
def check_cross_validation_equals_fits(name: str, learner: Any) -> None:
    """Check that cross-validated scores are those of fits made one by one.

    Of the default scorer: accuracy for classes, R² for values.
    """
    X, y = toy(learner)
    score = _score(learner)
    found = cross_val_score(quick(learner), X, y, cv=_FOLDS, error_score="raise")
    wanted = [
        score(y[test], quick(learner).fit(X[train], y[train]).predict(X[test]))
        for train, test in _FOLDS.split(X)
    ]
    _assert_equal(
        found,
        wanted,
        f"cross_val_score of {name} gives {found}, {score.__name__} of its predictions "
        f"{wanted}. Inherit score; a fit must not depend on the ones before.",
    )


@torch_check(predicts)
def check_sample_weight_is_routed(name: str, learner: Any) -> None:
    """Check that a pipeline passes `sample_weight` on to fit, where it is requested."""
    X, y = toy(learner)
    weight = np.random.RandomState(0).uniform(0.1, 2, size=len(y))
    scaled = StandardScaler().fit_transform(X)
    with sklearn.config_context(enable_metadata_routing=True):
        requesting = _request(name, learner, sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, requesting).fit(X, y, sample_weight=weight)
    message = f"{name} in a pipeline is fitted otherwise than alone with sample_weight."
    alone = quick(learner).fit(scaled, y, sample_weight=weight)
    found = _outputs(name, pipeline, X)
    _assert_equal(found, outputs(alone, scaled), message)
    unweighted = quick(learner).fit(scaled, y)
    assert not np.array_equal(found, outputs(unweighted, scaled)), (
        f"sample_weight that is routed to {name} changes nothing of the fit."
    )


@torch_check(predicts)
def check_validation_rows_are_routed(name: str, learner: Any) -> None:
    """Check that a pipeline passes `X_val` on to fit, transformed like X."""
    X, y = toy(learner)
    X_val, y_val = toy(learner, 30, seed=1)
    X, X_val = 100 * X + 7, 100 * X_val + 7
    with sklearn.config_context(enable_metadata_routing=True):
        requesting = _request(name, learner, X_val=True, y_val=True)
        steps = [("scaler", StandardScaler()), ("learner", requesting)]
        pipeline = Pipeline(steps, transform_input=["X_val"])
        routed = pipeline.fit(X, y, X_val=X_val, y_val=y_val)[-1]
    scaler = StandardScaler().fit(X)
    rows, rows_val = scaler.transform(X), scaler.transform(X_val)
    alone = quick(learner).fit(rows, y, X_val=rows_val, y_val=y_val)
    require_fitted(alone, "history_")
    losses = [
        [row.get("valid_loss") for row in one.history_] for one in (routed, alone)
    ]
    assert None not in losses[1], (
        f"fit of {name} with X_val and y_val records the validation losses {losses[1]}."
    )
    assert losses[0] == losses[1], (
        f"Validation losses of {name} are {losses[0]} where a pipeline routes X_val "
        f"and y_val, and {losses[1]} where fit gets the same rows directly."
    )


@torch_check(predicts)
def check_groups_are_routed(name: str, learner: Any) -> None:
    """Check that a pipeline passes `groups` on to fit, where they are requested."""
    X, y = toy(learner)
    groups = np.arange(60) % 12
    split = {
        "early_stopping": True,
        "validation_split": GroupShuffleSplit(test_size=0.25),
    }
    learner = quick(learner, **split)
    with sklearn.config_context(enable_metadata_routing=True):
        requesting = _request(name, learner, groups=True).set_params(**split)
        pipeline = make_pipeline(StandardScaler(), requesting)
        with must_work(name, "fit of a pipeline with groups", _GROUPS):
            routed = pipeline.fit(X, y, groups=groups)[-1]
    alone = clone(learner).fit(StandardScaler().fit_transform(X), y, groups=groups)
    losses = [one.history_[-1].get("valid_loss") for one in (routed, alone)]
    assert None not in losses, f"No rows of {name} validate. {_GROUPS}"
    assert losses[0] == losses[1], (
        f"The validation loss of {name} is {losses[0]} where a pipeline routes groups, "
        f"and {losses[1]} where fit gets them directly. {_GROUPS}"
    )


@torch_check(predicts)
def check_sklearn_callbacks_follow_epochs(name: str, learner: Any) -> None:
    """Check that scikit-learn's callbacks see each epoch, and can end training."""
    callback = _optional("sklearn.callback")
    assert hasattr(learner, "set_callbacks"), f"{name} has no method set_callbacks."
    X, y = toy(learner)
    metric = "accuracy" if is_classifier(learner) else "r2"
    monitor = callback.ScoringMonitor(scoring=metric)
    fitted = quick(learner, max_epochs=3).set_callbacks(monitor).fit(X, y)
    advice = "Do not override set_callbacks or the callbacks of the net."
    with must_work(name, "ScoringMonitor.get_logs after fit", advice):
        logs = monitor.get_logs().data
    rows = [row for row in logs if row["task_name"] == "epoch"]
    assert len(rows) == 3, (
        f"ScoringMonitor has {len(rows)} rows of epochs after 3 epochs of {name}. "
        f"{advice}"
    )
    wanted = _score(learner)(y, fitted.predict(X))
    assert rows[-1][metric] == wanted, (
        f"ScoringMonitor saw {metric} {rows[-1][metric]} in the last epoch of {name}; "
        f"its predictions after the fit have {wanted}."
    )
    stopped = quick(learner, max_epochs=6).set_callbacks(_StopAfter(2)).fit(X, y)
    require_fitted(stopped, "n_iter_")
    assert stopped.n_iter_ == 2, (
        f"{name} trained {stopped.n_iter_} epochs; a callback of scikit-learn asked to "
        "stop after 2."
    )


@torch_check(classifies)
def check_probabilities_can_be_calibrated(name: str, learner: Any) -> None:
    """Check that CalibratedClassifierCV calibrates the classifier."""
    X, y = toy(learner)
    for target in (y, y > 0):
        n_classes = len(np.unique(target))
        calibrated = CalibratedClassifierCV(quick(learner), cv=_FOLDS)
        try:
            found = calibrated.fit(X, target).predict_proba(X).shape
        except (AttributeError, IndexError, ValueError) as error:
            raise AssertionError(
                f"CalibratedClassifierCV over {name} fails for {n_classes} classes: "
                f"{error!r}. Look at decision_function, predict_proba and classes_."
            ) from error
        assert found == (len(X), n_classes), (
            f"CalibratedClassifierCV over {name} gives probabilities of shape {found} "
            f"for {n_classes} classes."
        )


@torch_check(learns)
def check_importance_is_found_by_permutation(name: str, learner: Any) -> None:
    """Check that permutation_importance tells the informative feature from noise."""
    X, y = toy(learner)
    fitted = quick(learner, max_epochs=60, lr=0.01, batch_size=16, optimizer="adamw")
    fitted.fit(X, y)
    found = permutation_importance(fitted, X, y, n_repeats=2, random_state=0)
    importances = found.importances_mean
    assert importances[0] > importances[-1], (
        f"permutation_importance of {name} is {importances}; the first feature decides "
        "about the target and the last one is noise. Does the network use all of X?"
    )


@torch_check(predicts)
def check_ensembles_have_members_of_their_own(name: str, learner: Any) -> None:
    """Check that bagging and voting average learners that share no weights."""
    X, y = toy(learner)
    classifier = is_classifier(learner)
    bagging = BaggingClassifier if classifier else BaggingRegressor
    bagged = bagging(quick(learner), n_estimators=2, random_state=0).fit(X, y)
    pair = [("one", quick(learner)), ("two", quick(learner, random_state=1))]
    voting = (
        VotingClassifier(pair, voting="soft") if classifier else VotingRegressor(pair)
    )
    voted = voting.fit(X, y)
    method = "predict_proba" if classifier else "predict"
    for ensemble in (bagged, voted):
        members = ensemble.estimators_
        kind = type(ensemble).__name__
        ids = [{id(p) for p in _module(m).parameters()} for m in members]
        assert ids[0].isdisjoint(ids[1]), (
            f"Members of a {kind} of {name} share weights. Build modules in network."
        )
        found = getattr(ensemble, method)(X)
        mean = np.mean([getattr(member, method)(X) for member in members], axis=0)
        assert np.allclose(found, mean, rtol=1e-12, atol=0), (
            f"{method} of a {kind} of {name} is not the mean of its members': it "
            f"differs by up to {np.abs(found - mean).max()}."
        )


@torch_check(predicts)
def check_multi_output_equals_fits_by_column(name: str, learner: Any) -> None:
    """Check that MultiOutput meta-estimators predict what a fit to each column does."""
    X, y = toy(learner)
    other = y[::-1] if is_classifier(learner) else 1 - 2 * y[::-1]
    columns = np.column_stack([y, other])
    kind = MultiOutputClassifier if is_classifier(learner) else MultiOutputRegressor
    found = kind(quick(learner)).fit(X, columns).predict(X)
    wanted = [quick(learner).fit(X, column).predict(X) for column in columns.T]
    _assert_equal(
        found,
        np.column_stack(wanted),
        f"{kind.__name__} over {name} predicts otherwise than a fit to each column. A "
        "fit must not depend on the ones before.",
    )


@torch_check(regresses)
def check_target_can_be_transformed(name: str, learner: Any) -> None:
    """Check that TransformedTargetRegressor predicts in the units of its target."""
    X, y = toy(learner)
    positive = np.exp(y / 10)
    transformed = TransformedTargetRegressor(
        quick(learner), func=np.log, inverse_func=np.exp
    ).fit(X, positive)
    wanted = np.exp(quick(learner).fit(X, np.log(positive)).predict(X))
    found = transformed.predict(X)
    assert found.shape == wanted.shape, (
        f"TransformedTargetRegressor over {name} predicts an array of shape "
        f"{found.shape}; the learner alone, of shape {wanted.shape}."
    )
    assert np.allclose(found, wanted, rtol=1e-12, atol=0), (
        f"TransformedTargetRegressor over {name} predicts otherwise than a fit to the "
        f"transformed target: {found[:3]} instead of {wanted[:3]}."
    )


class _StopAfter:
    """A callback of scikit-learn that ends training after some epochs."""

    max_propagation_depth = None

    def __init__(self, n_epochs: int) -> None:
        self.n_epochs = n_epochs

    def setup(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> bool:
        """Ask to stop at the end of the last epoch wanted."""
        return context.task_name == "epoch" and context.task_id + 1 == self.n_epochs


def _request(name: str, learner: Any, **requests: bool) -> Any:
    requesting = quick(learner)
    try:
        return requesting.set_fit_request(**requests)
    except (AttributeError, TypeError, ValueError) as error:
        raise AssertionError(
            f"{name}.set_fit_request({', '.join(requests)}) failed: {error}. These "
            "must be arguments of fit, by these names."
        ) from error


def _outputs(name: str, pipeline: Any, X: Any) -> np.ndarray:
    """Return the outputs of a fitted pipeline that ends in the learner."""
    advice = "sklearn's check_is_fitted must tell that the learner is fitted."
    with must_work(name, "predict as the last step of a pipeline", advice):
        return outputs(pipeline, X)


def _score(learner: Any) -> Any:
    return accuracy_score if is_classifier(learner) else r2_score


def _module(fitted: Any) -> nn.Module:
    require_fitted(fitted, "net_")
    return fitted.net_.module_


def _optional(module: str) -> Any:
    """Import a module that not every installation has, or skip the check."""
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        raise SkipTest(f"{module} is not installed") from error


def _assert_equal(found: Any, wanted: Any, message: str) -> None:
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape, (
        f"{message} The shapes are {found.shape} and {wanted.shape}."
    )
    assert np.array_equal(found, wanted), (
        f"{message} They differ by up to {np.abs(found - wanted).max()}."
    )
