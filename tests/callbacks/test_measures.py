"""Values must be those of scikit-learn's scorers on the fitted learner."""

import numpy as np
import pytest
import torch
from sklearn.datasets import make_classification, make_regression
from sklearn.metrics import (
    accuracy_score,
    fbeta_score,
    get_scorer,
    make_scorer,
    mean_squared_error,
)
from torch import nn

from torchlearners import MLPClassifier, MLPRegressor
from torchlearners.callbacks import (
    EarlyStopping,
    Measures,
    monitor_of,
    resolve_measures,
)
from torchlearners.data import ClassTarget, MultilabelTarget, ValueTarget
from torchlearners.exceptions import MeasureError

# Numbers of rows divisible by four: matrix products then have the same bits in
# `predict` and in training.
N_VALID = 60


class Spy(Measures):
    """Measures that take the target from the learner under test."""

    def on_train_begin(self, net, **kwargs):
        self.n_forwards = 0
        net.module_.register_forward_hook(self._count)

    def _count(self, module, args, output):
        self.n_forwards += self.counting

    counting = False

    def on_epoch_end(self, net, **kwargs):
        self.counting = True
        super().on_epoch_end(net, **kwargs)
        self.counting = False


def data(kind, n_classes=2):
    if kind == "values":
        X, y = make_regression(200, 5, noise=5.0, random_state=0)
        y = 100 + 20 * y
    else:
        X, y = make_classification(
            200, 5, n_informative=4, n_redundant=0, n_classes=n_classes, random_state=0
        )
        if kind == "strings":
            y = np.array(["no", "yes", "zero"])[y]
        if kind == "labels":
            y = np.column_stack([y, X[:, 0] > 0, X[:, 1] > 0]).astype(int)
    weight = np.random.default_rng(0).uniform(0.5, 2, N_VALID)
    return X[N_VALID:], y[N_VALID:], X[:N_VALID], y[:N_VALID], weight


def target_of(y):
    if y.dtype.kind == "f":
        target = ValueTarget(n_values=1, flat=True)
        target.fit(target.codes(y), None)
        return target
    return MultilabelTarget(y.shape[1]) if y.ndim == 2 else ClassTarget(np.unique(y))


def fitted(measures, kind="codes", n_classes=2, *, weighted=False, **params):
    X, y, X_val, y_val, weight = data(kind, n_classes)
    on = params.pop("on", "valid")
    callback = params.pop("callback", Measures)(
        measures=measures, target=target_of(y), on=on
    )
    callback.eval_every = params.pop("measure_every", 1)
    params = {"max_epochs": 3, "restore_best": False, **params}
    cls = MLPRegressor if kind == "values" else MLPClassifier
    learner = cls(
        preset="simple",
        hidden_layer_sizes=(8,),
        random_state=0,
        callbacks=[("measures", callback), *params.pop("callbacks", [])],
        **params,
    )
    learner.fit(
        X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight if weighted else None
    )
    return learner, (X_val, y_val), weight


BINARY = ["accuracy", "roc_auc", "neg_log_loss", "average_precision", "neg_brier_score"]
MULTICLASS = ["balanced_accuracy", "f1_macro", "neg_log_loss", "roc_auc_ovr"]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("kind", "n_classes", "names"),
    [
        ("codes", 2, [*BINARY, "f1"]),
        ("strings", 2, ["accuracy", "roc_auc", "neg_log_loss"]),
        ("strings", 3, [*MULTICLASS, "top_k_accuracy"]),
        ("labels", 2, ["accuracy", "f1_micro", "roc_auc"]),
        ("values", 2, ["r2", "neg_mean_squared_error", "neg_max_error"]),
    ],
)
def test_a_value_is_what_the_scorer_says_of_the_fitted_learner(
    kind, n_classes, names, weighted
):
    learner, (X, y), weight = fitted(names, kind, n_classes, weighted=weighted)
    for name in names:
        takes_weight = weighted and name != "neg_max_error"
        kwargs = {"sample_weight": weight} if takes_weight else {}
        expected = get_scorer(name)(learner, X, y, **kwargs)
        got = learner.history_[-1][f"valid_{name}"]
        # Outputs are float32, and the one pass over all validation rows rounds a row by
        # those beside it; values of y went through float32 too.
        rel = 1e-5 if kind == "values" else 1e-6
        assert got == pytest.approx(expected, rel=rel), name


