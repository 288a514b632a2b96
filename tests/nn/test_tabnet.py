import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from pytorch_tabnet.tab_network import TabNetEncoder as PublishedEncoder
from torch import nn

from torchlearners.nn import (
    GhostBatchNorm1d,
    TabNetEncoder,
    bind_generator,
    collect_penalties,
)

SIZES = {"n_d": 5, "n_a": 3, "n_steps": 4, "gamma": 1.5, "virtual_batch_size": 16}


def rows(n=64, n_features=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, n_features, generator=generator)


def exact(n=64, n_features=6, seed=0):
    return rows(n, n_features, seed).double()


def ours_in_order(encoder):
    yield encoder.first_norm
    yield from encoder.shared
    for transformer in encoder.transformers:
        yield from transformer.linears
        yield from transformer.norms
    for attention in encoder.attentions:
        yield from (attention.linear, attention.norm)


def theirs_in_order(encoder):
    yield encoder.initial_bn
    first = encoder.initial_splitter
    if encoder.n_shared:
        yield from first.shared.shared_layers
    for transformer in [first, *encoder.feat_transformers]:
        shared, own = [], []
        if encoder.n_shared:
            shared = list(transformer.shared.glu_layers)
        if encoder.n_independent:
            own = list(transformer.specifics.glu_layers)
        yield from (layer.fc for layer in own)
        yield from (layer.bn.bn for layer in [*shared, *own])
    for attention in encoder.att_transformers:
        yield from (attention.fc, attention.bn.bn)


def pair(**sizes):
    """Return our encoder and the published one with the same random weights."""
    sizes = {**SIZES, **sizes}
    groups = sizes.pop("group_sizes", None)
    ours = TabNetEncoder(6, group_sizes=groups, **sizes)
    matrix = torch.eye(6)
    if groups:
        group = torch.arange(len(groups)).repeat_interleave(torch.tensor(groups))
        matrix = (torch.arange(len(groups))[:, None] == group).float()
    theirs = PublishedEncoder(6, 1, group_attention_matrix=matrix, **sizes)
    generator = torch.Generator().manual_seed(1)
    pairs = zip(ours_in_order(ours), theirs_in_order(theirs), strict=True)
    with torch.no_grad():
        for one, other in pairs:
            assert isinstance(one, nn.Linear) == isinstance(other, nn.Linear)
            for name, value in one.state_dict().items():
                if value.is_floating_point():
                    value.uniform_(-1, 1, generator=generator)
                    if name != "weight" or value.ndim == 1:
                        value.abs_().add_(0.5)
            other.load_state_dict(one.state_dict())
    # In double precision, as a step multiplies rounding errors.
    theirs.group_attention_matrix = matrix.double()
    return ours.double(), theirs.double()


def interleaved(x, n_parts):
    """Return rows so that their contiguous parts are each n-th row of x."""
    return torch.cat([x[i::n_parts] for i in range(n_parts)])


@pytest.mark.parametrize("mask_type", ["sparsemax", "entmax"])
@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"n_shared": 0},
        {"n_independent": 0, "n_shared": 1},
        {"n_steps": 1, "n_independent": 3},
        {"group_sizes": [1, 3, 2]},
    ],
    ids=str,
)
def test_the_encoder_is_that_of_the_published_package(mask_type, sizes):
    ours, theirs = pair(mask_type=mask_type, **sizes)
    x = exact()
    for training in (True, False):
        ours.train(training)
        theirs.train(training)
        n_parts = 4 if training else 1
        with collect_penalties() as penalties:
            out = ours(x)
        steps, loss = theirs(interleaved(x, n_parts))
        expected = interleaved(out, n_parts)
        assert_allclose(expected.detach(), sum(steps).detach(), rtol=1e-5, atol=1e-5)
        if training:
            # Theirs is the mean of what ours is for each row, with the other sign.
            penalty = penalties[0].mean() / ours.lambda_sparse
            assert_allclose(penalty.item(), -loss.item(), rtol=1e-5)
    states = zip(ours_in_order(ours), theirs_in_order(theirs), strict=True)
    for one, other in states:
        for name, value in one.state_dict().items():
            torch.testing.assert_close(value, other.state_dict()[name])


