"""What learners say to unfit data and parameters, and what they take without a word.

One row a case. After every refused call a fitted learner must predict the same bits as
before, and an unfitted one must still be unfitted.
"""

import re
import warnings
from collections import namedtuple

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.utils._param_validation import InvalidParameterError

from torchlearners import (
    DummyTorchClassifier,
    DummyTorchRegressor,
    MLPClassifier,
    MLPRegressor,
)
from torchlearners.exceptions import NonFiniteLossError

N_ROWS, N_FEATURES = 60, 4
X = np.random.RandomState(0).normal(size=(N_ROWS, N_FEATURES))
LABELS = (X[:, 0] + X[:, 1] > 0).astype(int)
VALUES = X[:, 0] * 10 + X[:, 1]

SMALL = {
    "preset": "simple",
    "hidden_layer_sizes": (4,),
    "max_epochs": 2,
    "random_state": 0,
}
LEARNERS = {
    "MLPClassifier": MLPClassifier(**SMALL),
    "MLPRegressor": MLPRegressor(**SMALL),
    "DummyTorchClassifier": DummyTorchClassifier(max_epochs=2, random_state=0),
    "DummyTorchRegressor": DummyTorchRegressor(max_epochs=2, random_state=0),
}
KINDS = {
    "all": list(LEARNERS),
    "classifiers": ["MLPClassifier", "DummyTorchClassifier"],
    "regressors": ["MLPRegressor", "DummyTorchRegressor"],
    "mlps": ["MLPClassifier", "MLPRegressor"],
}


def target_of(learner):
    return LABELS if is_classifier(learner) else VALUES


def rows(cases):
    """Return one pytest parameter for each case and learner that it is about."""
    return [
        pytest.param(clone(LEARNERS[name]), case, id=f"{case.name}-{name}")
        for case in cases
        for name in KINDS[case.kind]
    ]


def with_value(value, dtype=float):
    changed = X.astype(dtype)
    changed[3, 1] = value
    return changed


def with_target(value):
    def change(y):
        changed = y.astype(float)
        changed[5] = value
        return changed

    return change


def frame(**columns):
    pd = pytest.importorskip("pandas")
    names = ["a", "b", "c", "d"]
    data = pd.DataFrame(X, columns=names)
    for name, values in columns.items():
        data[name] = values
    return data


def polars_frame(**columns):
    pl = pytest.importorskip("polars")
    return pl.DataFrame({"a": X[:, 0], "b": X[:, 1], **columns})


def frame_with_names(names):
    pd = pytest.importorskip("pandas")
    return pd.DataFrame(X, columns=names)


def frame_with_na():
    pd = pytest.importorskip("pandas")
    return frame(b=pd.array([pd.NA] + [1] * (N_ROWS - 1), dtype="Int64"))


def numpy_matrix():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        return np.matrix(X)


# What fit refuses. `X` makes the rows, `y` changes the target, `more` are other
# arguments of fit, `params` are set before.
Refused = namedtuple(
    "Refused",
    "name error match kind X y more params",
    defaults=("all", lambda: X, lambda y: y, {}, {}),
)

