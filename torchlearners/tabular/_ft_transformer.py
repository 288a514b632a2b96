"""Transformers over the features of a table."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Literal

import numpy as np
from sklearn.utils.validation import check_is_fitted
from torch import nn

import torchlearners.nn as own
from torchlearners.base import (
    ClassifierLearner,
    Preprocessing,
    RegressorLearner,
    ScalingLearner,
)
from torchlearners.callbacks import ScheduleChoice
from torchlearners.data import DataSpec
from torchlearners.exceptions import ManyFeaturesWarning
from torchlearners.graph import (
    Categorical,
    CategoricalTokenizer,
    CLSToken,
    Concat,
    FTTransformerBlock,
    Head,
    LayerNorm,
    Node,
    Numeric,
    NumericTokenizer,
    ReLU,
    Select,
    Sequence,
)
from torchlearners.params import fraction, one_of, param, positive, positive_int
from torchlearners.training import Net, TensorData, as_array

_MANY_FEATURES = 200


class BaseFTTransformer(ScalingLearner):
    """Features as tokens that attend to each other."""

    n_blocks: int = param(
        default=2,
        check=positive_int,
        tune=(1, 6),
        doc="Number of transformer blocks. The sizes below are those of [1]_ for 2 "
        "blocks, which cost a third of its 3 blocks of 192.",
    )
    d_token: int = param(
        default=128,
        check=positive_int,
        tune=[64, 96, 128, 192, 256],
        doc="Number of values of each token, a multiple of `n_heads`. [1]_ takes 96, "
        "128, 192, 256, 320 or 384 for 1 to 6 blocks.",
    )
    n_heads: int = param(
        default=8, check=positive_int, doc="Number of attention heads of a block."
    )
    attention_dropout: float = param(
        default=0.15,
        check=fraction,
        tune=(0.0, 0.5),
        doc="Probability of zeroing an attention weight while training.",
    )
    ffn_dropout: float = param(
        default=0.05,
        check=fraction,
        tune=(0.0, 0.5),
        doc="Probability of zeroing a hidden unit of a block while training.",
    )
    residual_dropout: float = param(
        default=0.0,
        check=fraction,
        tune=(0.0, 0.2),
        doc="Probability of zeroing a value that one of a block's two parts adds, "
        "while training.",
    )
    ffn_multiplier: float = param(
        default=4 / 3,
        check=positive,
        tune=(2 / 3, 8 / 3),
        doc="Number of hidden units of a block, as a multiple of `d_token`; rounded "
        "down.",
    )
    ffn_activation: Literal["geglu", "gelu", "reglu", "relu", "swiglu"] = param(
        default="reglu",
        check=one_of("geglu", "gelu", "reglu", "relu", "swiglu"),
        doc="Function of the hidden units of a block. Those that end in glu are gated, "
        "with twice the weights before them.",
    )
    preprocessing: Preprocessing = param(default="auto")
    max_epochs: int = param(default=30)
    batch_size: int | Literal["auto"] = param(
        default="auto",
        doc='Rows in one optimizer step. "auto" takes all rows up to 256, then the '
        "power of two nearest to a fortieth of them, 32, 64 or 128. A batch that holds "
        "all rows makes weights equal to repetition exactly.",
    )
    lr: float = param(default=5e-4, tune=(1e-5, 1e-3, "log"))
    weight_decay: float = param(
        default=1e-5,
        doc="Weight decay of the optimizer, only on the weights of linear layers: not "
        "on biases, normalizations and tokens.",
    )
    lr_schedule: ScheduleChoice = param(default="one_cycle")

    _largest_batch: ClassVar[int] = 128

    def network(self, spec: DataSpec) -> Node:
        """Return tokens, blocks, and the head on what the first token has gathered."""
        last = self.n_blocks - 1
        blocks = [
            FTTransformerBlock(
                n_heads=self.n_heads,
                attention_dropout=self.attention_dropout,
                ffn_d_hidden_multiplier=self.ffn_multiplier,
                ffn_dropout=self.ffn_dropout,
                residual_dropout=self.residual_dropout,
                activation=self.ffn_activation,
                attention_norm=i > 0,
                query="first" if i == last else "all",
            )
            for i in range(self.n_blocks)
        ]
        after = [Select(1, 0), LayerNorm(), ReLU(), Head()]
        return Sequence([self._tokens(spec), CLSToken(), *blocks, *after])

    def _tokens(self, spec: DataSpec) -> Node:
        numeric = Numeric() >> NumericTokenizer(self.d_token)
        categorical = Categorical() >> CategoricalTokenizer(self.d_token)
        if not spec.cardinalities:
            return numeric
        return (numeric | categorical) >> Concat(1) if spec.n_numeric else categorical

    def no_weight_decay(self, module: nn.Module) -> set[str]:
        """Return the names of all parameters but the weights of linear layers."""
        decayed = {
            f"{name}.weight"
            for name, part in module.named_modules()
            if isinstance(part, nn.Linear)
        }
        return {name for name, _ in module.named_parameters()} - decayed

    def attention_maps(self, X: Any) -> np.ndarray:
        """Return how much the CLS token, from which is predicted, attends to each.

        Its mean over rows, blocks and heads, `maps.mean(axis=(0, 1, 2))`, is the
        importance that [1]_ gives the features.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_blocks, n_heads, 1 + n_features)
            Weights that add up to 1 over the last dimension: the CLS token itself,
            then the features in the order of the columns.

        References
        ----------
        .. [1] Gorishniy et al. (2021). Revisiting deep learning models for tabular
           data. NeurIPS, section 5.3. arXiv:2106.11959.
        """
        check_is_fitted(self)
        found: list[list[np.ndarray]] = []
        handles = []
        for block in self.net_.module_.modules():
            if not isinstance(block, own.FTTransformerBlock):
                continue
            maps: list[np.ndarray] = []
            found.append(maps)

            def look(block: Any, inputs: Any, maps: list[np.ndarray] = maps) -> None:
                weights = block.attention_map(inputs[0], query="first")
                maps.append(as_array(weights[:, :, 0]))

            handles.append(block.register_forward_pre_hook(look))
        try:
            n_rows = len(self._outputs(X))
        finally:
            for handle in handles:
                handle.remove()
        # A pass may hold rows of padding at its end.
        return np.stack([np.concatenate(maps)[:n_rows] for maps in found], axis=1)

    def _before_first_step(self, net: Net, data: TensorData) -> None:
        super()._before_first_step(net, data)
        n_features = data.X.shape[1]
        if n_features > _MANY_FEATURES:
            warnings.warn(
                f"{type(self).__name__} is given {n_features} features; its time and "
                "memory grow with their square. From about "
                f"{_MANY_FEATURES} on, choose fewer features or another learner, such "
                "as the ResNet or the MLP.",
                ManyFeaturesWarning,
                stacklevel=2,
            )


class FTTransformerClassifier(BaseFTTransformer, ClassifierLearner):
    """Transformer over features for classes [1]_: attention between the columns.

    Each feature becomes a token; tokens attend to each other, and the class is
    predicted from a token of its own. For tables in which features depend on each
    other, of a thousand rows and up to 200 features. An epoch costs time proportional
    to rows times the square of the features, 10 to 50 times that of an MLP.

    {parameters}

    {attributes}

    See Also
    --------
    FTTransformerRegressor : The same for numbers.
    ResNetClassifier : Often as good, and much faster.

    References
    ----------
    .. [1] Gorishniy, Rubachev, Khrulkov and Babenko (2021). Revisiting deep learning
       models for tabular data. NeurIPS. arXiv:2106.11959.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from torchlearners import FTTransformerClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> learner = FTTransformerClassifier(d_token=32, lr=3e-3, random_state=0)
    >>> learner.set_params(max_epochs=20).fit(X, y).score(X, y) > 0.9
    True
    >>> learner.attention_maps(X).shape
    (150, 2, 8, 5)
    """


class FTTransformerRegressor(BaseFTTransformer, RegressorLearner):
    """Transformer over features for numbers [1]_: attention between the columns.

    Each feature becomes a token; tokens attend to each other, and the value is
    predicted from a token of its own. For tables in which features depend on each
    other, of a thousand rows and up to 200 features. An epoch costs time proportional
    to rows times the square of the features, 10 to 50 times that of an MLP.

    {parameters}

    {attributes}

    See Also
    --------
    FTTransformerClassifier : The same for classes.
    ResNetRegressor : Often as good, and much faster.

    References
    ----------
    .. [1] Gorishniy, Rubachev, Khrulkov and Babenko (2021). Revisiting deep learning
       models for tabular data. NeurIPS. arXiv:2106.11959.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from torchlearners import FTTransformerRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> learner = FTTransformerRegressor(d_token=32, lr=3e-3, random_state=0)
    >>> learner.set_params(max_epochs=3).fit(X, y).predict(X).shape
    (442,)
    """

    # Dropout helps with classes, and raises the error of values: docs/design/defaults.
    attention_dropout: float = param(default=0.0)
    ffn_dropout: float = param(default=0.0)
