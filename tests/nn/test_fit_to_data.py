import pytest
import torch
from torch import nn

from torchlearners.nn import Dropout, PiecewiseLinearEncoding, fit_to_data


class Remembers(nn.Module):
    """Shifts by what it was fitted to, and remembers every call."""

    def __init__(self):
        super().__init__()
        self.fitted_to, self.modes, self.n_calls = [], [], 0

    def fit_to(self, x):
        self.fitted_to.append(x)
        self.modes.append((self.training, torch.is_grad_enabled()))

    def forward(self, x):
        self.n_calls += 1
        return x + len(self.fitted_to)


def rows(n, d=2):
    return torch.arange(float(n * d)).reshape(n, d)


def test_each_module_sees_its_own_input_after_those_before_it_are_fitted():
    first, second = Remembers(), Remembers()
    net = nn.Sequential(first, nn.Sequential(nn.Flatten(), second))
    fit_to_data(net, rows(5))
    assert torch.equal(*first.fitted_to, rows(5))
    assert torch.equal(*second.fitted_to, rows(5) + 1)


def test_encodings_inside_a_network_get_their_edges():
    net = nn.Sequential(nn.BatchNorm1d(1), PiecewiseLinearEncoding(1, 2))
    fit_to_data(net, torch.tensor([[0.0], [3.0], [5.0]]))
    torch.testing.assert_close(
        net[1].edges, torch.tensor([[0.0, 3, 5]]) / (1 + 1e-5) ** 0.5
    )
    assert net[0].num_batches_tracked == 0


def test_the_pass_is_in_evaluation_mode_without_gradients_and_modes_come_back():
    inner = Remembers()
    net = nn.Sequential(Dropout(0.5), nn.BatchNorm1d(2).eval(), inner)
    before = torch.get_rng_state()
    fit_to_data(net, rows(5))
    assert inner.modes == [(False, False)]
    assert [m.training for m in net.modules()] == [True, True, False, True]
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(m._forward_pre_hooks for m in net.modules())


def test_the_pass_ends_with_the_last_module_to_fit():
    after = nn.Linear(7, 7)  # would not fit
    net = nn.Sequential(Remembers(), after)
    fit_to_data(net, rows(5))
    assert len(net[0].fitted_to) == 1
    assert net[0].n_calls == 0


def test_a_module_that_is_called_twice_is_fitted_to_its_first_input():
    shared, last = Remembers(), Remembers()
    fit_to_data(nn.Sequential(shared, shared, last), rows(5))
    assert torch.equal(*shared.fitted_to, rows(5))
    assert torch.equal(*last.fitted_to, rows(5) + 2)


def test_a_network_with_nothing_to_fit_is_not_called():
    net = nn.Linear(7, 7)
    fit_to_data(net, rows(5))
    assert net.training


def test_a_module_that_the_network_never_calls_is_left_alone():
    net = nn.Sequential(Remembers())
    net[0].unused = Remembers()
    fit_to_data(net, rows(5))
    assert len(net[0].fitted_to) == 1
    assert net[0].n_calls == 1
    assert not net[0].unused.fitted_to
    assert not net[0].unused._forward_pre_hooks


def test_an_error_on_the_way_leaves_no_trace():
    net = nn.Sequential(nn.Linear(7, 7), Remembers())
    with pytest.raises(RuntimeError):
        fit_to_data(net, rows(5))
    assert net[1].training
    assert not net[1]._forward_pre_hooks


def test_of_many_rows_some_from_everywhere_are_seen():
    net = Remembers()
    fit_to_data(net, rows(25_000, 1))
    (seen,) = net.fitted_to
    assert torch.equal(seen[:4, 0], torch.tensor([0.0, 2, 5, 7]))
    assert seen.shape == (10_000, 1)
    assert seen[-1] == 24_997
    assert seen.unique().numel() == 10_000


@pytest.mark.parametrize(
    "pack", [lambda *x: list(x), lambda *x: x, lambda *x: {"a": x[0]}]
)
def test_networks_of_several_inputs_are_called_as_they_take_them(pack):
    class Picks(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Remembers()

        def forward(self, x):
            return self.inner(x["a"] if isinstance(x, dict) else x[0])

    net = Picks()
    fit_to_data(net, pack(rows(20_000), rows(20_000)))
    assert net.inner.fitted_to[0].shape == (10_000, 2)