FIT_REFUSES = [
    Refused(
        "X of one dimension",
        ValueError,
        "Expected 2D array, got 1D array instead",
        X=lambda: X[:, 0],
    ),
    Refused(
        "X of three dimensions",
        ValueError,
        "Found array with dim 3",
        X=lambda: X[:, :, None],
    ),
    Refused(
        "X a number",
        ValueError,
        "Expected 2D array, got scalar array instead",
        X=lambda: 3.0,
    ),
    Refused(
        "X an empty list",
        ValueError,
        "Expected 2D array, got 1D array instead",
        X=lambda: [],
    ),
    Refused(
        "X without rows",
        ValueError,
        r"Found array with 0 sample\(s\) \(shape=\(0, 4\)\) while a minimum of 1",
        X=lambda: X[:0],
        y=lambda y: y[:0],
    ),
    Refused(
        "X without columns",
        ValueError,
        r"Found array with 0 feature\(s\) \(shape=\(60, 0\)\) while a minimum of 1",
        X=lambda: X[:, :0],
    ),
    Refused(
        "X None",
        ValueError,
        "Expected (a )?2D array",
        X=lambda: None,
    ),
    Refused(
        "y None",
        ValueError,
        "requires y to be passed, but the target y is None",
        y=lambda y: None,
    ),
    Refused(
        "X a string",
        ValueError,
        "Expected a 2D array-like or DataFrame, got str",
        X=lambda: "abc",
    ),
    Refused(
        "X bytes",
        ValueError,
        "Expected a 2D array-like or DataFrame, got bytes",
        X=lambda: b"abc",
    ),
    Refused(
        "X a dict",
        ValueError,
        "Expected a 2D array-like or DataFrame, got dict",
        X=lambda: {"a": [1.0] * N_ROWS},
    ),
    Refused(
        "X ragged",
        ValueError,
        "inhomogeneous",
        X=lambda: [[1.0, 2.0], [3.0]],
        y=lambda y: y[:2],
    ),
    Refused(
        "X with infinity",
        ValueError,
        "Input X contains infinity or a value too large",
        X=lambda: with_value(np.inf),
    ),
    Refused(
        "X with minus infinity",
        ValueError,
        "Input X contains infinity or a value too large",
        X=lambda: with_value(-np.inf),
    ),
    Refused(
        "X too large for float32",
        ValueError,
        r"Input X contains infinity or a value too large for dtype\('float32'\)",
        X=lambda: with_value(1e39),
    ),
    Refused(
        "X too small for float32",
        ValueError,
        r"Input X contains infinity or a value too large for dtype\('float32'\)",
        X=lambda: with_value(-1e39),
    ),
    Refused(
        "X complex",
        ValueError,
        "Complex data not supported",
        X=lambda: X + 1j,
    ),
    Refused(
        "X of objects with a string",
        ValueError,
        "could not convert string to float: 'foo'",
        X=lambda: with_value("foo", object),
    ),
    Refused(
        "X of strings",
        ValueError,
        "could not convert string to float",
        X=lambda: np.char.add(X.astype(str), "x"),
    ),
    Refused(
        "X of byte strings",
        ValueError,
        r"X has dtype \|S5.*Encode them as numbers",
        X=lambda: X.astype("S5"),
    ),
    Refused(
        "X of times",
        ValueError,
        r"X has dtype datetime64.*Encode them as numbers",
        X=lambda: X.astype("datetime64[s]"),
    ),
    Refused(
        "X of durations",
        ValueError,
        r"X has dtype timedelta64.*Encode them as numbers",
        X=lambda: X.astype("timedelta64[s]"),
    ),
    Refused(
        "X a numpy matrix",
        TypeError,
        "np.matrix is not supported",
        X=numpy_matrix,
    ),
    Refused(
        "a DataFrame with infinity",
        ValueError,
        "Input X contains infinity or a value too large.* in column 'b'",
        X=lambda: frame(b=np.inf),
    ),
    Refused(
        "infinity beside a column of strings",
        ValueError,
        "Input X contains infinity or a value too large.* in column 'b'",
        X=lambda: frame(b=-np.inf, c="u"),
    ),
    Refused(
        "a DataFrame without rows",
        ValueError,
        r"Found array with 0 sample\(s\) \(shape=\(0, 4\)\) while a minimum of 1",
        X=lambda: frame()[:0],
        y=lambda y: y[:0],
    ),
    Refused(
        "a DataFrame without columns",
        ValueError,
        r"Found array with 0 feature\(s\) \(shape=\(60, 0\)\) while a minimum of 1",
        X=lambda: frame()[[]],
    ),
    Refused(
        "a column of lists",
        ValueError,
        "Column 'c' of X holds .* values, which are neither numbers nor categories",
        X=lambda: frame(c=[[1]] * N_ROWS),
    ),
    Refused(
        "strings that categorical_features leaves out",
        ValueError,
        "Column 'c' of X holds String values, .*categorical_features=None leaves it",
        X=lambda: frame(c=["u", "v"] * 30),
        params={"categorical_features": None},
    ),
    Refused(
        "categorical_features of another word",
        ValueError,
        "'categorical_features' parameter of .* must be .*'from_dtype'.* Got 'all'",
        params={"categorical_features": "all"},
    ),
    Refused(
        "categorical_features of an unknown name",
        ValueError,
        "categorical_features has an item value 'z' which is not a valid feature name",
        X=frame,
        params={"categorical_features": ["z"]},
    ),
    Refused(
        "columns of the same name",
        ValueError,
        "duplicate columns: 'a'. The names of columns must be unique",
        X=lambda: frame_with_names(["a", "a", "b", "c"]),
    ),
    Refused(
        "column names of several types",
        TypeError,
        "Feature names are only supported if all input features have string names",
        X=lambda: frame_with_names(["a", "b", 0, 1]),
    ),
    Refused(
        "y shorter than X",
        ValueError,
        r"inconsistent numbers of samples: \[60, 59\]",
        y=lambda y: y[:-1],
    ),
    Refused("y with NaN", ValueError, r"Input y contains NaN\.", y=with_target(np.nan)),
    Refused(
        "y with infinity",
        ValueError,
        "Input y contains infinity",
        y=with_target(np.inf),
    ),
    Refused(
        "y of three dimensions",
        ValueError,
        "Found array with dim 3",
        y=lambda y: np.zeros((N_ROWS, 2, 2)),
    ),
    Refused(
        "y continuous",
        ValueError,
        "Unknown label type: continuous",
        "classifiers",
        y=lambda y: VALUES,
    ),
    Refused(
        "y of two float columns",
        ValueError,
        "Unknown label type: continuous-multioutput",
        "classifiers",
        y=lambda y: X[:, :2],
    ),
    Refused(
        "y of several classes in several columns",
        ValueError,
        "Unknown label type.*MultiOutputClassifier",
        "classifiers",
        y=lambda y: np.column_stack([y, y + 1]),
    ),
    Refused(
        "y with None",
        ValueError,
        r"y contains 30 missing labels \(None or NaN\)",
        "classifiers",
        y=lambda y: np.array(["a", None] * 30, dtype=object),
    ),
    Refused(
        "y of strings and numbers",
        ValueError,
        r"y mixes labels of types int, str.*astype\(str\)",
        "classifiers",
        y=lambda y: np.array(["a", 1] * 30, dtype=object),
    ),
    Refused(
        "y of words",
        ValueError,
        "y must hold numbers, but has 'a'. For classes, use the classifier",
        "regressors",
        y=lambda y: ["a", "b"] * 30,
    ),
    Refused(
        "weights too few",
        ValueError,
        r"sample_weight\.shape == \(3,\), expected \(60,\)",
        more={"sample_weight": np.ones(3)},
    ),
    Refused(
        "weights of two dimensions",
        ValueError,
        "Sample weights must be 1D array or scalar",
        more={"sample_weight": np.ones((N_ROWS, 2))},
    ),
    Refused(
        "weights negative",
        ValueError,
        "Negative values in data passed to `sample_weight`",
        more={"sample_weight": np.r_[-1.0, np.ones(N_ROWS - 1)]},
    ),
    Refused(
        "weights all zero",
        ValueError,
        "Sample weights must contain at least one non-zero number",
        more={"sample_weight": np.zeros(N_ROWS)},
    ),
    Refused(
        "weights with NaN",
        ValueError,
        "Input sample_weight contains NaN",
        more={"sample_weight": np.r_[np.nan, np.ones(N_ROWS - 1)]},
    ),
    Refused(
        "weights with infinity",
        ValueError,
        "Input sample_weight contains infinity",
        more={"sample_weight": np.r_[np.inf, np.ones(N_ROWS - 1)]},
    ),
    Refused(
        "weights of words",
        ValueError,
        "could not convert string to float: 'a'",
        more={"sample_weight": ["a"] * N_ROWS},
    ),
    Refused(
        "X_val without y_val",
        ValueError,
        "X_val and y_val must be given together",
        more={"X_val": X},
    ),
    Refused(
        "y_val without X_val",
        ValueError,
        "X_val and y_val must be given together",
        more={"y_val": LABELS},
    ),
    Refused(
        "sample_weight_val without X_val",
        ValueError,
        "X_val and y_val must be given together",
        more={"sample_weight_val": np.ones(N_ROWS)},
    ),
    Refused(
        "X_val with fewer columns",
        ValueError,
        "X_val has 3 features, but .* is expecting 4 features as input",
        more={"X_val": X[:, :3], "y_val": LABELS},
    ),
    Refused(
        "y_val shorter than X_val",
        ValueError,
        "inconsistent numbers of samples",
        more={"X_val": X, "y_val": LABELS[:-1]},
    ),
    Refused(
        "y_val with a label that y lacks",
        ValueError,
        r"`y_val` has classes not in `self\.classes_`.*\[0 1\].*\[7\]",
        "classifiers",
        more={"X_val": X[:1], "y_val": [7]},
    ),
    Refused(
        "sample_weight_val too few",
        ValueError,
        r"sample_weight_val\.shape == \(3,\)",
        more={"X_val": X, "y_val": LABELS, "sample_weight_val": np.ones(3)},
    ),
    Refused(
        "one row and early stopping",
        ValueError,
        "early_stopping|validation",
        X=lambda: X[:1],
        y=lambda y: y[:1],
        params={"early_stopping": True},
    ),
    Refused(
        "two classes of one row each and early stopping",
        ValueError,
        "early_stopping|validation",
        "classifiers",
        X=lambda: X[:2],
        y=lambda y: np.array([0, 1]),
        params={"early_stopping": True},
    ),
    Refused(
        "class weight of an unknown label",
        ValueError,
        "not in class_weight|(?i:unknown)|unseen",
        "classifiers",
        params={"class_weight": {7: 2.0}},
    ),
    Refused(
        "class weight negative",
        ValueError,
        "class_weight",
        "classifiers",
        params={"class_weight": {0: -1.0, 1: 1.0}},
    ),
    Refused(
        "class weight zero for every class",
        ValueError,
        "(?i)weight",
        "classifiers",
        params={"class_weight": {0: 0.0, 1: 0.0}},
    ),
    Refused(
        "class weight NaN",
        ValueError,
        "(?i)weight",
        "classifiers",
        params={"class_weight": {0: np.nan, 1: 1.0}},
    ),
    Refused(
        "class weight with a multilabel target",
        ValueError,
        "class_weight='balanced' is not supported for multilabel",
        "classifiers",
        y=lambda y: np.column_stack([y, 1 - y]),
        params={"class_weight": "balanced"},
    ),
    Refused(
        "a loss for another target",
        ValueError,
        r"loss=MSE\(\) is for values, but the target holds classes.*cross_entropy",
        "classifiers",
        params={"loss": "mse"},
    ),
    Refused(
        "training that diverges",
        NonFiniteLossError,
        r"training loss became .* in epoch \d+, batch 1 of 1 \(lr=1e\+30\).*Lower lr",
        "mlps",
        params={"lr": 1e30, "max_epochs": 10},
    ),
    Refused(
        "weight decay with LBFGS",
        ValueError,
        "no weight decay, got weight_decay=0.1. Set weight_decay=0",
        params={"optimizer": "lbfgs", "weight_decay": 0.1},
    ),
    Refused(
        "a device that is none",
        ValueError,
        "device='gpu' is not a device; try 'auto' or 'cpu'",
        params={"device": "gpu"},
    ),
    Refused(
        "a device that is not here",
        ValueError,
        "device='meta' is not available here; available: cpu",
        params={"device": "meta"},
    ),
]


