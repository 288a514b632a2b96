"""From X and y to tensors: checking, scaling, encoding, splitting."""

from torchlearners.data._check_images import check_images
from torchlearners.data._checks import (
    check_features,
    check_labels,
    check_range,
    check_weights,
    is_float32,
    refuse_mask,
    refuse_unread,
    without_mask,
)
from torchlearners.data._columns import ColumnEncoder
from torchlearners.data._decode import decode_image
from torchlearners.data._image_batches import ImageReader, LoadedImages, load_images
from torchlearners.data._image_column import ImageColumn
from torchlearners.data._image_errors import (
    ImageFailure,
    UnreadableRows,
    check_classes_left,
)
from torchlearners.data._image_inputs import as_image_column, with_targets
from torchlearners.data._image_stream import (
    ImageLoader,
    StreamedImages,
    checked_loader_params,
)
from torchlearners.data._resize import resize_image
from torchlearners.data._row_selection import RowSelection
from torchlearners.data._rows import (
    drop_zero_weights,
    fold_numbers,
    merge_repeated_rows,
    validation_split,
)
from torchlearners.data._schema import DataSpec, Schema
from torchlearners.data._splitters import check_groups, split_by
from torchlearners.data._targets import (
    ClassTarget,
    MultilabelTarget,
    NoTarget,
    Target,
    ValueTarget,
    restore_target,
)

__all__ = [
    "ClassTarget",
    "ColumnEncoder",
    "DataSpec",
    "ImageColumn",
    "ImageFailure",
    "ImageLoader",
    "ImageReader",
    "LoadedImages",
    "MultilabelTarget",
    "NoTarget",
    "RowSelection",
    "Schema",
    "StreamedImages",
    "Target",
    "UnreadableRows",
    "ValueTarget",
    "as_image_column",
    "check_classes_left",
    "check_features",
    "check_groups",
    "check_images",
    "check_labels",
    "check_range",
    "check_weights",
    "checked_loader_params",
    "decode_image",
    "drop_zero_weights",
    "fold_numbers",
    "is_float32",
    "load_images",
    "merge_repeated_rows",
    "refuse_mask",
    "refuse_unread",
    "resize_image",
    "restore_target",
    "split_by",
    "validation_split",
    "with_targets",
    "without_mask",
]
