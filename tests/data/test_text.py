import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

from torchlearners import MLPClassifier
from torchlearners.data._text import check_text
from torchlearners.exceptions import CategoricalColumnWarning

PRICES = ["$1.50", "$2", "$1,000.25"]


@pytest.mark.parametrize(
    "strings",
    [
        PRICES,
        ["12 %", "3,4", " -5e3 ", "1 000 €", "1'000", ".5", "7."],
        ["1.5", "2"],
        [str(i) for i in range(10)],
        [*(f"{i}.5" for i in range(19)), "?"],
    ],
)
def test_strings_that_look_like_numbers_are_warned_of(strings):
    with pytest.warns(CategoricalColumnWarning, match=r"^a .* numbers, such as .*to_n"):
        check_text("a", strings, 100)


@pytest.mark.parametrize(
    "strings",
    [
        [],
        ["1", "2", "3"],
        [f"{i:05}" for i in range(50)],
        ["1.5", "?"],
        ["2020-01-01", "12.05.2020", "1.2.3", "10:30", "5 kg", "%", "$", "-"],
        ["\u0661", "\u0662", "a"],
        [1.5, 2.5, "a"],
    ],
)
def test_other_strings_are_no_numbers(strings):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_text("a", strings, 1000)


def test_levels_in_over_half_of_the_rows_are_text():
    with pytest.warns(CategoricalColumnWarning, match="^a holds 11 .* in 20 .*Tfidf"):
        check_text("a", [f"text {i}" for i in range(11)], 20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_text("a", [f"text {i}" for i in range(10)], 20)
        check_text("a", [f"text {i}" for i in range(19)], 19)


@pytest.mark.parametrize("library", [pd, pl])
def test_fit_names_the_column_once_and_predict_is_silent(library):
    rng = np.random.default_rng(0)
    texts = [f"Dear number {i}" for i in range(30)]
    frame = library.DataFrame({"note": texts, "price": rng.choice(PRICES, 30)})
    with pytest.warns(CategoricalColumnWarning) as found:
        learner = MLPClassifier(max_epochs=1).fit(frame, np.arange(30) % 2)
    columns = [str(w.message).split(" of X")[0] for w in found]
    assert columns == ["Column 'note'", "Column 'price'"]
    learner.predict(frame)


def test_who_says_that_a_column_is_a_category_is_not_warned():
    y = np.arange(30) % 2
    frame = pd.DataFrame({"note": [f"Dear number {i}" for i in range(30)]})
    MLPClassifier(max_epochs=1, categorical_features=["note"]).fit(frame, y)
    MLPClassifier(max_epochs=1).fit(frame.astype("category"), y)
