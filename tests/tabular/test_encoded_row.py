import pytest
import torch

from torchlearners.data import DataSpec
from torchlearners.tabular._encoded_row import encoded_row, widths_of_columns


@pytest.mark.parametrize(
    ("n_numeric", "cardinalities"), [(3, ()), (0, (2, 10)), (3, (2, 10))]
)
def test_the_widths_of_the_columns_add_up_to_the_row(n_numeric, cardinalities):
    spec = DataSpec(n_numeric=n_numeric, n_outputs=1, cardinalities=cardinalities)
    widths = widths_of_columns(spec, 1)
    assert widths == [1] * n_numeric + [2, 6][: len(cardinalities)]
    assert encoded_row(spec).build(spec)(torch.zeros(2, spec.n_columns)).shape == (
        2,
        sum(widths),
    )
