"""The libraries whose networks are backbones by name: timm and torchvision."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from torchlearners.exceptions import ArchitectureError, WeightsError
from torchlearners.image._weights import read_weights
from torchlearners.params import did_you_mean

Size = tuple[int, int]


@dataclass(frozen=True)
class TrainedOn:
    """What pretrained weights were trained on.

    Parameters
    ----------
    size : tuple of int
        Height and width of the images.
    mean, std : tuple of float
        Of red, green and blue; what the weights want pixels scaled by.
    """

    size: Size
    mean: tuple[float, ...]
    std: tuple[float, ...]


class ModelSource:
    """A library that makes networks by name."""

    name: ClassVar[str]

    def library(self, module: str = "") -> Any:
        """Return the library, imported only when it is asked for.

        Parameters
        ----------
        module : str, default=""
            One of its modules, such as ".models".

        Raises
        ------
        ImportError
            Where it is not installed, or does not fit the torch that is.
        """
        try:
            return importlib.import_module(self.name + module)
        except ImportError as error:
            raise ImportError(
                f"Backbones of {self.name} need an extra that is not installed. "
                "Run: pip install torchlearners[vision]"
            ) from error
        except RuntimeError as error:  # its operators were built for another torch
            raise ImportError(
                f"{self.name} cannot be imported beside torch {torch.__version__}: "
                f"{error}. Install the two together: "
                "pip install --upgrade torchlearners[vision]"
            ) from error

    def names(self) -> list[str]:
        """Return the names of its networks, sorted."""
        raise NotImplementedError

    def check(self, model: str) -> None:
        """Raise where there is no such network."""
        names = self.names()
        if model not in names:
            raise ArchitectureError(
                f"{self.name} has no network {model!r}.{did_you_mean(model, names)} "
                f"list_backbones({self.name!r}) has all {len(names)} names."
            )

    def check_channels(self, model: str, channels: int) -> None:
        """Raise where a network cannot take images of so many channels."""

    def make(self, model: str, channels: int, size: Size, options: Any) -> nn.Module:
        """Return the network without its last layer, from images to vectors.

        Parameters
        ----------
        model : str
            Its name.
        channels : int
        size : tuple of int
            Height and width of the images.
        options : dict
            Further arguments of the library's function.

        Returns
        -------
        torch.nn.Module
            With random weights.
        """
        raise NotImplementedError

    def trained_on(self, model: str) -> TrainedOn:
        """Return what the library's weights of a network were trained on."""
        raise NotImplementedError

    def weights(
        self, model: str, channels: int, size: Size, options: Any, path: str | None
    ) -> dict[str, torch.Tensor]:
        """Return trained weights of what `make` returns.

        Parameters
        ----------
        model, channels, size, options
            See `make`.
        path : str or None
            A file of weights as the library has them; None fetches the library's.

        Returns
        -------
        dict of str to torch.Tensor
        """
        raise NotImplementedError


class Timm(ModelSource):
    """Networks of timm; a name may have the tag of its weights, after a dot."""

    name = "timm"

    def names(self) -> list[str]:
        """Return the names without tags."""
        return sorted(self.library().list_models())

    def check(self, model: str) -> None:
        """Raise where there is no such network, or no such tag."""
        plain, _, tag = model.partition(".")
        super().check(plain)
        tagged = self.library().list_models(f"{plain}.*", pretrained=True)
        if tag and model not in tagged:
            raise ArchitectureError(
                f"timm has no weights {tag!r} of {plain!r}."
                f"{did_you_mean(model, tagged)} There are: {tagged}."
            )

    def make(self, model: str, channels: int, size: Size, options: Any) -> nn.Module:
        """Return the network, made for images of that size where it must know it."""
        return self._make(model, channels, size, options)

    def _make(
        self, model: str, channels: int, size: Size, options: Any, **weights: Any
    ) -> nn.Module:
        given: dict[str, Any] = {"num_classes": 0, "in_chans": channels}
        if self._description(model).fixed_input_size:
            given["img_size"] = size
        made: nn.Module = self.library().create_model(
            model, **weights, **{**given, **options}
        )
        _check_patches(made, size)
        return made

    def _description(self, model: str) -> Any:
        return self.library().get_pretrained_cfg(model)

    def trained_on(self, model: str) -> TrainedOn:
        """Return what the network's own description says."""
        data = self.library(".data").resolve_data_config(
            pretrained_cfg=self._description(model).to_dict()
        )
        _, height, width = data["input_size"]
        return TrainedOn((height, width), tuple(data["mean"]), tuple(data["std"]))

    def weights(
        self, model: str, channels: int, size: Size, options: Any, path: str | None
    ) -> dict[str, torch.Tensor]:
        """Return weights, which timm fits to the channels and the size."""
        given: dict[str, Any] = {"pretrained": True}
        if path is not None:
            last = self._description(model).classifier or ()
            last = (last,) if isinstance(last, str) else tuple(last)
            kept = _without(read_weights(path), last)
            # With as many classes as the network, none, timm tolerates no other names.
            given["pretrained_cfg_overlay"] = {"state_dict": kept, "num_classes": 0}
        return self._make(model, channels, size, options, **given).state_dict()