def parameter(name, value, match, kind="all"):
    return Refused(
        f"{name}={value!r}", InvalidParameterError, match, kind, params={name: value}
    )


PARAMETERS_REFUSED = [
    parameter("hidden_layer_sizes", -1, r"int in the range \[1, inf\).*Got -1", "mlps"),
    parameter("hidden_layer_sizes", "a", "Got 'a' instead", "mlps"),
    parameter("hidden_layer_sizes", (8, 0), r"Got \(8, 0\) instead", "mlps"),
    parameter("hidden_layer_sizes", (8.5,), r"Got \(8.5,\) instead", "mlps"),
    parameter("activation", "foo", "'relu'.*Got 'foo' instead", "mlps"),
    parameter("dropout", 1.0, r"float in the range \[0.0, 1.0\). Got 1.0", "mlps"),
    parameter("normalization", "foo", "'layer'.*Got 'foo' instead", "mlps"),
    parameter("preprocessing", "quantil", "'standard'.*Got 'quantil'", "mlps"),
    parameter("lr", 0, r"float in the range \(0.0, inf\). Got 0 instead"),
    parameter("lr", "x", "Got 'x' instead"),
    parameter("lr", np.nan, "Got nan instead"),
    parameter("max_epochs", 0, r"int in the range \[1, inf\). Got 0 instead"),
    parameter("max_epochs", 1.5, "Got 1.5 instead"),
    parameter("batch_size", 0, r"'auto'.*int in the range \[1, inf\).*Got 0"),
    parameter("batch_size", "all", "'auto'.*Got 'all' instead"),
    parameter("optimizer", "adamm", "'adamw'.*Got 'adamm' instead"),
    parameter("optimizer", None, "Got None instead"),
    parameter("loss", "mxe", "'mse'.*Got 'mxe' instead"),
    parameter("weight_decay", -1, r"range \[0.0, inf\). Got -1 instead"),
    parameter("weight_decay", np.nan, "Got nan instead"),
    parameter("validation_fraction", 1.5, r"range \(0.0, 1.0\). Got 1.5 instead"),
    parameter("early_stopping", "yes", "'auto'.*Got 'yes' instead"),
    parameter("patience", 0, r"range \[1, inf\). Got 0 instead"),
    parameter("min_delta", -1e-3, "Got -0.001 instead"),
    parameter("restore_best", "x", "bool.*Got 'x' instead"),
    parameter("warm_start", "x", "bool.*Got 'x' instead"),
    parameter("random_state", "a", "RandomState.*Got 'a' instead"),
    parameter("random_state", -1, "Got -1 instead"),
    parameter("predict_batch_size", 0, "'auto'.*Got 0 instead"),
    parameter("n_threads", 0, r"range \[1, inf\).*None. Got 0 instead"),
    parameter("device", 3, "torch.device'. Got 3 instead"),
    parameter(
        "callbacks", 3, "must be a list of skorch callbacks.*or None. Got 3 instead"
    ),
    parameter("class_weight", "balance", "'balanced'.*Got 'balance'", "classifiers"),
]

