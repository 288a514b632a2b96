import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.linear_model import PoissonRegressor
from sklearn.metrics import (
    mean_gamma_deviance,
    mean_poisson_deviance,
    mean_tweedie_deviance,
)
from torch import nn
from torch.nn import functional as F

from torchlearners import DummyTorchRegressor, MLPRegressor, TabMRegressor
from torchlearners.custom import ModuleRegressor
from torchlearners.training import Gamma, Poisson, Tweedie, build_loss

GENERATOR = torch.Generator().manual_seed(0)
OUTPUT = torch.randn(40, 2, generator=GENERATOR, dtype=torch.float64)
OTHER = torch.randn(40, 2, generator=GENERATOR, dtype=torch.float64)
Y = torch.rand(40, 2, generator=GENERATOR, dtype=torch.float64) + 0.1
WEIGHT = torch.rand(40, generator=GENERATOR, dtype=torch.float64)
DEVIANCES = [
    (Poisson(), mean_poisson_deviance),
    (Gamma(), mean_gamma_deviance),
    *((Tweedie(power=p), p) for p in (1, 1.1, 1.5, 1.9, 2, 2.5, 3)),
]
LOSSES = [loss for loss, _ in DEVIANCES]


def deviance(of, outputs, weight=None):
    y = Y.numpy()
    mean = np.exp(outputs.numpy())
    kwargs = {} if callable(of) else {"power": of}
    of = of if callable(of) else mean_tweedie_deviance
    columns = [
        of(y[:, i], mean[:, i], sample_weight=weight, **kwargs) for i in range(2)
    ]
    return np.mean(columns)


@pytest.mark.parametrize(
    ("loss", "of"), DEVIANCES, ids=lambda v: getattr(v, "__name__", repr(v))
)
def test_the_loss_is_half_of_scikit_learns_deviance_up_to_what_y_alone_says(loss, of):
    criterion = loss.build()
    for weight in (None, WEIGHT):
        found = criterion(OUTPUT, Y, weight) - criterion(OTHER, Y, weight)
        w = None if weight is None else weight.numpy()
        expected = deviance(of, OUTPUT, w) - deviance(of, OTHER, w)
        assert_allclose(2 * found.item(), expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("one", "other"), [(Poisson(), Tweedie(power=1)), (Gamma(), Tweedie(power=2))]
)
def test_poisson_and_gamma_are_powers_of_tweedie(one, other):
    assert torch.equal(one.build()(OUTPUT, Y), other.build()(OUTPUT, Y))
    assert one.domain == other.domain


