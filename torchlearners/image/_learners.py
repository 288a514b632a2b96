"""Learners of images."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from sklearn.base import clone, is_classifier
from torch import nn

from torchlearners._compat import StrOptions
from torchlearners.augmentation import (
    AUGMENTATIONS,
    Augment,
    ImageOp,
    augmentation,
)
from torchlearners.base import ClassifierLearner, RegressorLearner
from torchlearners.callbacks import GradualUnfreeze, OneCycle, ScheduleChoice, select
from torchlearners.data import StreamedImages, Target
from torchlearners.exceptions import ArchitectureError
from torchlearners.graph import Head, Node, Pretrained, Sequence
from torchlearners.image._backbones import BACKBONES, Backbone
from torchlearners.image._change import BatchChange
from torchlearners.image._columns import pair_of, show_rows
from torchlearners.image._from_columns import SKIPPED, BaseColumnLearner
from torchlearners.image._named_backbones import NamedBackbone
from torchlearners.image._nodes import MadeBy, Pixels, PoolPositions
from torchlearners.image._rows import ImageSpec, PixelRows, PixelSchema
from torchlearners.nn import ImageInput
from torchlearners.params import (
    SequenceOf,
    boolean,
    did_you_mean,
    non_negative,
    one_of,
    optional,
    param,
    positive,
    positive_int,
)
from torchlearners.training import (
    CrossEntropy,
    LossChoice,
    Net,
    TensorData,
    promote,
    resolve_threads,
)

# Values in the maps of a batch that is evaluated at once: some 250 MB of floats.
_VALUES_AT_ONCE = 2**26
_CHANNELS = 64
_FEW_ROWS, _MANY_ROWS = 64, 1280


class BaseImageLearner(BaseColumnLearner):
    """A backbone that turns images into vectors, and a linear head."""

    _left_out = frozenset({"categorical_features"})

    backbone: Any = param(
        default="cnn",
        check=[str, Backbone, Node, nn.Module, type, callable],
        kw_only=False,
        tune=["cnn", "resnet"],
        doc="What turns images into vectors: a name (see `list_backbones`), an object "
        "such as ``CNN(width=64)``, whose parameters are also reached as "
        "``backbone__width``; a network of timm or torchvision, as "
        '"timm:resnet18" (see `NamedBackbone`); one written with '
        "`torchlearners.graph`, from "
        "(batch, channel, height, width); a `torch.nn.Module` with the weights it has, "
        "of which each fit trains a copy, or a function without arguments that returns "
        "a new one. Maps and tokens that it returns are averaged, small maps "
        "flattened; a linear head follows, unless a network ends in "
        "`torchlearners.graph.Head`.",
    )
    pretrained: bool | str = param(
        default=False,
        check=[*boolean, str],
        doc="Whether a network of timm or torchvision starts from trained weights. "
        "True fetches those of the library, once, over the network; a path is of a "
        "file with weights as the library has them, ``.safetensors`` or of "
        "`torch.save`, from which nothing is run. False draws them at random. A "
        "fitted learner holds its weights: it is stored and loaded without fetching.",
    )
    data_format: Literal["auto", "channels_last", "channels_first"] = param(
        default="auto",
        check=one_of("auto", "channels_last", "channels_first"),
        doc='Where the channels of (n, height, width, channels) stand. "auto" sees it '
        "from their number, which is 1, 3 or 4.",
    )
    image_shape: Any = param(
        default=None,
        check=optional([SequenceOf(positive_int)]),
        doc="What a row of a 2-D X unfolds to: (height, width), or with channels where "
        "`data_format` says. None takes a square of 1 or 3 channels of at least 8 "
        "pixels a side where the number of values is such, and else a table: a strip "
        "in which each place has its own meaning. Three channels come one after the "
        'other, unless `data_format` is "channels_last".',
    )
    preprocessing: Literal["auto", "standard", "imagenet"] | None = param(
        default="auto",
        check=optional(one_of("auto", "standard", "imagenet")),
        doc="How pixels are scaled, inside the network; uint8 is first divided by 255. "
        '"standard": each channel to mean 0 and standard deviation 1 over the training '
        'rows; of a table, each column. "imagenet": with the constants that networks '
        "pretrained on it want. None takes pixels as they are. "
        '"auto" is "standard", and with `pretrained` what its weights want.',
    )
    augment: Literal["none", "light", "standard", "strong"] | Any = param(
        default=None,
        check=optional(
            [StrOptions(set(AUGMENTATIONS)), ImageOp, Augment, list, tuple, callable]
        ),
        doc='How images of training batches are changed at random: "light", "standard" '
        'or "strong" (see `torchlearners.augmentation.augmentation`), an object such '
        "as ``HorizontalFlip()``, a list of them, or a function from a batch of images "
        "(n, channels, height, width) of the dtype of X to such a batch. Parameters of "
        "steps are reached as ``augment__PadCrop__pad``. Rows that validate, and those "
        "to predict, are left as they are, and so are all with None.",
    )
    mixup: float = param(
        default=0.0,
        check=non_negative,
        tune=(0.0, 0.4),
        doc="Averages each image of a training batch with another one, in shares of "
        "the distribution Beta(mixup, mixup); its loss is that for both targets in the "
        "same shares. 0 does not. See `torchlearners.augmentation.Mixup`.",
    )
    cutmix: float = param(
        default=0.0,
        check=non_negative,
        tune=(0.0, 1.0),
        doc="Pastes a rectangle of another image, whose share of the pixels has about "
        "the distribution Beta(cutmix, cutmix); the loss as with `mixup`. 0 does not. "
        "With both, each image gets one of the two. See "
        "`torchlearners.augmentation.CutMix`.",
    )
    backbone_lr_factor: float = param(
        default=1.0,
        check=non_negative,
        tune=(0.01, 1.0, "log"),
        doc="By what the learning rate of the backbone is multiplied. Weights that are "
        "pretrained want less than the head.",
    )
    freeze: Any = param(
        default=None,
        doc='Weights that keep their initial values: "backbone" for all but the head, '
        '"gradual" for the same at first, of which layer after layer is set free, from '
        "the head downwards, until all train in the second half of the epochs (see "
        "`torchlearners.callbacks.GradualUnfreeze`); a glob on parameter names, or a "
        "selection from `torchlearners.callbacks.select`.",
    )
    batch_size: int | Literal["auto"] = param(
        default="auto",
        doc='Rows in one optimizer step. "auto" takes all rows up to 64, 32 of up to '
        "some thousand, then the power of two nearest to a fortieth of them, up to "
        "1024. A batch that holds all rows makes weights equal to repetition exactly.",
    )
    loss: LossChoice | Literal["auto"] = param(
        default="auto",
        doc="A name, an object of `torchlearners.training` such as ``Huber(delta=2)``, "
        "a `torch.nn` loss, or a function of outputs and encoded targets. "
        '"auto" is cross-entropy with a label smoothing of 0.1 for classes, binary '
        "cross-entropy for multilabel targets and the mean squared error for values.",
    )
    lr: float | Literal["auto"] = param(  # type: ignore[assignment]
        default="auto",
        check=[*one_of("auto"), *positive],
        doc='Learning rate of the optimizer, at its peak. "auto" is 3e-3, for '
        '"convnext", for modules and those of libraries 1e-3, and for "vit" 5e-4.',
    )
    weight_decay: float = param(default=0.05)
    max_epochs: int = param(default=30)
    lr_schedule: ScheduleChoice = param(default="one_cycle")
    early_stopping: bool | Literal["auto"] = param(
        default="auto",
        doc='Whether to stop when the validation loss stagnates. "auto" does so where '
        "`X_val` or `measures_valid` is given, and from 200 rows on where "
        '`lr_schedule` is not "one_cycle", which is best where it ends. Without it, '
        "and without `X_val`, all rows train.",
    )

    def network(self, spec: ImageSpec) -> Node:  # type: ignore[override]
        """Return the network, from rows of pixels to (batch, n_outputs)."""
        backbone = self._promoted("backbone", self.backbone)
        if self.pretrained and not isinstance(backbone, NamedBackbone):
            raise ArchitectureError(
                f"pretrained={self.pretrained!r} is for networks of timm and "
                f"torchvision, such as backbone='timm:resnet18'; got {backbone!r}. Set "
                "pretrained=False; for trained weights of your own, give a "
                "torch.nn.Module that has them."
            )
        if spec.is_strip and self.preprocessing == "imagenet":
            raise ValueError(
                f"preprocessing='imagenet' is for images; rows of {spec.n_numeric} "
                "values are taken for a table. Set image_shape, or 'standard'."
            )
        if spec.is_strip and (self.augment not in (None, "none") or self.cutmix):
            raise ValueError(
                f"augment={self.augment!r} and cutmix={self.cutmix!r} are for images; "
                f"rows of {spec.n_numeric} values are taken for a table, whose columns "
                "cannot be moved. Set image_shape, or augment=None and cutmix=0."
            )
        normalize = None if spec.is_strip else self._normalize(backbone)
        sizes = (spec.channels, spec.height, spec.width)
        pixels = Pixels(*sizes, channels_last=spec.channels_last, normalize=normalize)
        if isinstance(backbone, Backbone):
            return Sequence([pixels, backbone.layers(spec), Head(name="head")])
        if isinstance(backbone, Node):
            if any(isinstance(node, Head) for node in backbone.walk()):
                return Sequence([pixels, backbone])
            return Sequence([pixels, backbone, PoolPositions(), Head(name="head")])
        if isinstance(backbone, nn.Module):
            made: Node = Pretrained(backbone, name="backbone")
        elif callable(backbone):
            made = MadeBy(backbone, name="backbone")
        else:
            raise ArchitectureError(
                f"backbone={backbone!r} is not known."
                f"{did_you_mean(str(backbone), BACKBONES)} The names are "
                f"{sorted(BACKBONES)}; else give the name of a network of timm or "
                'torchvision, such as "timm:resnet18", a node, a torch.nn.Module or a '
                "function that returns one."
            )
        return Sequence([pixels, made, PoolPositions(), Head(name="head")])

    def _normalize(self, backbone: Any) -> Any:
        """Return how `Pixels` scales them."""
        if self.pretrained and self._is_auto("preprocessing"):
            trained = backbone.trained_on()
            return trained.mean, trained.std
        return self.value_of("preprocessing")

    def encoder(self) -> PixelRows:  # type: ignore[override]
        """Return what makes rows of pixels of X, before it is fitted."""
        return PixelRows(self.data_format, self.image_shape, pair_of(self.image_size))

    def schema(self) -> PixelSchema:
        """Return how the columns of a table are scaled, before it is fitted."""
        return PixelSchema(scaling=self.value_of("preprocessing"))

    def auto_values(self) -> dict[str, Any]:
        """Return what "auto" stands for."""
        backbone = self._promoted("backbone", self.backbone)
        lr = 3e-3 if isinstance(backbone, Node) else 1e-3
        values: dict[str, Any] = {
            "lr": getattr(backbone, "lr", lr),
            "preprocessing": "standard",
        }
        if is_classifier(self):
            values["loss"] = CrossEntropy(label_smoothing=0.1)
        return values

    def value_of(self, name: str) -> Any:
        """Return a parameter, or what "auto" or "backbone" stands for.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        object
        """
        value = super().value_of(name)
        if name == "freeze" and isinstance(value, str):
            backbone = ~select.layers(-1)
            stands_for = {
                "backbone": backbone,
                "gradual": GradualUnfreeze(select=backbone),
            }
            return stands_for.get(value, value)
        return value

    def lr_factors(self, module: nn.Module) -> dict[str, float]:
        """Return the factor of all parameters but the head's."""
        if self.backbone_lr_factor == 1:
            return {}
        names = (~select.layers(-1)).of(module)
        return dict.fromkeys(names, self.backbone_lr_factor)

    def no_weight_decay(self, module: nn.Module) -> set[str]:
        """Return the names of biases, and of the weights of normalizations."""
        return {name for name, p in module.named_parameters() if p.ndim < 2}

    def images_of(self, X: Any) -> torch.Tensor:
        """Return images as the learner reads them, before they are augmented or scaled.

        Parameters
        ----------
        X : array-like, or column of images
            As `fit` takes it; before `fit`, layout and sizes are those of X itself.

        Returns
        -------
        torch.Tensor of shape (n_samples, channels, height, width)
            uint8 where X is that, else float32.
        """
        columns = getattr(self, "_columns", None)
        X = self._as_array(X, columns)
        if columns is None:
            columns = self.encoder()
            rows = columns.check(clone(self), X, reset=True)
        else:
            rows = columns.check(self, X, reset=False)
        channels, height, width = columns.size
        pixels = ImageInput(channels, height, width, columns.channels_last)
        rows = columns.matrix(rows)
        dtype = torch.uint8 if rows.dtype == np.uint8 else torch.float32
        return pixels.unfold(torch.as_tensor(np.ascontiguousarray(rows), dtype=dtype))

    def _column_size(self) -> tuple[int, int] | None:
        if self.image_size is None and self.pretrained:
            backbone = self._promoted("backbone", self.backbone)
            if isinstance(backbone, NamedBackbone):
                return backbone.trained_on().size
        return super()._column_size()

    def _train(self, net: Net, train: Any, valid: Any, resume_from: Any) -> None:
        rows = train.X
        if isinstance(rows, StreamedImages):
            rows = torch.empty(0, dtype=torch.uint8)
            vars(self).pop("_waiting", None)  # a stack of nets holds all rows at once
        net.change_batch = BatchChange.of(
            self.augment, self.mixup, self.cutmix, _pixels_of(net), rows
        )
        super()._train(net, train, valid, resume_from)

    def _before_first_step(self, net: Net, data: TensorData) -> None:
        show_rows(net.module_, data.X, net.device)
        if self.pretrained:
            path = None if self.pretrained is True else str(self.pretrained)
            pixels = _pixels_of(net)
            size = (pixels.height, pixels.width)
            backbone = self._promoted("backbone", self.backbone)
            backbone.load(net.module_, pixels.channels, size, path)

    def _promoted(self, name: str, value: Any) -> Any:
        if name == "augment":
            return augmentation(value)
        if name == "backbone":
            if isinstance(value, str) and ":" in value:
                return NamedBackbone(value)
            return promote(value, BACKBONES)
        return super()._promoted(name, value)

    def build_module(self, spec: Any) -> nn.Module:
        """Return the torch module of the network, with fresh weights.

        Parameters
        ----------
        spec : ImageSpec
            Sizes of input and output.

        Returns
        -------
        torch.nn.Module
            With channels last in memory, which convolutions are fastest with.
        """
        module = super().build_module(spec)
        return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _build_net(self, spec: Any, target: Target, *settings: Any) -> Net:
        net = super()._build_net(spec, target, *settings)
        n_values = spec.height * spec.width * _CHANNELS
        net.evaluation_batch_size = int(min(4096, max(16, _VALUES_AT_ONCE // n_values)))
        return net

    def _splits(self, n_rows: int) -> bool:
        is_cycle = self.lr_schedule == "one_cycle"
        is_cycle = is_cycle or isinstance(self.lr_schedule, OneCycle)
        if self._is_auto("early_stopping") and is_cycle and not self.measures_valid:
            return False
        return super()._splits(n_rows)

    def _batch_size(self, n_rows: int) -> int:
        # Networks of images want more steps than 30 epochs of whole batches are.
        if self._is_auto("batch_size") and _FEW_ROWS < n_rows <= _MANY_ROWS:
            return 32
        return super()._batch_size(n_rows)

    def _threads(self, net: Net, n_rows: int) -> int | None:
        # A weight is used at many places of an image.
        work = n_rows * net.n_weights * max(1, self._n_places(net) // 8)
        return resolve_threads(self.n_threads, work)

    def _n_places(self, net: Net) -> int:
        pixels = _pixels_of(net)
        return int(pixels.height * pixels.width)

    def _is_plain(self, X: Any) -> bool:
        return False

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = False
        tags.input_tags.sparse = False
        tags.input_tags.three_d_array = True
        return tags


def _pixels_of(net: Net) -> ImageInput:
    (pixels,) = (m for m in net.module_.modules() if isinstance(m, ImageInput))
    return pixels


class ImageClassifier(BaseImageLearner, ClassifierLearner):
    """Neural network that tells what an image shows.

    X is an array or tensor of images: (n, height, width), with channels last or first,
    of uint8 or floats, or (n, n_pixels) as `sklearn.datasets.load_digits` gives them.
    Or it is a column: a `torchlearners.data.ImageColumn`, or a list, array, Series or
    DataFrame of one column of paths, bytes, PIL images or arrays of many sizes.

    uint8 is never copied to floats as a whole, so a GB of images needs a GB. Columns
    of more than that are decoded batch by batch, see `decode`. A map-style
    `torch.utils.data.Dataset` is a column too, and brings its own y.

    {parameters}

    {attributes}

    See Also
    --------
    ImageRegressor : The same for numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from torchlearners import ImageClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> learner = ImageClassifier(max_epochs=2, random_state=0).fit(X[:500], y[:500])
    >>> learner.predict(X[500:]).shape
    (1297,)
    """

    _doc_sections = {
        "attributes": ClassifierLearner._doc_sections["attributes"].rstrip() + SKIPPED
    }


class ImageRegressor(BaseImageLearner, RegressorLearner):
    """Neural network that tells numbers from an image.

    X is an array or tensor of images: (n, height, width), with channels last or first,
    of uint8 or floats, or (n, n_pixels). Or it is a column: a
    `torchlearners.data.ImageColumn`, or a list, array, Series or DataFrame of one
    column of paths, bytes, PIL images or arrays of many sizes.

    uint8 is never copied to floats as a whole, so a GB of images needs a GB. Columns
    of more than that are decoded batch by batch, see `decode`. A map-style
    `torch.utils.data.Dataset` is a column too, and brings its own y.

    {parameters}

    {attributes}

    See Also
    --------
    ImageClassifier : The same for classes.

    Examples
    --------
    >>> import numpy as np
    >>> from torchlearners import ImageRegressor
    >>> images = np.random.default_rng(0).integers(0, 256, (60, 12, 12), dtype=np.uint8)
    >>> brightness = images.mean(axis=(1, 2))
    >>> learner = ImageRegressor(max_epochs=2, random_state=0).fit(images, brightness)
    >>> learner.predict(images).shape
    (60,)
    """

    _doc_sections = {
        "attributes": RegressorLearner._doc_sections["attributes"].rstrip() + SKIPPED
    }

    def predict(self, X: Any) -> np.ndarray:
        """Predict values.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...), or column of images

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
            In the units and the shape of y: float32 where X is, else float64. With
            ``loss="quantile"`` the median. With ``on_error="impute"`` the mean of y
            where an image cannot be read; `predict_quantiles` and `predict_std` have
            NaN there.
        """
        return self._by_batches(super().predict, X, self._mean_target)
