import pytest
import torch

from torchlearners.augmentation import ImageBatch

IMAGES = torch.zeros(2, 3, 4, 6)


def test_a_batch_has_a_length_a_size_and_a_white():
    batch = ImageBatch(IMAGES)
    assert (len(batch), batch.size, batch.white) == (2, (4, 6), 1.0)
    assert ImageBatch(IMAGES.to(torch.uint8)).white == 255.0
    assert ImageBatch(IMAGES, max_value=16).white == 16


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(3, 4, 6), r"\(n, channels, height, width\), got torch.float32 of"),
        ([[1, 2]], "got a list"),
        (torch.zeros(1, 1, 2, 2, dtype=torch.int64), "must be uint8 or floats"),
    ],
)
def test_other_images_are_an_error(images, message):
    with pytest.raises(ValueError, match=message):
        ImageBatch(images)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ({"boxes": [torch.zeros(1, 4)]}, "There are 2 images, but 1 boxes"),
        ({"boxes": [torch.zeros(4)] * 2}, r"shape \(n_boxes, 4\)"),
        ({"boxes": torch.zeros(2, 1, 4, dtype=torch.int64)}, "one float tensor"),
        ({"masks": torch.zeros(2, 6, 4, dtype=torch.uint8)}, r"shape \(2, 4, 6\)"),
        ({"masks": torch.zeros(2, 4, 6)}, "masks must be integers"),
        ({"keypoints": torch.zeros(2, 4)}, r"shape \(n, n_points, 2\)"),
        ({"keypoints": torch.zeros(3, 1, 2)}, "There are 2 images, but 3 keypoints"),
    ],
)
def test_places_that_do_not_fit_are_an_error(places, message):
    with pytest.raises(ValueError, match=message):
        ImageBatch(IMAGES, **places)


def test_boxes_may_be_one_tensor():
    boxes = ImageBatch(IMAGES, boxes=torch.ones(2, 3, 4)).boxes
    assert [tuple(box.shape) for box in boxes] == [(3, 4), (3, 4)]


def test_boxes_inside_have_an_area():
    boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 0, 0], [1, 1, 1.5, 1.5]])
    batch = ImageBatch(IMAGES, boxes=[boxes, boxes[:0]])
    assert [kept.tolist() for kept in batch.boxes_inside()] == [
        [True, False, False],
        [],
    ]
    assert batch.boxes_inside(min_area=0.25)[0].tolist() == [True, False, True]
    assert ImageBatch(IMAGES).boxes_inside() == []


def test_keypoints_inside_lie_in_the_image():
    points = torch.tensor([[[0.0, 0.0], [6, 1], [5.9, 3.9], [-0.1, 2]]] * 2)
    inside = ImageBatch(IMAGES, keypoints=points).keypoints_inside()
    assert inside[0].tolist() == [True, False, True, False]
    with pytest.raises(ValueError, match="has no keypoints"):
        ImageBatch(IMAGES).keypoints_inside()


def test_rows_are_taken_and_put_back_with_their_places():
    generator = torch.Generator().manual_seed(0)
    batch = ImageBatch(
        torch.rand(3, 1, 2, 2, generator=generator),
        boxes=[torch.full((i, 4), float(i)) for i in range(3)],
        masks=torch.arange(12).view(3, 2, 2),
        keypoints=torch.rand(3, 1, 2, generator=generator),
        mask_fill=9,
    )
    rows = torch.tensor([2, 0])
    taken = batch.rows(rows)
    assert torch.equal(taken.masks, batch.masks[rows])
    assert [len(box) for box in taken.boxes] == [2, 0]
    assert taken.mask_fill == 9
    back = batch.with_rows(rows, taken)
    assert torch.equal(back.images, batch.images)
    assert torch.equal(back.keypoints, batch.keypoints)
    swapped = batch.with_rows(rows, batch.rows(rows.flip(0)))
    assert [len(box) for box in swapped.boxes] == [2, 1, 0]
    assert torch.equal(swapped.masks, batch.masks.flip(0))
    assert len(batch.boxes[0]) == 0
