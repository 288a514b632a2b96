"""Features of images for other estimators."""

from __future__ import annotations

import copy
import math
import threading
from numbers import Integral
from typing import Any, Literal

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from torchlearners._compat import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    fit_context,
    n_samples_of,
)
from torchlearners.data import as_image_column
from torchlearners.graph import Node
from torchlearners.image._backbones import Backbone
from torchlearners.image._learners import BaseImageLearner, ImageRegressor
from torchlearners.image._named_backbones import NamedBackbone
from torchlearners.image._pyramid import pyramids_of
from torchlearners.nn import PoolPositions
from torchlearners.params import (
    Parameters,
    SequenceOf,
    boolean,
    one_of,
    optional,
    param,
)
from torchlearners.training import Net, as_array


class _UntrainedRegressor(ImageRegressor):
    """An `ImageRegressor` that keeps the weights it is built with."""

    def _train(self, net: Net, train: Any, valid: Any, resume_from: Any) -> None:
        net.module_.eval()


class ImageEncoder(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, Parameters, BaseEstimator
):
    """Turn images into features for other estimators, without training.

    The features are what a backbone gives to the head of its network: of a fitted
    learner, which has learned them, or of a network with random weights, which still
    tells images apart [1]_. Only the scale of the pixels is learned in `fit`.

    {parameters}

    Attributes
    ----------
    learner_ : ImageClassifier or ImageRegressor
        Holds the network.
    n_features_in_ : int
        Number of values of an image, where X is an array.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X had column names that are all strings.

    See Also
    --------
    ImageClassifier : Learns features, and a head on top of them.

    References
    ----------
    .. [1] Jarrett, Kavukcuoglu, Ranzato and LeCun (2009). What is the best multi-stage
       architecture for object recognition? ICCV.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from torchlearners.image import ImageEncoder
    >>> X, _ = load_digits(return_X_y=True)
    >>> encoder = ImageEncoder(random_state=0).fit(X[:100])
    >>> encoder.transform(X).shape
    (1797, 1024)
    """

    backbone: Any = param(
        default="cnn",
        check=[
            str,
            Backbone,
            Node,
            nn.Module,
            BaseImageLearner,
            FrozenEstimator,
            type,
            callable,
        ],
        kw_only=False,
        doc="A fitted `ImageClassifier` or `ImageRegressor`, whose weights are copied; "
        "wrap it in `sklearn.frozen.FrozenEstimator` where the encoder is cloned, as "
        "in a search. Or what `ImageClassifier` takes: a name or object such as "
        "``CNN(width=64)`` for random weights, a network of timm or torchvision such "
        'as "timm:resnet18", or a `torch.nn.Module` with the weights it has.',
    )
    pretrained: bool | str = param(
        default=False,
        check=[*boolean, str],
        doc="See `ImageClassifier`; a fitted learner has its weights.",
    )
    output: Literal["pooled", "tokens", "pyramid"] = param(
        default="pooled",
        check=one_of("pooled", "tokens", "pyramid"),
        doc='"pooled" gives one vector for each image, "tokens" one for each place of '
        "the backbone's last map, row by row, or for each of its tokens. "
        '"pyramid" gives a list of maps: of each resolution that the images have on '
        "their way through the backbone the last map, the finest first.",
    )
    out_indices: Any = param(
        default=None,
        check=optional([SequenceOf([Integral])]),
        doc='Which maps of the "pyramid" are given, by their places in it, such as '
        "``(1, 2, 3)`` or ``(-1,)``. None gives all.",
    )
    data_format: Literal["auto", "channels_last", "channels_first"] = param(
        default="auto",
        check=one_of("auto", "channels_last", "channels_first"),
        doc="See `ImageClassifier`; that of a fitted learner is its own.",
    )
    image_shape: Any = param(
        default=None,
        doc="See `ImageClassifier`; that of a fitted learner is its own.",
    )
    preprocessing: Literal["auto", "standard", "imagenet"] | None = param(
        default="auto",
        check=optional(one_of("auto", "standard", "imagenet")),
        doc="See `ImageClassifier`; that of a fitted learner is its own.",
    )
    device: Any = param(
        default="auto",
        doc='"auto" is the first available of cuda, mps, xpu and cpu; a fitted learner '
        "stays where it is.",
    )
    random_state: Any = param(
        default=None,
        check=["random_state"],
        doc="Seed of random weights. No global random state is read or written.",
    )

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> ImageEncoder:
        """Make the network, or copy that of a fitted learner.

        Parameters
        ----------
        X : array-like of shape (n, height, width), (n, height, width, channels), \
(n, channels, height, width) or (n, n_features), or column of images
            Images.
        y : None
            Ignored, for the interface of scikit-learn.

        Returns
        -------
        ImageEncoder
            The fitted encoder.

        Raises
        ------
        ValueError
            Where X is unfit, or the learner not fitted, or an ensemble.
        """
        given = self.backbone
        if isinstance(given, FrozenEstimator):
            given = given.estimator
        if isinstance(given, BaseImageLearner):
            check_is_fitted(
                given,
                msg="backbone=%(name)s(...) is not fitted. Fit it first; where this "
                "encoder is cloned, wrap it in sklearn.frozen.FrozenEstimator.",
            )
            if getattr(given, "members_", None):
                raise ValueError(
                    f"backbone={given!r} is an ensemble, which has no features of its "
                    "own. Give one of its members_."
                )
            if as_image_column(X) is None:
                given.images_of(X)  # raises where X holds other images
            learner = copy.deepcopy(given)
        else:
            learner = _UntrainedRegressor(
                given,
                pretrained=self.pretrained,
                data_format=self.data_format,
                image_shape=self.image_shape,
                preprocessing=self.preprocessing,
                early_stopping=False,
                device=self.device,
                random_state=self.random_state,
            ).fit(X, np.zeros(n_samples_of(X)))
        vars(self).pop("feature_names_in_", None)
        self.learner_ = learner
        vars(self).pop("n_features_in_", None)
        if hasattr(learner, "n_features_in_"):  # a column of images has none
            self.n_features_in_ = learner.n_features_in_
        if hasattr(learner, "feature_names_in_"):
            self.feature_names_in_ = learner.feature_names_in_
        return self

    def transform(self, X: Any) -> Any:
        """Return the features of images.

        Parameters
        ----------
        X : array-like, or column of images
            Images as in `fit`; a column is decoded in batches.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out) or (n_samples, n_tokens, size)
            float32; the latter of "tokens". NaN for images that cannot be read, where
            ``on_error="impute"`` of a fitted learner allows for them.
        list of ndarray of shape (n_samples, channels, height, width)
            Of "pyramid".
        """
        check_is_fitted(self)
        if self.output == "pyramid":
            return self._pyramid(X)
        if self.output == "tokens" and self._library_pools():
            last = self._pyramid(X)[-1]
            tokens = last.reshape(*last.shape[:2], -1).swapaxes(1, 2)
            return np.ascontiguousarray(tokens)
        return self.learner_._by_batches(self._features, X, lambda: np.nan)

    def _features(self, X: Any) -> np.ndarray:
        """Return the features of an array of images."""
        found: list[Tensor] = []
        thread = threading.get_ident()

        def keep(module: Any, inputs: tuple[Tensor, ...]) -> None:
            if threading.get_ident() == thread:
                found.append(inputs[0].detach())

        handle = self._reader().register_forward_pre_hook(keep)
        try:
            parts = self.learner_._output_parts(X)
        finally:
            handle.remove()
        # A batch may hold rows of padding at its end.
        pairs = zip(found, parts, strict=True)
        rows = np.concatenate([as_array(kept)[: len(p)] for kept, p in pairs])
        if self.output == "tokens" and rows.ndim == 4:
            rows = rows.reshape(*rows.shape[:2], -1).swapaxes(1, 2)
        if rows.ndim != (3 if self.output == "tokens" else 2):
            raise ValueError(
                f"output={self.output!r} cannot be made of what backbone="
                f"{self.backbone!r} returns, of shape {rows.shape}."
            )
        return np.ascontiguousarray(rows, dtype=np.float32)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return names of the features.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Ignored, for the interface of scikit-learn.

        Returns
        -------
        ndarray of str
            "imageencoder0", "imageencoder1", and so on.

        Raises
        ------
        ValueError
            Where the output is no table.
        """
        self._check_is_table("have no names of columns")
        names: np.ndarray = super().get_feature_names_out(input_features)
        return names

    def set_output(self, *, transform: Any = None) -> ImageEncoder:
        """Set whether `transform` returns arrays or data frames.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None, default=None
            None leaves it as it is.

        Returns
        -------
        ImageEncoder
            The encoder.

        Raises
        ------
        ValueError
            Where the output is no table.
        """
        if transform not in (None, "default"):
            self._check_is_table(f"cannot be a data frame of {transform}")
        super().set_output(transform=transform)  # type: ignore[misc]
        return self

    def _check_is_table(self, what: str) -> None:
        if self.output != "pooled":
            kind = "vectors" if self.output == "tokens" else "maps"
            raise ValueError(
                f"output={self.output!r} gives several {kind} for each image, which "
                f"{what}. Set output='pooled'."
            )

    def _pyramid(self, X: Any) -> list[np.ndarray]:
        """Return the last map of each resolution, or those of `out_indices`."""
        shapes: list[Any] = []

        def flat(images: Any) -> np.ndarray:
            maps = self._maps(images)
            shapes[:] = [one.shape[1:] for one in maps]
            return np.concatenate([one.reshape(len(one), -1) for one in maps], axis=1)

        rows = self.learner_._by_batches(flat, X, lambda: np.nan)
        ends = np.cumsum([math.prod(shape) for shape in shapes])
        parts = zip(np.split(rows, ends[:-1], axis=1), shapes, strict=True)
        return [np.ascontiguousarray(part).reshape(-1, *shape) for part, shape in parts]

    def _maps(self, X: Any) -> list[np.ndarray]:
        """Return the maps of an array of images."""
        with pyramids_of(self.learner_.net_.module_) as batches:
            parts = self.learner_._output_parts(X)
        rows = [
            [as_array(one)[: len(part)] for one in maps]
            for maps, part in zip(batches, parts, strict=True)
        ]
        maps = [np.concatenate(level) for level in zip(*rows, strict=True)]
        chosen = range(len(maps)) if self.out_indices is None else self.out_indices
        if self.output == "tokens":
            chosen = [-1]
        if not maps or any(not -len(maps) <= i < len(maps) for i in chosen):
            sizes = [f"{m.shape[2]} x {m.shape[3]}" for m in maps]
            raise ValueError(
                f"The backbone {self.backbone!r} has {len(maps)} maps, of sizes {sizes}"
                f"; out_indices={self.out_indices!r} asks for others. Set output="
                "'pooled' where there are none."
            )
        return [maps[i].astype(np.float32, copy=False) for i in chosen]

    def _library_pools(self) -> bool:
        """Tell whether a network of a library makes vectors of maps by itself."""
        module = self.learner_.net_.module_
        named = isinstance(
            self.learner_._promoted("backbone", self.learner_.backbone), NamedBackbone
        )
        return named and not any(isinstance(m, PoolPositions) for m in module.modules())

    @property
    def _n_features_out(self) -> int:
        return int(self._reader().in_features)

    def _reader(self) -> Any:
        """Return the module that the features go into: the head, or the pool."""
        module = self.learner_.net_.module_
        if self.output == "pooled":
            return next(m for m in reversed(list(module.modules())) if _is_linear(m))
        pools = [m for m in module.modules() if isinstance(m, PoolPositions)]
        if len(pools) != 1:
            raise ValueError(
                f"backbone={self.backbone!r} has {len(pools)} modules PoolPositions, "
                "so that it is not known what its tokens are. Set output='pooled'."
            )
        return pools[0]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear)
