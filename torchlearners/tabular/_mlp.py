"""Multilayer perceptrons."""

from __future__ import annotations

from functools import partial
from numbers import Integral
from typing import Any

from torch import nn

from torchlearners._compat import StrOptions
from torchlearners.base import ClassifierLearner, RegressorLearner, ScalingLearner
from torchlearners.data import DataSpec
from torchlearners.graph import (
    ELU,
    GELU,
    SELU,
    BatchNorm1d,
    Dropout,
    Head,
    Identity,
    LayerNorm,
    LeakyReLU,
    Linear,
    Mish,
    Node,
    Op,
    ReLU,
    Sequence,
    Sigmoid,
    SiLU,
    Tanh,
    table_input,
)
from torchlearners.params import (
    REQUIRED,
    SequenceOf,
    fraction,
    one_of,
    optional,
    param,
    positive_int,
)

ACTIVATIONS: dict[str, Any] = {
    "elu": ELU,
    "gelu": GELU,
    "identity": Identity,
    "leaky_relu": LeakyReLU,
    "mish": Mish,
    "relu": ReLU,
    "selu": SELU,
    "sigmoid": Sigmoid,
    "silu": SiLU,
    "tanh": Tanh,
}
NORMALIZATIONS: dict[str, Any] = {"batch": BatchNorm1d, "layer": LayerNorm}


class Activation(Op):
    """What a class or function of the user's makes."""

    make: Any = param(default=REQUIRED, kw_only=False, check=[callable], doc="It.")

    def make_module(self, specs: Any, outputs: tuple[str, ...]) -> nn.Module:
        """Return a new module."""
        module = self.make()
        if not isinstance(module, nn.Module):
            raise TypeError(
                f"activation={self.make!r} returned {module!r}; it must make a "
                f"torch.nn.Module. The names are {sorted(ACTIVATIONS)}."
            )
        return module


class BaseMLP(ScalingLearner):
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
    lr: float = param(default=2e-3)

    def network(self, spec: DataSpec) -> Node:
        """Return the layers, from rows of a table to (batch, n_outputs)."""
        sizes = self.hidden_layer_sizes
        make = self.activation
        named = isinstance(make, str)
        make_activation = ACTIVATIONS[make] if named else partial(Activation, make)
        layers = table_input(spec)
        for size in [sizes] if isinstance(sizes, Integral) else sizes:
            layers.append(Linear(int(size)))
            if self.normalization is not None:
                layers.append(NORMALIZATIONS[self.normalization]())
            layers.append(make_activation())
            if self.dropout > 0:
                layers.append(Dropout(self.dropout))
        return Sequence([*layers, Head()])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        return tags


class MLPClassifier(BaseMLP, ClassifierLearner):
    """Multilayer perceptron for classes [1]_: the first network to try on a table.

    Takes tables as they are: scales numeric features, fills missing values, and learns
    a vector for each category. Trains in seconds on tens of thousands of rows; an epoch
    costs time proportional to rows times weights.

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

    Takes tables as they are: scales numeric features and the target, fills missing
    values, and learns a vector for each category. Trains in seconds on tens of
    thousands of rows; an epoch costs time proportional to rows times weights.

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
