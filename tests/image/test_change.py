from typing import ClassVar

import numpy as np
import pytest
import torch
from joblib import parallel_config
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from torchlearners.augmentation import (
    AugmentDisplay,
    HorizontalFlip,
    ImageOp,
    MixedBatch,
    PadCrop,
)
from torchlearners.callbacks import Checkpoint
from torchlearners.graph import Flatten, Linear, ReLU
from torchlearners.image import CNN, ImageClassifier, ImageRegressor
from torchlearners.image._change import BatchChange
from torchlearners.nn import ImageInput
from torchlearners.training import CrossEntropy
from torchlearners.training._losses import training_loss

RNG = np.random.default_rng(0)
X = RNG.integers(1, 200, (80, 12, 12), dtype=np.uint8)
Y = np.arange(80) % 4


def small(cls=ImageClassifier, **params):
    settings = {"backbone": CNN(width=4, n_stages=2), "max_epochs": 2}
    return cls(**{**settings, "random_state": 0, **params})


def weights(learner):
    return [p.detach().clone() for p in learner.net_.module_.parameters()]


def equal(one, other):
    return all(map(torch.equal, weights(one), weights(other)))


def change(images, augment=None, mixup=0.0, cutmix=0.0, channels_last=False):
    rows = torch.as_tensor(images)
    channels, height, width = images.shape[1:]
    if channels_last:
        height, width, channels = images.shape[1:]
    pixels = ImageInput(channels, height, width, channels_last)
    rows = rows.flatten(1)
    return rows, BatchChange.of(augment, mixup, cutmix, pixels, rows)


class Spy(torch.nn.Module):
    """Note the images of each pass, in training and else."""

    seen: ClassVar[dict] = {}

    def forward(self, x):
        if not x.is_meta:
            rows = (255 * x.detach()).round().flatten(1).int().tolist()
            self.seen.setdefault(self.training, set()).update(map(tuple, rows))
        return x.flatten(1)


def invert(images):
    return 255 - images


def test_only_training_batches_are_augmented():
    Spy.seen.clear()
    settings = {"backbone": Spy, "preprocessing": None, "max_epochs": 1}
    learner = small(augment=invert, measures_train="accuracy", **settings)
    learner.fit(X[:60], Y[:60], X_val=X[60:], y_val=Y[60:])
    learner.predict(X)
    rows = X.reshape(80, -1).astype(int)
    assert Spy.seen[True] == set(map(tuple, (255 - rows[:60]).tolist()))
    padding = (0,) * 144  # rows of zeros fill a batch up
    assert Spy.seen[False] - {padding} == set(map(tuple, rows.tolist()))


@pytest.mark.parametrize("settings", [{"augment": "standard"}, {"mixup": 0.4}])
def test_rows_that_validate_cost_the_same_with_a_rate_of_zero(settings):
    # With a learning rate of about zero, only what the network is shown can matter.
    fits = [
        small(lr=1e-30, weight_decay=0.0, backbone=Flatten(), **kwargs).fit(
            X[:60], Y[:60], X_val=X[60:], y_val=Y[60:]
        )
        for kwargs in ({}, settings)
    ]
    plain, changed = (fit.history_[0] for fit in fits)
    assert plain["valid_loss"] == changed["valid_loss"]
    assert plain["train_loss"] != changed["train_loss"]


@pytest.mark.parametrize(
    "settings",
    [
        {"augment": "standard"},
        {"augment": lambda x: (x * torch.rand(len(x), 1, 1, 1)).to(x.dtype)},
        {"mixup": 0.4, "cutmix": 1.0},
    ],
)
def test_the_same_seed_gives_the_same_weights(settings):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = small(**settings).fit(X, Y)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    assert equal(first, small(**settings).fit(X, Y))
    assert not equal(first, small(**settings, random_state=1).fit(X, Y))


def test_a_resumed_fit_equals_a_straight_one(tmp_path):
    settings = {"augment": "standard", "mixup": 0.4, "batch_size": 16}
    settings |= {"lr_schedule": None, "early_stopping": False}

    def learner(n_epochs):
        callbacks = [Checkpoint(folder=tmp_path)]
        return small(max_epochs=n_epochs, callbacks=callbacks, **settings)

    learner(2).fit(X, Y)
    resumed = learner(4).fit(X, Y, resume=tmp_path)
    straight = small(max_epochs=4, **settings).fit(X, Y)
    assert len(resumed.history_) == 4
    assert equal(straight, resumed)


def test_a_grid_finds_the_same_with_any_number_of_jobs():
    grid = {"augment": [None, "light", [HorizontalFlip(), PadCrop()]]}
    with parallel_config(backend="threading"):
        searches = [
            GridSearchCV(small(max_epochs=1), grid, cv=2, n_jobs=n_jobs).fit(X, Y)
            for n_jobs in (1, 2)
        ]
    one, two = (s.cv_results_["mean_test_score"] for s in searches)
    assert np.array_equal(one, two)


def test_parameters_of_steps_are_set_by_name():
    learner = ImageClassifier(augment="light").set_params(augment__PadCrop__pad=3)
    assert clone(learner).get_params()["augment__PadCrop__pad"] == 3
    assert ImageClassifier(augment=[PadCrop()]).set_params(
        augment__PadCrop__p=0.5
    ).augment.get_params()["PadCrop__p"] == pytest.approx(0.5)
    with pytest.raises(ValueError, match="PadCorp"):
        ImageClassifier(augment="light").set_params(augment__PadCorp__pad=3)


