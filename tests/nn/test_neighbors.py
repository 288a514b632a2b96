import copy

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from torchlearners.nn import SoftNearestNeighbors, bind_generator, random_numbers_from

N, COLUMNS, OUTPUTS = 37, 3, 2


def net(target="values", encoder=None, **settings):
    encoder = nn.Identity() if encoder is None else encoder
    module = SoftNearestNeighbors(
        encoder, COLUMNS, OUTPUTS, target=target, **{"sample_rate": 1.0, **settings}
    )
    return bound(module)


def linear(n_in, n_out):
    with random_numbers_from(torch.Generator().manual_seed(1)):
        return nn.Linear(n_in, n_out)


def bound(module):
    bind_generator(module, torch.Generator().manual_seed(0))
    return module


def candidates(n=N, target="values", dtype=torch.float32):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(n, COLUMNS))
    codes = rng.randint(OUTPUTS, size=n)
    y = {
        "values": rng.normal(size=(n, OUTPUTS)),
        "classes": codes,
        "labels": rng.randint(2, size=(n, OUTPUTS)),
    }[target]
    kind = torch.int64 if target == "classes" else dtype
    return torch.as_tensor(X, dtype=dtype), torch.as_tensor(y, dtype=kind)


def numbered(X, numbers=None):
    numbers = torch.arange(len(X)) if numbers is None else torch.as_tensor(numbers)
    return torch.cat((X, numbers.unsqueeze(1)), 1)


def by_hand(queries, keys, y, weight=None, own=None, temperature=1.0):
    """Compute the definition in float64, row by row."""
    weight = np.ones(len(keys)) if weight is None else weight
    found = []
    for i, query in enumerate(queries):
        share = weight * np.exp(-np.linalg.norm(query - keys, axis=1) / temperature)
        if own is not None:
            share[own[i]] = 0
        found.append(share @ y / share.sum())
    return np.array(found)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("temperature", [0.3, 1.0])
