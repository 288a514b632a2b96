import numpy as np
import pytest
from sklearn.utils._param_validation import (
    InvalidParameterError,
    validate_parameter_constraints,
)

from torchlearners.params import (
    SequenceOf,
    boolean,
    fraction,
    non_negative,
    non_negative_int,
    one_of,
    open_fraction,
    optional,
    positive,
    positive_fraction,
    positive_int,
)
from torchlearners.params._checks import describe


def allows(check, value):
    try:
        validate_parameter_constraints({"p": check}, {"p": value}, "Model")
    except InvalidParameterError:
        return False
    return True


@pytest.mark.parametrize(
    ("check", "allowed", "refused"),
    [
        (positive, [1e-9, 3, np.float32(1)], [0, -1, "1", None, float("nan")]),
        (non_negative, [0, 0.0, 3.5], [-1e-9, None, "0"]),
        (fraction, [0, 0.0, 0.999], [1, 1.0, -0.1, None]),
        (positive_fraction, [0.001, 1, 1.0], [0, 0.0, 1.1, None]),
        (open_fraction, [0.001, 0.999], [0, 1, 0.0, 1.0]),
        (positive_int, [1, np.int64(3)], [0, 1.0, "1", None]),
        (non_negative_int, [0, 5], [-1, 0.0, None]),
        (boolean, [True, False, np.True_], [0, 1, "yes", None]),
        (one_of("a", "b"), ["a", "b"], ["c", None, 1]),
        (optional(positive_int), [None, 2], [0, "2"]),
    ],
    ids=[
        "positive",
        "non_negative",
        "fraction",
        "positive_fraction",
        "open_fraction",
        "positive_int",
        "non_negative_int",
        "boolean",
        "one_of",
        "optional",
    ],
)
def test_a_check_allows_what_its_name_says(check, allowed, refused):
    assert [value for value in allowed if not allows(check, value)] == []
    assert [value for value in refused if allows(check, value)] == []


def test_optional_leaves_the_check_it_is_given_alone():
    before = list(positive_int)
    optional(positive_int)
    assert positive_int == before


@pytest.mark.parametrize("value", [[1, 2], (1, 2), np.array([1, 2]), (), range(1, 3)])
def test_a_sequence_may_be_list_tuple_array_or_empty(value):
    assert allows([SequenceOf(positive_int)], value)


@pytest.mark.parametrize(
    "value", [3, "12", b"12", {1, 2}, {1: 2}, None, [1, 0], [1, "2"], np.ones((2, 2))]
)
def test_a_sequence_is_not_a_scalar_a_text_a_set_or_a_matrix(value):
    assert not allows([SequenceOf(positive_int)], value)


def test_a_sequence_may_have_a_fixed_length():
    check = [SequenceOf(fraction, length=2)]
    assert allows(check, (0.9, 0.99))
    assert not allows(check, (0.9,))
    assert not allows(check, (0.9, 0.99, 0.999))


def test_items_of_a_sequence_may_satisfy_any_of_several_constraints():
    check = [SequenceOf(optional(positive_int))]
    assert allows(check, [1, None])
    assert not allows(check, [1, 0])


def test_a_sequence_says_what_it_wants():
    with pytest.raises(InvalidParameterError) as error:
        validate_parameter_constraints(
            {"betas": [SequenceOf(fraction, length=2)]}, {"betas": (2,)}, "Adam"
        )
    assert str(error.value) == (
        "The 'betas' parameter of Adam must be a sequence of length 2 with each item "
        "a float in the range [0.0, 1.0). Got (2,) instead."
    )


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (positive, "float in (0.0, inf)"),
        (optional(positive_int), "int in [1, inf) or None"),
        (one_of("b", "a"), '{"a", "b"}'),
        (boolean, "bool"),
        (["random_state"], "int or RandomState instance or None"),
        (["no_validation"], "object"),
        ([callable, type], "callable or class"),
        ([list, tuple], "list or tuple"),
        (
            [*positive_int, SequenceOf(positive_int)],
            "int in [1, inf) or sequence with each item an int in [1, inf)",
        ),
    ],
)
def test_a_check_is_described_in_a_docstrings_words(check, text):
    assert describe(check) == text
