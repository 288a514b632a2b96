import numpy as np
import pytest
from PIL import UnidentifiedImageError

from torchlearners.data import (
    ImageColumn,
    ImageFailure,
    UnreadableRows,
    check_classes_left,
)
from torchlearners.data import _image_errors as image_errors
from torchlearners.data._image_errors import attempt
from torchlearners.exceptions import UnreadableImageError, UnreadableImageWarning

GOOD = np.zeros((2, 2), dtype=np.uint8)


def column(n=10, bad=()):
    return ImageColumn([None if row in bad else GOOD for row in range(n)])


def failure(row):
    return ImageFailure(row, f"{row}.png", "it is torn.")


class Stumbling:
    """Fail by some errors, then succeed; count the calls."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return GOOD


@pytest.fixture
def waits(monkeypatch):
    """Keep the waits of retries, instead of waiting."""
    seconds = []
    monkeypatch.setattr(image_errors.time, "sleep", seconds.append)
    return seconds


# Retries


@pytest.mark.parametrize("error", [OSError, TimeoutError, ConnectionResetError])
def test_a_store_that_stumbles_is_asked_again(error, waits):
    read = Stumbling(error("busy"), error("busy"), error("busy"))
    assert attempt(read, retries=3, delay=0.1) is GOOD
    assert waits == pytest.approx([0.1, 0.2, 0.4])


def test_the_last_error_is_given_when_nothing_helps(waits):
    read = Stumbling(OSError("1"), OSError("2"), OSError("3"))
    with pytest.raises(OSError, match="3"):
        attempt(read, retries=2, delay=1)
    assert read.calls == 3
    assert waits == [1, 2]


def test_without_retries_one_attempt_is_made(waits):
    read = Stumbling(OSError("busy"))
    with pytest.raises(OSError, match="busy"):
        attempt(read, retries=0)
    assert (read.calls, waits) == (1, [])


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError,
        PermissionError,
        IsADirectoryError,
        UnidentifiedImageError,
        ValueError,
        TypeError,
    ],
)
def test_what_would_fail_again_is_not_tried_again(error, waits):
    read = Stumbling(error("no"))
    with pytest.raises(error):
        attempt(read)
    assert (read.calls, waits) == (1, [])


def test_a_negative_number_of_retries_is_refused():
    with pytest.raises(ValueError, match=r"retries must not be negative\. Got -1"):
        attempt(Stumbling(), retries=-1)


# Errors of programs


@pytest.mark.parametrize(
    "error",
    [TypeError, ImportError, MemoryError, AttributeError, NameError, KeyboardInterrupt],
)
def test_an_error_of_a_program_is_never_an_unreadable_image(error):
    X = ImageColumn([Stumbling(error("bug"))])
    with pytest.raises(error) as caught:
        X.read(0)
    if error is not KeyboardInterrupt:
        assert caught.value.__notes__ == ["Raised while reading row 0 (<Stumbling>)."]


@pytest.mark.parametrize("error", [ValueError, KeyError, RuntimeError, EOFError])
def test_any_other_error_of_a_store_is_an_unreadable_image(error):
    found = ImageColumn([Stumbling(error("gone"))]).read(0)
    assert isinstance(found, ImageFailure)
    assert found.row == 0
    assert error.__name__ in found.reason
    assert "gone" in found.reason


# The policy


def test_raising_names_row_path_cause_and_how_many_more():
    X = column(10, bad=(3, 7))
    with pytest.raises(
        UnreadableImageError,
        match=r"Row 3 \(<NoneType>\) cannot be read: there is none, only a missing "
        r"value \(None\)\. Of all 10 rows, 2 cannot be read",
    ):
        UnreadableRows(X).add([X.read(3)])


def test_the_first_thousand_rows_are_counted_and_not_more():
    X = column(1500, bad=(5, 999, 1000, 1400))
    with pytest.raises(UnreadableImageError, match="first 1,000 rows, 2 cannot"):
        UnreadableRows(X).add([X.read(5)])


def test_counting_ends_when_it_takes_too_long(monkeypatch):
    X = column(50, bad=(0,))
    clock = iter(range(100))
    monkeypatch.setattr(image_errors.time, "monotonic", lambda: next(clock))
    with pytest.raises(UnreadableImageError, match="first 9 rows, 1 cannot"):
        UnreadableRows(X).add([X.read(0)])


def test_skipped_rows_are_recorded_once_in_their_order():
    unreadable = UnreadableRows(column(), on_error="skip", max_bad=3)
    unreadable.add([failure(7), failure(2)])
    unreadable.add([failure(7)])
    assert unreadable.failures == [failure(2), failure(7)]
    assert unreadable.kept.tolist() == [0, 1, 3, 4, 5, 6, 8, 9]


@pytest.mark.parametrize(
    ("max_bad", "allowed"),
    [(0, 0), (2, 2), (0.0, 0), (0.2, 2), (0.29, 2), (1.0, 9), (1, 1), (99, 9)],
)
def test_the_budget_is_a_share_or_a_number_and_one_row_remains(max_bad, allowed):
    unreadable = UnreadableRows(column(), on_error="skip", max_bad=max_bad)
    unreadable.add(failure(row) for row in range(allowed))
    message = f"{allowed + 1} of 10 images cannot be read; at most {allowed} may"
    with pytest.raises(UnreadableImageError, match=message):
        unreadable.add([failure(9)])


def test_imputing_has_no_budget():
    unreadable = UnreadableRows(column(), on_error="impute", max_bad=0)
    unreadable.add(failure(row) for row in range(10))
    assert len(unreadable.failures) == 10
    assert unreadable.kept.size == 0


@pytest.mark.parametrize("on_error", ["raise", "skip", "impute"])
def test_without_failures_nothing_is_said(on_error):
    unreadable = UnreadableRows(column(), on_error, max_bad=0)
    unreadable.add([])
    unreadable.warn()
    assert unreadable.failures == []
    assert unreadable.kept.tolist() == list(range(10))


def test_one_warning_names_the_rows():
    unreadable = UnreadableRows(column(40), on_error="impute")
    unreadable.add(failure(row) for row in range(30))
    with pytest.warns(UnreadableImageWarning) as caught:
        unreadable.warn()
    (warning,) = caught
    assert "30 of 40 images cannot be read and are imputed: rows 0, 1, 2" in str(
        warning.message
    )
    assert "and 20 more. Row 0 (0.png) cannot be read: it is torn." in str(
        warning.message
    )


@pytest.mark.parametrize("max_bad", [-1, -0.1, 1.5, True, "1", None])
def test_a_budget_that_is_none_is_refused(max_bad):
    with pytest.raises(ValueError, match="max_bad must be a share"):
        UnreadableRows(column(), "skip", max_bad)


def test_a_policy_that_is_none_is_refused():
    with pytest.raises(ValueError, match="on_error must be 'raise'"):
        UnreadableRows(column(), "ignore")


# Classes


def test_a_class_without_an_image_is_an_error():
    y = np.array(["a", "b", "b", "c"])
    check_classes_left(y, np.array([0, 2, 3]))
    with pytest.raises(UnreadableImageError, match="class 'a', 'c' can be read"):
        check_classes_left(y, np.array([1, 2]))