# Values of the right kind that turn out wrong only when they are used.
Unusable = (TypeError, ValueError)
PARAMETERS_UNUSABLE = [
    Refused("optimizer=int", Unusable, "optimizer", params={"optimizer": int}),
    Refused("loss=int", Unusable, "loss", params={"loss": int}),
    Refused("callbacks=[3]", Unusable, "callbacks", params={"callbacks": [3]}),
    Refused(
        "activation=int", Unusable, "activation", "mlps", params={"activation": int}
    ),
]


@pytest.mark.parametrize(
    ("learner", "case"), rows(FIT_REFUSES + PARAMETERS_REFUSED + PARAMETERS_UNUSABLE)
)
def test_fit_refuses_and_leaves_the_learner_as_it_was(learner, case):
    y = target_of(learner)
    bad_X, bad_y = case.X(), case.y(y)
    good = {name: learner.get_params()[name] for name in case.params}

    # The bad parameters are read by fit, not by the constructor.
    unfitted = type(learner)(**{**learner.get_params(deep=False), **case.params})
    before = set(vars(unfitted))
    with pytest.raises(case.error, match=re.compile(case.match, re.DOTALL)):
        unfitted.fit(bad_X, bad_y, **case.more)
    assert set(vars(unfitted)) == before
    with pytest.raises(NotFittedError):
        unfitted.predict(X)

    learner.fit(X, y)
    predicted, before = learner.predict(X), set(vars(learner))
    learner.set_params(**case.params)
    with pytest.raises(case.error, match=re.compile(case.match, re.DOTALL)):
        learner.fit(bad_X, bad_y, **case.more)
    learner.set_params(**good)
    assert set(vars(learner)) == before
    assert learner.n_features_in_ == N_FEATURES
    assert_array_equal(learner.predict(X), predicted)


