import json

import numpy as np
import pytest
import torch
from torch import nn

from torchlearners.training._state import to_plain, to_tensors


def test_tensors_become_arrays_at_any_depth_and_come_back():
    state = {
        "a": torch.arange(3.0),
        "b": [torch.eye(2), {"c": (torch.tensor(7), "text", None, 1.5, True)}],
        0: {},
    }
    plain = to_plain(state)
    assert type(plain["a"]) is np.ndarray
    assert type(plain["b"][1]["c"][0]) is np.ndarray
    back = to_tensors(plain)
    assert torch.equal(back["a"], state["a"])
    assert torch.equal(back["b"][0], state["b"][0])
    number, *rest = back["b"][1]["c"]
    assert number.shape == ()
    assert number == 7
    assert rest == ["text", None, 1.5, True]
    assert back[0] == {}


@pytest.mark.parametrize(
    "dtype",
    [
        torch.float64,
        torch.float32,
        torch.float16,
        torch.bfloat16,
        torch.int64,
        torch.uint8,
        torch.bool,
        torch.complex64,
    ],
)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
def test_every_dtype_and_shape_comes_back_bit_for_bit(dtype, shape):
    tensor = (torch.rand(shape, generator=torch.Generator()) * 100).to(dtype)
    back = to_tensors(to_plain({"t": tensor}))["t"]
    assert back.dtype == dtype
    assert back.shape == tensor.shape
    assert torch.equal(back, tensor)


def test_plain_data_do_not_share_memory_with_the_tensors():
    tensor = torch.zeros(3)
    plain = to_plain([tensor])
    tensor += 1
    assert plain[0].tolist() == [0, 0, 0]
    back = to_tensors(plain)
    plain[0][:] = 5
    assert back[0].tolist() == [0, 0, 0]


def test_parameters_lose_their_graph():
    plain = to_plain(nn.Parameter(torch.ones(2)) * 2)
    assert plain.tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    "value", [np.float32(0.5), np.float64(0.5), np.int64(3), np.bool_(True)]
)
def test_numpy_scalars_become_pythons(value):
    plain = to_plain({"value": value})["value"]
    assert type(plain) in (float, int, bool)
    assert json.dumps(plain) == json.dumps(value.item())