# These have weights for each place of an image.
_SIZED = ("vit_", "maxvit_")
# These have outputs beside the last layer, for training as they were published.
_AUXILIARY = ("googlenet", "inception_v3")
_AUXILIARY_LAYERS = ("aux1", "aux2", "AuxLogits")


class TorchVision(ModelSource):
    """The classifiers of torchvision; images of one channel become gray ones of three.

    Their first layer takes three channels.
    """

    name = "torchvision"

    def names(self) -> list[str]:
        """Return the names of the classifiers."""
        models = self.library(".models")
        return sorted(models.list_models(module=models))

    def check_channels(self, model: str, channels: int) -> None:
        """Raise where images are neither in color nor gray."""
        if channels not in (1, 3):
            raise ArchitectureError(
                f"torchvision:{model} takes images of 3 channels, and of 1, which it "
                f"is shown three times; these have {channels}. Take a backbone of "
                "timm, which takes any number."
            )

    def make(self, model: str, channels: int, size: Size, options: Any) -> nn.Module:
        """Return the network, without auxiliary outputs."""
        made = self._make(model, size, options)
        _drop_last_layer(made)
        if channels == 1:
            made.register_forward_pre_hook(_as_color)
        return made

    def _make(self, model: str, size: Size, options: Any, **weights: Any) -> nn.Module:
        given: dict[str, Any] = {}
        if model.startswith("vit_"):
            if size[0] != size[1]:
                raise ArchitectureError(f"torchvision:{model} takes square images")
            given["image_size"] = size[0]
        if model.startswith("maxvit_"):
            given["input_size"] = size
        if model in _AUXILIARY:
            given.update(aux_logits=False, init_weights=False)
        made: Any = self.library(".models").get_model(
            model, progress=False, **{**weights, **given, **options}
        )
        if model in _AUXILIARY:
            made.transform_input = False  # see `trained_on`
        return made

    def trained_on(self, model: str) -> TrainedOn:
        """Return what the newest weights' transforms do to images."""
        weights = self.library(".models").get_model_weights(model).DEFAULT
        preset = weights.transforms()
        mean, std = tuple(preset.mean), tuple(preset.std)
        if model in _AUXILIARY:
            # Inside, torchvision brings pixels from ImageNet's scale to [-1, 1].
            mean = std = (0.5, 0.5, 0.5)
        side = int(preset.crop_size[0])
        return TrainedOn((side, side), mean, std)

    def weights(
        self, model: str, channels: int, size: Size, options: Any, path: str | None
    ) -> dict[str, torch.Tensor]:
        """Return weights, all but those of layers that are left out."""
        if path is None:
            self._check_size(model, size)
            made = self._make(model, size, options, weights="DEFAULT")
            _drop_last_layer(made)
        else:
            made = self._make(model, size, options)
            dropped = _drop_last_layer(made)
            given = {_modern(key): value for key, value in read_weights(path).items()}
            made.load_state_dict(_without(given, (dropped, *_AUXILIARY_LAYERS)))
        return made.state_dict()

    def _check_size(self, model: str, size: Size) -> None:
        trained = self.trained_on(model).size
        if model.startswith(_SIZED) and size != trained:
            raise WeightsError(
                f"The weights of torchvision:{model} are for images of "
                f"{_by(trained)} pixels; these have {_by(size)}. Set "
                f"image_size={trained[0]}, for arrays with ImageColumn(list(X)), or "
                "take the network of timm, which fits its weights to other sizes."
            )


SOURCES: dict[str, ModelSource] = {s.name: s for s in (Timm(), TorchVision())}


def _as_color(module: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
    """Show a network images of one channel as gray ones of three."""
    return (inputs[0].expand(-1, 3, -1, -1),)


def _check_patches(module: nn.Module, size: Size) -> None:
    """Raise where patches would not cover the images."""
    patches = getattr(module, "patch_embed", None)
    layer = getattr(patches, "proj", None)
    if not isinstance(layer, nn.Conv2d) or layer.kernel_size != layer.stride:
        return
    patch = layer.stride
    if getattr(patches, "dynamic_img_pad", False):
        return
    if any(n % p for n, p in zip(size, patch, strict=True)):
        fit = tuple(max(1, round(n / p)) * p for n, p in zip(size, patch, strict=True))
        raise ArchitectureError(
            f"it cuts images into patches of {_by(patch)} pixels, which do not cover "
            f"{_by(size)}. The nearest size that they cover is {_by(fit)}"
        )


def _drop_last_layer(module: nn.Module) -> str:
    """Put what does nothing in the place of the layer of the classes, and name it."""
    linear = [n for n, m in module.named_modules() if isinstance(m, nn.Linear)]
    if linear:
        module.set_submodule(linear[-1], nn.Identity())
        return linear[-1]
    # SqueezeNet has a convolution, and averages after it.
    module.set_submodule("classifier", nn.AdaptiveAvgPool2d(1))
    return "classifier"


def _modern(key: str) -> str:
    # The files of DenseNet are older than a rule on names of modules.
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)", r"\1\2", key)


def _without(
    weights: dict[str, torch.Tensor], layers: tuple[str, ...]
) -> dict[str, torch.Tensor]:
    """Return weights less those of some layers."""
    starts = tuple(f"{layer}." for layer in layers)
    return {name: w for name, w in weights.items() if not name.startswith(starts)}


def _by(size: tuple[int, ...]) -> str:
    return " x ".join(map(str, size))
