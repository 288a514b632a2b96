"""torch's layers of several outputs, batch first."""

import pytest
import torch
from torch import nn

from torchlearners.graph._recurrent import (
    Attention,
    BatchFirstGRU,
    BatchFirstLSTM,
    BatchFirstRNN,
)

X = torch.rand(3, 5, 8)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(BatchFirstRNN, nn.RNN), (BatchFirstGRU, nn.GRU), (BatchFirstLSTM, nn.LSTM)],
)
def test_states_have_the_batch_first(ours, theirs):
    ours, theirs = (cls(8, 4, 2, batch_first=True) for cls in (ours, theirs))
    theirs.load_state_dict(ours.state_dict())
    output, *states = ours(X)
    expected, last = theirs(X)
    last = last if isinstance(last, tuple) else (last,)
    assert torch.equal(output, expected)
    for state, other in zip(states, last, strict=True):
        assert state.shape == (3, 2, 4)
        assert torch.equal(state.transpose(0, 1), other)


def test_attention_of_one_input_is_to_itself():
    ours = Attention(8, 2, batch_first=True, need_weights=True)
    output, weights = ours(X)
    expected = nn.MultiheadAttention.forward(ours, X, X, X)
    assert torch.equal(output, expected[0])
    assert torch.equal(weights, expected[1])
    ours.need_weights = False
    torch.testing.assert_close(ours(X, X), output)
