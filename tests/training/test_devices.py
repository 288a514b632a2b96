import types

import pytest
import torch

from torchlearners.training import resolve_device


@pytest.fixture
def machine(monkeypatch):
    """Return a function that makes torch see a machine with the given devices."""

    def see(**n_devices):
        for kind in ("cuda", "mps", "xpu"):
            n = n_devices.get(kind, 0)
            backend = types.SimpleNamespace(
                is_available=lambda n=n: n > 0, device_count=lambda n=n: n
            )
            monkeypatch.setattr(torch, kind, backend)

    return see


@pytest.mark.parametrize(
    ("devices", "chosen"),
    [
        ({}, "cpu"),
        ({"cuda": 1}, "cuda"),
        ({"mps": 1}, "mps"),
        ({"xpu": 1}, "xpu"),
        ({"mps": 1, "xpu": 1}, "mps"),
        ({"cuda": 2, "mps": 1, "xpu": 1}, "cuda"),
    ],
)
def test_auto_is_the_first_available_of_cuda_mps_xpu_and_cpu(machine, devices, chosen):
    machine(**devices)
    assert resolve_device("auto") == torch.device(chosen)


def test_torch_without_a_backend_falls_back_to_cpu(monkeypatch):
    for kind in ("cuda", "mps", "xpu"):
        monkeypatch.delattr(torch, kind, raising=False)
    assert resolve_device("auto") == torch.device("cpu")


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu")])
def test_cpu_is_always_there(machine, device):
    machine()
    assert resolve_device(device) == torch.device("cpu")


def test_an_index_is_kept(machine):
    machine(cuda=2)
    assert resolve_device("cuda:1") == torch.device("cuda", 1)
    assert resolve_device(torch.device("cuda", 1)) == torch.device("cuda", 1)


@pytest.mark.parametrize("device", ["gpu", "", "cuda:x"])
def test_a_word_that_is_no_device_is_refused(device):
    with pytest.raises(ValueError, match=r"is not a device; try 'auto' or 'cpu'") as e:
        resolve_device(device)
    assert repr(device) in str(e.value)


@pytest.mark.parametrize("device", ["cuda", "mps", "xpu:0", torch.device("cuda:0")])
def test_a_device_that_is_not_available_is_refused(machine, device):
    machine()
    with pytest.raises(
        ValueError, match=r"is not available here; available: cpu\."
    ) as e:
        resolve_device(device)
    assert str(device) in str(e.value)


def test_a_device_that_does_not_exist_is_refused(machine):
    machine(cuda=2)
    with pytest.raises(ValueError, match=r"'cuda:2' does not exist; .* has 2 cuda"):
        resolve_device("cuda:2")
