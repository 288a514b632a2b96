import pytest
import torch

from torchlearners.augmentation import (
    AUGMENTATIONS,
    Augment,
    HorizontalFlip,
    augmentation,
)


def steps_of(choice):
    return [type(step).__name__ for step in augmentation(choice).steps]


def test_the_names_are_these():
    assert list(AUGMENTATIONS) == ["none", "light", "standard", "strong"]
    assert steps_of("none") == []
    assert steps_of("light") == ["PadCrop", "ColorJitter"]
    assert steps_of("standard") == [
        "HorizontalFlip",
        "PadCrop",
        "ColorJitter",
        "Erasing",
    ]
    assert steps_of("strong") == [
        "HorizontalFlip",
        "ResizedCrop",
        "RandAugment",
        "Erasing",
    ]


def test_a_name_makes_a_new_one_each_time():
    first, second = augmentation("light"), augmentation("light")
    first.set_params(PadCrop__pad=0.5)
    assert second.get_params()["PadCrop__pad"] == 0.125


def test_light_neither_mirrors_nor_hides():
    images = torch.full((200, 1, 8, 8), 100, dtype=torch.uint8)
    images[:, :, :, :4] = 200
    changed = augmentation("light")(images, torch.Generator().manual_seed(0))
    assert (changed[:, :, 2:6, 2] > changed[:, :, 2:6, 5]).all()
    assert (changed[:, :, 2:6, 2:6] > 0).all()


def test_what_is_given_is_taken_as_it_is():
    flip, augment = HorizontalFlip(), Augment()
    assert augmentation(flip) is flip
    assert augmentation(augment) is augment


def test_lists_functions_and_none_become_compositions():
    assert steps_of([HorizontalFlip()]) == ["HorizontalFlip"]
    images = torch.ones(1, 1, 2, 2)
    generator = torch.Generator()
    assert torch.equal(augmentation(lambda x: x * 3)(images, generator), images * 3)
    assert torch.equal(augmentation(None)(images, generator), images)


def test_an_unknown_name_is_an_error_that_suggests_one():
    with pytest.raises(ValueError, match="Did you mean 'standard'"):
        augmentation("standrad")


@pytest.mark.parametrize("choice", [3, HorizontalFlip], ids=str)
def test_another_thing_is_an_error(choice):
    with pytest.raises(TypeError, match="is no augmentation"):
        augmentation(choice)
