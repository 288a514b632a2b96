import sys

import matplotlib as mpl
import numpy as np
import pytest
import torch

from torchlearners.augmentation import AugmentDisplay, HorizontalFlip

mpl.use("Agg")

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (3, 8, 6, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("X", "shape"),
    [
        (BYTES, (3, 5, 3, 8, 6)),
        (BYTES.transpose(0, 3, 1, 2), (3, 5, 3, 8, 6)),
        (BYTES[..., 0], (3, 5, 1, 8, 6)),
        (BYTES[..., :1] / 255, (3, 5, 1, 8, 6)),
        (torch.from_numpy(BYTES[..., 0] // 16), (3, 5, 1, 8, 6)),
        (BYTES[..., 0].astype(np.int64), (3, 5, 1, 8, 6)),
    ],
    ids=["nhwc", "nchw", "gray", "floats", "tensor", "integers"],
)
def test_images_of_any_layout_are_shown_from_black_to_white(X, shape):
    display = AugmentDisplay.from_images(X, "light", n_variants=4, random_state=0)
    assert display.variants.shape == shape
    assert display.variants.dtype == torch.float32
    assert display.variants.min() >= 0
    assert display.variants.max() <= 1


def test_the_first_column_is_the_image_itself():
    display = AugmentDisplay.from_images(BYTES, HorizontalFlip(p=1), n_variants=2)
    images = torch.from_numpy(BYTES).permute(0, 3, 1, 2) / 255
    torch.testing.assert_close(display.variants[:, 0], images)
    torch.testing.assert_close(display.variants[:, 1], images.flip(3))
    torch.testing.assert_close(display.variants[:, 2], images.flip(3))


def test_the_seed_decides_and_none_is_another_one_each_time():
    def variants(random_state):
        return AugmentDisplay.from_images(
            BYTES, "strong", random_state=random_state
        ).variants

    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assert torch.equal(variants(0), variants(0))
    assert not torch.equal(variants(0), variants(1))
    assert not torch.equal(variants(None), variants(None))
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_a_plot_has_a_row_for_each_image():
    display = AugmentDisplay.from_images(BYTES, "light", n_variants=2, random_state=0)
    assert display.plot() is display
    assert display.axes_.shape == (3, 3)
    assert display.figure_ is display.axes_[0, 0].figure
    assert [ax.get_title() for ax in display.axes_[0]] == ["original", "augmented", ""]
    shown = display.axes_[1, 2].images[0].get_array()
    expected = display.variants[1, 2].permute(1, 2, 0)
    np.testing.assert_allclose(shown, expected)
    mpl.pyplot.close(display.figure_)


def test_gray_images_are_drawn_in_gray_on_given_axes():
    figure = mpl.figure.Figure()
    axes = figure.subplots(3, 1)
    display = AugmentDisplay.from_images(BYTES[..., 0], "none", n_variants=0)
    display.plot(ax=axes)
    assert display.figure_ is figure
    assert axes[0].images[0].get_cmap().name == "gray"


def test_other_shapes_are_an_error():
    with pytest.raises(ValueError, match=r"X must be images of shape"):
        AugmentDisplay.from_images(BYTES[0, 0], "light")


def test_a_missing_matplotlib_is_an_error_that_says_what_to_install(monkeypatch):
    display = AugmentDisplay.from_images(BYTES, "light")
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install 'torchlearners\[plot\]'"):
        display.plot()
