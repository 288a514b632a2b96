import pickle

import pytest
import torch
from sklearn.base import clone
from torch import nn

from torchlearners.training import (
    LBFGS,
    OPTIMIZERS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    NAdam,
    RAdam,
    RMSprop,
    build_optimizer,
)

FUSED = {"adam", "adamw", "sgd"}
# A descriptor with no parameter at its default, and what torch is given.
CHOICES = [
    (
        AdamW(betas=(0.8, 0.9), eps=1e-6, amsgrad=True),
        torch.optim.AdamW,
        {"betas": (0.8, 0.9), "eps": 1e-6, "amsgrad": True},
    ),
    (
        Adam(betas=[0.8, 0.9], eps=1e-6, amsgrad=True),
        torch.optim.Adam,
        {"betas": (0.8, 0.9), "eps": 1e-6, "amsgrad": True},
    ),
    (
        SGD(momentum=0.9, nesterov=True),
        torch.optim.SGD,
        {"momentum": 0.9, "nesterov": True},
    ),
    (
        RMSprop(alpha=0.9, eps=1e-6, momentum=0.5, centered=True),
        torch.optim.RMSprop,
        {"alpha": 0.9, "eps": 1e-6, "momentum": 0.5, "centered": True},
    ),
    (
        Adagrad(lr_decay=0.1, initial_accumulator_value=0.2, eps=1e-6),
        torch.optim.Adagrad,
        {"lr_decay": 0.1, "initial_accumulator_value": 0.2, "eps": 1e-6},
    ),
    (
        NAdam(betas=(0.8, 0.9), eps=1e-6, momentum_decay=0.1),
        torch.optim.NAdam,
        {"betas": (0.8, 0.9), "eps": 1e-6, "momentum_decay": 0.1},
    ),
    (
        RAdam(betas=(0.8, 0.9), eps=1e-6),
        torch.optim.RAdam,
        {"betas": (0.8, 0.9), "eps": 1e-6},
    ),
]


def weights():
    return [nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))]


@pytest.mark.parametrize(
    ("choice", "cls", "settings"), CHOICES, ids=[repr(c[0])[:12] for c in CHOICES]
)
def test_every_parameter_reaches_torch(choice, cls, settings):
    assert set(settings) == set(choice.get_params())
    defaults = type(choice)().get_params()
    assert all(choice.get_params()[name] != defaults[name] for name in settings)
    optimizer = build_optimizer(choice, weights(), lr=0.03, weight_decay=0.2)
    assert isinstance(optimizer, cls)
    group = optimizer.param_groups[0]
    given = {"lr": 0.03, "weight_decay": 0.2, **settings}
    assert {name: group[name] for name in given} == given


def test_every_parameter_of_lbfgs_reaches_torch():
    choice = LBFGS(
        max_iter=3,
        history_size=4,
        tolerance_grad=1e-3,
        tolerance_change=1e-4,
        line_search=None,
    )
    group = build_optimizer(choice, weights(), 0.5, 0.0).param_groups[0]
    assert {
        name: group[name]
        for name in (
            "lr",
            "max_iter",
            "history_size",
            "tolerance_grad",
            "tolerance_change",
            "line_search_fn",
        )
    } == {
        "lr": 0.5,
        "max_iter": 3,
        "history_size": 4,
        "tolerance_grad": 1e-3,
        "tolerance_change": 1e-4,
        "line_search_fn": None,
    }


# torch has no class of these, or one that takes matrices alone.
OWN = {"lion", "muon"}


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name not in OWN])
def test_a_name_stands_for_torchs_defaults(name):
    optimizer = build_optimizer(name, weights(), lr=0.03, weight_decay=0.0)
    cls = OPTIMIZERS[name].torch_class
    plain = cls(weights(), lr=0.03, **({} if name == "lbfgs" else {"weight_decay": 0}))
    assert isinstance(optimizer, cls)
    ignored = {"params", "fused", "foreach"}
    if name == "lbfgs":
        ignored |= {"history_size", "line_search_fn"}  # ours are better for few rows
    left, right = optimizer.param_groups[0], plain.param_groups[0]
    assert {k: v for k, v in left.items() if k not in ignored} == {
        k: v for k, v in right.items() if k not in ignored
    }


@pytest.mark.parametrize("name", sorted(FUSED))
def test_a_single_kernel_call_is_taken_where_torch_has_one(name):
    optimizer = build_optimizer(name, weights(), 0.1, 0.0)
    assert type(optimizer) is OPTIMIZERS[name].fused_class


@pytest.mark.parametrize("name", sorted(FUSED))
@pytest.mark.parametrize("odd", [torch.float64, torch.complex64])
def test_mixed_parameters_are_left_to_torchs_own_class(name, odd):
    parameters = [*weights(), nn.Parameter(torch.ones(2, dtype=odd))]
    optimizer = build_optimizer(name, parameters, 0.1, 0.0)
    assert type(optimizer) is OPTIMIZERS[name].torch_class
    for p in parameters:
        p.grad = torch.ones_like(p)
    optimizer.step()
    assert all((p != 1).all() for p in parameters)


