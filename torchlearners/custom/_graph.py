"""Learners whose network is written in the graph language."""

from __future__ import annotations

from typing import Any

from torchlearners.base import (
    ClassifierLearner,
    RegressorLearner,
    ScalingLearner,
)
from torchlearners.data import DataSpec
from torchlearners.graph import Head, Linear, Node, ReLU
from torchlearners.params import optional, param


class BaseGraphLearner(ScalingLearner):
    """A network written as an expression of nodes."""

    network: Any = param(
        default=None,
        kw_only=False,
        check=optional([Node]),
        doc="The network, such as ``Linear(64) >> ReLU() >> Head()``, see "
        "`torchlearners.graph`. Its parts are parameters, for example "
        "``network__linear_1__out_features``. None is one hidden layer of 128 units.",
    )

    # For small networks on few rows, where epochs have one step.
    lr: float = param(default=5e-3)

    def _network_node(self, spec: DataSpec) -> Node:
        if self.network is None:
            return Linear(128) >> ReLU() >> Head()
        return self.network


class GraphClassifier(BaseGraphLearner, ClassifierLearner):
    """Classifier with a network that is written as an expression.

    Takes tables; `Image` and `Tensor` nodes unfold the rows. Rows of images are best
    given with ``preprocessing=None``, or scaled pixel by pixel as any column.

    {parameters}

    {attributes}

    See Also
    --------
    GraphRegressor : The same for numbers.
    ModuleClassifier : Around a torch module.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from torchlearners import GraphClassifier
    >>> from torchlearners.graph import Dropout, Head, Linear, ReLU
    >>> network = Linear(32) >> ReLU() >> Dropout(0.1) >> Head()
    >>> learner = GraphClassifier(network, lr=0.01, random_state=0)
    >>> learner.fit(*load_iris(return_X_y=True)).predict([[5, 3, 1, 0.2]])
    array([0])
    >>> learner.set_params(network__linear_1__out_features=16).network
    Linear(16) >> ReLU() >> Dropout(0.1) >> Head()
    """


class GraphRegressor(BaseGraphLearner, RegressorLearner):
    """Regressor with a network that is written as an expression.

    Takes tables; `Image` and `Tensor` nodes unfold the rows.

    {parameters}

    {attributes}

    See Also
    --------
    GraphClassifier : The same for classes.
    ModuleRegressor : Around a torch module.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from torchlearners import GraphRegressor
    >>> from torchlearners.graph import Head, Linear, ReLU, Residual
    >>> block = Residual(Linear(32) >> ReLU() >> Linear(32))
    >>> learner = GraphRegressor(Linear(32) >> block * 2 >> Head(), random_state=0)
    >>> learner.fit(*load_diabetes(return_X_y=True)).n_features_in_
    10
    """
