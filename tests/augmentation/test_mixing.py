import pickle

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.base import clone
from torch.nn import functional as F

from torchlearners.augmentation import CutMix, Mixup, MixupOrCutMix

WAYS = [Mixup(), CutMix(), MixupOrCutMix()]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def flat_images(n=64, size=(9, 7), dtype=torch.float32):
    """Images of one value each, which tells them apart."""
    values = torch.arange(n, dtype=torch.float64) / n
    values = (values * 255).to(dtype) if dtype == torch.uint8 else values.to(dtype)
    return values.view(n, 1, 1, 1).expand(n, 3, *size).contiguous()


@pytest.fixture(params=WAYS, ids=str)
def way(request):
    return clone(request.param)


@pytest.mark.parametrize("size", [(9, 7), (1, 1), (32, 32)])
def test_the_share_of_a_target_is_that_of_its_pixels(way, size):
    # Each image's value is also its target, so their mean must be the mixed target.
    images = flat_images(size=size)
    mixed = way(images, images[:, 0, 0, 0], seeded())
    expected = mixed.soft_targets()
    torch.testing.assert_close(
        mixed.images.mean((1, 2, 3)), expected, atol=1e-5, rtol=0
    )
    assert (mixed.share >= 0).all()
    assert (mixed.share <= 1).all()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
def test_dtype_shape_and_range_are_kept(way, dtype):
    images = flat_images(dtype=dtype)
    before = images.clone()
    mixed = way(images, torch.zeros(64, dtype=torch.int64), seeded())
    assert mixed.images.dtype == dtype
    assert mixed.images.shape == images.shape
    assert mixed.images.max() <= images.max()
    assert torch.equal(images, before)


def test_each_image_gives_to_one_other(way):
    y = torch.arange(64)
    mixed = way(flat_images(), y, seeded())
    assert torch.equal(mixed.target, y)
    assert torch.equal(mixed.other_target.sort().values, y)


def test_the_generator_decides_alone(way):
    images, y = flat_images(), torch.arange(64)
    before = torch.get_rng_state()
    first = way(images, y, seeded(1))
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert torch.equal(way(images, y, seeded(1)).images, first.images)
    assert not torch.equal(way(images, y, seeded(2)).images, first.images)
    generators = seeded(1), seeded(1)
    way(images, y, generators[0])
    way(images * 0, y * 0, generators[1])
    assert torch.equal(generators[0].get_state(), generators[1].get_state())


def test_probability_zero_changes_nothing_and_a_half_changes_half(way):
    images, y = flat_images(1000), torch.arange(1000)
    none = way.set_params(p=0)(images, y, seeded())
    assert torch.equal(none.images, images)
    assert torch.equal(none.share, torch.ones(1000))
    # A share may be so near to 0 or 1 that no pixel tells.
    some = way.set_params(p=0.5)(images, y, seeded())
    share = (some.share < 1).double().mean()
    assert 0.4 < share < 0.57


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_mixup_shares_are_beta_distributed(alpha):
    images, y = flat_images(2000, (1, 1)), torch.zeros(2000)
    share = Mixup(alpha)(images, y, seeded()).share.double().numpy()
    assert stats.kstest(share, stats.beta(alpha, alpha).cdf).pvalue > 0.01


def test_tiny_alphas_leave_images_nearly_alone():
    share = Mixup(1e-3)(flat_images(), torch.zeros(64), seeded()).share
    assert torch.isfinite(share).all()
    assert (torch.minimum(share, 1 - share) < 0.01).all()


def test_cutmix_pastes_one_rectangle_with_the_sides_of_the_image():
    images = flat_images(300, (40, 60))
    mixed = CutMix()(images, torch.arange(300), seeded())
    foreign = (mixed.images != images)[:, 0]
    height, width = foreign.any(2).sum(1), foreign.any(1).sum(1)
    assert torch.equal(height * width, foreign.sum((1, 2)))
    torch.testing.assert_close(
        mixed.share[foreign.any((1, 2))],
        1 - foreign.float().mean((1, 2))[foreign.any((1, 2))],
    )
    rows, columns = foreign.any(2), foreign.any(1)
    inner = ~(rows[:, 0] | rows[:, -1] | columns[:, 0] | columns[:, -1])
    inner &= height > 5
    assert inner.sum() > 10
    assert ((height / 40 - width / 60).abs()[inner] < 0.06).all()


