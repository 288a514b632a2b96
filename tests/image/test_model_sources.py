import sys

import pytest
import torch

from torchlearners.exceptions import ArchitectureError
from torchlearners.graph import TensorSpec
from torchlearners.image import ImageSpec, NamedBackbone
from torchlearners.image._model_sources import SOURCES


def spec_of(side, channels=3):
    sizes = {"channels": channels, "height": side, "width": side}
    return ImageSpec(n_numeric=channels * side * side, n_outputs=2, **sizes)


def n_features(name, side, channels=3):
    node = NamedBackbone(name).layers(spec_of(side, channels))
    (found,) = node.infer([TensorSpec((None, channels, side, side))], ("output",))
    return found.shape


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_a_missing_library_is_told_with_its_remedy(source, monkeypatch):
    monkeypatch.setitem(sys.modules, source, None)
    with pytest.raises(ImportError, match=r"pip install torchlearners\[vision\]"):
        NamedBackbone(f"{source}:resnet18").layers(spec_of(32))


def test_a_library_that_does_not_fit_torch_is_told(monkeypatch):
    def broken(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr("importlib.import_module", broken)
    with pytest.raises(ImportError, match=r"beside torch.*nms does not exist"):
        SOURCES["torchvision"].library()


TIMM = {
    "beit_base_patch16_224": 32,
    "cait_xxs24_224": 32,
    "convnext_atto": 64,
    "convnextv2_atto": 64,
    "cspresnet50": 64,
    "deit_tiny_patch16_224": 32,
    "densenet121": 64,
    "dla34": 64,
    "dpn48b": 64,
    "edgenext_xx_small": 64,
    "efficientformer_l1": 224,
    "efficientnet_b0": 64,
    "efficientnetv2_rw_t": 64,
    "eva02_tiny_patch14_224": 28,
    "fastvit_t8": 64,
    "ghostnet_100": 64,
    "hrnet_w18_small": 64,
    "inception_v3": 128,
    "levit_128s": 64,
    "maxvit_tiny_rw_224": 64,
    "mixer_s32_224": 64,
    "mnasnet_100": 64,
    "mobilenetv2_100": 64,
    "mobilenetv3_small_100": 64,
    "mobilenetv4_conv_small": 64,
    "mobilevit_xxs": 64,
    "nfnet_l0": 64,
    "poolformer_s12": 64,
    "pvt_v2_b0": 64,
    "regnety_002": 64,
    "res2net50_26w_4s": 64,
    "resnet18": 32,
    "resnext50_32x4d": 64,
    "rexnet_100": 64,
    "seresnet18": 64,
    "swin_tiny_patch4_window7_224": 64,
    "swinv2_tiny_window8_256": 64,
    "tf_efficientnetv2_b0": 64,
    "twins_svt_small": 64,
    "vgg11": 32,
    "vit_small_patch14_dinov2": 28,
    "vit_tiny_patch16_224": 32,
    "wide_resnet50_2": 64,
    "xception41": 64,
    "xcit_nano_12_p16_224": 32,
}


@pytest.mark.vision
@pytest.mark.parametrize(("model", "side"), TIMM.items(), ids=list(TIMM))
def test_features_of_timm_are_as_many_as_its_network_says(model, side):
    import timm

    with torch.device("meta"):
        made = timm.create_model(model, num_classes=0)
    said = getattr(made, "head_hidden_size", None) or made.num_features
    assert n_features(f"timm:{model}", side) == (None, said)


TORCHVISION = {
    "alexnet": (64, 4096),
    "convnext_tiny": (64, 768),
    "densenet121": (64, 1024),
    "efficientnet_b0": (64, 1280),
    "efficientnet_v2_s": (64, 1280),
    "googlenet": (32, 1024),
    "inception_v3": (75, 2048),
    "maxvit_t": (224, 512),
    "mnasnet0_5": (64, 1280),
    "mobilenet_v2": (64, 1280),
    "mobilenet_v3_small": (64, 1024),
    "regnet_y_400mf": (64, 440),
    "resnet18": (32, 512),
    "resnext50_32x4d": (64, 2048),
    "shufflenet_v2_x0_5": (32, 1024),
    "squeezenet1_1": (64, 512),
    "swin_t": (64, 768),
    "swin_v2_t": (64, 768),
    "vgg11": (32, 4096),
    "vit_b_16": (32, 768),
    "wide_resnet50_2": (64, 2048),
}


@pytest.mark.vision
@pytest.mark.parametrize(
    ("model", "expected"), TORCHVISION.items(), ids=list(TORCHVISION)
)
def test_features_of_torchvision_are_what_its_last_layer_gets(model, expected):
    side, width = expected
    assert n_features(f"torchvision:{model}", side) == (None, width)


@pytest.mark.vision
def test_numbers_of_channels():
    assert n_features("timm:resnet18", 32, channels=5) == (None, 512)
    assert n_features("timm:resnet18", 32, channels=1) == (None, 512)
    assert n_features("torchvision:resnet18", 32, channels=1) == (None, 512)
    with pytest.raises(ArchitectureError, match=r"3 channels, and of 1.*these have 4"):
        n_features("torchvision:resnet18", 32, channels=4)


@pytest.mark.vision
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:resnet81", "no network 'resnet81'. Did you mean 'resnet18'"),
        ("timm:resnet18.a1_in2k", "Did you mean 'resnet18.a1_in1k'"),
        ("torchvision:vit_b16", "Did you mean 'vit_b_16'"),
        ("timm:", r"list_backbones\('timm'\) has all"),
    ],
)
def test_an_unknown_network_is_told_with_the_nearest_one(name, message):
    with pytest.raises(ArchitectureError, match=message):
        NamedBackbone(name).layers(spec_of(32))


@pytest.mark.vision
@pytest.mark.parametrize(
    ("name", "side", "message"),
    [
        ("timm:vit_small_patch14_dinov2", 32, "14 x 14.*32 x 32.*is 28 x 28"),
        (
            "timm:inception_v3",
            32,
            "images of 32 x 32 pixels.*for 299 x 299.*image_size",
        ),
        (
            "torchvision:alexnet",
            32,
            "images of 32 x 32 pixels.*for 224 x 224.*ImageCol",
        ),
        ("torchvision:vit_b_16", 30, "images of 30 x 30 pixels"),
        ("torchvision:maxvit_t", 32, "images of 32 x 32 pixels"),
    ],
)
def test_a_size_that_does_not_do_is_told_before_training(name, side, message):
    with pytest.raises(ArchitectureError, match=message):
        n_features(name, side)


@pytest.mark.vision
def test_descriptions_say_what_weights_were_trained_on():
    timm, torchvision = SOURCES["timm"], SOURCES["torchvision"]
    vit = timm.trained_on("vit_tiny_patch16_224")
    assert vit.size == (224, 224)
    assert vit.mean == vit.std == (0.5, 0.5, 0.5)
    assert timm.trained_on("resnet18.a1_in1k").mean == (0.485, 0.456, 0.406)
    assert torchvision.trained_on("inception_v3").size == (299, 299)
    assert torchvision.trained_on("resnet18").std == (0.229, 0.224, 0.225)
    assert torchvision.trained_on("googlenet").mean == (0.5, 0.5, 0.5)
