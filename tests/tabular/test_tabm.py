import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from rtdl_num_embeddings import PiecewiseLinearEmbeddings
from scipy.stats import norm
from sklearn.base import clone
from sklearn.datasets import load_iris, load_wine
from sklearn.metrics import accuracy_score, mean_pinball_loss, mean_squared_error
from skorch.callbacks import EpochScoring
from tabm import TabM
from torch import nn
from torch.nn import functional as F

from torchlearners import TabMClassifier, TabMRegressor
from torchlearners.callbacks import Checkpoint, WeightAveraging, checkpoints
from torchlearners.data import DataSpec
from torchlearners.nn import (
    BatchEnsembleLinear,
    OneHotEmbedding,
    PiecewiseLinearEncoding,
    ScaleEnsemble,
)

SMALL = {
    "k": 4,
    "width": 16,
    "n_bins": 8,
    "d_embedding": 4,
    "max_epochs": 3,
    "random_state": 0,
}


def part(learner, kind):
    module = getattr(learner, "net_", None)
    parts = (module.module_ if module else learner).modules()
    return next(m for m in parts if isinstance(m, kind))


def values(n_rows=60):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(n_rows, 3))
    return X, 100 + 10 * np.c_[X[:, 0], X[:, 1] * X[:, 2]]


def ours_like(theirs, mini):
    """Yield their tensors in the order of our parameters."""
    if theirs.num_module is not None:
        # Theirs are (n_features, n_bins, d_embedding) as ours.
        yield theirs.num_module.linear.weight
        yield theirs.num_module.linear0.weight
        yield theirs.num_module.linear0.bias
    if mini:
        yield theirs.backbone.affine.weight
    for block in theirs.backbone.blocks:
        linear = block[0]
        names = ("weight", "bias") if mini else ("weight", "r", "s", "bias")
        yield from (getattr(linear, name) for name in names)
    yield from (theirs.output.weight, theirs.output.bias)


