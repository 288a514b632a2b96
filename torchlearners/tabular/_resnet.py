"""Residual networks for tables."""

from __future__ import annotations

from typing import ClassVar, Literal

from torchlearners.base import (
    ClassifierLearner,
    Preprocessing,
    RegressorLearner,
    ScalingLearner,
)
from torchlearners.callbacks import ScheduleChoice
from torchlearners.data import DataSpec
from torchlearners.graph import (
    BatchNorm1d,
    Dropout,
    Head,
    Linear,
    Node,
    ReLU,
    Repeat,
    Residual,
    Sequence,
    table_input,
)
from torchlearners.params import fraction, param, positive, positive_int


class BaseResNet(ScalingLearner):
    """Blocks of two linear layers, each added to what goes into it."""

    n_blocks: int = param(
        default=2,
        check=positive_int,
        tune=(1, 8),
        doc="Number of residual blocks.",
    )
    width: int = param(
        default=192,
        check=positive_int,
        tune=(64, 512, "log"),
        doc="Number of values that go from block to block.",
    )
    hidden_multiplier: float = param(
        default=2.0,
        check=positive,
        tune=(1.0, 4.0),
        doc="Number of hidden units inside a block, as a multiple of `width`; rounded "
        "down.",
    )
    dropout: float = param(
        default=0.15,
        check=fraction,
        tune=(0.0, 0.5),
        doc="Probability of zeroing a hidden unit of a block while training.",
    )
    residual_dropout: float = param(
        default=0.0,
        check=fraction,
        tune=(0.0, 0.5),
        doc="Probability of zeroing a value that a block adds, while training.",
    )
    preprocessing: Preprocessing = param(default="auto")
    batch_size: int | Literal["auto"] = param(
        default="auto",
        doc='Rows in one optimizer step. "auto" takes all rows up to 256, then the '
        "power of two nearest to a fortieth of them, 32, 64 or 128. A batch that holds "
        "all rows makes weights equal to repetition exactly.",
    )
    lr: float = param(default=2e-3)
    weight_decay: float = param(default=1e-5)
    lr_schedule: ScheduleChoice = param(default="cosine")

    _largest_batch: ClassVar[int] = 128

    def network(self, spec: DataSpec) -> Node:
        """Return the blocks, between a linear layer and the head."""
        n_hidden = max(1, int(self.width * self.hidden_multiplier))
        block = (
            BatchNorm1d()
            >> Linear(n_hidden)
            >> ReLU()
            >> Dropout(self.dropout)
            >> Linear(int(self.width))
            >> Dropout(self.residual_dropout)
        )
        return Sequence(
            [
                *table_input(spec),
                Linear(int(self.width)),
                Repeat(Residual(block), int(self.n_blocks)),
                BatchNorm1d(),
                ReLU(),
                Head(),
            ]
        )


class ResNetClassifier(BaseResNet, ClassifierLearner):
    """Residual network for classes [1]_: deeper than an MLP, and as easy to train.

    A strong plain network for a thousand rows and more. Batch normalization inside
    wants batches of many rows; on a few dozen rows take `MLPClassifier`. An epoch costs
    time proportional to rows times weights, several times that of an MLP's defaults.

    {parameters}

    {attributes}

    See Also
    --------
    ResNetRegressor : The same for numbers.
    MLPClassifier : Smaller and faster.
    FTTransformerClassifier : Attention between the features.

    References
    ----------
    .. [1] Gorishniy, Rubachev, Khrulkov and Babenko (2021). Revisiting deep learning
       models for tabular data. NeurIPS. arXiv:2106.11959.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import train_test_split
    >>> from torchlearners import ResNetClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> learner = ResNetClassifier(max_epochs=20, random_state=0).fit(X_train, y_train)
    >>> learner.score(X_test, y_test) > 0.9
    True
    """


class ResNetRegressor(BaseResNet, RegressorLearner):
    """Residual network for numbers [1]_: deeper than an MLP, and as easy to train.

    A strong plain network for a thousand rows and more. Batch normalization inside
    wants batches of many rows; on a few dozen rows take `MLPRegressor`. An epoch costs
    time proportional to rows times weights, several times that of an MLP's defaults.

    {parameters}

    {attributes}

    See Also
    --------
    ResNetClassifier : The same for classes.
    MLPRegressor : Smaller and faster.
    FTTransformerRegressor : Attention between the features.

    References
    ----------
    .. [1] Gorishniy, Rubachev, Khrulkov and Babenko (2021). Revisiting deep learning
       models for tabular data. NeurIPS. arXiv:2106.11959.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import train_test_split
    >>> from torchlearners import ResNetRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> learner = ResNetRegressor(max_epochs=5, random_state=0).fit(X_train, y_train)
    >>> learner.predict(X_test).shape
    (111,)
    """
