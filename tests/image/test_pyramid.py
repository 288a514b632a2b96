import threading

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from torch import nn

from torchlearners.image import CNN, ConvNeXt, ImageClassifier, ImageEncoder, ResNet
from torchlearners.image._pyramid import pyramids_of

RNG = np.random.default_rng(0)
X = RNG.random((5, 3, 32, 48), dtype=np.float32)


def pyramid(backbone, images=X, **params):
    encoder = ImageEncoder(backbone, output="pyramid", random_state=0, **params)
    return encoder.fit(images).transform(images)


def sizes(maps):
    return [m.shape[1:] for m in maps]


@pytest.mark.parametrize(
    ("backbone", "expected"),
    [
        (CNN(width=4), [(4, 32, 48), (8, 16, 24), (16, 8, 12), (16, 4, 6)]),
        (ResNet(width=4, n_blocks=1), [(4, 32, 48), (8, 16, 24), (16, 8, 12)]),
        (ConvNeXt(width=8, n_blocks=1), [(8, 16, 24), (16, 8, 12), (32, 4, 6)]),
    ],
)
def test_own_backbones_have_a_map_of_each_resolution(backbone, expected):
    maps = pyramid(backbone)
    assert sizes(maps) == expected
    assert all(m.dtype == np.float32 and len(m) == 5 for m in maps)


def test_the_last_map_is_what_tokens_are_made_of():
    tokens = ImageEncoder(CNN(width=4), output="tokens", random_state=0)
    tokens = tokens.fit_transform(X)
    last = pyramid(CNN(width=4))[-1]
    assert np.array_equal(last.reshape(5, 16, -1).swapaxes(1, 2), tokens)


def test_chosen_maps_come_in_the_order_of_the_choice():
    maps = pyramid("cnn")
    chosen = pyramid("cnn", out_indices=(-1, 1))
    assert np.array_equal(chosen[0], maps[-1])
    assert np.array_equal(chosen[1], maps[1])
    with pytest.raises(ValueError, match=r"has 4 maps, of sizes \['32 x 48'.*\(7,\)"):
        pyramid("cnn", out_indices=(7,))


def test_batches_make_no_difference():
    learner = ImageClassifier(CNN(width=4), max_epochs=1, random_state=0)
    learner.fit(X, np.arange(5) % 2)
    whole = ImageEncoder(learner, output="pyramid").fit(X).transform(X)
    learner.set_params(predict_batch_size=2)
    parts = ImageEncoder(learner, output="pyramid").fit(X).transform(X)
    assert all(
        np.allclose(one, other, atol=1e-6)
        for one, other in zip(whole, parts, strict=True)
    )


def test_modules_have_the_maps_of_their_children():
    stages = [nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU()), nn.MaxPool2d(2)]
    module = nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert sizes(pyramid(module)) == [(4, 16, 24), (4, 8, 12)]


def test_a_network_without_maps_is_told():
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 48, 4))
    with pytest.raises(ValueError, match=r"has 0 maps.*output='pooled'"):
        pyramid(module)


def test_maps_are_no_table():
    encoder = ImageEncoder("cnn", output="pyramid", random_state=0).fit(X)
    with pytest.raises(ValueError, match="maps for each image, which have no names"):
        encoder.get_feature_names_out()
    with pytest.raises(ValueError, match="cannot be a data frame of pandas"):
        encoder.set_output(transform="pandas")
    assert encoder.set_output(transform="default") is encoder
    assert len(clone(encoder).fit_transform(X)) == 4
    assert len(make_pipeline(encoder).transform(X)) == 4


def test_passes_of_other_threads_are_not_kept():
    encoder = ImageEncoder("cnn", random_state=0).fit(X)
    network = encoder.learner_.net_.module_
    with pyramids_of(network) as batches:
        other = threading.Thread(target=encoder.transform, args=(X,))
        other.start()
        other.join()
        encoder.transform(X[:2])
    assert len(batches) == 1
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


IMAGES = RNG.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)


@pytest.mark.vision
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("timm:resnet18", [(64, 32), (64, 16), (128, 8), (256, 4), (512, 2)]),
        ("timm:convnext_atto", [(40, 16), (80, 8), (160, 4), (320, 2)]),
        ("timm:swin_tiny_patch4_window7_224", [(96, 16), (192, 8), (384, 4), (768, 2)]),
        ("timm:vit_tiny_patch16_224", [(192, 4)]),
        ("torchvision:resnet18", [(64, 32), (64, 16), (128, 8), (256, 4), (512, 2)]),
        (
            "torchvision:mobilenet_v3_small",
            [(16, 32), (16, 16), (24, 8), (48, 4), (576, 2)],
        ),
        (
            "torchvision:shufflenet_v2_x0_5",
            [(24, 32), (24, 16), (48, 8), (96, 4), (1024, 2)],
        ),
        ("torchvision:swin_t", [(96, 16), (192, 8), (384, 4), (768, 2)]),
        (
            "torchvision:vgg11",
            [(64, 64), (128, 32), (256, 16), (512, 8), (512, 4), (512, 2)],
        ),
    ],
)
def test_networks_of_libraries_have_maps(name, expected):
    maps = pyramid(name, IMAGES)
    assert sizes(maps) == [(c, side, side) for c, side in expected]


@pytest.mark.vision
def test_maps_of_timm_are_those_that_it_says():
    import timm
    import torch

    encoder = ImageEncoder("timm:resnet18", output="pyramid", random_state=0)
    maps = encoder.fit(IMAGES).transform(IMAGES)
    network = encoder.learner_.net_.module_.cpu()
    theirs = timm.create_model("resnet18", features_only=True).eval()
    theirs.load_state_dict(network.get_submodule("backbone").state_dict())
    with torch.no_grad():
        pixels = network[0](torch.as_tensor(IMAGES.reshape(3, -1)))
        expected = theirs(pixels)
    for one, other in zip(maps, expected, strict=True):
        assert np.allclose(one, other.numpy(), atol=1e-4)


@pytest.mark.vision
def test_tokens_of_libraries_are_the_places_of_the_last_map():
    last = pyramid("timm:test_vit", IMAGES)[-1]
    tokens = ImageEncoder("timm:test_vit", output="tokens", random_state=0)
    tokens = tokens.fit_transform(IMAGES)
    assert tokens.shape == (3, 16, 64)
    assert np.array_equal(last.reshape(3, 64, 16).swapaxes(1, 2), tokens)
