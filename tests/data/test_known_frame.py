import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.dummy import DummyClassifier

from torchlearners import MLPClassifier
from torchlearners.data import ColumnEncoder
from torchlearners.data._known_frame import EncodedRows, KnownFrame

WORDS = [*"abcdefghij" * 3, "once", None]
N = len(WORDS)
NUMBERS = np.arange(N) / 3
DATA = {
    "pandas": pd.DataFrame(
        {
            "word": WORDS,
            "x": np.where(NUMBERS < 1, np.nan, NUMBERS),
            "n": np.arange(N),
            "level": pd.Categorical([*"xyz" * 10, "x", None]),
            "on": np.arange(N) % 2 == 0,
            "object": pd.Series([*WORDS[::-1]], dtype=object),
        }
    ),
    "pandas numbers": pd.DataFrame({"a": NUMBERS, "b": np.arange(N)}),
    "pandas float32": pd.DataFrame({"a": NUMBERS, "b": -NUMBERS}).astype("float32"),
    "polars": pl.DataFrame(
        {
            "word": WORDS,
            "x": [None, *NUMBERS[1:]],
            "n": np.arange(N),
            "level": pl.Series([*"xyz" * 10, "x", None], dtype=pl.Categorical),
            "kind": pl.Series([*"xy" * 16], dtype=pl.Enum(["x", "y"])),
        }
    ),
    "polars numbers": pl.DataFrame({"a": NUMBERS, "b": np.arange(N)}),
}


def fitted(frame):
    """Return an encoder, and a learner in whose name it checks."""
    columns, learner = ColumnEncoder(), MLPClassifier()
    X = columns.check(learner, frame, reset=True)
    return columns.fit(X, learner.feature_names_in_), learner


def the_long_way(columns, learner, frame):
    columns._known_frame = None
    return columns.matrix(columns.check(learner, frame, reset=False))


@pytest.mark.parametrize("frame", DATA.values(), ids=DATA.keys())
def test_rows_like_others_become_the_same_matrix(frame):
    columns, learner = fitted(frame)
    for rows in (frame[:1], frame[3:8], frame[-1:]):
        expected = np.asarray(the_long_way(columns, learner, rows))
        found = columns.check(learner, rows, reset=False)
        assert type(found) is EncodedRows
        found = columns.matrix(found)
        assert type(found) is np.ndarray
        np.testing.assert_array_equal(found, expected)
        if expected.dtype.kind == "f":
            assert found.dtype == expected.dtype


@pytest.mark.parametrize("library", [pd, pl])
def test_levels_that_are_not_known_are_unseen(library):
    frame = DATA["pandas" if library is pd else "polars"]
    columns, learner = fitted(frame)
    new = library.DataFrame({**{n: frame[n][:1] for n in frame.columns}, "word": "?"})
    expected = np.asarray(the_long_way(columns, learner, new))
    found = columns.check(learner, new, reset=False)
    assert type(found) is EncodedRows
    np.testing.assert_array_equal(found, expected)
    assert columns.cardinalities[0] - 1 in found


NAMED = DATA["pandas"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda f: f.rename(columns={"x": "z"}), "feature names"),
        (lambda f: f[f.columns[::-1]], "feature names"),
        (lambda f: f.drop(columns="n"), "feature names"),
        (lambda f: f.assign(x="1"), "Column 'x' of X held numbers in fit"),
        (lambda f: f.assign(word=1), "Column 'word' of X held strings in fit"),
        (lambda f: f.assign(object=[[1]]), "Column 'object' of X holds Object"),
        (lambda f: f.assign(object=1), "Column 'object' of X held strings in fit"),
        (lambda f: f.assign(x=np.inf), "infinity .* in column 'x'"),
    ],
)
def test_other_rows_are_refused_as_ever(change, sentence):
    columns, learner = fitted(NAMED)
    one = NAMED[5:6]
    columns.check(learner, one, reset=False)
    assert type(columns.check(learner, one, reset=False)) is EncodedRows
    with pytest.raises(ValueError, match=sentence):
        columns.matrix(columns.check(learner, change(one), reset=False))


def test_only_few_rows_of_plain_columns_are_known():
    columns, _ = fitted(NAMED)
    known = KnownFrame.of(NAMED, columns)
    assert known.matrix(NAMED) is not None
    assert known.matrix(pd.concat([NAMED] * 2)) is None
    assert known.matrix(NAMED[:0]) is None
    assert known.matrix(NAMED.to_numpy()) is None
    assert KnownFrame.of(NAMED.to_numpy(), columns) is None
    nullable = NAMED.astype({"n": "Int64"})
    assert KnownFrame.of(nullable, fitted(nullable)[0]) is None
    times = NAMED.assign(born=pd.Timestamp("2020"))
    assert KnownFrame.of(times, fitted(times)[0]) is None
    unnamed = NAMED.set_axis(range(6), axis=1)
    encoder = ColumnEncoder()
    encoder.fit(encoder.check(DummyClassifier(), unnamed, reset=True))
    assert KnownFrame.of(unnamed, encoder) is None


def test_predictions_are_the_same_in_the_first_call_and_later():
    learner = MLPClassifier(max_epochs=2, random_state=0, early_stopping=False)
    learner.fit(NAMED, np.arange(N) % 2)
    first, *others = (learner.predict_proba(NAMED[4:5]) for _ in range(3))
    for again in others:
        np.testing.assert_array_equal(again, first)
