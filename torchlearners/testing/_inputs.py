"""Checks of what a learner takes as X, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from torchlearners.testing._assertions import (
    assert_finite,
    assert_same,
    must_refuse,
    must_work,
    skip_unless_repeatable,
)
from torchlearners.testing._kinds import (
    predicts,
    takes_missing,
    torch_check,
)
from torchlearners.testing._probe import outputs, quick, record, require_fitted, toy

_CONVERT = "Let torchlearners.data.check_features convert X, as the base classes do."
_COPY = "Work on a copy of the array."
_ARCHITECTURE = "Look at network(spec) and schema()."


def refuses_missing(learner: Any) -> bool:
    """Tell whether the learner takes no missing values."""
    return not takes_missing(learner)


def _check_fits(name: str, learner: Any, X: Any, y: Any, on: str) -> Any:
    with must_work(name, f"fit on {on}", _ARCHITECTURE):
        fitted = quick(learner).fit(X, y)
    assert_finite(name, fitted, X, f"fit on {on}")
    return fitted


@torch_check(predicts)
def check_dtype_of_features_does_not_matter(name: str, learner: Any) -> None:
    """Check that floats, integers, bools and lists of one X give the same bits."""
    X, y = toy(learner)
    zeros_and_ones = X.mean(axis=0) < X
    expected = None
    for dtype in ("float64", "float32", "float16", "int64", "int32", "uint8", "bool"):
        given = zeros_and_ones.astype(dtype)
        with must_work(name, f"fit and predict with X of dtype {dtype}", _CONVERT):
            found = outputs(quick(learner).fit(given, y), given)
        expected = found if expected is None else expected
        # Of float32 X, regressors predict float32.
        rounded = expected.astype(found.dtype)
        assert_same(
            name, learner, found, rounded, f"X as {dtype} instead of float64", _CONVERT
        )
    rows = zeros_and_ones.astype(float).tolist()
    with must_work(name, "fit and predict with X and y as lists", _CONVERT):
        found = outputs(quick(learner).fit(rows, y.tolist()), rows)
    assert_same(name, learner, found, expected, "X as a list of lists", _CONVERT)


@torch_check(predicts)
def check_memory_layout_does_not_matter(name: str, learner: Any) -> None:
    """Check that read-only, memory-mapped, Fortran and strided arrays do as well.

    Also with several batches, where rows are not sorted before training.
    """
    X, y = toy(learner)
    frozen, frozen_y, weight = X.copy(), y.copy(), np.arange(1.0, len(X) + 1)
    for array in (frozen, frozen_y, weight):
        array.flags.writeable = False
    with TemporaryDirectory() as folder:
        path = Path(folder) / "X.npy"
        np.save(path, X)
        layouts = {
            "read-only": frozen,
            "in Fortran order": np.asfortranarray(X),
            "a view of every other row": np.repeat(X, 2, axis=0)[::2],
            "memory-mapped": np.load(path, mmap_mode="r"),
        }
        for batch_size in (len(X), 16):
            learner = quick(learner, batch_size=batch_size)
            expected = outputs(quick(learner).fit(X, y, sample_weight=weight), X)
            for layout, given in layouts.items():
                with must_work(name, f"fit and predict with X {layout}", _COPY):
                    fitted = quick(learner).fit(given, frozen_y, sample_weight=weight)
                    found = outputs(fitted, given)
                assert_same(name, learner, found, expected, f"X {layout}", _CONVERT)
        # An open file could not be deleted everywhere.
        layouts.clear()
        del given


@torch_check(predicts)
def check_data_given_are_not_changed(name: str, learner: Any) -> None:
    """Check that fit and predict leave X, y and all weights as they were."""
    X, y = toy(learner)
    # Outliers tempt to clip.
    X[0] = -1e3
    for dtype in (np.float64, np.float32):
        given = {
            "X": X.astype(dtype),
            "y": y.copy() if y.dtype.kind in "iub" else np.r_[-1e3, y[1:]],
            "sample_weight": np.arange(len(X)) % 3 + 0.5,
            "X_val": X[:20].astype(dtype),
            "y_val": y[:20].copy(),
            "sample_weight_val": np.arange(20) % 3 + 0.5,
        }
        before = {key: value.copy() for key, value in given.items()}
        outputs(quick(learner).fit(**given), given["X"])
        for key, value in given.items():
            n_changed = int((value != before[key]).sum())
            assert n_changed == 0, (
                f"fit and predict of {name} change {n_changed} values of the {key} "
                f"that was given ({value.dtype}). {_COPY}"
            )


@torch_check(predicts)
def check_one_feature_is_enough(name: str, learner: Any) -> None:
    """Check that a table of a single column can be learned from."""
    X, y = toy(learner)
    _check_fits(name, learner, X[:, :1], y, "one feature")


@torch_check(predicts)
def check_constant_feature_does_no_harm(name: str, learner: Any) -> None:
    """Check that a column of one value leads to finite outputs, also for other values.

    Its standard deviation is zero, or a rounding error.
    """
    X, y = toy(learner)
    for value in (0.0, 0.1, 1e6):
        X[:, 1] = value
        fitted = _check_fits(name, learner, X, y, f"a column that is always {value:g}")
        moved = X + np.array([0.0, 1.0, 0.0, 0.0])
        assert_finite(name, fitted, moved, f"a column that was {value:g} moved by one")


@torch_check(predicts)
def check_feature_far_from_zero_does_no_harm(name: str, learner: Any) -> None:
    """Check that a column moved to a million is learned from as well as before.

    The training loss must stay as it is, up to rounding.
    """
    X, y = toy(learner)
    losses = []
    for offset in (0.0, 1e6):
        with must_work(name, f"fit on a column moved by {offset:g}", _ARCHITECTURE):
            fitted = quick(learner).fit(X + np.array([0.0, offset, 0.0, 0.0]), y)
        require_fitted(fitted, "history_")
        losses.append(fitted.history_[-1, "train_loss"])
    if abs(losses[1] - losses[0]) <= 0.01 * abs(losses[0]):
        return
    skip_unless_repeatable(learner)
    raise AssertionError(
        f"The training loss of {name} goes from {losses[0]:.3g} to {losses[1]:.3g} "
        "where a column is moved by a million. Scale the features, in float64, as "
        "torchlearners.data.Schema does."
    )


@torch_check(predicts)
def check_largest_values_do_no_harm(name: str, learner: Any) -> None:
    """Check that values of 3e38, the largest of float32, have finite outputs.

    In rows to predict, and in those of `fit`; or they are refused by a ValueError.
    """
    X, y = toy(learner)
    large = X.copy()
    large[::2, 1] = 3e38
    large[1::4, 2] = -3e38
    for on, rows in (("rows like those of predict", X), ("rows with 3e38", large)):
        try:
            fitted = quick(learner).fit(rows, y)
            outputs(fitted, large)
        except ValueError:
            with must_refuse(name, "values of 3e38", "X"):
                outputs(quick(learner).fit(rows, y), large)
        else:
            assert_finite(name, fitted, large, f"fit on {on}, for values of 3e38,")


@torch_check(predicts)
def check_more_features_than_rows_work(name: str, learner: Any) -> None:
    """Check that a table of 12 rows and 50 columns can be learned from."""
    _, y = toy(learner, 12)
    X = np.random.RandomState(0).normal(size=(12, 50))
    _check_fits(name, learner, X, y, "12 rows and 50 features")


@torch_check(predicts)
def check_few_rows_work(name: str, learner: Any) -> None:
    """Check that two or three rows are enough to fit."""
    for n_rows in (2, 3):
        X, y = toy(learner, n_rows)
        _check_fits(name, learner, X, y, f"{n_rows} rows")


@torch_check(predicts)
def check_batches_of_one_row(name: str, learner: Any) -> None:
    """Check that batch_size=1 trains, or is refused with words.

    Batch normalization cannot train on one row.
    """
    X, y = toy(learner, 6)
    learner = quick(learner, batch_size=1, accumulate_grad=1)
    try:
        fitted = learner.fit(X, y)
    except ValueError:
        with must_refuse(name, "batch_size=1", "one row", "batch_size"):
            learner.fit(X, y)
    except Exception as error:
        raise AssertionError(
            f"{name} breaks with batch_size=1: {type(error).__name__}: {error} Look in "
            "network(spec) for a squeeze, or for what needs several rows."
        ) from error
    else:
        assert_finite(name, fitted, X, "fit with batch_size=1")


@torch_check(predicts)
def check_every_row_trains_in_every_epoch(name: str, learner: Any) -> None:
    """Check that no row is lost to a last batch that is not full, or of one row."""
    for n_rows in (16, 17, 18):
        X, y = toy(learner, n_rows)
        with must_work(name, f"fit on {n_rows} rows with batch_size=4", _ARCHITECTURE):
            _, seen = record(
                learner, X, y, batch_size=4, accumulate_grad=1, drop_last=False
            )
        for epoch in (1, 3):
            batches = [len(b["y"]) for b in seen.train_batches if b["epoch"] == epoch]
            assert sum(batches) == n_rows, (
                f"{name} trains on batches of {batches} rows in epoch {epoch}, with "
                f"{n_rows} rows, batch_size=4 and drop_last=False. A last batch of one "
                "row is to be merged into the one before it."
            )


@torch_check(predicts)
def check_pieces_of_a_batch_of_one_row(name: str, learner: Any) -> None:
    """Check that accumulate_grad leaves no piece of one row that a layer chokes on."""
    for n_rows in (6, 7):
        X, y = toy(learner, n_rows)
        doing = f"fit on {n_rows} rows with batch_size=2, accumulate_grad=2"
        with must_work(name, doing, _ARCHITECTURE):
            fitted = quick(learner, batch_size=2, accumulate_grad=2).fit(X, y)
        assert_finite(name, fitted, X, doing)


@torch_check(predicts)
def check_batch_size_above_the_number_of_rows(name: str, learner: Any) -> None:
    """Check that a batch_size larger than the data is the same as one of all rows."""
    X, y = toy(learner)
    expected = outputs(quick(learner, batch_size=len(X)).fit(X, y), X)
    with must_work(name, "fit with batch_size=1000 on 60 rows", _ARCHITECTURE):
        found = outputs(quick(learner, batch_size=1000).fit(X, y), X)
    assert_same(name, learner, found, expected, "batch_size=1000 instead of 60", "")


@torch_check(predicts, refuses_missing)
def check_missing_values_are_refused(name: str, learner: Any) -> None:
    """Check that NaN in X raises an error that says so, and changes nothing.

    For learners without scikit-learn's tag input_tags.allow_nan.
    """
    _check_refuses_value(name, learner, np.nan, "NaN")


@torch_check(predicts)
def check_infinities_are_refused(name: str, learner: Any) -> None:
    """Check that infinities in X raise an error that says so, and change nothing."""
    _check_refuses_value(name, learner, np.inf, "infinity")
    _check_refuses_value(name, learner, -np.inf, "infinity")


def _check_refuses_value(name: str, learner: Any, value: float, word: str) -> None:
    X, y = toy(learner)
    bad = X.copy()
    bad[3, 1] = value
    fitted = quick(learner).fit(X, y)
    expected = outputs(fitted, X)
    with must_refuse(name, f"fit with {value} in X", word, "X"):
        fitted.fit(bad, y)
    assert_same(
        name,
        learner,
        outputs(fitted, X),
        expected,
        f"a refused fit with {value} in X",
        "",
    )
    with must_refuse(name, f"predict with {value} in X", word, "X"):
        outputs(fitted, bad)


@torch_check(predicts, takes_missing)
def check_missing_values_are_taken(name: str, learner: Any) -> None:
    """Check that NaN in X leads to finite outputs, in fit or in predict only.

    For learners with scikit-learn's tag input_tags.allow_nan.
    """
    X, y = toy(learner)
    bad = X.copy()
    rows = np.arange(len(X))
    bad[rows, rows % X.shape[1]] = np.nan  # one in each row, some in each column
    bad[0] = np.nan
    advice = "Fill what is missing, or take back the tag input_tags.allow_nan."
    with must_work(name, "fit and predict with NaN in X", advice):
        assert_finite(name, quick(learner).fit(bad, y), bad, "fit with NaN in X")
    with must_work(name, "predict with NaN in X after a fit without", advice):
        fitted = quick(learner).fit(X, y)
        assert_finite(name, fitted, bad, "a fit without NaN, for rows with NaN,")


@torch_check(predicts)
def check_masked_values_are_missing(name: str, learner: Any) -> None:
    """Check that what a masked array masks is missing in X, and refused in y."""
    X, y = toy(learner)
    rows = np.arange(len(X))
    masked = np.ma.masked_array(X, mask=np.zeros(X.shape, dtype=bool))
    masked[rows[::3], rows[::3] % X.shape[1]] = np.ma.masked
    advice = "Take masked values for NaN, as torchlearners.data.check_features does."
    if takes_missing(learner):
        holed = masked.filled(np.nan)
        with must_work(name, "fit and predict with a masked array", advice):
            expected = outputs(quick(learner).fit(holed, y), holed)
            found = outputs(quick(learner).fit(masked, y), masked)
        what = "masked values instead of NaN"
        assert_same(name, learner, found, expected, what, advice)
    else:
        fitted = quick(learner).fit(X, y)
        with must_refuse(name, "fit with masked values in X", "NaN"):
            quick(learner).fit(masked, y)
        with must_refuse(name, "predict with masked values in X", "NaN"):
            outputs(fitted, masked)
    with must_refuse(name, "fit with masked values in y", "y", "masked"):
        quick(learner).fit(X, np.ma.masked_array(y, mask=rows == 3))


@torch_check(predicts)
def check_number_of_features_is_compared(name: str, learner: Any) -> None:
    """Check that predict refuses other numbers of columns, and tells both numbers."""
    X, y = toy(learner)
    fitted = quick(learner).fit(X, y)
    n_features = X.shape[1]
    for n_given in (n_features - 1, n_features + 1):
        with must_refuse(
            name,
            f"{n_given} features after a fit on {n_features}",
            str(n_given),
            str(n_features),
        ):
            outputs(fitted, np.zeros((5, n_given)))


@torch_check(predicts)
def check_empty_tables_are_refused(name: str, learner: Any) -> None:
    """Check that X without rows, or without columns, raises an error."""
    X, y = toy(learner)
    fitted = quick(learner).fit(X, y)
    with must_refuse(name, "fit on no rows", "0 sample"):
        quick(learner).fit(X[:0], y[:0])
    with must_refuse(name, "fit on no columns", "0 feature"):
        quick(learner).fit(X[:, :0], y)
    with must_refuse(name, "predict of no rows", "0 sample"):
        outputs(fitted, X[:0])


@torch_check(predicts)
def check_sparse_tables_are_taken_or_refused(name: str, learner: Any) -> None:
    """Check that sparse X gives what dense X does, or a TypeError that says sparse."""
    X, y = toy(learner)
    X[X < 1] = 0
    sparse = csr_matrix(X)
    fitted = quick(learner).fit(X, y)
    expected = outputs(fitted, X)
    try:
        found = outputs(quick(learner).fit(sparse, y), sparse)
    except TypeError:
        with must_refuse(name, "fit on sparse X", "sparse", error=TypeError):
            quick(learner).fit(sparse, y)
        with must_refuse(name, "predict of sparse X", "sparse", error=TypeError):
            outputs(fitted, sparse)
        return
    except Exception as error:
        raise AssertionError(
            f"{name} breaks on sparse X with {type(error).__name__}: {error} {_CONVERT}"
        ) from error
    assert_same(name, learner, found, expected, "X as a sparse matrix", _CONVERT)
