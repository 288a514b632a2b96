"""Parameters of networks, and networks as values."""

import copy
import pickle

import pytest
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid

from torchlearners.exceptions import ArchitectureError
from torchlearners.graph import (
    GELU,
    Choice,
    Concat,
    Dropout,
    Fn,
    Head,
    Linear,
    Numeric,
    ReLU,
    Repeat,
    Residual,
    Tap,
)


def deep():
    inside = Linear(4) >> Choice({"relu": ReLU(), "gelu": GELU()}, name="act")
    block = Residual(inside >> Dropout(0.1), name="bridge")
    return Linear(4, name="first") >> block * 2 >> Head()


def test_parameters_are_reached_at_any_depth():
    params = deep().get_params()
    assert params["first__out_features"] == 4
    assert params["linear_1__out_features"] == 4
    assert params["repeat_1__n"] == 2
    assert params["act__active"] is None
    assert params["dropout_1__p"] == 0.1
    assert params["bridge__shortcut"] is None


def test_every_parameter_can_be_set_to_what_it_is():
    for network in (deep(), Linear(3), Residual(Linear(4)), Linear(3) * 2):
        before = repr(network)
        for key, value in network.get_params().items():
            assert network.set_params(**{key: value}) is network
            assert repr(network) == before


@pytest.mark.parametrize(
    ("params", "shown"),
    [
        ({"act": ReLU()}, "Linear(4) >> ReLU() >> Dropout(0.1)"),
        ({"dropout_1": GELU() >> Dropout(0.2)}, "GELU() >> Dropout(0.2)"),
        ({"relu_1": Tap("code")}, "{'relu': Tap('code'), 'gelu': GELU()}"),
        ({"bridge": ReLU()}, ">> ReLU() * 2 >>"),
        ({"repeat_1": ReLU()}, "Linear(4, name='first') >> ReLU() >> Head()"),
        ({"bridge__shortcut": Linear(4)}, "Residual(Linear(4) >> Choice"),
        ({"act": ReLU(), "dropout_1__p": 0.3}, "ReLU() >> Dropout(0.3)"),
        ({"head_1__bias": False, "repeat_1__n": 5}, "* 5 >> Head(False)"),
    ],
)
def test_nodes_are_replaced_and_set_by_name_at_any_depth(params, shown):
    network = deep()
    assert shown in repr(network.set_params(**params))
    assert network.build((None, 4)) is not None


def test_a_new_nodes_parameters_can_be_set_with_it():
    network = deep().set_params(first=Linear(4, name="first"), first__bias=False)
    assert network.named()["first"].bias is False


def test_replacing_a_node_leaves_other_networks_alone():
    shared = Linear(4) >> ReLU()
    one, two = shared >> Head(), shared >> Tap("code")
    one.set_params(relu_1=GELU())
    assert repr(two) == "Linear(4) >> ReLU() >> Tap('code')"


def test_a_node_in_two_places_is_replaced_in_both():
    relu = ReLU()
    network = Linear(4) >> relu >> Linear(2) >> relu
    assert repr(network.set_params(relu_1=GELU())) == (
        "Linear(4) >> GELU() >> Linear(2) >> GELU()"
    )


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"first_": ReLU()}, "Did you mean 'first'"),
        ({"first__out_feature": 3}, "Did you mean 'first__out_features'"),
        ({"relu_2": ReLU()}, "Valid parameters are"),
        ({"out_features": 3}, "Invalid parameter 'out_features'"),
    ],
)
def test_an_unknown_parameter_is_refused_and_nothing_is_set(params, words):
    network = deep()
    before = repr(network)
    with pytest.raises(ValueError, match=words):
        network.set_params(act=ReLU(), head_1__bias=False, **params)
    assert repr(network) == before


def test_only_nodes_take_the_place_of_nodes():
    with pytest.raises(TypeError, match="set_params takes nodes; got 3"):
        deep().set_params(first=3)


def test_a_node_cannot_contain_itself():
    network = Linear(4) >> Residual(ReLU()) >> Head()
    with pytest.raises(ArchitectureError, match="would contain itself"):
        network.set_params(relu_1=network)
    assert repr(network) == "Linear(4) >> Residual(ReLU()) >> Head()"
    bridge = Residual(ReLU())
    bridge.segment = bridge
    with pytest.raises(ArchitectureError, match="A Residual contains itself"):
        (bridge >> Head()).build((None, 4))


def test_the_network_itself_is_no_parameter_of_its_own():
    assert "repeat_1" not in (Linear(4) * 2).get_params()
    assert "linear_1" not in Linear(4).get_params()


def test_shallow_parameters_are_those_of_the_constructor():
    block = Residual(ReLU())
    assert block.get_params(deep=False) == {
        "name": None, "segment": block.segment, "shortcut": None
    }  # fmt: skip
    assert Linear(3).get_params(deep=False)["out_features"] == 3


def test_a_grid_searches_the_architecture():
    grid = ParameterGrid(
        {"act__active": ["relu", "gelu"], "repeat_1__n": [0, 1], "dropout_1__p": [0.5]}
    )
    sizes = [clone(deep()).set_params(**p).shapes((None, 4)).n_parameters for p in grid]
    assert sizes == [25, 45, 25, 45]


def test_copies_are_equal_and_others():
    network = deep()
    for other in (clone(network), copy.deepcopy(network), _pickled(network)):
        assert repr(other) == repr(network)
        other.set_params(dropout_1__p=0.9, act=ReLU())
        assert network.get_params()["dropout_1__p"] == 0.1
        assert "act" in network.get_params()


def _pickled(network):
    return pickle.loads(pickle.dumps(network))


def test_copies_keep_what_is_one_node_one():
    start = Numeric() >> Linear(3)
    network = (start >> ReLU() | start >> GELU()) >> Concat() >> Head()
    steps = network.shapes((None, 2)).steps
    for other in (clone(network), _pickled(network)):
        assert other.shapes((None, 2)).steps == steps
    assert steps.count("linear_1") == 1
    assert "linear_1__2" not in steps


def test_a_sharing_of_parameters_is_kept_by_copies():
    network = (Linear(8) >> Linear(8) >> Head()).share(
        "width", "linear_1.out_features", "linear_2.out_features"
    )
    for other in (clone(network), _pickled(network)):
        other.set_params(width=3)
        assert repr(other).count("Param('width', 3)") == 2
    assert repr(network).count("Param('width', 8)") == 2


def test_sharing_says_what_does_not_fit():
    network = Linear(8) >> Linear(4) >> Head()
    places = "linear_1.out_features", "linear_2.out_features"
    with pytest.raises(ValueError, match=r"different values.*Give value="):
        network.share("width", *places)
    with pytest.raises(ValueError, match="Did you mean 'linear_1__out_features'"):
        network.share("width", "linear_1.out_feature")
    with pytest.raises(ValueError, match="already the name"):
        network.share("linear_1", *places)
    with pytest.raises(ValueError, match="different values"):
        network.share("width")
    assert repr(network) == "Linear(8) >> Linear(4) >> Head()"
    network.share("width", *places, value=5)
    assert network.get_params()["width"] == 5
    assert "linear_1__out_features" not in network.get_params()


def test_resolved_nodes_have_checked_parameters():
    assert Linear(3).resolved().out_features == 3
    with pytest.raises(ValueError, match="'n' parameter of Repeat"):
        Repeat(ReLU(), -1).resolved()


def test_lambdas_are_no_obstacle_to_clones():
    network = Fn(lambda x: x + 1) >> Head()
    assert clone(network).shapes((None, 3)).steps == ["fn_1", "head_1"]
