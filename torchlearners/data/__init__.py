"""From X and y to tensors: checking, scaling, encoding, splitting."""

from torchlearners.data._checks import (
    check_features,
    check_labels,
    check_range,
    check_weights,
)
from torchlearners.data._columns import ColumnEncoder
from torchlearners.data._rows import (
    drop_zero_weights,
    merge_repeated_rows,
    validation_split,
)
from torchlearners.data._schema import DataSpec, Schema
from torchlearners.data._targets import (
    ClassTarget,
    MultilabelTarget,
    Target,
    ValueTarget,
    restore_target,
)

__all__ = [
    "ClassTarget",
    "ColumnEncoder",
    "DataSpec",
    "MultilabelTarget",
    "Schema",
    "Target",
    "ValueTarget",
    "check_features",
    "check_labels",
    "check_range",
    "check_weights",
    "drop_zero_weights",
    "merge_repeated_rows",
    "restore_target",
    "validation_split",
]
