import pytest
import torch

from torchlearners.exceptions import ArchitectureError
from torchlearners.nn._arguments import ShowsArguments, check_shape, checked
from torchlearners.params import optional, positive_int


class Scale(ShowsArguments):
    def __init__(self, n_features, bias=True, unkept=3):
        super().__init__()
        self.n_features = n_features
        self.bias = torch.nn.Parameter(torch.zeros(n_features)) if bias else None
        self.inner = torch.nn.ReLU()


def test_the_words_are_arguments_without_the_modules_inside():
    assert Scale(2).in_words() == "Scale(n_features=2, bias=True)"
    assert Scale(2, bias=False).in_words() == "Scale(n_features=2, bias=False)"


def test_an_allowed_value_is_returned():
    assert checked("k", 3, positive_int) == 3
    assert checked("k", None, optional(positive_int)) is None


def test_a_refused_value_is_named_with_all_that_is_allowed():
    message = r"^k must be an int in the range \[1, inf\) or None, got -3\.$"
    with pytest.raises(ValueError, match=message):
        checked("k", -3, optional(positive_int))


def test_a_named_size_may_be_any():
    assert check_shape(Scale(2), torch.zeros(0, 2), "batch", 2) is None
    assert check_shape(Scale(2), torch.zeros(7, 2), "batch", 2) is None


@pytest.mark.parametrize("shape", [(5,), (5, 3), (5, 2, 1)])
def test_another_shape_is_refused_with_what_was_wanted(shape):
    message = r"Scale\(n_features=2, bias=True\) takes a tensor of shape \(batch, 2\)"
    with pytest.raises(ArchitectureError, match=message):
        check_shape(Scale(2), torch.zeros(shape), "batch", 2)
