import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset

from torchlearners.data import ImageColumn, as_image_column, with_targets


class Counted(Dataset):
    """Pairs, or images alone, that count how often they are fetched."""

    def __init__(self, item):
        self.item = item
        self.n_fetched = 0

    def __len__(self):
        return 4

    def __getitem__(self, index):
        self.n_fetched += 1
        return self.item(index)


def gray(index):
    return torch.full((1, 2, 2), index, dtype=torch.uint8)


@pytest.mark.parametrize(
    "item",
    [
        gray,
        lambda i: (gray(i), "cat"),
        lambda i: [gray(i), "cat"],
        lambda i: {"image": gray(i), "label": "cat"},
        lambda i: Image.new("L", (2, 2), i),
        lambda i: gray(i)[0].numpy(),
    ],
)
def test_images_of_a_dataset_are_found_in_its_items(item):
    data = Counted(item)
    X = as_image_column(data, channels=1)
    assert data.n_fetched == 1  # the first item tells what an item is
    assert [image[0, 0, 0] for image in X[1:]] == [1, 2, 3]


def test_targets_are_those_of_the_dataset_where_no_y_is_given():
    data = TensorDataset(torch.zeros(3, 1, 2, 2), torch.tensor([4, 5, 6]))
    X, y = with_targets(Subset(data, [2, 0]))
    assert isinstance(X, ImageColumn)
    assert y.tolist() == [6, 4]
    assert with_targets(data, [1, 2, 3]) == (data, [1, 2, 3])


def test_anything_else_stays_as_it_is():
    for given in (np.zeros((2, 3, 3)), ["a.png"], [("a", "b")], [], None):
        assert with_targets(given) == (given, None)


def test_pairs_are_refused_with_what_to_do():
    data = Counted(lambda i: (Image.new("L", (2, 2)), i))
    with pytest.raises(ValueError, match=r"list of pairs .*from_dataset\(dataset\)"):
        with_targets([data[0], data[1]], [0, 1])


def test_a_stream_is_refused():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter([])

    for call in (as_image_column, with_targets):
        with pytest.raises(TypeError, match="must have a length and items; Stream"):
            call(Stream())
