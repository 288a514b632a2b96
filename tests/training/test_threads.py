import pytest
import torch

from torchlearners.training import _threads as threads
from torchlearners.training import resolve_threads, torch_threads


@pytest.fixture(autouse=True)
def three_threads():
    """Let torch use a number of threads that nothing else here asks for."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_the_number_holds_inside_and_is_restored_after():
    with torch_threads(2):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 3


def test_the_number_is_restored_after_an_error():
    with pytest.raises(RuntimeError, match="inside"), torch_threads(1):
        raise RuntimeError("inside")
    assert torch.get_num_threads() == 3


def test_contexts_can_be_nested():
    with torch_threads(1):
        with torch_threads(2):
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 1
        with torch_threads(None):
            assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


def test_none_changes_nothing():
    with torch_threads(None):
        assert torch.get_num_threads() == 3
    assert torch.get_num_threads() == 3


def test_none_leaves_alone_what_is_set_inside():
    with torch_threads(None):
        torch.set_num_threads(2)
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(
    ("work", "n_threads"), [(0, 1), (32 * 20_000, 1), (2**27, 1), (2**27 + 1, None)]
)
def test_small_work_gets_one_thread_and_large_work_torchs_own_setting(work, n_threads):
    assert resolve_threads(None, work) == n_threads


@pytest.mark.parametrize("work", [1, 2**40])
def test_the_number_asked_for_is_the_number_given(work):
    assert resolve_threads(4, work) == 4


def test_the_rule_does_not_look_at_torchs_setting():
    torch.set_num_threads(1)
    assert resolve_threads(None, 2**40) is None
    torch.set_num_threads(2)
    assert resolve_threads(None, 1) == 1


def test_a_forked_child_uses_one_thread(monkeypatch):
    monkeypatch.setattr(threads, "_PROCESS", -1)
    assert resolve_threads(None, 2**40) == 1