def test_the_mean_is_the_one_of_the_formula(training, weighted, temperature):
    X, y = candidates()
    weight = torch.linspace(0.1, 2, N) if weighted else None
    module = net(temperature=temperature, chunk_size=10).train(training)
    module.set_candidates(X, y, weight)
    expected = by_hand(
        X.double().numpy(),
        X.double().numpy(),
        y.double().numpy(),
        None if weight is None else weight.double().numpy(),
        range(N) if training else None,
        temperature,
    )
    assert_allclose(module(numbered(X)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("target", ["classes", "labels"])
def test_logits_are_those_of_the_shares_of_classes_and_labels(target):
    X, y = candidates(target=target)
    module = net(target).eval()
    module.set_candidates(X, y)
    points = X.double().numpy()
    values = np.eye(OUTPUTS)[y.numpy()] if target == "classes" else y.double().numpy()
    shares = by_hand(points, points, values)
    outputs = module(X)
    found = outputs.softmax(1) if target == "classes" else outputs.sigmoid()
    assert_allclose(found, shares, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("chunk_size", [1, 7, 36, 37, 1000])
def test_the_chunk_size_changes_rounding_only(chunk_size):
    X, y = candidates()
    whole = net(encoder=linear(3, 5))
    cut = copy.deepcopy(whole)
    cut.chunk_size = chunk_size
    grads, outputs = [], []
    for module in (whole, bound(cut)):
        module.set_candidates(X, y)
        out = module(numbered(X))
        out.square().sum().backward()
        outputs.append(out.detach())
        grads.append(module.encoder.weight.grad)
    assert_allclose(*outputs, rtol=1e-4, atol=1e-5)
    assert_allclose(*grads, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_are_those_of_the_formula(weighted):
    X, y = candidates(12, dtype=torch.float64)
    weight = torch.linspace(0.1, 2, 12).double() if weighted else None
    encoder = linear(3, 4).double()
    module = net(encoder=encoder, chunk_size=5, temperature=0.7).double()
    module.set_candidates(X, y, weight)
    module(numbered(X)).sin().sum().backward()
    found = encoder.weight.grad.clone()
    encoder.weight.grad = None
    points = encoder(X)
    apart = (points.unsqueeze(1) - points).square().sum(2)
    mask = torch.eye(12, dtype=torch.bool)
    scores = -apart.masked_fill(mask, 1).sqrt() / 0.7
    if weighted:
        scores = scores + weight.log()
    share = scores.masked_fill(mask, -torch.inf).softmax(1)
    (share @ y).sin().sum().backward()
    assert_allclose(found, encoder.weight.grad, rtol=1e-3, atol=1e-6)


def test_equal_points_give_finite_gradients_and_have_distance_zero():
    X, y = candidates(8)
    X = X[:1].expand(8, -1) * 1000
    module = net(encoder=linear(3, 4))
    module.set_candidates(X, y)
    out = module(numbered(X))
    out.sum().backward()
    assert module.encoder.weight.grad.isfinite().all()
    others = (y.sum(0) - y) / 7
    assert_allclose(out.detach(), others, rtol=1e-4, atol=1e-5)


def test_a_row_far_from_all_candidates_is_predicted_from_the_nearest():
    module = net().eval()
    X, y = candidates()
    module.set_candidates(X, y)
    far = torch.tensor([[1e6, 0.0, 0.0]])
    assert module(far).isfinite().all()
    near = net(temperature=1e-4).eval()
    near.set_candidates(X, y)
    assert_array_equal(near(X), y)


@pytest.mark.parametrize("target", ["values", "classes", "labels"])
def test_without_a_candidate_nothing_is_preferred(target):
    module = net(target).eval()
    empty = module(torch.zeros(2, COLUMNS))
    assert empty.unique().numel() == 1
    X, y = candidates(1, target)
    module.set_candidates(X, y)
    alone = module.train()(numbered(X))
    assert alone.isfinite().all()
    assert alone.unique().numel() == 1


def test_only_the_row_itself_is_left_out_and_not_its_equals():
    X, y = candidates(4)
    X[1] = X[0]
    module = net(temperature=0.01)
    module.set_candidates(X, y)
    out = module(numbered(X[:1]))
    assert_allclose(out[0], y[1], rtol=1e-4)
    nobody = module(numbered(X[:1], [-1]))
    assert_allclose(nobody[0], (y[0] + y[1]) / 2, rtol=1e-4)


def test_in_evaluation_mode_every_candidate_counts():
    X, y = candidates()
    module = net(sample_rate=0.1).eval()
    module.set_candidates(X, y)
    assert_array_equal(module(numbered(X)), module(X))
    points = X.double().numpy()
    expected = by_hand(points, points, y.double().numpy())
    assert_allclose(module(X), expected, rtol=1e-4, atol=1e-5)


def test_weights_are_repetition():
    X, y = candidates()
    weight = torch.arange(N) % 3 + 1
    weighted, repeated = net().eval(), net().eval()
    weighted.set_candidates(X, y, weight)
    repeated.set_candidates(
        X.repeat_interleave(weight, 0), y.repeat_interleave(weight, 0)
    )
    queries = candidates(20)[0] + 0.1
    assert_allclose(weighted(queries), repeated(queries), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"sample_rate": 0.25}, 9),
        ({"sample_rate": 1.0, "max_candidates": 5}, 5),
        ({"sample_rate": 0.001}, 1),
        ({"sample_rate": 1.0}, 37),
    ],
)
def test_a_batch_looks_at_a_sample_of_the_candidates(settings, expected):
    X, y = candidates()
    module = net(**settings)
    module.set_candidates(X, y)
    first, second = module._sample(), module._sample()
    assert len(first) == len(first.unique()) == expected
    assert torch.equal(first, second) == (expected == N)


def test_the_sample_follows_the_generator():
    X, y = candidates()
    one, two = net(sample_rate=0.5), net(sample_rate=0.5)
    for module in (one, two):
        module.set_candidates(X, y)
    state = torch.get_rng_state()
    assert_array_equal(one(numbered(X)), two(numbered(X)))
    assert torch.equal(torch.get_rng_state(), state)


def change_by_step(module):
    module.train()
    with torch.no_grad():
        torch._fused_adamw_(
            [module.encoder.weight],
            [torch.ones(5, 3)],
            [torch.zeros(5, 3)],
            [torch.zeros(5, 3)],
            [],
            [torch.ones(())],
            lr=0.1,
            beta1=0.9,
            beta2=0.99,
            weight_decay=0.0,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )
    module.eval()


def change_in_place(module):
    with torch.no_grad():
        module.encoder.weight += 1


def change_by_loading(module):
    module.load_state_dict({k: v + 1 for k, v in module.state_dict().items()})


def change_data(module):
    module.encoder.weight.data = module.encoder.weight.data + 1


def change_candidates(module):
    X, y = candidates(11)
    module.set_candidates(X + 1, y)


@pytest.mark.parametrize(
    "change",
    [
        change_by_step,
        change_in_place,
        change_by_loading,
        change_data,
        change_candidates,
    ],
)
def test_points_of_candidates_are_kept_until_something_changes(change):
    X, y = candidates()
    module = net(encoder=linear(3, 5)).eval()
    module.set_candidates(X, y)
    with torch.inference_mode():
        module(X)
        kept = module._encoded()
        assert module._encoded() is kept
    change(module)
    fresh = net(encoder=copy.deepcopy(module.encoder)).eval()
    rows = module.candidates()
    fresh.set_candidates(**rows)
    assert_array_equal(module(X).detach(), fresh(X).detach())


def test_inputs_get_gradients_after_a_pass_in_inference_mode():
    X, y = candidates()
    module = net(encoder=linear(3, 5)).eval()
    module.set_candidates(X, y)
    with torch.inference_mode():
        module(X)
    x = X.clone().requires_grad_()
    module(x + 0.1).sum().backward()
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize("target", ["values", "classes", "labels"])
def test_candidates_can_be_taken_out_and_put_in_again(target):
    X, y = candidates(target=target)
    weight = torch.linspace(0.1, 2, N)
    one, two = net(target).eval(), net(target).eval()
    one.set_candidates(X, y, weight)
    two.set_candidates(**one.candidates())
    assert_array_equal(one(X), two(X))
    assert one.candidates()["target"].dtype == y.dtype
    assert not one.state_dict()


def test_too_many_candidates_are_refused():
    module = SoftNearestNeighbors(nn.Identity(), 1, 1)
    rows = torch.zeros(1, 1).expand(2**24 + 1, 1)
    with pytest.raises(ValueError, match="16777217 candidates"):
        module.set_candidates(rows, rows)


@pytest.mark.parametrize(
    "wrong",
    [
        {"target": "numbers"},
        {"temperature": 0},
        {"sample_rate": 0.0},
        {"sample_rate": 1.5},
        {"max_candidates": 0},
        {"chunk_size": 0},
    ],
)
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        net(**wrong)