@pytest.mark.parametrize("mask_type", ["sparsemax", "entmax"])
def test_explanations_are_those_of_the_published_package(mask_type):
    ours, theirs = pair(mask_type=mask_type)
    x = exact()
    with torch.no_grad():
        explanation, masks = ours.eval().explain(x)
        expected, their_masks = theirs.eval().forward_masks(x)
    for i in range(ours.n_steps):
        assert_allclose(masks[i], their_masks[i], rtol=1e-5, atol=1e-5)
    whole = expected.sum(1, keepdim=True)
    assert (whole > 0).all()
    assert_allclose(explanation, expected / whole, rtol=1e-5, atol=1e-5)


def test_gradients_are_those_of_the_published_package():
    ours, theirs = pair()
    x = exact()
    target = exact(64, 5, seed=2)
    with collect_penalties() as penalties:
        (ours(x) * target).mean().backward(retain_graph=True)
    (1000 * penalties[0].mean()).backward()
    steps, loss = theirs(interleaved(x, 4))
    ((sum(steps) * interleaved(target, 4)).mean() - loss).backward()
    for one, other in zip(ours_in_order(ours), theirs_in_order(theirs), strict=True):
        for name, p in one.named_parameters():
            expected = other.get_parameter(name).grad
            assert_allclose(p.grad, expected, rtol=1e-4, atol=1e-6)


def test_masks_sum_to_one_and_explanations_too():
    encoder = TabNetEncoder(6, group_sizes=[1, 3, 2])
    encoder(rows())
    explanation, masks = encoder.eval().explain(rows(9))
    assert explanation.shape == (9, 3)
    assert masks.shape == (3, 9, 3)
    assert_allclose(masks.sum(2).detach(), 1, rtol=1e-5)
    sums = explanation.sum(1).detach().numpy()
    assert np.all(np.isclose(sums, 1, rtol=1e-5) | (sums == 0))


def test_an_output_of_zero_has_an_explanation_of_zeros():
    encoder = TabNetEncoder(6).eval()
    with torch.no_grad():
        for transformer in encoder.transformers:
            for norm in transformer.norms:
                norm.weight.zero_()
                norm.bias.fill_(-1)
    explanation, masks = encoder.explain(rows(5))
    assert (explanation == 0).all()
    assert_allclose(masks.sum(2).detach(), 1, rtol=1e-5)


def test_with_gamma_one_a_feature_is_used_up():
    encoder = TabNetEncoder(6, gamma=1.0, n_steps=2)
    with torch.no_grad():
        for attention in encoder.attentions:
            attention.norm.weight.zero_()
            attention.norm.bias.copy_(torch.tensor([9.0, 5, 0, 0, 0, 0]))
    _, masks = encoder.eval().explain(rows(5))
    assert (masks[0, :, 0] == 1).all()
    assert (masks[1, :, 1] == 1).all()


@pytest.mark.parametrize(
    ("training", "lambda_sparse"), [(True, 0.0), (False, 1e-3)], ids=str
)
def test_without_training_or_lambda_there_is_no_penalty(training, lambda_sparse):
    encoder = TabNetEncoder(6, lambda_sparse=lambda_sparse).train(training)
    with collect_penalties() as penalties:
        encoder(rows())
    assert penalties == []


def test_a_penalty_is_the_mean_entropy_of_the_masks():
    encoder = TabNetEncoder(6, lambda_sparse=0.5, mask_type="entmax")
    masks = encoder.explain(rows())[1].detach()
    with collect_penalties() as penalties:
        encoder(rows())
    entropy = torch.special.entr(masks).sum(2).mean(0)
    assert_allclose(penalties[0].detach(), 0.5 * entropy, rtol=1e-4)
    penalties[0].sum().backward()
    grads = [p.grad for p in encoder.parameters() if p.grad is not None]
    assert all(g.isfinite().all() for g in grads)
    assert any((g != 0).any() for g in grads)


def test_all_normalizations_but_the_first_are_of_virtual_batches():
    encoder = TabNetEncoder(6, virtual_batch_size=7, momentum=0.3)
    norms = [m for m in encoder.modules() if isinstance(m, nn.BatchNorm1d)]
    assert norms[0] is encoder.first_norm
    assert all(isinstance(m, GhostBatchNorm1d) for m in norms[1:])
    assert {(m.virtual_batch_size, m.momentum) for m in norms[1:]} == {(7, 0.3)}
    bind_generator(encoder, torch.Generator())
    assert encoder(rows()).shape == (64, 8)
