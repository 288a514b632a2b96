import pickle

import pytest
import torch
from sklearn.base import clone

from torchlearners.augmentation import (
    AUGMENTATIONS,
    Augment,
    ColorJitter,
    Erasing,
    HorizontalFlip,
    ImageBatch,
    VerticalFlip,
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def double(images):
    return images * 2


def test_steps_are_reached_by_the_names_of_their_classes():
    augment = Augment([HorizontalFlip(), ColorJitter()])
    params = augment.get_params()
    assert params["ColorJitter__hue"] == 0.0
    assert params["ColorJitter"] is augment.steps[1]
    assert list(augment.get_params(deep=False)) == ["steps"]
    augment.set_params(ColorJitter__hue=0.1, HorizontalFlip__p=1)
    assert augment.steps[1].hue == 0.1
    assert augment.steps[0].p == 1


def test_steps_of_one_class_are_numbered_and_others_named_as_wanted():
    augment = Augment([Erasing(), Erasing(p=1), ("flip", VerticalFlip()), double])
    names = [name for name in augment.get_params() if "__" not in name]
    assert names == ["steps", "Erasing_1", "Erasing_2", "flip", "double"]
    augment.set_params(Erasing_2__p=0.1, flip__p=0.2)
    assert augment.steps[0].p == 0.5
    assert augment.steps[1].p == 0.1


def test_a_step_can_be_left_out_or_exchanged():
    images = torch.rand(4, 3, 6, 6, generator=seeded())
    augment = Augment([HorizontalFlip(p=1), ColorJitter()])
    augment.set_params(ColorJitter=None)
    assert torch.equal(augment(images, seeded()), images.flip(3))
    augment.set_params(HorizontalFlip__p=1, HorizontalFlip=VerticalFlip())
    assert torch.equal(augment(images, seeded()), images.flip(2))
    assert "ColorJitter__hue" not in augment.get_params()


def test_new_steps_and_their_parameters_can_be_set_at_once():
    augment = Augment().set_params(Erasing__p=0.3, steps=[Erasing()])
    assert augment.steps[0].p == 0.3


def test_no_steps_change_nothing():
    images = torch.rand(4, 3, 6, 6, generator=seeded())
    assert torch.equal(Augment()(images, seeded()), images)


def test_a_clone_shares_no_step():
    augment = Augment([HorizontalFlip(), ("jitter", ColorJitter(hue=0.1)), double])
    copied = clone(augment)
    copied.set_params(jitter__hue=0.2)
    assert augment.get_params()["jitter__hue"] == 0.1
    assert pickle.loads(pickle.dumps(copied)).get_params()["jitter__hue"] == 0.2


def test_a_composition_is_a_step():
    inner = Augment([ColorJitter(), HorizontalFlip()])
    augment = Augment([("inner", inner), Erasing()])
    assert augment.set_params(inner__ColorJitter__hue=0.2) is augment
    assert inner.steps[0].hue == 0.2
    images = torch.rand(4, 3, 6, 6, generator=seeded())
    flat = Augment([*inner.steps, Erasing()])
    assert torch.equal(augment(images, seeded()), flat(images, seeded()))


def test_any_function_of_images_is_a_step():
    images = torch.rand(4, 3, 6, 6, generator=seeded()) / 2
    assert torch.equal(Augment([double])(images, seeded()), images * 2)
    smaller = Augment([lambda x: x[:, :, ::2, ::2], HorizontalFlip(p=1)])
    assert smaller(images, seeded()).shape == (4, 3, 3, 3)


def test_only_steps_of_ours_are_known_to_draw_from_the_generator():
    assert not Augment([HorizontalFlip(), ("off", None)]).draws_unbound_numbers
    assert not Augment([Augment([Erasing()])]).draws_unbound_numbers
    assert Augment([HorizontalFlip(), double]).draws_unbound_numbers
    assert Augment([Augment([double])]).draws_unbound_numbers


def test_a_function_cannot_move_boxes_and_says_what_can():
    batch = ImageBatch(torch.zeros(1, 1, 2, 2), keypoints=torch.zeros(1, 1, 2))
    with pytest.raises(ValueError, match="'double' is a function of images alone"):
        Augment([double])(batch, seeded())


@pytest.mark.parametrize("wrong", [lambda x: x[:1], lambda x: None], ids=["few", "no"])
def test_a_function_must_return_as_many_images(wrong):
    with pytest.raises(ValueError, match="must return a tensor of 4 images"):
        Augment([wrong])(torch.zeros(4, 1, 2, 2), seeded())


@pytest.mark.parametrize("step", [HorizontalFlip, 3, "flip"], ids=str)
def test_what_is_no_step_is_an_error(step):
    with pytest.raises(TypeError, match=r"such as HorizontalFlip\(\)"):
        Augment([step])(torch.zeros(4, 1, 2, 2), seeded())


def test_steps_that_are_no_list_are_an_error():
    with pytest.raises(ValueError, match="'steps' parameter of Augment"):
        Augment(HorizontalFlip())(torch.zeros(4, 1, 2, 2), seeded())


def test_a_tuple_that_is_no_pair_of_name_and_step_is_an_error():
    with pytest.raises(ValueError, match="must be a name and a step"):
        Augment([(HorizontalFlip(), ColorJitter())])(torch.zeros(4, 1, 2, 2), seeded())


def test_a_name_becomes_an_augmentation_whose_steps_can_be_tuned():
    # As a learner's parameter may be set: the name is first replaced by its object.
    augment = AUGMENTATIONS["standard"]()
    assert augment.set_params(Erasing__p=0.4).get_params()["Erasing__p"] == 0.4


def test_unknown_names_are_an_error_that_suggests_one():
    augment = Augment([HorizontalFlip(), ("fade", double)])
    with pytest.raises(ValueError, match="Did you mean 'HorizontalFlip'"):
        augment.set_params(HorizontalFlipp__p=1)
    with pytest.raises(ValueError, match="Invalid parameter 'q'"):
        augment.set_params(HorizontalFlip__q=1)
    with pytest.raises(ValueError, match=r"'fade' is .* which has no parameters"):
        augment.set_params(fade__p=1)