# What predict refuses. `fitted_on` makes the rows that fit saw.
Unpredictable = namedtuple(
    "Unpredictable", "name error match X fitted_on kind", defaults=(lambda: X, "all")
)

PREDICT_REFUSES = [
    Unpredictable(
        "fewer columns",
        ValueError,
        "X has 3 features, but .* is expecting 4 features as input",
        lambda: X[:, :3],
    ),
    Unpredictable(
        "more columns",
        ValueError,
        "X has 8 features, but .* is expecting 4 features as input",
        lambda: np.hstack([X, X]),
    ),
    Unpredictable(
        "one dimension", ValueError, "Expected 2D array, got 1D array", lambda: X[0]
    ),
    Unpredictable(
        "three dimensions",
        ValueError,
        "Found array with dim 3",
        lambda: X[:, :, None],
    ),
    Unpredictable(
        "infinity in a DataFrame",
        ValueError,
        "contains infinity or a value too large.* in column 'b'",
        lambda: frame(b=np.inf),
        frame,
    ),
    Unpredictable(
        "an extra column",
        ValueError,
        "Feature names unseen at fit time:\n- e\n",
        lambda: frame(e=1.0),
        frame,
    ),
    Unpredictable(
        "a missing column",
        ValueError,
        "seen at fit time, yet now missing:\n- b\n",
        lambda: frame().drop(columns="b"),
        frame,
    ),
    Unpredictable(
        "numbers where fit saw strings",
        ValueError,
        "Column 'c' of X held strings in fit, and now holds numbers",
        frame,
        lambda: frame(c=["u", "v"] * 30),
    ),
    Unpredictable(
        "numbers where fit saw times",
        ValueError,
        "Column 'c' of X held times in fit, and now holds .* values",
        frame,
        lambda: frame(c=np.arange(N_ROWS).astype("datetime64[s]")),
    ),
    Unpredictable(
        "infinity", ValueError, "contains infinity", lambda: with_value(np.inf)
    ),
    Unpredictable(
        "too large for float32",
        ValueError,
        r"contains infinity or a value too large for dtype\('float32'\)",
        lambda: with_value(1e60),
    ),
    Unpredictable(
        "no rows",
        ValueError,
        r"Found array with 0 sample\(s\) \(shape=\(0, 4\)\)",
        lambda: X[:0],
    ),
    Unpredictable("None", ValueError, "Expected (a )?2D array", lambda: None),
    Unpredictable("a dict", ValueError, "got dict", lambda: {"a": [1.0]}),
    Unpredictable(
        "complex numbers", ValueError, "Complex data not supported", lambda: X + 1j
    ),
    Unpredictable(
        "words",
        ValueError,
        "could not convert string to float",
        lambda: np.char.add(X.astype(str), "x"),
    ),
    Unpredictable(
        "columns in another order",
        ValueError,
        "Feature names must be in the same order as they were in fit",
        lambda: frame()[["b", "a", "c", "d"]],
        frame,
    ),
    Unpredictable(
        "a renamed column",
        ValueError,
        "Feature names unseen at fit time:\n- z\n.*now missing:\n- a",
        lambda: frame().rename(columns={"a": "z"}),
        frame,
    ),
    Unpredictable(
        "a column of strings",
        ValueError,
        "Column 'c' of X held numbers in fit, and now holds String values",
        lambda: frame(c=["u", "v"] * 30),
        frame,
    ),
]


@pytest.mark.parametrize(("learner", "case"), rows(PREDICT_REFUSES))
def test_predict_refuses_what_fit_did_not_see(learner, case):
    seen = case.fitted_on()
    learner.fit(seen, target_of(learner))
    methods = ["predict"]
    if is_classifier(learner):
        methods += ["predict_proba", "decision_function"]
    before = learner.predict(seen)
    bad_X = case.X()
    for method in methods:
        with pytest.raises(case.error, match=re.compile(case.match, re.DOTALL)):
            getattr(learner, method)(bad_X)
    assert_array_equal(learner.predict(seen), before)


