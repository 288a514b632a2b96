import pytest
import torch

from torchlearners.augmentation import ColorJitter, ImageBatch, ImageOp, uniform
from torchlearners.params import param, positive


class Fade(ImageOp):
    """Make darker."""

    most: float = param(default=0.5, check=positive)

    def draw(self, batch, generator):
        return {"by": uniform(len(batch), 0, self.most, generator)}

    def change(self, batch, by):
        return batch.with_images(batch.images * (1 - by.view(-1, 1, 1, 1)))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_an_op_of_ones_own_says_what_it_draws_and_changes():
    light = Fade()(torch.ones(1000, 1, 1, 1), seeded()).flatten()
    assert light.min() >= 0.5
    assert light.max() <= 1
    assert abs(light.mean() - 0.75) < 0.02


def test_what_is_drawn_for_an_image_does_not_depend_on_which_are_chosen():
    images = torch.ones(50, 1, 1, 1)
    all_of_them = Fade()(images, seeded())
    some = Fade(p=0.5)(images, seeded())
    changed = (some != 1).flatten()
    assert 0 < changed.sum() < 50
    assert torch.equal(some[changed], all_of_them[changed])


def test_parameters_are_checked_when_it_is_called():
    with pytest.raises(ValueError, match="'most' parameter of Fade"):
        Fade(most=-1)(torch.ones(1, 1, 1, 1), seeded())


def test_a_batch_gives_a_batch_and_a_tensor_a_tensor():
    images = torch.ones(2, 1, 2, 2)
    assert isinstance(Fade()(images, seeded()), torch.Tensor)
    assert isinstance(Fade()(ImageBatch(images), seeded()), ImageBatch)


@pytest.mark.parametrize("p", [0, 0.5, 1])
def test_a_number_of_the_op_is_drawn_whatever_p_is(p):
    generator, expected = seeded(), seeded()
    Fade(p=p)(torch.ones(7, 1, 1, 1), generator)
    torch.rand(7, generator=expected), torch.rand(7, generator=expected)
    assert torch.equal(generator.get_state(), expected.get_state())


def test_uniform_lies_between_its_bounds():
    numbers = uniform(10_000, -3, 5, seeded())
    assert -3 <= numbers.min() < -2.99
    assert 4.99 < numbers.max() <= 5
    assert abs(numbers.mean() - 1) < 0.1


@pytest.mark.parametrize("wrong", [2.0, -0.5, float("nan")])
def test_values_beyond_white_or_black_are_an_error_where_they_matter(wrong):
    images = torch.full((1, 3, 2, 2), 0.5)
    images[0, 0, 0, 0] = wrong
    with pytest.raises(ValueError, match="float images from 0 to 1"):
        ColorJitter()(images, seeded())


def test_without_an_implementation_an_op_is_abstract():
    with pytest.raises(NotImplementedError):
        ImageOp()(torch.ones(1, 1, 1, 1), seeded())
