"""How rows of a table enter a network that knows only numbers."""

from __future__ import annotations

from torchlearners.data import DataSpec
from torchlearners.graph._ingress import Categorical, Numeric
from torchlearners.graph._node import Node
from torchlearners.graph._own import CategoricalEmbedding, Concat


def table_input(spec: DataSpec) -> list[Node]:
    """Return the nodes that turn a row with categories into numbers.

    Each category is replaced by a learned vector.

    Parameters
    ----------
    spec : DataSpec
        The data.

    Returns
    -------
    list of Node
        None where all columns are numeric.

    Examples
    --------
    >>> from torchlearners.data import DataSpec
    >>> from torchlearners.graph import Head, Linear, Sequence, table_input
    >>> data = DataSpec(n_numeric=2, n_outputs=1, cardinalities=(3, 5))
    >>> network = Sequence([*table_input(data), Linear(8), Head()])
    >>> network.shapes(data).steps[:4]
    ['numeric_1', 'categorical_1', 'categorical_embedding_1', 'concat_1']
    """
    if not spec.cardinalities:
        return []
    embedded = Categorical() >> CategoricalEmbedding()
    return [(Numeric() | embedded) >> Concat()] if spec.n_numeric else [embedded]