def test_a_generator_of_parameters_is_fine():
    module = nn.Linear(2, 2)
    for name in OPTIMIZERS:
        optimizer = build_optimizer(name, module.parameters(), 0.1, 0.0)
        assert len(optimizer.param_groups[0]["params"]) == 2


@pytest.mark.parametrize(
    ("decay", "expected"),
    [(0.0, torch.optim.AdamW([torch.ones(1)]).defaults), (0.2, {"weight_decay": 0.2})],
)
def test_a_torch_class_is_called_with_lr_and_a_decay_that_is_not_zero(decay, expected):
    optimizer = build_optimizer(torch.optim.AdamW, weights(), 0.03, decay)
    assert type(optimizer) is torch.optim.AdamW
    group = optimizer.param_groups[0]
    assert group["lr"] == 0.03
    assert group["weight_decay"] == expected["weight_decay"]


def test_a_class_without_weight_decay_is_fine_where_none_is_asked_for():
    class Plain(torch.optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

    assert build_optimizer(Plain, weights(), 0.03, 0.0).defaults == {"lr": 0.03}


def test_the_class_of_a_choice_stands_for_its_defaults():
    optimizer = build_optimizer(AdamW, weights(), 0.03, 0.0)
    assert isinstance(optimizer, torch.optim.AdamW)


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        (AdamW(betas=(0.9, 1.0)), "The 'betas' parameter of AdamW must be a sequence"),
        (AdamW(betas=0.9), "The 'betas' parameter of AdamW must be a sequence"),
        (SGD(momentum=1.5), "The 'momentum' parameter of SGD must be"),
        (RMSprop(eps=0.0), "The 'eps' parameter of RMSprop must be"),
        (LBFGS(max_iter=0), "The 'max_iter' parameter of LBFGS must be"),
        (LBFGS(line_search="armijo"), "The 'line_search' parameter of LBFGS must be"),
    ],
)
def test_a_parameter_out_of_range_gets_scikit_learns_sentence(choice, sentence):
    with pytest.raises(ValueError, match=sentence):
        build_optimizer(choice, weights(), 0.1, 0.0)


def test_lbfgs_refuses_weight_decay():
    with pytest.raises(ValueError, match=r"'lbfgs' has no weight decay, got.*0.1"):
        build_optimizer("lbfgs", weights(), 0.1, 0.1)


def test_nesterov_without_momentum_is_refused_with_what_to_do():
    with pytest.raises(ValueError, match=r"[Nn]esterov.*momentum"):
        build_optimizer(SGD(nesterov=True), weights(), 0.1, 0.0)


@pytest.mark.parametrize("cls", OPTIMIZERS.values())
def test_a_choice_survives_clone_and_pickle(cls):
    name, value = next(iter(cls().get_params().items()))
    changed = cls(**{name: value if isinstance(value, bool | tuple) else 0.5})
    for copy in (clone(changed), pickle.loads(pickle.dumps(changed))):
        assert type(copy) is cls
        assert copy.get_params() == changed.get_params()


@pytest.mark.parametrize("choice", ["adamw", "sgd", "radam", torch.optim.AdamW])
def test_parameters_without_weight_decay_are_a_group_of_their_own(choice):
    one, two = parameters = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    own = {one: {"weight_decay": 0.0}}
    optimizer = build_optimizer(choice, parameters, 0.1, 0.5, own)
    for p in parameters:
        p.grad = torch.zeros(2)
    optimizer.step()
    # What all have in common stands first.
    assert [group["params"] for group in optimizer.param_groups] == [[two], [one]]
    assert (two < 1).all()
    assert (one == 1).all()


@pytest.mark.parametrize("choice", ["adamw", "sgd", "radam", torch.optim.SGD])
def test_parameters_step_by_their_own_learning_rate(choice):
    parameters = [torch.nn.Parameter(torch.ones(2)) for _ in range(4)]
    own = {p: {"lr": 0.5} for p in parameters[1:3]} | {parameters[3]: {}}
    optimizer = build_optimizer(choice, parameters, 0.1, 0.0, own)
    for p in parameters:
        p.grad = torch.ones(2)
    optimizer.step()
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5]
    steps = [1 - float(p[0].detach()) for p in parameters]
    assert steps == pytest.approx([0.1, 0.5, 0.5, 0.1], rel=0.7)
    assert steps[1] == pytest.approx(5 * steps[0], rel=1e-3)


def test_without_own_settings_there_is_one_group():
    parameters = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    optimizer = build_optimizer("adamw", parameters, 0.1, 0.0, {parameters[0]: {}})
    assert len(optimizer.param_groups) == 1


def test_lbfgs_takes_one_step_for_all():
    parameters = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    own = {parameters[1]: {"lr": 0.5}}
    optimizer = build_optimizer("lbfgs", parameters, 0.1, 0.0, own)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1]
    assert len(optimizer.param_groups[0]["params"]) == 2
