import pickle

import pytest
from sklearn.base import clone
from torch import nn

from torchlearners.callbacks import Freeze, select
from torchlearners.callbacks._selection import as_selection, selected


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU())
        self.stem2 = nn.Linear(3, 3)
        self.head = nn.Linear(3, 1)


NET = Two()
STEM = {"stem.0.weight", "stem.0.bias", "stem.1.weight", "stem.1.bias"}
STEM2 = {"stem2.weight", "stem2.bias"}
HEAD = {"head.weight", "head.bias"}
ALL = STEM | STEM2 | HEAD


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        (select.all_(), ALL),
        (select.none(), set()),
        (~select.all_(), set()),
        ("stem", STEM),
        ("stem*", STEM | STEM2),
        ("*", ALL),
        ("stem.?", STEM),
        ("stem.*.bias", {"stem.0.bias", "stem.1.bias"}),
        (select.glob("*.bias") & "head", {"head.bias"}),
        (select.glob("stem") | "head", STEM | HEAD),
        (~select.glob("head"), STEM | STEM2),
        (select.invert("head"), STEM | STEM2),
        (select.regex(r"^stem\.\d\.w"), {"stem.0.weight", "stem.1.weight"}),
        (select.regex("d"), HEAD),
        (select.names("head.bias", "stem.0.bias"), {"head.bias", "stem.0.bias"}),
        (select.layers(range(2)), STEM | STEM2),
        (select.layers(-1), HEAD),
        (select.layers("head"), HEAD),
        (select.layers(["stem", 2]), STEM | HEAD),
        (select.all_() & ~(select.layers(0) | "head"), STEM2),
    ],
    ids=lambda value: None if isinstance(value, set) else repr(value),
)
def test_a_selection_picks_the_names(choice, wanted):
    assert as_selection(choice).of(NET) == wanted


def test_what_is_selected_comes_in_the_order_of_the_network():
    chosen = selected(select.names("head.bias", "stem.0.weight"), NET)
    assert [name for name, _ in chosen] == ["stem.0.weight", "head.bias"]
    assert chosen[0][1] is NET.stem[0].weight


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("stam", r"glob\('stam'\) selects no parameter.*stem.0.weight.*head.bias"),
        (select.regex("x{3}"), "regex.*selects no parameter"),
        (select.names("head.bia"), "Did you mean 'head.bias'"),
        (select.layers("haed"), "no layer 'haed'. Did you mean 'head'"),
        (select.layers(3), r"no layer 3. The network has 3"),
        (select.layers([]), "selects no parameter"),
        (select.glob("stem") & "head", "selects no parameter"),
        (select.glob("stem") | "hed", r"glob\('hed'\) selects no parameter"),
        (~select.all_(), "selects no parameter"),
    ],
    ids=lambda value: None if isinstance(value, set) else repr(value),
)
def test_selecting_nothing_is_an_error_that_lists_the_names(choice, message):
    with pytest.raises(ValueError, match=message):
        selected(choice, NET)


def test_none_may_select_nothing():
    assert selected(select.none(), NET) == []


def test_a_selection_is_a_string_or_made_by_select():
    with pytest.raises(TypeError, match=r"select.layers\(range\(2\)\); got 3"):
        as_selection(3)


def test_selections_are_values():
    choice = ~select.glob("head") & select.layers([0, 1])
    assert pickle.loads(pickle.dumps(choice)) == choice
    assert clone(Freeze(select=choice)).select == choice
