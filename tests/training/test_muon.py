import pytest
import torch
from torch import nn

from torchlearners import (
    FTTransformerClassifier,
    ImageClassifier,
    MLPClassifier,
    TabMClassifier,
)
from torchlearners.image import ResNet
from torchlearners.training import Muon, build_optimizer
from torchlearners.training._muon import hidden_matrices, orthogonalized

GENERATOR = torch.Generator().manual_seed(0)


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4)])
def test_the_singular_values_of_a_step_are_near_one(shape):
    matrix = torch.randn(shape, generator=GENERATOR)
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    found = orthogonalized(matrix, 5)
    # Of the quintic's coefficients, values from .68 to 1.13 are what is aimed at.
    inside = u.T @ found @ vh.T
    assert torch.all((inside.diagonal() > 0.6) & (inside.diagonal() < 1.25))
    assert (inside - inside.diagonal().diag()).abs().max() < 1e-4


def test_a_zero_matrix_stays_zero():
    assert torch.equal(orthogonalized(torch.zeros(3, 2), 5), torch.zeros(3, 2))


@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("shape", [(8, 4), (4, 8), (6, 6)])
def test_hidden_matrices_step_as_torchs_muon(shape, nesterov):
    theirs_class = getattr(torch.optim, "Muon", None)
    if theirs_class is None:  # before torch 2.9
        pytest.skip(f"torch {torch.__version__} has no Muon.")
    start = torch.randn(shape, generator=GENERATOR)
    gradients = torch.randn((4, *shape), generator=GENERATOR)
    ours, plain = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    steps = [
        build_optimizer(
            Muon(nesterov=nesterov), [ours], 0.1, 0.2, {ours: {"orthogonal": True}}
        ),
        theirs_class(
            [plain],
            lr=0.1,
            weight_decay=0.2,
            nesterov=nesterov,
            adjust_lr_fn="match_rms_adamw",
        ),
    ]
    for gradient in gradients:
        for parameter, optimizer in zip((ours, plain), steps, strict=True):
            parameter.grad = gradient.clone()
            optimizer.step()
    # torch multiplies in bfloat16, which has 8 bits; four steps moved by about 0.2.
    assert (ours - plain).abs().max() < 0.02
    assert (ours - start).abs().max() > 0.1


def test_other_weights_step_as_adamw():
    start = torch.randn(5, 3, generator=GENERATOR)
    ours, plain = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    optimizers = [
        build_optimizer(Muon(betas=(0.8, 0.9)), [ours], 0.1, 0.2),
        torch.optim.AdamW([plain], lr=0.1, weight_decay=0.2, betas=(0.8, 0.9)),
    ]
    for _ in range(3):
        for parameter, optimizer in zip((ours, plain), optimizers, strict=True):
            parameter.grad = parameter.detach() ** 2
            optimizer.step()
    torch.testing.assert_close(ours, plain)


def test_a_convolution_steps_as_the_matrix_it_flattens_to():
    start = torch.randn(4, 2, 3, 3, generator=GENERATOR)
    image, matrix = nn.Parameter(start.clone()), nn.Parameter(start.flatten(1).clone())
    for parameter in (image, matrix):
        own = {parameter: {"orthogonal": True}}
        optimizer = build_optimizer(Muon(), [parameter], 0.1, 0.0, own)
        parameter.grad = parameter.detach().clone()
        optimizer.step()
    assert torch.equal(image.flatten(1), matrix)


@pytest.mark.parametrize(
    ("learner", "some", "others"),
    [
        (
            MLPClassifier(preset="simple", hidden_layer_sizes=(8, 8, 8)),
            {"linear_2.weight", "linear_3.weight"},
            {"linear_1.weight", "head_1.weight", "linear_2.bias"},
        ),
        (
            MLPClassifier(hidden_layer_sizes=(8, 8)),
            {"ntk_linear_1.weight", "ntk_linear_2.weight"},
            {"ntk_linear_3.weight", "piecewise_linear_embedding_1.linear.weight"},
        ),
        (
            TabMClassifier(k=2, width=8, arch="tabm"),
            {"batch_ensemble_linear_1.weight", "batch_ensemble_linear_2.weight"},
            {"batch_ensemble_linear_1.r", "members.weight"},
        ),
        (
            FTTransformerClassifier(n_blocks=1, d_token=8, n_heads=2),
            {"ft_transformer_block_1.queries.weight"},
            {"numeric_tokenizer_1.weight", "cls_token_1.weight", "head_1.weight"},
        ),
        (
            ImageClassifier(backbone=ResNet(width=4, n_stages=1, n_blocks=1)),
            {"conv2d_2.weight"},
            {"conv2d_1.weight", "head.weight"},
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_hidden_layers_are_orthogonal_and_no_others(learner, some, others):
    X = torch.rand(30, 4, generator=GENERATOR).numpy()
    learner.set_params(max_epochs=1, optimizer="muon", random_state=0)
    net = learner.fit(X, [0, 1, 2] * 10).net_
    hidden = hidden_matrices(net.module_)
    assert some <= set(hidden)
    assert not others & set(hidden)
    names = {id(p): name for name, p in net.module_.named_parameters()}
    marked = [
        names[id(p)]
        for group in net.optimizer_.param_groups
        for p in group["params"]
        if group["orthogonal"]
    ]
    assert sorted(marked) == sorted(hidden)


def test_a_network_without_hidden_layers_trains_by_adamw():
    assert hidden_matrices(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))) == []


def test_weights_of_some_rate_of_their_own_keep_it_with_muon():
    parameters = [nn.Parameter(torch.ones(2, 2)) for _ in range(2)]
    own = {parameters[0]: {"lr": 0.5, "orthogonal": True}}
    groups = build_optimizer(Muon(), parameters, 0.1, 0.0, own).param_groups
    assert [(g["lr"], g["orthogonal"]) for g in groups] == [(0.1, False), (0.5, True)]