def test_the_poisson_loss_is_that_of_torch_up_to_a_constant():
    theirs = nn.PoissonNLLLoss()(OUTPUT, Y)
    assert_allclose(Poisson().build()(OUTPUT, Y) + 1, theirs, rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_what_is_predicted_is_the_mean_also_of_members(loss):
    points = loss.read_points(OUTPUT.numpy())
    assert_allclose(points, np.exp(OUTPUT.numpy()), rtol=1e-12)
    joined = loss.join_members(torch.stack([OUTPUT, OTHER], dim=1))
    each = [loss.read_points(x.numpy()) for x in (OUTPUT, OTHER)]
    assert_allclose(loss.read_points(joined.numpy()), np.mean(each, axis=0), rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("size", [-1e4, -30, 30, 1e4])
def test_extreme_outputs_have_finite_losses_gradients_and_means(loss, size):
    output = torch.full((3, 1), float(size), requires_grad=True)
    value = loss.build()(output, torch.tensor([[0.5], [1.0], [9.0]]))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(output.grad).all()
    mean = loss.read_points(output.detach().numpy())
    assert np.isfinite(mean).all()
    assert (mean > 0).all()


@pytest.mark.parametrize("power", [0, 0.9, 3.1, "1.5", None])
def test_powers_without_a_log_link_are_refused(power):
    with pytest.raises(ValueError, match="The 'power' parameter of Tweedie"):
        MLPRegressor(loss=Tweedie(power=power)).fit([[0.0], [1.0]], [1.0, 2.0])


# In learners


def counts(n_rows=300):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(n_rows, 3))
    return X, rng.poisson(np.exp(X @ [0.5, -0.3, 0.0] + 1.0)).astype(float)


def linear(loss, **params):
    given = {
        "optimizer": "lbfgs",
        "lr": 1.0,
        "batch_size": 1000,
        "max_epochs": 5,
        "early_stopping": False,
        "random_state": 0,
    }
    return ModuleRegressor(
        module=lambda spec: nn.Linear(spec.n_numeric, spec.n_outputs),
        loss=loss,
        **{**given, **params},
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_a_linear_network_finds_what_scikit_learns_poisson_regressor_does(weighted):
    X, y = counts()
    weight = np.random.RandomState(1).uniform(0.1, 3, size=len(y)) if weighted else None
    theirs = PoissonRegressor(alpha=0, tol=1e-8).fit(X, y, sample_weight=weight)
    found = linear("poisson").fit(X, y, sample_weight=weight).predict(X)
    assert_allclose(found, theirs.predict(X), rtol=1e-3)


@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie"])
def test_a_constant_is_the_mean_of_y_and_a_network_does_better(loss):
    X, y = counts()
    y = 1e4 * (y + 1)
    settings = {"early_stopping": False, "lr": 0.03, "batch_size": 300}
    learner = DummyTorchRegressor(loss=loss, random_state=0, **settings)
    assert_allclose(learner.fit(X, y).predict(X), y.mean(), rtol=1e-3)
    fitted = MLPRegressor(loss=loss, preset="simple", max_epochs=30, random_state=0)
    assert fitted.fit(X, y).score(X, y) > 0.2


@pytest.mark.parametrize("loss", ["poisson", Gamma(), Tweedie(power=1.2)], ids=repr)
def test_several_targets_have_a_mean_of_their_own(loss):
    X, y = counts(100)
    Y = np.column_stack([y + 1, 1e6 * (y[::-1] + 1)])
    learner = TabMRegressor(loss=loss, k=2, width=8, max_epochs=2, random_state=0)
    predicted = learner.fit(X, Y).predict(X)
    assert predicted.shape == Y.shape
    assert (predicted > 0).all()
    assert_allclose(predicted.mean(axis=0), Y.mean(axis=0), rtol=0.2)
    members = learner.predict_members(X)
    assert_allclose(predicted, members.mean(axis=1), rtol=1e-5)


@pytest.mark.parametrize(
    ("loss", "bad", "wanted"),
    [
        ("poisson", -1.0, "at least 0"),
        ("tweedie", -1.0, "at least 0"),
        ("gamma", -1.0, "above 0"),
        ("gamma", 0.0, "above 0"),
        (Tweedie(power=2.5), 0.0, "above 0"),
    ],
    ids=repr,
)
def test_values_that_the_distribution_cannot_have_are_refused(loss, bad, wanted):
    X, y = counts(50)
    y += 1
    y[7] = bad
    said = f"y is {bad:g} in row 7, and all must be {wanted}.* choose another loss"
    with pytest.raises(ValueError, match=f"out of the valid range of the loss: {said}"):
        MLPRegressor(loss=loss).fit(X, y)
    with pytest.raises(ValueError, match=f"y_val is {bad:g} in row 7"):
        MLPRegressor(loss=loss, max_epochs=1).fit(X, y**2 + 1, X_val=X, y_val=y)


def test_no_fit_goes_on_with_a_loss_for_other_values():
    X, y = counts(50)
    learner = linear("mse", max_epochs=1, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="loss='poisson' is for other values of y"):
        learner.set_params(loss="poisson").fit(X, y)


@pytest.mark.parametrize(
    ("loss", "remedy"),
    [
        (nn.PoissonNLLLoss(), "poisson"),
        (nn.PoissonNLLLoss, "poisson"),
        (F.poisson_nll_loss, "poisson"),
        (nn.GaussianNLLLoss(), "gaussian"),
        (nn.KLDivLoss(), "cross_entropy"),
        (nn.BCELoss(), "binary_cross_entropy"),
        (nn.SoftMarginLoss(), "binary_cross_entropy"),
        (nn.HingeEmbeddingLoss(), "binary_cross_entropy"),
    ],
)
@pytest.mark.parametrize("target", ["values", "labels"])
def test_losses_of_torch_whose_outputs_are_read_otherwise_are_refused(
    loss, remedy, target
):
    with pytest.raises(ValueError, match=f'it wants .* take loss="{remedy}"'):
        build_loss(loss, target)
