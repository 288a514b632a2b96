import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from torchlearners.exceptions import WeightsError
from torchlearners.image._weights import read_weights

WEIGHTS = nn.Linear(2, 3).state_dict()


def equal(one, other):
    return one.keys() == other.keys() and all(one[k].equal(other[k]) for k in one)


def test_weights_of_both_kinds_of_files_are_read(tmp_path):
    torch.save(WEIGHTS, tmp_path / "a.pt")
    save_file(WEIGHTS, tmp_path / "a.safetensors")
    assert equal(read_weights(tmp_path / "a.pt"), WEIGHTS)
    assert equal(read_weights(str(tmp_path / "a.safetensors")), WEIGHTS)


@pytest.mark.parametrize("holder", ["state_dict", "model"])
def test_weights_are_found_in_files_of_whole_trainings(tmp_path, holder):
    torch.save({holder: WEIGHTS, "epoch": 3}, tmp_path / "a.pt")
    assert equal(read_weights(tmp_path / "a.pt"), WEIGHTS)


class RunsWhenRead:
    def __reduce__(self):
        return exec, ("raise SystemExit('a file was run')",)


def test_nothing_in_a_file_is_run(tmp_path):
    (tmp_path / "a.pt").write_bytes(pickle.dumps(RunsWhenRead()))
    torch.save({"weight": RunsWhenRead()}, tmp_path / "b.pt")
    torch.save(nn.Linear(2, 3), tmp_path / "c.pt")
    for name in "abc":
        with pytest.raises(WeightsError, match="cannot be read as weights"):
            read_weights(tmp_path / f"{name}.pt")


def test_what_is_no_file_of_weights_is_told(tmp_path):
    with pytest.raises(WeightsError, match="no file of weights"):
        read_weights(tmp_path / "a.pt")
    (tmp_path / "a.safetensors").write_bytes(b"no header")
    with pytest.raises(WeightsError, match=r"save\(module\.state_dict\(\), path\)"):
        read_weights(tmp_path / "a.safetensors")
    torch.save([1, 2], tmp_path / "b.pt")
    with pytest.raises(WeightsError, match="holds list, not a state dict"):
        read_weights(tmp_path / "b.pt")
    torch.save({}, tmp_path / "c.pt")
    with pytest.raises(WeightsError, match="not a state dict"):
        read_weights(tmp_path / "c.pt")
