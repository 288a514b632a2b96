import numpy as np

from torchlearners.data._categorical_features import categorical_columns


def test_masks_places_and_names_say_the_same():
    names = ["age", "city"]
    for chosen in (["city"], [1], [False, True], np.array([1], np.int8)):
        assert categorical_columns(chosen, 2, names) == [False, True]
    assert categorical_columns("from_dtype", 2, names) == [None, None]
    assert categorical_columns(None, 2, names) == [False, False]
