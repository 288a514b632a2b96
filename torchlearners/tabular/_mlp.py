"""Multilayer perceptrons."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any, Literal

import torch
from sklearn.base import is_classifier
from torch import nn

import torchlearners.nn as own
from torchlearners._compat import StrOptions
from torchlearners.base import (
    ClassifierLearner,
    Preprocessing,
    RegressorLearner,
    ScalingLearner,
)
from torchlearners.callbacks import SCHEDULES, Policy, ScheduleChoice
from torchlearners.data import DataSpec
from torchlearners.graph import (
    Dropout,
    Flatten,
    Head,
    Linear,
    Node,
    NTKLinear,
    OneHotEmbedding,
    Op,
    ParametricActivation,
    ScaleFeatures,
    Sequence,
    table_input,
)
from torchlearners.params import (
    REQUIRED,
    SequenceOf,
    fraction,
    non_negative,
    one_of,
    open_fraction,
    optional,
    param,
    positive,
    positive_int,
)
from torchlearners.tabular._mlp_choices import (
    ACTIVATIONS,
    EMBEDDINGS,
    NORMALIZATIONS,
    ActivationName,
)
from torchlearners.training import (
    LBFGS,
    OPTIMIZERS,
    AdamW,
    CrossEntropy,
    LossChoice,
    Optimizer,
    OptimizerChoice,
)

# What "auto" stands for, by preset and kind of target.
_SIMPLE: dict[str, Any] = {
    "hidden_layer_sizes": (128, 128),
    "activation": "relu",
    "dropout": 0.0,
    "num_embeddings": None,
    "preprocessing": "standard",
    "max_epochs": 100,
    "optimizer": "adamw",
    "lr": 2e-3,
    "weight_decay": 0.0,
    "lr_schedule": None,
    "grad_clip": None,
    "validation_fraction": 0.1,
    "patience": 16,
}
_REALMLP: dict[str, Any] = {
    "hidden_layer_sizes": (256, 256, 256),
    "dropout": 0.15,
    "num_embeddings": "ple",
    "preprocessing": "robust",
    "max_epochs": 64,
    "batch_size": 256,
    "optimizer": AdamW(betas=(0.9, 0.95)),
    "weight_decay": 0.02,
    "lr_schedule": "coslog4",
    "grad_clip": None,
    "validation_fraction": 0.2,
}
_REALMLP_CLASSES: dict[str, Any] = {
    "activation": "selu",
    "lr": 0.04,
    "loss": CrossEntropy(label_smoothing=0.1),
}
_REALMLP_VALUES: dict[str, Any] = {"activation": "mish", "lr": 0.2}
# It has no weight decay, and a search along a line needs a loss that stays the same and
# a step that is not 0, as the first one of the schedule.
_LBFGS: dict[str, Any] = {
    "dropout": 0.0,
    "lr": 1.0,
    "lr_schedule": None,
    "weight_decay": 0.0,
}
# Values need more steps than 64 epochs of few rows are.
_FEW_ROWS = 1000
_EPOCHS_OF_FEW_ROWS = 256
# Indicators of many levels need more rows than a few numbers for each level.
_ROWS_OF_ONE_HOT = 2000
_MOST_INDICATORS = 1000
# Of fewer rows of classes a fifth is missed more than an epoch chosen by it helps.
_FEWEST_SPLIT = 500
# Of so many a tenth tells epochs apart as well as a fifth does.
_ROWS_OF_TENTH = 2000
# Weights fall by lr * weight_decay in each step, so fewer steps want more of it.
_DECAY_OF_CLASSES = 400
_MOST_DECAY = 0.2
# Of all parameters of such a module in a network of the preset "realmlp".
_LR_FACTORS: dict[type[nn.Module], float] = {
    own.ScaleFeatures: 6.0,
    own.PBLDEmbedding: 0.1,
    own.PiecewiseLinearEmbedding: 0.1,
    own.ParametricActivation: 0.1,
}


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


def _auto(*checks: Any) -> list[Any]:
    return [*one_of("auto"), *checks]


def _most_one_hot(spec: DataSpec) -> int:
    few = spec.n_rows is None or spec.n_rows < _ROWS_OF_ONE_HOT
    return 9 if few or sum(spec.cardinalities) > _MOST_INDICATORS else _MOST_INDICATORS


def _is_lbfgs(optimizer: Any) -> bool:
    kind = optimizer if isinstance(optimizer, type) else type(optimizer)
    return optimizer == "lbfgs" or issubclass(kind, LBFGS | torch.optim.LBFGS)


class BaseMLP(ScalingLearner):
    """Linear layers with an activation in between."""

    preset: Literal["realmlp", "simple"] = param(
        default="realmlp",
        check=one_of("realmlp", "simple"),
        doc='What kind of network and training, and what "auto" stands for. "realmlp" '
        "is the recipe of [2]_, tuned on many tables: "
        "embeddings of numbers, indicators of categories, a learned scaling of the "
        "features, weights of order one (`torchlearners.nn.NTKLinear`) that first see "
        "the training rows, activations with a learned strength, and for values "
        "predictions within the range of the training rows. Dropout and weight decay "
        "fall to 0 in the second half of the training. Columns of more than 9 levels "
        "have a learned vector for each instead of indicators, unless there are 2000 "
        'training rows and up to 1000 levels in all columns together. "simple" is '
        "linear layers and activations, without any of these; an epoch costs about a "
        "tenth.",
    )
    hidden_layer_sizes: int | tuple[int, ...] | list[int] | Literal["auto"] = param(
        default="auto",
        check=_auto(*positive_int, SequenceOf(positive_int)),
        tune=[(64,), (128,), (256,), (64, 64), (128, 128), (256, 256), (128,) * 3],
        doc="Number of units in each hidden layer; an int is one layer, an empty tuple "
        'a linear model. "auto" is (256, 256, 256), and (128, 128) for "simple".',
    )
    activation: ActivationName | Literal["auto"] | Callable[..., Any] = param(
        default="auto",
        check=[StrOptions({"auto", *ACTIVATIONS}), type, callable],
        tune=["relu", "gelu", "silu", "tanh"],
        doc="Name of the function after each hidden layer, or a `torch.nn.Module` "
        "class, or a function without arguments that returns a module. "
        '"auto" is "selu" for classes, "mish" for values, and "relu" for "simple".',
    )
    dropout: float | Literal["auto"] = param(
        default="auto",
        check=_auto(*fraction),
        tune=(0.0, 0.5),
        doc='Probability of zeroing a hidden unit while training. "auto" is 0.15, '
        'and 0 for "simple".',
    )
    normalization: Literal["batch", "layer"] | None = param(
        default=None,
        check=optional(one_of(*NORMALIZATIONS)),
        tune=[None, "batch", "layer"],
        doc="Normalization between each hidden layer and its activation.",
    )
    num_embeddings: Literal["auto", "pbld", "ple"] | None = param(
        default="auto",
        check=optional(one_of("auto", *EMBEDDINGS)),
        tune=[None, "pbld", "ple"],
        doc='What numbers become first: "pbld" is waves of learned frequencies and the '
        'number itself [2]_, "ple" a piecewise linear function of the number; None '
        'takes the number alone. "auto" is "ple" with at least 32 rows a bin, and '
        'None for "simple".',
    )
    preprocessing: Preprocessing = param(
        default="auto",
        check=optional(one_of("auto", "standard", "robust", "quantile")),
        doc='How each numeric feature is scaled, inside the learner. "standard": to '
        'mean 0 and standard deviation 1. "robust": by median and interquartile range, '
        'with what is far away bent to within +-3. "quantile": to a normal '
        'distribution, by its rank. None takes X as it is. "auto" is "robust", and '
        '"standard" for "simple".',
    )
    max_epochs: int | Literal["auto"] = param(  # type: ignore[assignment]
        default="auto",
        check=_auto(*positive_int),
        doc="Most passes over the training rows; with `warm_start` in each call of "
        '`fit`. "auto" is 64, but 256 for values of up to 1000 rows, and 100 for '
        '"simple".',
    )
    batch_size: int | Literal["auto"] = param(
        default="auto",
        doc='Rows in one optimizer step. "auto" is 256; for "simple" it takes all '
        "rows up to 256, then the power of two nearest to a fortieth of them, between "
        "32 and 1024. A batch that holds all rows makes weights equal to repetition "
        "exactly.",
    )
    optimizer: OptimizerChoice | Literal["auto"] = param(  # type: ignore[assignment]
        default="auto",
        check=[StrOptions({"auto", *OPTIMIZERS}), Optimizer, type],
        doc="A name, an object of `torchlearners.training` such as "
        "``AdamW(betas=(0.9, 0.95))``, or a `torch.optim` class. "
        '"auto" is AdamW with those betas, and with its own for "simple". With LBFGS '
        'the other "auto" mean a learning rate of 1 and no schedule, dropout or weight '
        'decay, but for "simple".',
    )
    lr: float | Literal["auto"] = param(  # type: ignore[assignment]
        default="auto",
        check=_auto(*positive),
        doc='Learning rate of the optimizer. "auto" is 0.04, 0.2 for values with the '
        'default `loss`, and 2e-3 for "simple". With "realmlp" the scaling of the '
        "features learns 6 times as fast, and biases, embeddings of numbers and the "
        "strength of activations a tenth as fast.",
    )
    weight_decay: float | Literal["auto"] = param(  # type: ignore[assignment]
        default="auto",
        check=_auto(*non_negative),
        doc="Weight decay of the optimizer, decoupled from the gradient with AdamW. "
        '"auto" is 0.02, for classes 400 / (training rows) where that is more, up to '
        '0.2 [3]_, and 0 for biases, for "simple" and with LBFGS.',
    )
    lr_schedule: ScheduleChoice | Literal["auto"] = param(  # type: ignore[assignment]
        default="auto",
        check=optional([StrOptions({"auto", *SCHEDULES}), Policy, type, callable]),
        doc="How the learning rate moves while training: a name, an object of "
        "`torchlearners.callbacks` such as ``Step(step_size=10)``, a class of "
        "`torch.optim.lr_scheduler`, or a function from [0, 1] to a factor. None keeps "
        'it constant. "auto" is "coslog4", four waves, and None for "simple".',
    )
    grad_clip: float | Literal["auto"] | None = param(  # type: ignore[assignment]
        default="auto",
        check=optional([StrOptions({"auto"}), *positive]),
        tune=(0.1, 10.0, "log"),
        doc="Largest norm of the gradient of all weights together; longer ones are "
        'shortened. "auto" is 1 for values with another `loss` than the default, with '
        "which the first steps may be very steep, else None, which is no limit. "
        '"simple" has none.',
    )
    loss: LossChoice | Literal["auto"] = param(
        default="auto",
        doc="A name, an object of `torchlearners.training` such as ``Huber(delta=2)``, "
        "a `torch.nn` loss, or a function of outputs and encoded targets. "
        '"auto" is cross-entropy for classes, with a label smoothing of 0.1 unless '
        '"simple", binary cross-entropy for multilabel targets and the mean squared '
        "error for values.",
    )
    validation_fraction: float | Literal["auto"] = param(  # type: ignore[assignment]
        default="auto",
        check=_auto(*open_fraction),
        doc="Share of the rows, stratified by class, that `early_stopping` sets aside. "
        '"auto" is 0.2, and 0.1 for "simple" and for classes of at least 2000 rows.',
    )
    early_stopping: bool | Literal["auto"] = param(
        default="auto",
        doc="Whether to set rows aside, and to keep the epoch whose validation loss is "
        'least. "auto" does so where `X_val` is given or there are at least 200 rows; '
        'for classes with "realmlp" 500, unless `measures_valid`, `patience` or '
        "`lr_schedule` are set. Without it, and without `X_val`, all rows train.",
    )
    patience: int | Literal["auto"] = param(  # type: ignore[assignment]
        default="auto",
        check=_auto(*positive_int),
        doc="Evaluations without improvement after which early stopping ends training. "
        '"auto" trains to the end, and keeps the best epoch, or is 64 with '
        '``early_stopping=True``; it is 16 for "simple".',
    )

    def auto_values(self) -> dict[str, Any]:
        """Return what "auto" stands for."""
        if self.preset == "simple":
            return _SIMPLE
        own = dict(_REALMLP_CLASSES if is_classifier(self) else _REALMLP_VALUES)
        if "loss" not in own and not self._is_auto("loss"):
            own |= {"lr": _REALMLP_CLASSES["lr"], "grad_clip": 1.0}
        if _is_lbfgs(self.optimizer):
            own |= _LBFGS
        patience = None if self._is_auto("early_stopping") else 64
        return {**_REALMLP, **own, "patience": patience}

    def _value_for(self, name: str, spec: DataSpec) -> Any:
        value = super()._value_for(name, spec)
        n_rows = spec.n_rows
        if n_rows is None or self.preset != "realmlp" or not self._is_auto(name):
            return value
        if is_classifier(self):
            if name == "weight_decay" and value > 0:
                return min(_MOST_DECAY, max(value, _DECAY_OF_CLASSES / n_rows))
        elif name == "max_epochs" and n_rows <= _FEW_ROWS:
            return _EPOCHS_OF_FEW_ROWS
        return value

    def _splits(self, n_rows: int) -> bool:
        names = ("early_stopping", "patience", "lr_schedule")
        follows_recipe = self.preset == "realmlp" and all(map(self._is_auto, names))
        if follows_recipe and is_classifier(self) and not self.measures_valid:
            return n_rows >= _FEWEST_SPLIT
        return super()._splits(n_rows)

    def _validation_fraction(self, n_rows: int) -> float:
        own = self.preset == "realmlp" and self._is_auto("validation_fraction")
        if own and is_classifier(self) and n_rows >= _ROWS_OF_TENTH:
            return 0.1
        return super()._validation_fraction(n_rows)

    def network(self, spec: DataSpec) -> Node:
        """Return the layers, from rows of a table to (batch, n_outputs)."""
        real = self.preset == "realmlp"
        linear: Any = NTKLinear if real else Linear
        embedding = self.value_of("num_embeddings")
        layers = table_input(
            spec,
            None if embedding is None else EMBEDDINGS[embedding]() >> Flatten(),
            OneHotEmbedding(max_one_hot=_most_one_hot(spec)) if real else None,
        )
        if real:
            layers.append(ScaleFeatures())
        sizes, dropout = self.value_of("hidden_layer_sizes"), self.value_of("dropout")
        for size in [sizes] if isinstance(sizes, Integral) else sizes:
            layers.append(linear(int(size)))
            if self.normalization is not None:
                layers.append(NORMALIZATIONS[self.normalization]())
            layers.append(self._activation(real))
            if dropout > 0:
                layers.append(Dropout(dropout))
        return Sequence([*layers, NTKLinear(spec.n_outputs) if real else Head()])

    def _activation(self, parametric: bool) -> Node:
        chosen = self.value_of("activation")
        if not isinstance(chosen, str):
            return Activation(chosen)
        if parametric and chosen != "identity":
            return ParametricActivation(chosen)
        node: Node = ACTIVATIONS[chosen]()
        return node

    def no_weight_decay(self, module: nn.Module) -> set[str]:
        """Return the names of all biases, with the preset "realmlp"."""
        if self.preset == "simple":
            return set()
        return {n for n, _ in module.named_parameters() if n.endswith("bias")}

    def lr_factors(self, module: nn.Module) -> dict[str, float]:
        """Return the factors of the preset "realmlp"."""
        if self.preset == "simple":
            return {}
        factors = dict.fromkeys(self.no_weight_decay(module), 0.1)
        for prefix, child in module.named_modules():
            for kind, factor in _LR_FACTORS.items():
                if isinstance(child, kind):
                    names = [name for name, _ in child.named_parameters(prefix)]
                    factors |= dict.fromkeys(names, factor)
        return factors

    def schedules(self) -> dict[str, Any]:
        """Return how dropout and weight decay fall, with the preset "realmlp"."""
        if self.preset == "simple":
            return {}
        falling = ("dropout", "weight_decay")
        return {name: "flat_cosine" for name in falling if self.value_of(name) > 0}

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
    .. [2] Holzmueller, Grinsztajn and Steinwart (2024). Better by default: strong
       pre-tuned MLPs and boosted trees on tabular data. NeurIPS. arXiv:2407.04491.
    .. [3] Wang and Aitchison (2024). How to set AdamW's weight decay as you scale model
       and dataset size. arXiv:2405.13698.

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
    .. [2] Holzmueller, Grinsztajn and Steinwart (2024). Better by default: strong
       pre-tuned MLPs and boosted trees on tabular data. NeurIPS. arXiv:2407.04491.
    .. [3] Wang and Aitchison (2024). How to set AdamW's weight decay as you scale model
       and dataset size. arXiv:2405.13698.

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

    def _clamps(self) -> bool:
        return self.preset == "realmlp"