@pytest.mark.parametrize("name", LEARNERS)
def test_nothing_can_be_predicted_before_fit(name):
    learner = LEARNERS[name]
    methods = ["predict", "score"]
    if is_classifier(learner):
        methods += ["predict_proba", "decision_function"]
    for method in methods:
        arguments = (X, LABELS) if method == "score" else (X,)
        with pytest.raises(NotFittedError, match=f"This {name} instance is not fitted"):
            getattr(clone(learner), method)(*arguments)


# What partial_fit refuses, first on an unfitted learner, then on a fitted one.
Continued = namedtuple(
    "Continued", "name fitted error match kind call", defaults=("all", None)
)

PARTIAL_FIT_REFUSES = [
    Continued(
        "the first call without classes",
        False,
        ValueError,
        "classes must be passed on the first call to partial_fit",
        "classifiers",
        lambda learner, y: learner.partial_fit(X, y),
    ),
    Continued(
        "a label that classes lack",
        False,
        ValueError,
        r"`y` has classes not in `self\.classes_`",
        "classifiers",
        lambda learner, y: learner.partial_fit(X, y + 3, classes=[0, 1]),
    ),
    Continued(
        "an unseen label",
        True,
        ValueError,
        r"`y` has classes not in `self\.classes_`\. `self\.classes_` has \[0 1\]\. "
        r"'y' has \[3 4\]\.",
        "classifiers",
        lambda learner, y: learner.partial_fit(X, y + 3),
    ),
    Continued(
        "other classes than in the first call",
        True,
        ValueError,
        "is not the same as on last call to partial_fit",
        "classifiers",
        lambda learner, y: learner.partial_fit(X, y, classes=[0, 1, 2]),
    ),
    Continued(
        "a multilabel target after single labels",
        True,
        ValueError,
        r"y should be a 1d array, got an array of shape \(60, 2\)",
        "classifiers",
        lambda learner, y: learner.partial_fit(X, np.column_stack([y, y])),
    ),
    Continued(
        "fewer columns",
        True,
        ValueError,
        "X has 2 features, but .* is expecting 4 features as input",
        call=lambda learner, y: learner.partial_fit(X[:, :2], y),
    ),
    Continued(
        "weights too few",
        True,
        ValueError,
        r"sample_weight\.shape == \(3,\)",
        call=lambda learner, y: learner.partial_fit(X, y, sample_weight=[1, 1, 1]),
    ),
    Continued(
        "more target columns",
        True,
        ValueError,
        "y has 2 columns, but the first fit had 1",
        "regressors",
        lambda learner, y: learner.partial_fit(X, np.column_stack([y, y])),
    ),
]


@pytest.mark.parametrize(("learner", "case"), rows(PARTIAL_FIT_REFUSES))
def test_partial_fit_refuses_and_leaves_the_learner_as_it_was(learner, case):
    y = target_of(learner)
    if case.fitted:
        learner.fit(X, y)
        predicted = learner.predict(X)
    before = set(vars(learner))
    with pytest.raises(case.error, match=case.match):
        case.call(learner, y)
    assert set(vars(learner)) == before
    if case.fitted:
        assert learner.n_iter_ == learner.max_epochs
        assert_array_equal(learner.predict(X), predicted)
    else:
        with pytest.raises(NotFittedError):
            learner.predict(X)


Misspelt = namedtuple("Misspelt", "name error match call")

NAMES_REFUSED = [
    Misspelt(
        "a near miss in the constructor",
        TypeError,
        "unexpected parameter 'max_epoch'. Did you mean 'max_epochs'?",
        lambda cls: cls(max_epoch=3),
    ),
    Misspelt(
        "scikit-learn's name in the constructor",
        TypeError,
        "unexpected parameter 'max_iter'. Did you mean 'max_epochs'?",
        lambda cls: cls(max_iter=3),
    ),
    Misspelt(
        "a learning rate in the constructor",
        TypeError,
        "unexpected parameter 'learning_rate'. Did you mean 'lr'?",
        lambda cls: cls(learning_rate=3),
    ),
    Misspelt(
        "a name that resembles none",
        TypeError,
        "unexpected parameter 'xyz'.$",
        lambda cls: cls(xyz=3),
    ),
    Misspelt(
        "a positional parameter",
        TypeError,
        r"takes keyword arguments only, got 1 positional: \(3,\)",
        lambda cls: cls(3),
    ),
    Misspelt(
        "a near miss in set_params",
        ValueError,
        "Invalid parameter 'batchsize' for estimator .* Did you mean 'batch_size'?",
        lambda cls: cls().set_params(batchsize=3),
    ),
    Misspelt(
        "an unknown name in set_params",
        ValueError,
        r"Invalid parameter 'xyz' for estimator .* Valid parameters are: \['",
        lambda cls: cls().set_params(xyz=3),
    ),
    Misspelt(
        "an unknown nested name in set_params",
        ValueError,
        r"Invalid parameter 'bettas' for .*AdamW.*'betas'",
        lambda cls: cls().set_params(optimizer__bettas=(0.9, 0.9)),
    ),
    Misspelt(
        "a nested name of what has no parameters",
        ValueError,
        "Invalid parameter|no parameters|nested",
        lambda cls: cls().set_params(lr__by=3),
    ),
    Misspelt(
        "an unknown callback in set_params",
        ValueError,
        r"Invalid callback 'clip' for .* Valid callbacks are: \[\]",
        lambda cls: cls().set_params(callbacks__clip__gradient_clip_value=3),
    ),
]


