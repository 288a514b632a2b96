"""Sizes of the maps inside of the named backbones."""

import pytest

from torchlearners.image import CNN, ImageClassifier, ImageSpec


def features_of(backbone, side, n_channels=1):
    spec = ImageSpec(
        n_outputs=2, n_numeric=side**2, channels=n_channels, height=side, width=side
    )
    return ImageClassifier(backbone).build_module(spec)


@pytest.mark.parametrize(
    ("side", "n_features"),
    [(4, 32), (8, 64 * 16), (28, 128 * 9), (48, 128), (64, 128 * 16), (100, 128)],
)
def test_small_last_maps_are_flattened_and_larger_ones_averaged(side, n_features):
    head = list(features_of(CNN(), side).modules())[-1]
    assert head.in_features == n_features * (16 if side == 4 else 1)


@pytest.mark.parametrize(("side", "stride"), [(48, 1), (64, 2), (112, 2), (113, 4)])
def test_the_first_convolution_steps_over_large_images(side, stride):
    convs = [m for m in features_of(CNN(), side, 3).modules() if hasattr(m, "stride")]
    assert convs[0].stride == (stride, stride)
    assert convs[0].kernel_size == ((3, 3) if stride == 1 else (2 * stride + 1,) * 2)


def test_the_convolutions_of_a_stage_stand_before_its_pool():
    module = features_of(CNN(width=4, n_stages=1, n_blocks=3), 16)
    kinds = [type(m).__name__ for m in module.modules() if not list(m.children())]
    assert kinds[1:-2] == ["Conv2d", "BatchNorm2d", "ReLU"] * 3 + ["MaxPool2d"]
