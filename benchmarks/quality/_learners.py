"""Learners by name: ours with their defaults, and peers.

Everything heavy is imported when a learner is made, because the peers' interpreter
lacks some of it.
"""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import (
    ColumnTransformer,
    TransformedTargetRegressor,
    make_column_selector,
)
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

# Of more categories in one column HistGradientBoosting makes an error.
MOST_CATEGORIES = 255
OTHER_INTERPRETER = ("realmlp",)

_numbers = make_column_selector(dtype_include="number")
_categories = make_column_selector(dtype_include="category")


def ours() -> dict[str, type]:
    """Return our tabular learners: "mlp classifier", "mlp regressor" and so on."""
    from torchlearners.discovery import all_learners

    return {
        " ".join(kind.groups()).lower(): learner
        for name, learner in all_learners()
        if learner.__module__.startswith("torchlearners.tabular")
        and (kind := re.fullmatch("(.*)(Classifier|Regressor)", name))
    }


def names(task: str | None = None) -> list[str]:
    """Return the names of all learners of a task ("binary", "regression", ...)."""
    wanted = {
        None: ("classifier", "regressor"),
        "regression": ("regressor",),
        "multioutput": ("regressor",),
    }.get(task, ("classifier",))
    found = {key.split()[0] for key in ours() if key.split()[1] in wanted}
    return sorted(found) + sorted(PEERS)


def make_learner(name: str, task: str, X: pd.DataFrame, seed: int) -> Any:
    """Return a new learner for features like `X`."""
    regression = task in ("regression", "multioutput")
    if name in PEERS:
        peer = PEERS[name](regression, X, seed)
        # It predicts one value; each target has its own.
        several = task == "multioutput" and name == "hgb"
        return MultiOutputRegressor(peer) if several else peer
    learner = ours()[f"{name} {'regressor' if regression else 'classifier'}"]
    return learner(random_state=seed)


def _preprocess() -> ColumnTransformer:
    """Return what all peers get that take numbers only."""
    numeric = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True), StandardScaler()
    )
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return ColumnTransformer([("n", numeric, _numbers), ("c", one_hot, _categories)])


def _scaled_target(regressor: Any) -> TransformedTargetRegressor:
    return TransformedTargetRegressor(regressor, transformer=StandardScaler())


def _linear(regression: bool, X: pd.DataFrame, seed: int) -> Any:
    model = Ridge() if regression else LogisticRegression(max_iter=1000)
    return make_pipeline(_preprocess(), model)


def _sklearn_mlp(regression: bool, X: pd.DataFrame, seed: int) -> Any:
    if regression:
        model = _scaled_target(MLPRegressor(random_state=seed))
    else:
        model = MLPClassifier(random_state=seed)
    return make_pipeline(_preprocess(), model)


def _as_categories(X: pd.DataFrame) -> pd.DataFrame:
    return X.astype("category")


def _hgb(regression: bool, X: pd.DataFrame, seed: int) -> Any:
    cls = (
        HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
    )
    model = cls(categorical_features="from_dtype", random_state=seed)
    wide = [c for c in _categories(X) if X[c].nunique() > MOST_CATEGORIES]
    if not wide:
        return model
    rarest_as_one = OrdinalEncoder(
        max_categories=MOST_CATEGORIES,
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
    )
    narrow = make_pipeline(rarest_as_one, FunctionTransformer(_as_categories))
    narrowed = ColumnTransformer(
        [("wide", narrow, wide)],
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    return make_pipeline(narrowed.set_output(transform="pandas"), model)


def _skorch_mlp(regression: bool, X: pd.DataFrame, seed: int) -> Any:
    from benchmarks.quality._skorch_mlp import SkorchMLP

    net = SkorchMLP(regression, seed)
    return make_pipeline(_preprocess(), _scaled_target(net) if regression else net)


def _realmlp(regression: bool, X: pd.DataFrame, seed: int) -> Any:
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    cls = RealMLP_TD_Regressor if regression else RealMLP_TD_Classifier
    # It takes categories as they are, and no missing numbers.
    numeric = SimpleImputer(strategy="median", add_indicator=True)
    filled = ColumnTransformer(
        [("n", numeric, _numbers)],
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    model = cls(device="cpu", n_threads=1, random_state=seed)
    return make_pipeline(filled.set_output(transform="pandas"), model)


PEERS: dict[str, Callable[[bool, pd.DataFrame, int], Any]] = {
    "hgb": _hgb,
    "linear": _linear,
    "realmlp": _realmlp,
    "sklearn_mlp": _sklearn_mlp,
    "skorch_mlp": _skorch_mlp,
}