@pytest.mark.parametrize("learner", LEARNERS.values(), ids=LEARNERS)
@pytest.mark.parametrize("case", NAMES_REFUSED, ids=lambda case: case.name)
def test_unknown_names_are_refused(learner, case):
    with pytest.raises(case.error, match=re.compile(case.match, re.DOTALL)):
        case.call(type(learner))


# What fit takes. `same` says that it must be the very fit on plain X and y.
Accepted = namedtuple(
    "Accepted",
    "name X y kind same more params warns",
    defaults=(lambda: X, lambda y: y, "all", False, {}, {}, None),
)


def memory_map(folder):
    path = folder / "X.npy"
    np.save(path, X)
    return np.load(path, mmap_mode="r")


def attached():
    return torch.tensor(X, requires_grad=True)


FIT_ACCEPTS = [
    Accepted("X of bool", lambda: X > 0),
    Accepted("X of int8", lambda: (X * 3).astype(np.int8)),
    Accepted("X of large int64", lambda: (X * 2**60).astype(np.int64)),
    Accepted("X of float16", lambda: X.astype(np.float16)),
    Accepted("X up to the largest float32", lambda: with_value(3.4e38)),
    Accepted("X a list of lists", lambda: X.tolist(), same=True),
    Accepted("X of objects that are numbers", lambda: X.astype(object), same=True),
    Accepted("X in Fortran order", lambda: np.asfortranarray(X), same=True),
    Accepted("X of the other byte order", lambda: X.astype(">f8"), same=True),
    Accepted("X a strided view", lambda: np.repeat(X, 2, axis=0)[::2], same=True),
    Accepted(
        "X a masked array without masked values",
        lambda: np.ma.masked_array(X, mask=False),
        same=True,
    ),
    Accepted("X a torch tensor", lambda: torch.tensor(X), same=True),
    Accepted("X a tensor that requires grad", attached, same=True),
    Accepted("X a pandas DataFrame", frame, same=True),
    Accepted(
        "X a DataFrame of nullable numbers",
        lambda: frame().astype("Float64"),
        same=True,
    ),
    Accepted(
        "X a DataFrame with number names", lambda: frame_with_names(range(4)), same=True
    ),
    Accepted(
        "X a polars DataFrame",
        lambda: polars_frame(c=X[:, 2], d=X[:, 3]),
        same=True,
    ),
    Accepted("X with NaN", lambda: with_value(np.nan)),
    Accepted("X with NaN in float32", lambda: with_value(np.nan, np.float32)),
    Accepted("X of objects with None", lambda: with_value(None, object)),
    Accepted("X a sparse matrix", lambda: sp.csr_matrix(X), same=True),
    Accepted("X a sparse array", lambda: sp.coo_array(X), same=True),
    Accepted(
        "a category column",
        lambda: frame(c=["u", "v"] * 30).astype({"c": "category"}),
    ),
    Accepted("a column of strings", lambda: frame(c=["u", "v"] * 30)),
    Accepted("a polars column of strings", lambda: polars_frame(c=["u", None] * 30)),
    Accepted(
        "a column of times",
        lambda: frame(c=np.arange(N_ROWS).astype("datetime64[s]")),
    ),
    Accepted("a column with pandas' NA", frame_with_na),
    Accepted(
        "X_val with NaN",
        more={"X_val": with_value(np.nan), "y_val": LABELS},
    ),
    Accepted("one row", lambda: X[:1], lambda y: y[:1]),
    Accepted("two rows", lambda: X[:2], lambda y: y[:2]),
    Accepted("the same row many times", lambda: np.tile(X[:1], (N_ROWS, 1))),
    Accepted("a batch larger than the data", same=True, params={"batch_size": 10**6}),
    Accepted(
        "X_val of one row",
        more={"X_val": X[:1], "y_val": [1]},
    ),
    Accepted("y a list", y=lambda y: y.tolist(), same=True),
    Accepted("y a torch tensor", y=torch.tensor, same=True),
    Accepted(
        "y a column vector",
        y=lambda y: y[:, None],
        same=True,
        warns=(DataConversionWarning, "A column-vector y was passed"),
    ),
    Accepted(
        "y of strings", y=lambda y: np.array(["no", "yes"])[y], kind="classifiers"
    ),
    Accepted("y of bool", y=lambda y: y.astype(bool), kind="classifiers"),
    Accepted("y of whole floats", y=lambda y: y.astype(float), kind="classifiers"),
    Accepted("y of negative labels", y=lambda y: y * 2 - 1, kind="classifiers"),
    Accepted("y of large labels", y=lambda y: y * 2**62, kind="classifiers"),
    Accepted("y of one class", y=lambda y: y * 0, kind="classifiers"),
    Accepted(
        "y with a lone label and early stopping",
        y=lambda y: np.r_[2, y[1:]],
        kind="classifiers",
        params={"early_stopping": True},
    ),
    Accepted(
        "y one-hot, as a multilabel target",
        y=lambda y: np.eye(2, dtype=int)[y],
        kind="classifiers",
    ),
    Accepted("y constant", y=lambda y: y * 0 + 7.5, kind="regressors"),
    Accepted("y of int", y=lambda y: y.astype(int), kind="regressors"),
    Accepted(
        "y of two columns",
        y=lambda y: np.column_stack([y, -y]),
        kind="regressors",
    ),
    Accepted(
        "class weight of an absent label",
        kind="classifiers",
        same=True,
        params={"class_weight": {0: 1.0, 1: 1.0, 2: 9.0}},
    ),
    Accepted("weights a number", same=True, more={"sample_weight": 2.0}),
    Accepted("weights all equal", same=True, more={"sample_weight": [3] * N_ROWS}),
]