def test_a_scorer_with_another_positive_label_keeps_it():
    scorers = {
        "f2 of.no": make_scorer(fbeta_score, beta=2, pos_label="no"),
        "loss of no": make_scorer(
            lambda y, p: np.mean((y == "no") * p), response_method="predict_proba"
        ),
        "ap": make_scorer(
            lambda y, s, pos_label: np.mean(s),
            response_method="decision_function",
            pos_label="no",
        ),
    }
    learner, (X, y), _ = fitted(scorers, "strings")
    row = learner.history_[-1]
    names = ["valid_f2_of_no", "valid_loss_of_no", "valid_ap"]
    for key, scorer in zip(names, scorers.values(), strict=True):
        assert row[key] == pytest.approx(scorer(learner, X, y), rel=1e-6)


def test_a_metric_function_is_recorded_as_it_is():
    learner, (X, y), _ = fitted([mean_squared_error], "values")
    expected = mean_squared_error(y, learner.predict(X))
    assert learner.history_[-1]["valid_mean_squared_error"] == pytest.approx(expected)
    assert monitor_of([mean_squared_error]) == ("valid_mean_squared_error", False)
    assert monitor_of([accuracy_score]) == ("valid_accuracy_score", True)


@pytest.mark.parametrize("kind", ["strings", "values"])
def test_a_scorer_gets_an_estimator_that_answers_from_the_one_forward_pass(kind):
    def own(estimator, X, y):
        own.half = estimator.predict(X[: len(X) // 2])
        return get_scorer("r2" if kind == "values" else "roc_auc")(estimator, X, y)

    learner, (X, _), _ = fitted({"own": own}, kind, callback=Spy)
    assert learner.history_[-1]["valid_own"] == pytest.approx(learner_score(learner, X))
    assert (
        list(own.half[:5]) == pytest.approx(list(learner.predict(X)[:5]), rel=1e-5)
        or (own.half[:5] == learner.predict(X)[:5]).all()
    )


def learner_score(learner, X):
    _, _, _, y, _ = data("values" if isinstance(learner, MLPRegressor) else "strings")
    name = "r2" if isinstance(learner, MLPRegressor) else "roc_auc"
    return get_scorer(name)(learner, X, y)


def test_there_is_one_forward_pass_for_all_measures():
    learner, *_ = fitted(BINARY, callback=Spy, on="train")
    assert dict(learner.net_.callbacks_)["measures"].n_forwards == 3


def test_outputs_of_the_validation_pass_are_used_where_the_net_keeps_them():
    class Keeps(Spy):
        def on_epoch_end(self, net, dataset_valid=None, **kwargs):
            with torch.no_grad():
                net.valid_outputs_ = net.module_(dataset_valid.X)
            super().on_epoch_end(net, dataset_valid=dataset_valid, **kwargs)

    learner, (X, y), _ = fitted(["neg_log_loss"], callback=Keeps)
    callback = dict(learner.net_.callbacks_)["measures"]
    assert callback.wants_valid_outputs
    assert callback.n_forwards == 0
    expected = get_scorer("neg_log_loss")(learner, X, y)
    assert learner.history_[-1]["valid_neg_log_loss"] == pytest.approx(expected)


def test_training_rows_are_measured_without_dropout():
    learner, *_ = fitted(["neg_log_loss"], on="train", dropout=0.5, early_stopping=True)
    X, y, *_ = data("codes")
    expected = get_scorer("neg_log_loss")(learner, X, y)
    assert learner.history_[-1]["train_neg_log_loss"] == pytest.approx(expected)


def test_every_module_is_left_in_the_mode_it_was():
    from torchlearners.callbacks._responses import forward

    class Net:
        module_ = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout())
        evaluation_batch_size = 4

        @staticmethod
        def compute(module, x):
            return module(x)

    Net.module_.train()
    Net.module_[1].eval()  # frozen
    forward(Net, torch.zeros(10, 2))
    assert [m.training for m in Net.module_.modules()] == [True, True, False, True]


def epochs_measured(learner, key="valid_accuracy"):
    return [row["epoch"] for row in learner.history_ if key in row]


def test_every_nth_epoch_and_the_last_one_are_measured():
    learner, *_ = fitted(["accuracy"], max_epochs=5, measure_every=2)
    assert epochs_measured(learner) == [2, 4, 5]


def test_the_last_epoch_is_measured_where_training_stops_early():
    class StopAfterThree(EarlyStopping):
        def on_epoch_end(self, net, **kwargs):
            net.stop_training = len(net.history) == 3

    stop = ("stop", StopAfterThree())
    learner, (X, y), _ = fitted(
        ["accuracy"], max_epochs=9, measure_every=2, callbacks=[stop]
    )
    assert epochs_measured(learner) == [2, 3]
    assert learner.history_[-1]["valid_accuracy"] == learner.score(X, y)


def test_ctrl_c_within_an_epoch_measures_nothing_more():
    class CtrlC(EarlyStopping):
        def on_batch_end(self, net, **kwargs):
            if len(net.history) == 3:
                raise KeyboardInterrupt

    X, y, X_val, y_val, _ = data("codes")
    measures = Measures(measures=["accuracy"], target=target_of(y), eval_every=9)
    learner = MLPClassifier(
        preset="simple", callbacks=[measures, CtrlC()], random_state=0
    )
    with pytest.raises(KeyboardInterrupt):
        learner.fit(X, y, X_val=X_val, y_val=y_val)
    assert epochs_measured(learner) == []


def test_without_validation_rows_nothing_is_recorded():
    X, y, *_ = data("codes")
    measures = Measures(measures=["accuracy"], target=target_of(y))
    learner = MLPClassifier(
        preset="simple", max_epochs=2, early_stopping=False, callbacks=[measures]
    )
    assert epochs_measured(learner.fit(X, y)) == []


def test_the_best_epoch_so_far_is_flagged_in_the_direction_of_the_measure():
    learner, *_ = fitted([mean_squared_error, "r2"], "values", max_epochs=6)
    history = learner.history_
    for key, best in ("mean_squared_error", min), ("r2", max):
        values = history[:, f"valid_{key}"]
        flags = [v == best(values[: i + 1]) for i, v in enumerate(values)]
        assert history[:, f"valid_{key}_best"] == flags


def test_defect_a_failing_measure_raises_with_its_name():
    def broken(y_true, y_pred):
        raise ZeroDivisionError("no rows")

    with pytest.raises(MeasureError, match="'broken' failed on the 60 valid rows") as e:
        fitted([broken])
    assert isinstance(e.value.__cause__, ZeroDivisionError)
    with pytest.raises(MeasureError, match=r"'roc_auc'.*predict_proba, which"):
        fitted(["roc_auc"], "values")
    with pytest.raises(MeasureError, match=r"'f1'.*pos_label=1 is not a valid label"):
        fitted(["f1"], "strings")


def test_nan_is_recorded_and_is_never_the_best():
    values = iter([np.nan, 1.0, np.nan, 2.0])

    def sometimes(y_true, y_pred):
        return next(values)

    learner, *_ = fitted([sometimes], max_epochs=4)
    assert learner.history_[:, "valid_sometimes_best"] == [False, True, False, True]
    assert np.isnan(learner.history_[2, "valid_sometimes"])


@pytest.mark.parametrize(
    ("measures", "error", "message"),
    [
        (["accurac"], ValueError, "Did you mean 'accuracy'"),
        (["accuracy", "accuracy"], ValueError, "'accuracy' is taken"),
        ({"a b": "r2", "a.b": "r2"}, ValueError, "'a_b' is taken"),
        ({"loss": "r2"}, ValueError, "'loss' is taken"),
        ([3], TypeError, "scorer name or a callable, got 3"),
        (3, TypeError, "list or a dict of those, got 3"),
        ([lambda y: 0], TypeError, r"takes \['y'\]"),
    ],
)
def test_what_is_no_measure_is_refused(measures, error, message):
    with pytest.raises(error, match=message):
        resolve_measures(measures)


def test_the_first_measure_is_the_monitored_one():
    assert monitor_of(None) == monitor_of([]) == ("valid_loss", False)
    assert monitor_of(["loss", "accuracy"]) == ("valid_loss", False)
    assert monitor_of("neg_log_loss") == ("valid_neg_log_loss", True)
    assert monitor_of({"mine": mean_squared_error}) == ("valid_mine", False)


def test_what_initialize_sets_is_no_parameter():
    from torchlearners.callbacks import (
        JsonLines,
        Progress,
        SklearnCallbacks,
        TensorBoard,
    )

    for cls in Measures, Progress, JsonLines, TensorBoard, SklearnCallbacks:
        assert set(cls().initialize().get_params()) == set(cls._fields), cls


@pytest.mark.parametrize("weighted", [False, True])
def test_class_weights_belong_to_the_loss_and_not_to_the_measures(weighted):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(90, 3))
    y = (X[:, 0] + rng.normal(size=90) > 0.4).astype(int)
    weight = rng.uniform(0.5, 2.0, size=90) if weighted else None
    learner = MLPClassifier(
        preset="simple",
        hidden_layer_sizes=(4,),
        max_epochs=2,
        class_weight={0: 1.0, 1: 9.0},
        measures_valid=["accuracy", "neg_log_loss"],
        restore_best=False,
        random_state=0,
    )
    learner.fit(X, y, weight, X_val=X, y_val=y, sample_weight_val=weight)
    for name in ("accuracy", "neg_log_loss"):
        expected = get_scorer(name)(learner, X, y, sample_weight=weight)
        got = learner.history_[-1][f"valid_{name}"]
        assert got == pytest.approx(expected, rel=1e-12)
