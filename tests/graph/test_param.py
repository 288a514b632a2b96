"""Values that several places share."""

import pytest

from torchlearners.graph import GELU, Choice, Head, Linear, Param, ReLU, Repeat


def test_a_shared_value_has_one_entry_and_is_set_through_it():
    width = Param("width", 8)
    network = Linear(width) >> Linear(width) >> Head()
    assert [k for k in network.get_params() if "width" in k or "out" in k] == ["width"]
    assert network.set_params(width=3).shapes((None, 2)).n_parameters == 9 + 12 + 4


def test_equal_values_of_one_name_are_one():
    network = Linear(Param("width", 8)) >> Linear(Param("width", 8)) >> Head()
    network.set_params(width=3)
    assert repr(network).count("Param('width', 3)") == 2


def test_one_name_with_two_values_is_refused():
    network = Linear(Param("width", 8)) >> Linear(Param("width", 4)) >> Head()
    with pytest.raises(ValueError, match="stands for 8 and for 4"):
        network.get_params()
    with pytest.raises(ValueError, match="One name is one value"):
        network.build((None, 2))


def test_a_name_of_a_node_is_taken():
    with pytest.raises(ValueError, match=r"has the name of ReLU\(\)"):
        (Linear(Param("relu_1", 8)) >> ReLU()).get_params()


def test_a_leaf_gives_and_takes_the_value_itself():
    leaf = Linear(Param("width", 8))
    assert leaf.get_params()["out_features"] == 8
    assert leaf.set_params(out_features=4).out_features.value == 4


def test_repetitions_and_choices_are_shared_too():
    depth, kind = Param("depth", 1), Param("kind", "a")
    part = Choice({"a": ReLU(), "b": GELU()}, kind)
    network = Repeat(Linear(4) >> part, depth) >> Repeat(Linear(4), depth)
    assert network.set_params(depth=2, kind="b").shapes((None, 4)).steps == [
        "linear_1__1", "gelu_1__1", "linear_1__2", "gelu_1__2",
        "linear_2__1", "linear_2__2",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["a__b", "a b", "", 3])
def test_a_name_must_be_a_word(name):
    with pytest.raises(ValueError, match="word without '__'"):
        Param(name, 1)
