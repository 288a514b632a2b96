"""What is known of a tensor before there is one."""

import pytest
import torch

from torchlearners.graph import TensorSpec


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (TensorSpec((None, 3)), "(batch, 3)"),
        (TensorSpec((5, None)), "(batch=5, ?)"),
        (TensorSpec((None, 3), ("batch", "feature")), "(batch, feature=3)"),
        (TensorSpec((None, 2), dtype=torch.int64), "(batch, 2) int64"),
    ],
)
def test_a_spec_shows_names_and_sizes(spec, text):
    assert str(spec) == text


def test_one_name_belongs_to_each_dimension():
    with pytest.raises(ValueError, match="one name for each dimension"):
        TensorSpec((None, 3), ("batch",))


def test_unknown_sizes_are_filled():
    spec = TensorSpec((None, 3, None), dtype=torch.int64)
    assert spec.filled(7, "meta").shape == (7, 3, 7)
    assert spec.filled(7, "meta").dtype == torch.int64


def test_names_can_be_given_later():
    assert str(TensorSpec((None, 3)).named("batch", "token")) == "(batch, token=3)"