def test_a_flip_of_every_image_is_what_the_network_is_shown():
    images = RNG.integers(0, 256, (5, 6, 9, 3), dtype=np.uint8)
    rows, flips = change(images, HorizontalFlip(p=1), channels_last=True)
    shown, _, weight = flips((rows, torch.arange(5), None), torch.Generator())
    assert np.array_equal(shown.view(5, 6, 9, 3).numpy(), images[:, :, ::-1])
    assert shown.dtype == torch.uint8
    assert weight is None


def test_shares_of_a_pasted_part_are_those_of_its_pixels():
    images = np.repeat(np.arange(8, dtype=np.float32), 100).reshape(8, 1, 10, 10)
    rows, mix = change(images, cutmix=1.0)
    target, weight = torch.arange(8), torch.arange(1.0, 9.0)
    shown, y, shares = mix((rows, target, weight), torch.Generator().manual_seed(0))
    assert torch.equal(y[:, 0], target)
    own = (shown == target.view(-1, 1)).float().mean(1)
    differs = y[:, 1] != target
    assert differs.any()
    assert torch.allclose(shares[differs, 0], (own * weight)[differs], atol=1e-5)
    assert torch.allclose(
        shares[differs, 1], ((1 - own) * weight[y[:, 1]])[differs], atol=1e-5
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_of_mixed_rows_is_that_of_both_targets(weighted):
    images = RNG.random((6, 1, 8, 8), dtype=np.float32)
    rows, mix = change(images, mixup=1.0)
    target = torch.arange(6) % 3
    weight = torch.arange(1.0, 7.0) if weighted else None
    _, y, shares = mix((rows, target, weight), torch.Generator().manual_seed(0))
    mixed = mix.mixing(
        torch.as_tensor(images), target, torch.Generator().manual_seed(0), weight
    )
    assert isinstance(mixed, MixedBatch)
    scores, loss = torch.randn(6, 3), CrossEntropy().build()
    torch.testing.assert_close(
        training_loss(loss, scores, y, shares), loss(*mixed.pairs(scores))
    )


def test_pieces_of_a_batch_add_up_to_its_gradient():
    backbone = Flatten() >> Linear(8) >> ReLU()
    settings = {"backbone": backbone, "mixup": 0.4, "max_epochs": 3}
    settings |= {"early_stopping": False, "optimizer": "sgd", "lr": 0.05}
    whole = small(**settings, batch_size=40).fit(X, Y)
    pieces = small(**settings, batch_size=20, accumulate_grad=2).fit(X, Y)
    for one, other in zip(weights(whole), weights(pieces), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("cls", "y"),
    [
        (ImageClassifier, np.stack([Y % 2, Y // 2], 1)),
        (ImageRegressor, Y.astype(float)),
        (ImageRegressor, np.stack([Y, -Y], 1).astype(float)),
    ],
)
def test_labels_and_values_are_mixed_too(cls, y):
    learner = small(cls, mixup=0.2, cutmix=1.0, augment="light")
    learner.fit(X, y, sample_weight=np.arange(1, 81))
    assert learner.predict(X).shape == y.shape


def test_images_of_large_floats_are_augmented():
    digits, y = load_digits(return_X_y=True)
    learner = small(augment="strong", max_epochs=1).fit(digits[:100], y[:100])
    assert np.isfinite(learner.history_[0]["train_loss"])


def test_training_rows_survive_a_function_that_writes_into_its_argument():
    rows, writes = change(np.full((3, 1, 8, 8), 7, np.uint8), lambda x: x.zero_())
    shown, _, _ = writes((rows, torch.zeros(3), None), torch.Generator())
    assert shown.sum() == 0
    assert (rows == 7).all()


def test_a_table_cannot_be_augmented():
    table, y = RNG.normal(size=(40, 5)), np.arange(40) % 2
    with pytest.raises(ValueError, match="are for images; rows of 5 values"):
        ImageClassifier(augment="light").fit(table, y)
    assert ImageClassifier(mixup=0.2, max_epochs=1).fit(table, y).n_iter_ == 1


def test_a_function_must_keep_shape_and_dtype():
    with pytest.raises(ValueError, match="both must stay as they are"):
        small(augment=lambda x: x.float()).fit(X, Y)
    with pytest.raises(ValueError, match="augment"):
        small(augment="heavy").fit(X, Y)


def test_what_a_user_sets_later_does_not_reach_a_fit():
    class Once(ImageOp):
        def change(self, batch):
            return batch

    op = Once(p=0.5)
    learner = small(augment=op).fit(X, Y)
    assert learner.net_.change_batch.augment is not op


def test_a_display_shows_what_a_learner_augments():
    colored = RNG.integers(0, 256, (2, 3, 10, 12), dtype=np.uint8)
    learner = small(augment=HorizontalFlip(p=1))
    display = AugmentDisplay.from_estimator(learner, colored, n_variants=1)
    assert not hasattr(learner, "n_features_in_")
    expected = torch.as_tensor(colored)[..., :12].flip(3) / 255
    torch.testing.assert_close(display.variants[:, 1], expected)
    flat, y = load_digits(return_X_y=True)
    fitted = small(augment="light", max_epochs=1).fit(flat[:60], y[:60])
    assert AugmentDisplay.from_estimator(fitted, flat[:2]).variants.shape[2:] == (
        1,
        8,
        8,
    )
    with pytest.raises(TypeError, match="does not augment images"):
        AugmentDisplay.from_estimator(object(), colored)
