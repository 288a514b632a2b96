"""What a network for tables begins with."""

from __future__ import annotations

import torch

from torchlearners.data import DataSpec
from torchlearners.graph import (
    Categorical,
    CategoricalEmbedding,
    Concat,
    Node,
    Numeric,
)
from torchlearners.nn import CategoricalEmbedding as EmbeddingModule


def encoded_row(spec: DataSpec, numbers: Node | None = None) -> Node:
    """Return a vector of each row: its numbers, then the embeddings of its categories.

    Parameters
    ----------
    spec : DataSpec
    numbers : Node or None, default=None
        What the numbers go through, to (batch, feature); None takes them as they are.

    Returns
    -------
    Node
    """
    numeric: Node = Numeric() if numbers is None else Numeric() >> numbers
    categories = Categorical() >> CategoricalEmbedding()
    if not spec.cardinalities:
        return numeric
    if not spec.n_numeric:
        return categories
    return (numeric | categories) >> Concat()


def widths_of_columns(spec: DataSpec, per_number: int) -> list[int]:
    """Return how many values of an encoded row come from each column.

    Parameters
    ----------
    spec : DataSpec
    per_number : int
        Number of values that each number becomes.

    Returns
    -------
    list of int
    """
    widths = [per_number] * spec.n_numeric
    for n_categories in spec.cardinalities:
        with torch.device("meta"):
            widths.append(EmbeddingModule((n_categories,)).out_features)
    return widths
