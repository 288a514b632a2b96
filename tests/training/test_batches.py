import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchlearners.training import Batches, TensorData, automatic_batch_size


def numbered(n_rows, weighted=False, n_features=2):
    """Return rows that carry their own number in X, y and weight."""
    number = torch.arange(n_rows)
    X = number[:, None].float().expand(-1, n_features).clone()
    return TensorData(X, number.clone(), number.float() if weighted else None)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def order_of(batches):
    return torch.cat([y for _, y, _ in batches]).tolist()


@given(st.integers(1, 300), st.integers(1, 320), st.booleans(), st.booleans())
def test_every_row_comes_once_in_an_epoch(n_rows, batch_size, shuffled, weighted):
    batches = Batches(
        numbered(n_rows, weighted), batch_size, seeded() if shuffled else None
    )
    epoch = list(batches)
    sizes = [len(y) for _, y, _ in epoch]
    assert sorted(order_of(epoch)) == list(range(n_rows))
    assert len(epoch) == len(batches)
    assert sizes == batches.sizes
    assert sizes[:-1] == [min(batch_size, n_rows)] * (len(sizes) - 1)
    assert sizes[-1] <= batch_size + 1
    if n_rows > 1 and batch_size > 1:
        assert sizes[-1] > 1
    for x, y, weight in epoch:
        assert torch.equal(x, y[:, None].float().expand(-1, 2))
        if weighted:
            assert torch.equal(weight, y.float())
        else:
            assert weight is None


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "sizes"),
    [
        (6, 3, [3, 3]),
        (7, 3, [3, 4]),
        (8, 3, [3, 3, 2]),
        (3, 8, [3]),
        (9, 8, [9]),
        (1, 8, [1]),
        (3, 1, [1, 1, 1]),
    ],
)
def test_a_last_batch_of_one_row_is_merged_into_the_one_before(
    n_rows, batch_size, sizes
):
    assert [len(y) for _, y, _ in Batches(numbered(n_rows), batch_size)] == sizes


def test_without_a_generator_rows_keep_their_order():
    batches = Batches(numbered(20), 3)
    assert order_of(batches) == order_of(batches) == list(range(20))


def test_each_epoch_has_a_new_order():
    batches = Batches(numbered(50), 8, seeded())
    first, second = order_of(batches), order_of(batches)
    assert first != second
    assert first != list(range(50))
    assert sorted(first) == sorted(second)


def test_the_order_comes_from_the_generator_alone():
    before = torch.get_rng_state()
    orders = [order_of(Batches(numbered(50), 8, seeded(s))) for s in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert torch.equal(torch.get_rng_state(), before)


def test_the_order_can_be_taken_up_from_the_generators_state():
    generator = seeded()
    batches = Batches(numbered(50), 8, generator)
    order_of(batches)
    state = generator.get_state()
    second = order_of(batches)
    generator.set_state(state)
    assert order_of(batches) == second


def test_a_single_batch_is_the_data_itself():
    data = numbered(10, weighted=True)
    generator = seeded()
    before = generator.get_state()
    ((x, y, weight),) = Batches(data, 10, generator)
    assert x is data.X
    assert y is data.y
    assert weight is data.weight
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("n_features", [2, 20_000])
def test_wide_rows_are_cut_like_narrow_ones(n_features):
    batches = Batches(numbered(33, True, n_features), 4, seeded(3))
    assert order_of(batches) == order_of(Batches(numbered(33), 4, seeded(3)))


def test_batches_of_rows_with_more_dimensions_keep_their_shape():
    data = TensorData(torch.zeros(5, 3, 4, 4), torch.zeros(5, 2))
    shapes = [(tuple(x.shape), tuple(y.shape)) for x, y, _ in Batches(data, 3)]
    assert shapes == [((3, 3, 4, 4), (3, 2)), ((2, 3, 4, 4), (2, 2))]


# TensorData


def test_data_have_a_length_and_rows():
    data = numbered(5)
    assert len(data) == 5
    x, y = data[3]
    assert x.tolist() == [3.0, 3.0]
    assert y == 3


@pytest.mark.parametrize("weighted", [True, False])
def test_data_move_to_a_device_with_their_weights(weighted):
    data = numbered(5, weighted).to(torch.device("meta"))
    moved = [data.X, data.y] + ([data.weight] if weighted else [])
    assert {t.device.type for t in moved} == {"meta"}
    assert weighted or data.weight is None


# automatic_batch_size


@pytest.mark.parametrize(
    ("n_rows", "batch_size"),
    [
        (1, 1),
        (256, 256),
        (257, 32),
        (1280, 32),
        (2560, 64),
        (10_000, 256),
        (40_960, 1024),
        (10**7, 1024),
    ],
)
def test_the_automatic_batch_size(n_rows, batch_size):
    assert automatic_batch_size(n_rows) == batch_size


@given(st.integers(257, 10**7))
def test_the_automatic_batch_size_of_many_rows_is_a_power_of_two(n_rows):
    size = automatic_batch_size(n_rows)
    assert size & (size - 1) == 0
    assert 32 <= size <= 1024
    assert size <= automatic_batch_size(n_rows + 1)
