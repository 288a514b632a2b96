"""What enters a network, from whatever a user describes it with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from torchlearners.data import DataSpec
from torchlearners.graph._specs import TensorSpec

_DEFAULT_NAMES = {
    2: ("batch", "feature"),
    4: ("batch", "channel", "height", "width"),
}


@dataclass(frozen=True)
class Source:
    """What enters a network: one tensor, and what its columns are where it is a table.

    A row of a table is its numeric features followed by the codes of its categories.
    """

    spec: TensorSpec
    table: DataSpec | None = None


def as_source(data: Any) -> Source:
    """Return the description of what enters a network.

    Parameters
    ----------
    data : DataSpec, TensorSpec, tuple or array-like

    Returns
    -------
    Source
    """
    if isinstance(data, DataSpec):
        spec = TensorSpec((None, data.n_columns), ("batch", "feature"))
        return Source(spec, data)
    if isinstance(data, TensorSpec):
        return Source(data)
    names: tuple[str, ...] = ()
    if isinstance(data, tuple) and all(n is None or isinstance(n, int) for n in data):
        shape = data
    else:
        shape = (None, *np.shape(data)[1:])
        columns = getattr(data, "columns", ())
        names = tuple(columns) if all(isinstance(c, str) for c in columns) else ()
    if len(shape) < 2:
        raise ValueError(
            f"Data of shape {shape} have no features. Give rows, a DataSpec, a "
            "TensorSpec, or a shape such as (None, 10)."
        )
    if len(shape) == 2 and shape[1] is not None:
        return as_source(DataSpec(n_numeric=shape[1], n_outputs=1, feature_names=names))
    return Source(TensorSpec(shape, _DEFAULT_NAMES.get(len(shape), ())))
