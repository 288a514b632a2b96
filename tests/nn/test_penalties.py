import threading

import torch

from torchlearners.nn import add_penalty, collect_penalties


def test_penalties_go_to_the_innermost_block():
    with collect_penalties() as outer:
        add_penalty(torch.zeros(1))
        with collect_penalties() as inner:
            add_penalty(torch.ones(1))
        add_penalty(torch.full((1,), 2.0))
    assert [p.item() for p in outer] == [0, 2]
    assert [p.item() for p in inner] == [1]


def test_outside_of_a_block_nothing_is_kept():
    with collect_penalties() as penalties:
        pass
    add_penalty(torch.ones(1))
    assert penalties == []


def test_another_thread_adds_nothing():
    with collect_penalties() as penalties:
        thread = threading.Thread(target=add_penalty, args=[torch.ones(1)])
        thread.start()
        thread.join()
    assert penalties == []
