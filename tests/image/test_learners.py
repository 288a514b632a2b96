import copy
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from torch import nn

from torchlearners.callbacks import OneCycle, callback, select
from torchlearners.exceptions import ArchitectureError
from torchlearners.graph import Conv2d, Flatten, Head, MaxPool2d, ReLU
from torchlearners.image import (
    CNN,
    ConvNeXt,
    ImageClassifier,
    ImageRegressor,
    ResNet,
    ViT,
)
from torchlearners.nn import ImageInput


def striped(n, side=12, channels=None, seed=0):
    """Return uint8 images of stripes, and whether they stand upright."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    lines = rng.integers(0, 2, (n, side, 1)) * np.ones((1, 1, side))
    X = np.where(y[:, None, None] == 1, lines, lines.transpose(0, 2, 1))
    X = (X * 200 + rng.integers(0, 50, X.shape)).astype(np.uint8)
    return (X if channels is None else np.stack([X] * channels, -1)), y


def small(**params):
    settings = {"backbone": CNN(width=8), "max_epochs": 8, "random_state": 0}
    return ImageClassifier(**{**settings, **params})


def test_digits_are_read():
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.3, stratify=y, random_state=0
    )
    learner = ImageClassifier(random_state=0).fit(X_train, y_train)
    assert learner.score(X_test, y_test) >= 0.985


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_every_layout_of_the_same_images_is_learned(dtype):
    X, y = striped(120, channels=3)
    X = X if dtype == np.uint8 else (X / 255).astype(dtype)
    last = small().fit(X, y).predict_proba(X)
    first = small().fit(X.transpose(0, 3, 1, 2), y)
    assert np.allclose(first.predict_proba(X.transpose(0, 3, 1, 2)), last, atol=1e-4)
    assert (first.classes_[last.argmax(1)] == y).mean() > 0.9


def test_flat_images_equal_unfolded_ones():
    X, y = striped(60)
    flat = small().fit(X.reshape(60, -1), y).predict_proba(X.reshape(60, -1))
    assert np.array_equal(flat, small().fit(X, y).predict_proba(X))


def test_uint8_and_its_255th_part_give_the_same_learner():
    X, y = striped(60)
    one, other = small().fit(X, y), small().fit(X / 255, y)
    assert np.allclose(one.predict_proba(X), other.predict_proba(X / 255), atol=1e-4)


def test_training_rows_stay_uint8():
    X, y = striped(40)
    seen = []

    class Looks(ImageClassifier):
        def _training_data(self, net, data):
            seen.append(data.X.dtype)
            return data

    Looks(CNN(width=4), max_epochs=1).fit(X, y)
    assert seen == [torch.uint8]


def test_tensors_are_taken():
    X, y = striped(40)
    learner = small(max_epochs=2).fit(torch.tensor(X), torch.tensor(y))
    assert np.array_equal(learner.predict(torch.tensor(X)), learner.predict(X))


def test_rectangles_are_taken():
    X = np.random.default_rng(0).integers(0, 256, (30, 20, 9, 3), dtype=np.uint8)
    learner = ImageRegressor(CNN(width=4), max_epochs=2, random_state=0)
    assert learner.fit(X, X.mean(axis=(1, 2, 3))).predict(X).shape == (30,)


def test_several_numbers_and_several_labels_are_learned():
    X, y = striped(60)
    values = np.column_stack([y, X.mean(axis=(1, 2))])
    learner = ImageRegressor(CNN(width=8), max_epochs=5, random_state=0)
    assert learner.fit(X, values).predict(X).shape == (60, 2)
    labels = np.column_stack([y, 1 - y])
    classifier = small().fit(X, labels)
    assert classifier.predict(X).shape == (60, 2)
    assert (classifier.predict(X) == labels).mean() > 0.9


@pytest.mark.parametrize("name", ["cnn", "convnext", "resnet", "vit"])
def test_every_backbone_learns_stripes(name):
    X, y = striped(160)
    learner = ImageClassifier(name, max_epochs=25, lr=3e-3, random_state=0)
    narrow = (
        {"d_token": 32, "n_blocks": 2, "patch_size": 4}
        if name == "vit"
        else {"width": 8}
    )
    learner.set_params(**{f"backbone__{key}": v for key, v in narrow.items()})
    assert learner.fit(X[:120], y[:120]).score(X[120:], y[120:]) > 0.8


def test_parameters_of_a_backbone_are_searched_from_its_name():
    X, y = striped(60)
    search = GridSearchCV(
        ImageClassifier(max_epochs=2, random_state=0),
        {"backbone__width": [4, 8], "backbone__n_stages": [1]},
        cv=2,
    ).fit(X, y)
    assert isinstance(search.best_estimator_.backbone, CNN)
    assert search.best_estimator_.backbone.width in (4, 8)


def test_a_network_of_nodes_is_a_backbone():
    X, y = striped(60)
    node = Conv2d(8, 3) >> ReLU() >> MaxPool2d(2)
    assert small(backbone=node).fit(X, y).net_.module_.head.out_features == 2
    whole = node >> Flatten() >> Head()
    assert not hasattr(small(backbone=whole).fit(X, y).net_.module_, "head")


def conv():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2))


def test_a_module_is_copied_with_its_weights():
    X, y = striped(60)
    module = conv()
    before = module[0].weight.clone()
    learner = small(backbone=module, freeze="backbone").fit(X, y)
    assert learner.net_.module_.backbone[0].weight.equal(before)
    small(backbone=module).fit(X, y)
    assert module[0].weight.equal(before)


def test_a_function_makes_a_new_module_from_the_seed():
    X, y = striped(60)
    one, other = (small(backbone=conv, max_epochs=1).fit(X, y) for _ in range(2))
    assert np.array_equal(one.predict_proba(X), other.predict_proba(X))
    with pytest.raises(ArchitectureError, match=r"no torch.nn.Module"):
        small(backbone=dict).fit(X, y)


def test_an_unknown_backbone_is_refused_with_the_names():
    X, y = striped(20)
    with pytest.raises(ValueError, match="'resnet'"):
        ImageClassifier("resnet50").fit(X, y)


def test_only_the_head_trains_where_the_backbone_is_frozen():
    X, y = striped(60)
    learner = small(freeze="backbone", max_epochs=1).fit(X, y)
    trained = {n for n, p in learner.net_.module_.named_parameters() if p.requires_grad}
    assert trained == {"head.weight", "head.bias"}


def test_the_backbone_has_a_learning_rate_of_its_own():
    X, y = striped(60)
    learner = small(backbone_lr_factor=0.1, lr=0.01, max_epochs=1, lr_schedule=None)
    groups = learner.fit(X, y).net_.optimizer_.param_groups
    of_head = set(map(id, learner.net_.module_.head.parameters()))
    for group in groups:
        heads = {id(p) in of_head for p in group["params"]}
        assert heads == {group["lr"] == 0.01}


def test_pixels_are_normalized_by_the_training_rows_of_each_channel():
    X, y = striped(60, channels=3)
    X = X // np.array([1, 2, 4], dtype=np.uint8)
    learner = small(max_epochs=1).fit(X, y)
    pixels = learner.net_.module_.pixels_1
    mean = (X / 255).mean(axis=(0, 1, 2))
    assert np.allclose(pixels.mean.flatten(), mean, atol=1e-6)
    learner.set_params(preprocessing="imagenet").fit(X, y)
    pixels = learner.net_.module_.pixels_1
    assert np.allclose(pixels.mean.flatten(), [0.485, 0.456, 0.406])


@pytest.mark.parametrize("backbone", [CNN(width=4, n_stages=2), conv])
def test_a_backbone_is_set_free_from_the_head_on(backbone):
    free = []

    def note(net, **kwargs):
        named = net.module_.named_parameters()
        free.append([name for name, p in named if p.requires_grad])

    X, y = striped(40)
    learner = small(backbone=backbone, freeze="gradual", max_epochs=4)
    learner.set_params(callbacks=[callback(on_epoch_end=note)]).fit(X, y)
    names = [name for name, _ in learner.net_.module_.named_parameters()]
    assert free[0] == ["head.weight", "head.bias"]
    assert len(free[0]) <= len(free[1]) <= len(free[2])
    assert all(some == names[-len(some) :] for some in free)
    assert free[2] == free[3] == names


def test_imagenet_means_nothing_for_a_table():
    with pytest.raises(ValueError, match="taken for a table"):
        small(preprocessing="imagenet").fit(np.eye(10), np.arange(10) % 2)


@pytest.mark.parametrize("backbone", [CNN(width=8), ResNet(width=8), conv])
def test_a_stored_learner_predicts_and_trains_on(backbone):
    X, y = striped(60, channels=None)
    learner = small(backbone=backbone, max_epochs=2, warm_start=True).fit(X, y)
    again = pickle.loads(pickle.dumps(learner))
    assert np.array_equal(again.predict_proba(X), learner.predict_proba(X))
    # A copy has a new optimizer, as what is stored has.
    more, here = again.fit(X, y), copy.deepcopy(learner).fit(X, y)
    assert np.array_equal(more.predict_proba(X), here.predict_proba(X))


def test_the_network_can_be_drawn():
    X, y = striped(20)
    learner = small(max_epochs=1).fit(X, y)
    assert learner.network_shapes().steps[:2] == ["pixels_1", "conv2d_1"]
    assert "conv2d" in learner.plot_network(format="text")


def test_intermediate_values_are_maps():
    X, y = striped(20)
    learner = small(max_epochs=1).fit(X, y)
    assert learner.intermediate(X, "conv2d_1").shape == (20, 8, 12, 12)
    assert (~select.layers(-1)).of(learner.net_.module_)


def test_large_images_are_evaluated_in_small_batches():
    X = np.zeros((4, 512, 512), np.uint8)
    learner = ImageRegressor(CNN(width=2, n_stages=1), max_epochs=1, lr_schedule=None)
    assert learner.fit(X, np.arange(4.0)).net_.evaluation_batch_size == 16


def test_a_fit_does_not_import_the_compiler():
    code = (
        "import sys, numpy as np\n"
        "from torchlearners import ImageClassifier\n"
        "X = np.zeros((20, 12, 12), np.uint8)\n"
        "for name in ('cnn', 'resnet', 'convnext', 'vit'):\n"
        "    ImageClassifier(name, max_epochs=1).fit(X, np.arange(20) % 2)\n"
        "assert 'torch._dynamo' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_backbones_for_large_images_make_small_maps():
    for backbone in (ResNet(width=4), ConvNeXt(width=4), ViT(d_token=8)):
        learner = ImageClassifier(backbone)
        rows = learner.encoder()
        rows.check(learner, np.zeros((2, 96, 96, 3), np.uint8), reset=True)
        spec = rows.spec(2, "classes", 2)
        module = learner.build_module(spec)
        assert module(torch.zeros(2, spec.n_columns)).shape == (2, 2)
        assert any(isinstance(part, ImageInput) for part in module.modules())


def test_names_of_columns_are_forgotten_by_a_fit_on_images():
    X, y = striped(40)
    frame = pd.DataFrame(X.reshape(40, -1)).rename(columns=str)
    learner = small(max_epochs=1).fit(frame, y)
    assert len(learner.feature_names_in_) == 144
    assert not hasattr(learner.fit(X, y), "feature_names_in_")


def test_a_batch_of_all_rows_makes_weights_equal_to_repetition():
    X, y = striped(40)
    weight = np.arange(40) % 3
    params = {"backbone": CNN(width=4), "max_epochs": 3, "batch_size": 200}
    learner = small(**params, early_stopping=False)
    weighted = learner.fit(X, y, weight).predict_proba(X)
    repeated = learner.fit(X.repeat(weight, 0), y.repeat(weight)).predict_proba(X)
    assert np.array_equal(weighted, repeated)


def test_all_rows_train_to_the_end_of_the_cycle_unless_validation_is_asked_for():
    X, y = striped(220, side=8)
    quick = {"backbone": CNN(width=2), "max_epochs": 2}
    assert "valid_loss" not in small(**quick).fit(X, y).history_[-1]
    object_too = small(**quick, lr_schedule=OneCycle()).fit(X, y)
    assert "valid_loss" not in object_too.history_[-1]
    for asked in (
        {"early_stopping": True},
        {"measures_valid": ["accuracy"]},
        {"lr_schedule": None},
    ):
        assert "valid_loss" in small(**quick, **asked).fit(X, y).history_[-1]
    given = small(**quick).fit(X, y, X_val=X[:20], y_val=y[:20])
    assert "valid_loss" in given.history_[-1]


def test_several_labels_of_an_image_are_learned_side_by_side():
    X, upright = striped(200)
    bright = np.arange(200) % 2
    X = (X // 2 + 100 * bright[:, None, None]).astype(np.uint8)
    labels = np.column_stack((upright, bright))
    learner = small().fit(X[:150], labels[:150])
    assert (learner.predict(X[150:]) == labels[150:]).mean() > 0.9
    assert learner.predict_proba(X[150:]).shape == (50, 2)


def test_several_values_of_an_image_are_learned_side_by_side():
    X, _ = striped(200)
    values = np.column_stack((X[:, :6].mean((1, 2)), X[:, 6:].mean((1, 2))))
    learner = ImageRegressor(CNN(width=8), random_state=0).fit(X[:150], values[:150])
    assert learner.predict(X[150:]).shape == (50, 2)
    assert learner.score(X[150:], values[150:]) > 0.5
