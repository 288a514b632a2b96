import pytest
import torch
from torch import nn

from torchlearners.exceptions import ArchitectureError
from torchlearners.nn import GhostBatchNorm1d


def rows(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 3 + 2 * torch.randn(n, 4, generator=generator)


def part_by_part(layer, x, n_parts):
    """Return what torch's layer makes of the parts, with the state it ends in."""
    plain = nn.BatchNorm1d(4, momentum=layer.momentum)
    plain.load_state_dict(layer.state_dict())
    out = torch.empty_like(x)
    for i in range(n_parts):
        out[i::n_parts] = plain(x[i::n_parts])
    return out, plain.state_dict()


@pytest.mark.parametrize(
    ("n_rows", "size", "n_parts"),
    [(8, 2, 4), (8, 8, 1), (9, 2, 4), (7, 3, 3), (3, 2, 1), (5, 1, 2), (300, 128, 3)],
)
def test_each_part_is_normalized_as_by_torch(n_rows, size, n_parts):
    layer = GhostBatchNorm1d(4, virtual_batch_size=size, momentum=0.1)
    with torch.no_grad():
        layer.weight.uniform_(0.5, 2, generator=torch.Generator().manual_seed(0))
        layer.bias.uniform_(-1, 1, generator=torch.Generator().manual_seed(1))
    for seed in range(2):
        x = rows(n_rows, seed)
        expected, state = part_by_part(layer, x, n_parts)
        torch.testing.assert_close(layer(x), expected)
        for name, value in layer.state_dict().items():
            torch.testing.assert_close(value, state[name])


@pytest.mark.parametrize("n_rows", [8, 9])
def test_gradients_are_those_of_the_parts(n_rows):
    layer = GhostBatchNorm1d(4, virtual_batch_size=2)
    x, y = rows(n_rows).requires_grad_(), rows(n_rows).requires_grad_()
    target = rows(n_rows, 1)
    (part_by_part(layer, y, 4)[0] * target).sum().backward()
    (layer(x) * target).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)


@pytest.mark.parametrize("n_rows", [1, 9])
def test_in_evaluation_mode_it_is_batch_normalization(n_rows):
    layer, plain = GhostBatchNorm1d(4, virtual_batch_size=2), nn.BatchNorm1d(4)
    layer(rows(8))
    plain.load_state_dict(layer.state_dict())
    x = rows(n_rows, 1)
    assert torch.equal(layer.eval()(x), plain.eval()(x))


def test_no_part_of_a_sorted_batch_is_unlike_the_others():
    layer = GhostBatchNorm1d(1, virtual_batch_size=50)
    out = layer(torch.arange(100.0).unsqueeze(1)).squeeze()
    assert (out.diff()[::2].abs() < 1e-6).all()
    assert (out.diff() > -1e-6).all()


@pytest.mark.parametrize("shape", [(8, 3), (8, 4, 2), (4,)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ArchitectureError, match=r"a tensor of shape \(batch, 4\)"):
        GhostBatchNorm1d(4)(torch.zeros(shape))