@pytest.mark.parametrize("arch", ["tabm", "tabm-mini"])
@pytest.mark.parametrize("embeddings", ["ple", None])
def test_the_members_are_those_of_the_published_package(arch, embeddings):
    learner = TabMRegressor(arch=arch, num_embeddings=embeddings, **SMALL)
    X = torch.randn(300, 3)
    ours = learner.build_module(DataSpec(n_numeric=3, n_outputs=2)).eval()
    theirs_first = None
    if embeddings:
        encoding = part(ours, PiecewiseLinearEncoding)
        encoding.fit_to(X)
        theirs_first = PiecewiseLinearEmbeddings(
            list(encoding.edges), 4, activation=False, version="B"
        )
    theirs = TabM.make(
        n_num_features=3,
        d_out=2,
        k=4,
        n_blocks=2,
        d_block=16,
        arch_type=arch,
        num_embeddings=theirs_first,
    ).eval()
    found = []
    ours.members.register_forward_hook(lambda *args: found.append(args[-1]))
    with torch.no_grad():
        for p in theirs.parameters():
            p.add_(0.3 * torch.randn_like(p))
        tensors = list(ours_like(theirs, arch == "tabm-mini"))
        for a, b in zip(ours.parameters(), tensors, strict=True):
            a.copy_(b)
        assert_allclose(ours(X), theirs(X).mean(1), rtol=1e-5, atol=1e-5)
        assert_allclose(found[0], theirs(X), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("arch", ["tabm", "tabm-mini"])
def test_members_start_with_one_random_scaling_for_each_feature(arch):
    spec = DataSpec(n_numeric=2, n_outputs=1, cardinalities=(2, 10))
    kind = ScaleEnsemble if arch == "tabm-mini" else BatchEnsembleLinear
    name = "weight" if arch == "tabm-mini" else "r"
    module = TabMRegressor(arch=arch, **SMALL).build_module(spec)
    scaling = getattr(part(module, kind), name).detach().numpy()
    widths = [
        4,
        4,
        *part(module, OneHotEmbedding).widths,
    ]
    starts = np.cumsum([0, *widths[:-1]])
    assert_array_equal(scaling, np.repeat(scaling[:, starts], widths, axis=1))
    assert len(np.unique(scaling)) == 4 * 4
    plain = TabMRegressor(arch=arch, num_embeddings=None, **SMALL).build_module(spec)
    signs = getattr(part(plain, kind), name).detach().numpy()
    assert set(np.unique(signs)) == {-1, 1}


def test_the_loss_is_the_mean_of_the_losses_of_the_members():
    X, y = values()
    learner = TabMRegressor(
        **{**SMALL, "lr": 1e-12, "max_epochs": 1, "dropout": 0.0, "batch_size": 60}
    ).fit(X, y)
    members = learner.predict_members(X)
    scale = y.std(axis=0)
    apart = np.mean(((members - y[:, None]) / scale) ** 2)
    together = np.mean(((members.mean(1) - y) / scale) ** 2)
    assert_allclose(learner.history_[-1]["train_loss"], apart, rtol=1e-4)
    assert abs(apart - together) > 1e-3 * apart


@pytest.mark.parametrize("weighted", [False, True])
def test_a_gradient_is_that_of_each_member_with_the_weights_of_its_rows(weighted):
    X, y = load_iris(return_X_y=True)
    net = TabMClassifier(**SMALL).fit(X, y).net_
    rows = torch.randn(6, 4)
    codes = torch.tensor([0, 1, 2, 0, 1, 2])
    weight = torch.arange(1.0, 7.0) if weighted else None
    net.module_.train()
    generator = net.generator.get_state()
    loss, outputs = net._train_forward(rows, codes, weight)
    net.generator.set_state(generator)
    members = net.module_(rows)
    by_row = torch.stack(
        [F.cross_entropy(m, codes, reduction="none") for m in members.unbind(1)]
    )
    shares = torch.ones(6) if weight is None else weight
    assert_allclose(
        loss.item(), ((by_row * shares).sum(1) / shares.sum()).mean().item(), rtol=1e-5
    )
    assert_allclose(
        outputs.softmax(1), members.softmax(2).mean(1).detach(), rtol=1e-4, atol=1e-6
    )


def test_probabilities_are_the_mean_of_the_members_probabilities():
    X, y = load_iris(return_X_y=True)
    learner = TabMClassifier(**SMALL).fit(X, y)
    members = learner.predict_members(X)
    assert members.shape == (150, 4, 3)
    assert_allclose(members.mean(1), learner.predict_proba(X), rtol=1e-4, atol=1e-6)
    assert_allclose(members.sum(2), 1, rtol=1e-6)
    assert np.ptp(members, axis=1).max() > 1e-3


def test_probabilities_of_labels_are_means_too():
    X, y = load_iris(return_X_y=True)
    learner = TabMClassifier(**SMALL).fit(X, np.c_[y > 0, y > 1].astype(int))
    assert_allclose(
        learner.predict_members(X).mean(1), learner.predict_proba(X), rtol=1e-4
    )


@pytest.mark.parametrize("columns", [slice(None), 0])
def test_values_are_means_and_their_spread_is_the_standard_deviation(columns):
    X, y = values()
    learner = TabMRegressor(**SMALL).fit(X, y[:, columns])
    members = learner.predict_members(X)
    prediction, std = learner.predict(X), learner.predict_std(X)
    assert std.shape == prediction.shape == y[:, columns].shape
    assert_allclose(members.mean(1).reshape(prediction.shape), prediction, rtol=1e-5)
    assert_allclose(members.std(1).reshape(std.shape), std)


def test_measures_and_early_stopping_see_what_predict_gives():
    X, y = load_iris(return_X_y=True)
    learner = TabMClassifier(
        **SMALL,
        measures_valid=["accuracy", "neg_log_loss"],
        measures_train="accuracy",
        callbacks=[EpochScoring("accuracy", on_train=True, name="batches")],
        restore_best=False,
    ).fit(X, y, X_val=X[::3], y_val=y[::3])
    last = learner.history_[-1]
    assert last["valid_accuracy"] == learner.score(X[::3], y[::3])
    assert last["train_accuracy"] == learner.score(X, y)
    assert 0 <= last["batches"] <= 1
    proba = learner.predict_proba(X[::3])
    log_loss = -np.log(proba[np.arange(50), y[::3]]).mean()
    assert_allclose(last["valid_loss"], log_loss, rtol=1e-5)
    assert_allclose(last["valid_neg_log_loss"], -log_loss, rtol=1e-5)


def test_bins_are_quantiles_of_the_scaled_training_rows_and_persist():
    X, y = values()
    learner = TabMRegressor(**SMALL).fit(X, y)
    edges = part(learner, PiecewiseLinearEncoding).edges.numpy()
    scaled = (X - X.mean(0)) / X.std(0)
    assert_allclose(edges[:, 0], scaled.min(0), rtol=1e-5)
    assert_allclose(edges[:, -1], scaled.max(0), rtol=1e-5)
    again = pickle.loads(pickle.dumps(learner))
    assert_array_equal(part(again, PiecewiseLinearEncoding).edges.numpy(), edges)
    assert_array_equal(again.predict(X), learner.predict(X))
    learner.set_params(warm_start=True).fit(X * 3, y)
    assert_array_equal(part(learner, PiecewiseLinearEncoding).edges.numpy(), edges)


def test_biases_do_not_decay():
    X, y = values()
    learner = TabMRegressor(**SMALL).fit(X, y)
    decayed, rest = learner.net_.optimizer_.param_groups
    biases = {
        id(p) for n, p in learner.net_.module_.named_parameters() if n.endswith("bias")
    }
    assert {id(p) for p in rest["params"]} == biases
    assert (decayed["weight_decay"], rest["weight_decay"]) == (3e-4, 0.0)


def weights(learner):
    return torch.cat([p.detach().flatten() for p in learner.net_.module_.parameters()])


def test_weights_are_an_exponential_moving_average():
    X, y = values()
    learner = TabMRegressor(**SMALL, batch_size=8, ema_decay=0.9)
    found = weights(clone(learner).fit(X, y))
    learner.set_params(ema_decay=None)
    assert not torch.equal(found, weights(clone(learner).fit(X, y)))
    learner.set_params(callbacks=[WeightAveraging(decay=0.9)])
    assert torch.equal(found, weights(learner.fit(X, y)))


def test_averages_that_the_user_asks_for_replace_the_learners():
    X, y = values()
    swa = WeightAveraging(kind="swa", start=0.0)
    learner = TabMRegressor(**SMALL, callbacks=[swa]).fit(X, y)
    (found,) = [c for _, c in learner.net_.callbacks_ if isinstance(c, WeightAveraging)]
    assert found.kind == "swa"
    learner.set_params(ema_decay=None)
    assert torch.equal(weights(learner), weights(clone(learner).fit(X, y)))


def test_partial_fit_takes_the_weights_themselves():
    X, y = values()
    learner = TabMRegressor(**SMALL, batch_size=8).partial_fit(X, y)
    plain = TabMRegressor(**SMALL, batch_size=8, ema_decay=None).partial_fit(X, y)
    assert torch.equal(weights(learner), weights(plain))


def test_a_resumed_training_has_the_same_averages(tmp_path):
    X, y = values()
    learner = TabMRegressor(**SMALL, batch_size=8)
    one, two = (Checkpoint(folder=tmp_path / name, keep=9) for name in ("one", "two"))
    whole = clone(learner).set_params(callbacks=[one]).fit(X, y)
    path = checkpoints(tmp_path / "one")[1]
    resumed = clone(learner).set_params(callbacks=[two]).fit(X, y, resume=path)
    assert torch.equal(weights(resumed), weights(whole))


def test_the_classifier_is_accurate_with_its_defaults():
    X, y = load_wine(return_X_y=True)
    learner = TabMClassifier(random_state=0).fit(X[::2], y[::2])
    assert accuracy_score(y[1::2], learner.predict(X[1::2])) > 0.95


def test_the_ensemble_is_better_than_its_mean_member():
    X, y = values(400)
    learner = TabMRegressor(**{**SMALL, "max_epochs": 30}).fit(X[::2], y[::2])
    members = learner.predict_members(X[1::2]).transpose(1, 0, 2)
    alone = np.mean([mean_squared_error(y[1::2], m) for m in members])
    assert mean_squared_error(y[1::2], learner.predict(X[1::2])) < alone


def test_a_member_has_a_head_of_its_own():
    X, y = values()
    learner = TabMRegressor(**SMALL, arch="tabm").fit(X, y)
    heads = learner.net_.module_.members
    assert heads.weight.shape == (4, 16, 2)
    assert not any(isinstance(m, nn.Linear) for m in learner.net_.module_.modules())


# Distributions


PLAIN = {**SMALL, "num_embeddings": None, "max_epochs": 10}


def test_the_deviation_of_normal_members_is_that_of_their_mixture():
    X, Y = values()
    learner = TabMRegressor(**PLAIN, loss="gaussian").fit(X, Y)
    outputs = learner.intermediate(X, "members").astype(np.float64)
    scale = learner._target.scale
    means = outputs[..., ::2] * scale + learner._target.center
    stds = (1e-3 + np.logaddexp(0, outputs[..., 1::2])) * scale
    variance = (stds**2).mean(axis=1) + means.var(axis=1)
    assert_allclose(learner.predict_members(X), means, rtol=1e-6)
    assert_allclose(learner.predict(X), means.mean(axis=1), rtol=1e-6)
    assert_allclose(learner.predict_std(X), np.sqrt(variance), rtol=1e-5)
    assert (learner.predict_std(X) > means.std(axis=1)).all()
    median, upper = np.moveaxis(learner.predict_quantiles(X, [0.5, 0.8413447]), -1, 0)
    assert_allclose(median, learner.predict(X), rtol=1e-6)
    assert_allclose(upper - median, learner.predict_std(X), rtol=1e-5)


def test_quantiles_are_the_means_of_the_members_quantiles():
    X, Y = values()
    learner = TabMRegressor(**PLAIN, loss="quantile").fit(X, Y)
    outputs = learner.intermediate(X, "members").astype(np.float64)
    by_member = np.sort(outputs.reshape(60, 4, 2, 5))
    expected = by_member.mean(axis=1) * learner._target.scale[:, None]
    expected += learner._target.center[:, None]
    found = learner.predict_quantiles(X)
    assert_allclose(found, expected, rtol=1e-6)
    assert_allclose(learner.predict(X), expected[..., 2], rtol=1e-6)
    members = learner.predict_members(X)
    assert members.shape == (60, 4, 2)
    assert_allclose(members.mean(axis=1), learner.predict(X), rtol=1e-6)
    # Without a deviation of y, that of the members.
    assert_allclose(learner.predict_std(X), members.std(axis=1))


@pytest.mark.parametrize("loss", ["quantile", "gaussian"])
def test_each_member_has_a_loss_of_distributions_of_its_own(loss):
    X, Y = values()
    settings = {**PLAIN, "max_epochs": 1, "dropout": 0.0, "lr": 1e-12}
    learner = TabMRegressor(**settings, loss=loss).fit(X, Y)
    target = learner._target.tensor(learner._target.codes(Y))
    outputs = torch.as_tensor(learner.intermediate(X, "members"))
    criterion = learner.net_.criterion_
    each = [criterion(outputs[:, i], target).item() for i in range(4)]
    assert_allclose(learner.history_[0]["train_loss"], np.mean(each), rtol=1e-5)


@pytest.mark.parametrize("loss", ["quantile", "gaussian"])
def test_the_validation_loss_is_that_of_the_joined_members(loss):
    X, Y = values(120)
    learner = TabMRegressor(**PLAIN, loss=loss, early_stopping=False)
    learner.fit(X[:60], Y[:60], X_val=X[60:], y_val=Y[60:])
    scale = learner._target.scale
    if loss == "gaussian":
        std = learner.predict_std(X[60:])
        losses = -norm(learner.predict(X[60:]), std).logpdf(Y[60:]) - np.log(scale)
        expected = losses.mean()
    else:
        found = learner.predict_quantiles(X[60:])
        expected = np.mean(
            [
                mean_pinball_loss(Y[60:, i], found[:, i, j], alpha=alpha) / scale[i]
                for i in range(2)
                for j, alpha in enumerate((0.05, 0.25, 0.5, 0.75, 0.95))
            ]
        )
    assert_allclose(learner.history_[-1]["valid_loss"], expected, rtol=1e-4)


# Sizes by the number of training rows


@pytest.mark.parametrize(("n_rows", "width"), [(None, 256), (4999, 256), (5000, 128)])
def test_few_rows_get_more_units(n_rows, width):
    spec = DataSpec(n_numeric=3, n_outputs=2, n_rows=n_rows)
    module = TabMClassifier().build_module(spec)
    assert module.members.weight.shape == (16, width, 2)


def test_sizes_that_are_given_hold_for_any_number_of_rows():
    learner = TabMClassifier(arch="tabm", width=8, k=2, batch_size=7)
    for n_rows in (10, 10_000):
        spec = DataSpec(n_numeric=3, n_outputs=2, n_rows=n_rows)
        assert learner.build_module(spec).members.weight.shape == (2, 8, 2)
        assert learner._batch_size(n_rows) == 7


def test_batches_grow_with_the_rows():
    sizes = [200, 2800, 2801, 4500, 6400, 32_000, 32_001]
    found = [TabMClassifier()._batch_size(n) for n in sizes]
    assert found == [200, 32, 64, 64, 128, 256, 512]


def test_the_sizes_of_the_first_fit_stay(monkeypatch):
    monkeypatch.setattr("torchlearners.tabular._tabm._FEW_ROWS", 50)
    X, y = values()
    parts = {k: v for k, v in SMALL.items() if k != "width"}
    learner = TabMRegressor(**parts, early_stopping=False).partial_fit(X, y)
    width = learner.net_.module_.members.weight.shape[1]
    assert width == 128
    learner.partial_fit(X[:30], y[:30])
    again = pickle.loads(pickle.dumps(learner))
    assert again.net_.module_.members.weight.shape[1] == width
    assert_array_equal(again.predict(X), learner.predict(X))
    fresh = TabMRegressor(**parts, early_stopping=False).fit(X[:30], y[:30])
    assert fresh.net_.module_.members.weight.shape[1] == 256