@pytest.mark.parametrize(("learner", "case"), rows(FIT_ACCEPTS))
def test_fit_accepts(learner, case):
    given_X, given_y = case.X(), case.y(target_of(learner))
    shape = np.asarray(given_y).shape
    learner = clone(learner).set_params(**case.params)
    if case.warns:
        with pytest.warns(case.warns[0], match=case.warns[1]):
            learner.fit(given_X, given_y, **case.more)
    else:
        learner.fit(given_X, given_y, **case.more)
    predicted = learner.predict(given_X)
    if is_classifier(learner):
        assert np.isin(predicted, np.asarray(given_y)).all()
        proba = learner.predict_proba(given_X)
        assert np.isfinite(proba).all()
    else:
        assert np.isfinite(predicted).all()
    if case.same:
        plain = clone(learner).set_params(batch_size="auto")
        plain.fit(X, target_of(learner))
        method = "predict_proba" if is_classifier(learner) else "predict"
        assert_array_equal(getattr(learner, method)(given_X), getattr(plain, method)(X))
    else:
        assert predicted.shape == shape


@pytest.mark.parametrize("name", LEARNERS)
def test_a_read_only_memory_map_is_accepted_and_not_written(name, tmp_path):
    learner, mapped = clone(LEARNERS[name]), memory_map(tmp_path)
    y = target_of(learner)
    learner.fit(mapped, y)
    assert_array_equal(learner.predict(mapped), clone(learner).fit(X, y).predict(X))


@pytest.mark.parametrize("name", LEARNERS)
def test_fit_and_predict_do_not_change_what_they_are_given(name):
    learner = clone(LEARNERS[name])
    for dtype in (np.float64, np.float32):
        given, y = X.astype(dtype), target_of(learner).copy()
        weight = np.linspace(0, 1, N_ROWS)
        copies = given.copy(), y.copy(), weight.copy()
        learner.fit(given, y, sample_weight=weight).predict(given)
        for now, then in zip((given, y, weight), copies, strict=True):
            assert_array_equal(now, then)


@pytest.mark.parametrize("name", KINDS["classifiers"])
def test_score_counts_labels_that_fit_never_saw_as_wrong(name):
    learner = clone(LEARNERS[name]).fit(X, LABELS)
    assert learner.score(X, LABELS + 5) == 0.0


NameWarning = namedtuple("NameWarning", "name fit_on predict_on match")

NAME_WARNINGS = [
    NameWarning(
        "array after a DataFrame",
        frame,
        lambda: X,
        "X does not have valid feature names, but .* was fitted with feature names",
    ),
    NameWarning(
        "DataFrame after an array",
        lambda: X,
        frame,
        "X has feature names, but .* was fitted without feature names",
    ),
]


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("case", NAME_WARNINGS, ids=lambda case: case.name)
def test_missing_and_unexpected_feature_names_warn(name, case):
    learner = clone(LEARNERS[name])
    fit_on = case.fit_on()
    learner.fit(fit_on, target_of(learner))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = learner.predict(fit_on)
    with pytest.warns(UserWarning, match=case.match):
        predicted = learner.predict(case.predict_on())
    assert_array_equal(predicted, expected)
