"""A trained constant: the cheapest learner there is."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from torchlearners.base import ClassifierLearner, RegressorLearner, TorchLearner
from torchlearners.data import DataSpec
from torchlearners.params import param


class Constant(nn.Module):
    """The same trained vector for every row."""

    def __init__(self, n_outputs: int) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(n_outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return the vector once for each row of `x`."""
        return self.value.expand(len(x), -1)


class BaseDummyTorch(TorchLearner):
    """A network that ignores its input."""

    max_epochs: int = param(default=60)
    lr: float = param(default=0.1)

    def network(self, spec: DataSpec) -> nn.Module:
        """Return a trainable constant."""
        return Constant(spec.n_outputs)


class DummyTorchClassifier(BaseDummyTorch, ClassifierLearner):
    """Predict the class frequencies, learned by gradient descent.

    A baseline, and the learner with which to test code around learners: it goes
    through the whole machinery for the least cost.

    {parameters}

    {attributes}

    See Also
    --------
    sklearn.dummy.DummyClassifier : The same without training.

    Examples
    --------
    >>> from torchlearners import DummyTorchClassifier
    >>> learner = DummyTorchClassifier(random_state=0)
    >>> learner.fit([[0], [1], [2]], ["a", "b", "b"]).predict([[5]])
    array(['b'], dtype='<U1')
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags


class DummyTorchRegressor(BaseDummyTorch, RegressorLearner):
    """Predict a constant, learned by gradient descent: the mean with the default loss.

    A baseline, and the learner with which to test code around learners: it goes
    through the whole machinery for the least cost.

    {parameters}

    {attributes}

    See Also
    --------
    sklearn.dummy.DummyRegressor : The same without training.

    Examples
    --------
    >>> from torchlearners import DummyTorchRegressor
    >>> learner = DummyTorchRegressor(random_state=0)
    >>> learner.fit([[0], [1], [2]], [1.0, 2.0, 3.0]).predict([[5]])
    array([2.])
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags
