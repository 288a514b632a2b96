"""Networks of timm and torchvision as backbones, by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import nn

from torchlearners.exceptions import ArchitectureError, WeightsError
from torchlearners.graph import Node, Op, TensorSpec
from torchlearners.image._backbones import BACKBONES, Backbone
from torchlearners.image._model_sources import SOURCES, ModelSource, TrainedOn
from torchlearners.image._rows import ImageSpec
from torchlearners.params import REQUIRED, did_you_mean, optional, param

_STEP = "backbone"


class NamedBackbone(Backbone):
    """A network of timm [1]_ or torchvision [2]_, without its last layer.

    Needs the extra ``torchlearners[vision]``. ``backbone="timm:resnet18"`` is short for
    ``backbone=NamedBackbone("timm:resnet18")``. The features of an image are what the
    network itself gives to its last layer. Weights are random, unless the learner's
    `pretrained` says otherwise.

    Networks that must know the size of images are made for the size that they have.
    Networks of timm take images of any number of channels; those of torchvision three,
    and they are shown the channel of gray images three times. Outputs that a network
    has beside its last layer are left out.

    {parameters}

    References
    ----------
    .. [1] Wightman (2019). PyTorch image models.
       https://github.com/huggingface/pytorch-image-models.
    .. [2] Marcel and Rodriguez (2010). Torchvision: the machine-vision package of
       Torch. ACM Multimedia.

    Examples
    --------
    >>> from torchlearners.image import ImageClassifier, NamedBackbone
    >>> backbone = NamedBackbone("timm:resnet18", options={"drop_path_rate": 0.1})
    >>> learner = ImageClassifier(backbone)
    """

    name: str = param(
        kw_only=False,
        default=REQUIRED,
        check=[str],
        doc='Library and network, such as "timm:resnet18", "timm:resnet18.a1_in1k" '
        'with the tag of its weights, or "torchvision:resnet18"; `list_backbones` '
        "has all.",
    )
    options: dict[str, Any] | None = param(
        default=None,
        check=optional([dict]),
        doc="Further arguments of `timm.create_model` or `torchvision.models.get_model`"
        ", such as ``drop_path_rate``.",
    )

    lr = 1e-3

    def layers(self, spec: ImageSpec) -> Node:
        """Return the network as one node."""
        source, model = self._found()
        if spec.is_strip:
            raise ValueError(
                f"backbone={self.name!r} is for images; rows of {spec.n_numeric} "
                "values are taken for a table. Set image_shape."
            )
        source.check(model)
        source.check_channels(model, spec.channels)
        node: Node = _Named(self.name, self.options, name=_STEP)
        return node

    def trained_on(self) -> TrainedOn:
        """Return size and scale of the images that `pretrained` weights have seen."""
        source, model = self._found()
        source.check(model)
        return source.trained_on(model)

    def load(
        self, network: nn.Module, channels: int, size: tuple[int, int], path: str | None
    ) -> None:
        """Load pretrained weights into a learner's network.

        Parameters
        ----------
        network : torch.nn.Module
            That the learner built.
        channels : int
        size : tuple of int
            Height and width of the images that it was built for.
        path : str or None
            A file of weights; None fetches those of the library.

        Raises
        ------
        WeightsError
            Where they cannot be had, or are of another network.
        """
        source, model = self._found()
        try:
            weights = source.weights(model, channels, size, self.options or {}, path)
            network.get_submodule(_STEP).load_state_dict(weights)
        except WeightsError:
            raise
        except Exception as error:
            # Libraries raise what they like where there is no network.
            where = "" if path is None else f" in {path!r}"
            raise WeightsError(
                f"The weights of {self.name}{where} cannot be had: {error} "
                f"With pretrained=True {source.name} fetches its own, once, over the "
                "network. Give the path of a file of them, or pretrained=False."
            ) from error

    def _found(self) -> tuple[ModelSource, str]:
        library, _, model = self.name.partition(":")
        if library not in SOURCES:
            raise ArchitectureError(
                f"backbone={self.name!r} is of no library that is known."
                f"{did_you_mean(library, SOURCES)} Names begin with one of "
                f"{[f'{name}:' for name in SOURCES]}."
            )
        return SOURCES[library], model


class _Named(Op):
    """A network of a library, without its last layer.

    {parameters}
    """

    backbone: str = param(
        kw_only=False, default=REQUIRED, check=[str], doc="See `NamedBackbone`."
    )
    options: dict[str, Any] | None = param(
        kw_only=False, default=None, check=optional([dict]), doc="See `NamedBackbone`."
    )

    def make_module(
        self, specs: list[TensorSpec], outputs: tuple[str, ...]
    ) -> nn.Module:
        """Return the network with random weights."""
        library, _, model = self.backbone.partition(":")
        _, channels, height, width = specs[0].shape
        assert channels is not None
        assert height is not None
        assert width is not None
        return SOURCES[library].make(
            model, channels, (height, width), self.options or {}
        )

    def infer(
        self, specs: list[TensorSpec], outputs: tuple[str, ...]
    ) -> list[TensorSpec]:
        """Return the size of the features, or say which images would do."""
        one = replace(specs[0], shape=(1, *specs[0].shape[1:]))
        try:
            (found,) = super().infer([one], outputs)
        except ArchitectureError as error:
            library, _, model = self.backbone.partition(":")
            height, width = SOURCES[library].trained_on(model).size
            raise ArchitectureError(
                f"{self.backbone} cannot take images of {one.shape[2]} x "
                f"{one.shape[3]} pixels: {error}. It was made for {height} x {width}. "
                "image_size= sets the size of a column of images, and "
                "ImageColumn(list(X)) makes one of an array"
            ) from error
        return [TensorSpec((None, *found.shape[1:]), ("batch", "feature"))]


def list_backbones(source: str | None = None) -> list[str]:
    """Return the names that `backbone` takes.

    Parameters
    ----------
    source : {"timm", "torchvision"} or None, default=None
        The library whose names are listed, which must be installed: with
        ``pip install torchlearners[vision]``. None lists this package's own.

    Returns
    -------
    list of str
        Sorted.

    Raises
    ------
    ImportError
        Where the library is not installed.

    Examples
    --------
    >>> from torchlearners.image import list_backbones
    >>> list_backbones()
    ['cnn', 'convnext', 'resnet', 'vit']
    """
    if source is None:
        return sorted(BACKBONES)
    if source not in SOURCES:
        raise ValueError(
            f"source={source!r} is not known.{did_you_mean(str(source), SOURCES)} It "
            f"is one of {sorted(SOURCES)}, or None."
        )
    return [f"{source}:{name}" for name in SOURCES[source].names()]
