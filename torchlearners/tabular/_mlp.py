"""Multilayer perceptrons."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any

from torch import nn

from torchlearners._compat import StrOptions
from torchlearners.base import ClassifierLearner, RegressorLearner, TorchLearner
from torchlearners.data import DataSpec, Schema
from torchlearners.nn import Dropout
from torchlearners.params import (
    SequenceOf,
    fraction,
    one_of,
    optional,
    param,
    positive_int,
)

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "identity": nn.Identity,
    "leaky_relu": nn.LeakyReLU,
    "mish": nn.Mish,
    "relu": nn.ReLU,
    "selu": nn.SELU,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}
NORMALIZATIONS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
}


def _activation(make: Callable[[], nn.Module]) -> nn.Module:
    layer = make()
    if not isinstance(layer, nn.Module):
        raise TypeError(
            f"activation={make!r} returned {layer!r}; it must make a torch.nn.Module. "
            f"The names are {sorted(ACTIVATIONS)}."
        )
    return layer


class BaseMLP(TorchLearner):
    """Linear layers with an activation in between."""

    hidden_layer_sizes: Any = param(
        default=(128, 128),
        check=[*positive_int, SequenceOf(positive_int)],
        tune=[(64,), (128,), (256,), (64, 64), (128, 128), (256, 256), (128,) * 3],
        doc="Number of units in each hidden layer; an int is one layer, an empty tuple "
        "a linear model.",
    )
    activation: Any = param(
        default="relu",
        check=[StrOptions(set(ACTIVATIONS)), type, callable],
        tune=["relu", "gelu", "silu", "tanh"],
        doc="Name of the function after each hidden layer, or a `torch.nn.Module` "
        "class, or a function without arguments that returns a module.",
    )
    dropout: float = param(
        default=0.0,
        check=fraction,
        tune=(0.0, 0.5),
        doc="Probability of zeroing a hidden unit while training.",
    )
    normalization: str | None = param(
        default=None,
        check=optional(one_of(*NORMALIZATIONS)),
        tune=[None, "batch", "layer"],
        doc="Normalization between each hidden layer and its activation.",
    )
    preprocessing: str | None = param(
        default="standard",
        check=optional(one_of("standard")),
        doc='"standard" scales each feature to mean 0 and standard deviation 1, inside '
        "the learner; None takes X as it is.",
    )
    lr: float = param(default=2e-3)

    def network(self, spec: DataSpec) -> nn.Module:
        """Return the layers, from (n_rows, n_numeric) to (n_rows, n_outputs)."""
        sizes = self.hidden_layer_sizes
        sizes = [sizes] if isinstance(sizes, Integral) else list(sizes)
        make = self.activation
        make_activation = ACTIVATIONS[make] if isinstance(make, str) else make
        layers: list[nn.Module] = []
        n_in = spec.n_numeric
        for size in sizes:
            layers.append(nn.Linear(n_in, int(size)))
            if self.normalization is not None:
                layers.append(NORMALIZATIONS[self.normalization](int(size)))
            layers.append(_activation(make_activation))
            if self.dropout > 0:
                layers.append(Dropout(self.dropout))
            n_in = int(size)
        return nn.Sequential(*layers, nn.Linear(n_in, spec.n_outputs))

    def schema(self) -> Schema:
        """Return how numeric features are scaled, before it is fitted."""
        return Schema(scaling=self.preprocessing)


class MLPClassifier(BaseMLP, ClassifierLearner):
    """Multilayer perceptron for classes [1]_: the first network to try on a table.

    Takes numeric features and scales them itself. Trains in seconds on tens of
    thousands of rows; an epoch costs time proportional to rows times weights.

    {parameters}

    {attributes}

    See Also
    --------
    MLPRegressor : The same for numbers.

    References
    ----------
    .. [1] Rumelhart, Hinton and Williams (1986). Learning representations by
       back-propagating errors. Nature 323.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import train_test_split
    >>> from torchlearners import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> learner = MLPClassifier(random_state=0).fit(X_train, y_train)
    >>> learner.score(X_test, y_test) > 0.9
    True
    """


class MLPRegressor(BaseMLP, RegressorLearner):
    """Multilayer perceptron for numbers [1]_: the first network to try on a table.

    Takes numeric features, and scales them and the target itself. Trains in seconds on
    tens of thousands of rows; an epoch costs time proportional to rows times weights.

    {parameters}

    {attributes}

    See Also
    --------
    MLPClassifier : The same for classes.

    References
    ----------
    .. [1] Rumelhart, Hinton and Williams (1986). Learning representations by
       back-propagating errors. Nature 323.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import train_test_split
    >>> from torchlearners import MLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> learner = MLPRegressor(random_state=0).fit(X_train, y_train)
    >>> learner.predict(X_test).shape
    (111,)
    """
