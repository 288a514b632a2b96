"""How rows of a table enter a network that knows only vectors."""

from __future__ import annotations

from torchlearners.data import DataSpec
from torchlearners.graph._ingress import Categorical, Numeric
from torchlearners.graph._node import Node
from torchlearners.graph._own import CategoricalEmbedding, Concat


def table_input(
    spec: DataSpec, numbers: Node | None = None, categories: Node | None = None
) -> list[Node]:
    """Return the nodes that turn rows of a table into vectors.

    Categories become numbers too, which follow those of the numeric features.

    Parameters
    ----------
    spec : DataSpec
        The data.
    numbers : Node or None, default=None
        What the numeric features go through, to (batch, feature); None takes them as
        they are.
    categories : Node or None, default=None
        What the codes of categories go through, to (batch, feature); None takes a
        learned vector for each, `CategoricalEmbedding`.

    Returns
    -------
    list of Node
        Empty where all columns are numeric and taken as they are.

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
        return [] if numbers is None else [numbers]
    embedded = Categorical() >> (categories or CategoricalEmbedding())
    if not spec.n_numeric:
        return [embedded]
    numeric = Numeric() if numbers is None else Numeric() >> numbers
    return [(numeric | embedded) >> Concat()]
