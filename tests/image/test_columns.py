import numpy as np
import pytest

from torchlearners.data import ImageColumn, UnreadableRows
from torchlearners.exceptions import UnreadableImageError
from torchlearners.image._columns import (
    Reading,
    automatic_size,
    batches_of,
    check_lengths,
    pair_of,
    read_images,
    rows_left,
)

READING = Reading("squash", 0, "once", None)


def column(*sources, **options):
    return ImageColumn(list(sources), **options)


def images_of(X, size=None, policy="raise", **how):
    how = {"channels_last": True, **how}
    return read_images(X, size, READING, UnreadableRows(X, policy, 0.9), **how)


def test_the_automatic_size_is_the_median_of_at_most_64_pixels():
    assert automatic_size([(10, 20), (12, 30), (14, 22)]) == (12, 22)
    assert automatic_size([(100, 200), (300, 400), (100, 200)]) == (32, 64)
    assert automatic_size([(1, 900), (1, 800)]) == (1, 64)


def test_a_few_images_of_another_size_do_not_change_the_automatic_size():
    assert automatic_size([(100, 100)] * 9) == (64, 64)
    assert automatic_size([(100, 100)] * 8 + [(3024, 3024)]) == (64, 64)
    assert automatic_size([(28, 28)] * 9) == (28, 28)


def test_one_number_stands_for_both_sides():
    assert pair_of(3) == (3, 3)
    assert pair_of([3, 4]) == (3, 4)
    assert pair_of(None) is None


@pytest.mark.parametrize("size", [None, (5, 6)])
def test_images_come_in_the_order_of_the_rows_with_those_unreadable_left_out(size):
    X = column(np.full((5, 6), 0.2), b"", np.full((5, 6), 0.4), b"", np.ones((5, 6)))
    images, kept = images_of(X, size, "skip")
    assert kept.tolist() == [0, 2, 4]
    assert images.shape == (3, 5, 6, 3)
    assert images[:, 0, 0, 0].tolist() == [51, 102, 255]


def test_channels_stand_where_they_are_asked_for():
    X = column(np.arange(2 * 5 * 3, dtype=np.uint8).reshape(2, 5, 3))
    last, _ = images_of(X)
    first, _ = images_of(X, channels_last=False)
    assert first.shape == (1, 3, 2, 5)
    assert np.array_equal(first.transpose(0, 2, 3, 1), last)
    assert np.array_equal(last[0], X[0])


def test_reading_stops_at_the_first_row_that_must_be_readable():
    def never():
        pytest.fail("a row was read in vain")

    X = column(b"", *[np.ones((4, 5))] * 1200, never)
    with pytest.raises(UnreadableImageError, match="Row 0"):
        images_of(X)


def test_batches_hold_what_can_be_read_and_are_never_empty():
    X = column(np.ones((4, 5)), b"", b"", b"", np.zeros((4, 5)))
    unreadable = UnreadableRows(X, "impute")
    how = {"channels_last": True}
    batches = list(batches_of(X, (4, 5), 2, READING, unreadable, **how))
    assert [rows.tolist() for _, rows in batches] == [[0], [4]]
    assert [len(images) for images, _ in batches] == [1, 1]
    assert [failure.row for failure in unreadable.failures] == [1, 2, 3]


def test_y_and_weights_follow_the_rows_that_are_left():
    X, kept = column(*[np.ones((4, 5))] * 3), np.array([0, 2])
    y = ["a", "b", "a"]
    left = rows_left(kept, X, y, [1.0, 2.0, 3.0], [7, 8, 9], by_class=False)
    assert [list(part) for part in left] == [["a", "a"], [1.0, 3.0], [7, 9]]
    with pytest.raises(UnreadableImageError, match="class 'b'"):
        rows_left(kept, X, y, None, None, by_class=True)


def test_lengths_are_compared_before_anything_is_read():
    X = column(lambda: pytest.fail("an image was read"))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        check_lengths(X, [0, 1], None, None)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        check_lengths(X, [0], [1.0, 2.0], None)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        check_lengths(X, [0], None, [1, 2])
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        check_lengths(column(), [], None, None)