def test_mixup_or_cutmix_does_one_to_each_image():
    images = flat_images(400, (16, 16))
    mixed = MixupOrCutMix(mixup_alpha=1.0, cutmix_share=0.3)(
        images, torch.arange(400), seeded()
    )
    values = [len(image.unique()) for image in mixed.images]
    assert max(values) == 2
    assert 0.2 < np.mean(np.array(values) == 2) < 0.35
    only = MixupOrCutMix(cutmix_share=0)(images, torch.arange(400), seeded())
    assert max(len(image.unique()) for image in only.images) == 1


def test_a_batch_of_one_is_mixed_with_itself(way):
    images = flat_images(1)
    mixed = way(images, torch.tensor([2]), seeded())
    torch.testing.assert_close(mixed.images, images)
    assert mixed.other_target.tolist() == [2]


def test_class_numbers_become_probabilities():
    y = torch.arange(64) % 3
    mixed = Mixup(1.0)(flat_images(), y, seeded())
    soft = mixed.soft_targets(n_classes=3)
    torch.testing.assert_close(soft.sum(1), torch.ones(64))
    own = soft.gather(1, y.unsqueeze(1)).squeeze(1)
    same = mixed.other_target == y
    torch.testing.assert_close(own[~same], mixed.share[~same])
    torch.testing.assert_close(own[same], torch.ones(int(same.sum())))
    with pytest.raises(ValueError, match=r"soft_targets\(n_classes=\.\.\.\)"):
        mixed.soft_targets()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
def test_labels_and_values_are_mixed_as_they_are(dtype):
    y = torch.randint(0, 2, (64, 4), generator=seeded()).to(dtype)
    mixed = Mixup(1.0)(flat_images(), y, seeded())
    share = mixed.share.unsqueeze(1)
    expected = share * mixed.target + (1 - share) * mixed.other_target
    soft = mixed.soft_targets()
    torch.testing.assert_close(soft, expected.to(soft.dtype))
    assert soft.dtype == (torch.float32 if dtype == torch.int64 else dtype)


def test_pairs_give_the_cross_entropy_of_the_soft_targets(way):
    y = torch.randint(0, 5, (64,), generator=seeded())
    mixed = way(flat_images(), y, seeded())
    logits = torch.randn(64, 5, generator=seeded())
    output, target, weight = mixed.pairs(logits)
    losses = F.cross_entropy(output, target, reduction="none")
    torch.testing.assert_close(
        (losses * weight).sum() / weight.sum(),
        F.cross_entropy(logits, mixed.soft_targets(n_classes=5)),
    )


def test_pairs_weigh_each_target_by_its_own_sample_weight(way):
    y = torch.arange(64)
    sample_weight = torch.rand(64, generator=seeded())
    mixed = way(flat_images(), y, seeded(), sample_weight=sample_weight)
    _, target, weight = mixed.pairs(torch.zeros(64, 1))
    share = torch.cat([mixed.share, 1 - mixed.share])
    torch.testing.assert_close(weight, share * sample_weight[target])


def test_a_way_of_mixing_is_an_estimator_in_scikit_learns_sense(way):
    assert repr(clone(way)) == repr(way)
    assert repr(pickle.loads(pickle.dumps(way))) == repr(way)
    assert "alpha" in " ".join(way.get_params())


def test_wrong_arguments_are_errors():
    images, y = flat_images(), torch.arange(64)
    with pytest.raises(ValueError, match="'alpha' parameter of Mixup"):
        Mixup(0)(images, y, seeded())
    with pytest.raises(ValueError, match="There are 64 images, but 3 targets"):
        Mixup()(images, y[:3], seeded())
    with pytest.raises(ValueError, match="images must be a tensor of shape"):
        CutMix()(images[0], y[:3], seeded())
