import pickle

import pytest
import torch
from sklearn.base import clone
from torch import nn

from torchlearners.training import (
    LOSSES,
    MAE,
    MSE,
    BinaryCrossEntropy,
    CrossEntropy,
    Huber,
    build_loss,
)

GENERATOR = torch.Generator().manual_seed(0)
N = 12
TARGETS = {
    "classes": torch.randint(3, (N,), generator=GENERATOR),
    "labels": torch.randint(2, (N, 3), generator=GENERATOR).float(),
    "values": torch.randn(N, 3, generator=GENERATOR),
}
OUTPUT = torch.randn(N, 3, generator=GENERATOR) * 2
TIMES = torch.randint(1, 5, (N,), generator=GENERATOR)
CLASS_SHARES = torch.tensor([1.0, 2.0, 0.5])

OURS = [
    (CrossEntropy(), "classes"),
    (CrossEntropy(label_smoothing=0.1), "classes"),
    (BinaryCrossEntropy(), "labels"),
    (MSE(), "values"),
    (MAE(), "values"),
    (Huber(), "values"),
    (Huber(delta=0.3), "values"),
]
FOREIGN = [
    (nn.CrossEntropyLoss, "classes"),
    (nn.CrossEntropyLoss(), "classes"),
    (nn.CrossEntropyLoss(label_smoothing=0.1), "classes"),
    (nn.CrossEntropyLoss(reduction="none"), "classes"),
    (nn.MultiMarginLoss(), "classes"),
    (nn.BCEWithLogitsLoss(pos_weight=CLASS_SHARES), "labels"),
    (nn.MultiLabelSoftMarginLoss(), "labels"),
    (nn.MSELoss, "values"),
    (nn.SmoothL1Loss(beta=0.3), "values"),
    (nn.L1Loss(reduction="none"), "values"),
    (lambda output, target: (output - target).abs().mean(dim=1), "values"),
    (lambda output, target: (output - target).abs(), "values"),
]
ALL = pytest.mark.parametrize(
    ("choice", "target"),
    OURS + FOREIGN,
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)


# Values


@pytest.mark.parametrize(
    ("choice", "target", "expected"),
    [
        (CrossEntropy(), "classes", nn.CrossEntropyLoss()),
        (
            CrossEntropy(label_smoothing=0.2),
            "classes",
            nn.CrossEntropyLoss(label_smoothing=0.2),
        ),
        (BinaryCrossEntropy(), "labels", nn.BCEWithLogitsLoss()),
        (MSE(), "values", nn.MSELoss()),
        (MAE(), "values", nn.L1Loss()),
        (Huber(delta=0.3), "values", nn.HuberLoss(delta=0.3)),
    ],
)
def test_a_loss_without_weights_is_torchs(choice, target, expected):
    loss = build_loss(choice, target)(OUTPUT, TARGETS[target], None)
    torch.testing.assert_close(
        loss, expected(OUTPUT, TARGETS[target]), rtol=1e-6, atol=0
    )


@pytest.mark.parametrize(("choice", "target"), OURS)
def test_the_losses_of_the_rows_average_to_the_mean(choice, target):
    rows = choice.rows(OUTPUT, TARGETS[target])
    assert rows.shape == (N,)
    torch.testing.assert_close(
        rows.mean(), choice.mean(OUTPUT, TARGETS[target]), rtol=1e-6, atol=0
    )


def test_label_smoothing_spreads_probability_over_all_classes():
    smoothed = build_loss(CrossEntropy(label_smoothing=0.3), "classes")
    log_proba = OUTPUT.log_softmax(dim=1)
    true = log_proba.gather(1, TARGETS["classes"][:, None])[:, 0]
    expected = -(0.7 * true + 0.3 * log_proba.mean(dim=1))
    torch.testing.assert_close(
        smoothed(OUTPUT, TARGETS["classes"], None), expected.mean()
    )
    weight = torch.linspace(0, 1, N)
    torch.testing.assert_close(
        smoothed(OUTPUT, TARGETS["classes"], weight),
        (expected * weight).sum() / weight.sum(),
    )


# Weights


@ALL
def test_weights_are_repetition(choice, target):
    loss = build_loss(choice, target)
    y = TARGETS[target]
    weighted = loss(OUTPUT, y, TIMES.float())
    repeated = loss(
        OUTPUT.repeat_interleave(TIMES, 0), y.repeat_interleave(TIMES, 0), None
    )
    torch.testing.assert_close(weighted, repeated, rtol=1e-6, atol=1e-6)
    assert abs(weighted - loss(OUTPUT, y, None)) > 1e-4


@ALL
@pytest.mark.parametrize("value", [1.0, 0.01, 300.0])
def test_equal_weights_are_no_weights(choice, target, value):
    loss = build_loss(choice, target)
    y = TARGETS[target]
    torch.testing.assert_close(
        loss(OUTPUT, y, torch.full((N,), value)),
        loss(OUTPUT, y, None),
        rtol=1e-6,
        atol=1e-6,
    )


@ALL
def test_a_row_of_weight_zero_has_no_gradient(choice, target):
    output = OUTPUT.clone().requires_grad_()
    weight = torch.ones(N)
    weight[3] = 0
    build_loss(choice, target)(output, TARGETS[target], weight).backward()
    assert not output.grad[3].any()
    assert output.grad[4].any()


@ALL
def test_a_loss_is_a_scalar(choice, target):
    loss = build_loss(choice, target)
    assert loss(OUTPUT, TARGETS[target], None).shape == ()
    assert loss(OUTPUT, TARGETS[target], TIMES.float()).shape == ()


def test_class_weights_of_torchs_loss_and_row_weights_are_repetition():
    loss = build_loss(nn.CrossEntropyLoss(weight=CLASS_SHARES), "classes")
    y = TARGETS["classes"]
    weighted = loss(OUTPUT, y, TIMES.float())
    repeated = loss(
        OUTPUT.repeat_interleave(TIMES, 0), y.repeat_interleave(TIMES, 0), None
    )
    torch.testing.assert_close(weighted, repeated, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "choice",
    [
        nn.MSELoss(reduction="sum"),
        lambda output, target: (output - target).square().mean(),
    ],
    ids=["sum", "mean"],
)
def test_a_loss_that_gives_one_number_takes_no_weights(choice):
    loss = build_loss(choice, "values")
    assert loss(OUTPUT, TARGETS["values"], None).shape == ()
    with pytest.raises(
        ValueError, match="row weights need one loss for each of the 12"
    ):
        loss(OUTPUT, TARGETS["values"], torch.ones(N))


def test_the_users_loss_is_left_as_it_was():
    choice = nn.CrossEntropyLoss()
    loss = build_loss(choice, "classes")
    loss(OUTPUT, TARGETS["classes"], torch.ones(N))
    assert choice.reduction == "mean"
    with pytest.raises(IndexError, match="out of bounds"):
        loss(OUTPUT, TARGETS["classes"] + 7, torch.ones(N))
    assert choice.reduction == "mean"


# Choices


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("cross_entropy", "classes"),
        ("binary_cross_entropy", "labels"),
        ("mse", "values"),
        ("mae", "values"),
        ("huber", "values"),
        ("gaussian", "values"),
        ("quantile", "values"),
    ],
)
def test_a_name_stands_for_the_loss_with_default_parameters(name, target):
    y = TARGETS[target]
    named, built = build_loss(name, target), build_loss(LOSSES[name](), target)
    output = OUTPUT.repeat_interleave(built.loss.outputs_per_value, 1)
    assert torch.equal(named(output, y, None), built(output, y, None))
    assert LOSSES[name].target == target


@pytest.mark.parametrize(
    ("choice", "target", "fitting"),
    [
        ("mse", "classes", r"\['cross_entropy'\]"),
        ("cross_entropy", "labels", r"\['binary_cross_entropy'\]"),
        (Huber(delta=2.0), "classes", r"\['cross_entropy'\]"),
        (
            "cross_entropy",
            "values",
            r"\['gamma', 'gaussian', 'huber', 'mae', 'mse', 'poisson', 'quantile', ",
        ),
    ],
)
def test_a_loss_for_another_kind_of_target_is_refused(choice, target, fitting):
    with pytest.raises(
        ValueError, match=f"but the target holds {target}. Choose one of {fitting}"
    ):
        build_loss(choice, target)


def test_an_unknown_name_gets_the_nearest_one():
    with pytest.raises(ValueError, match="loss='cross_entrpy' is unknown") as error:
        build_loss("cross_entrpy", "classes")
    assert "Did you mean 'cross_entropy'?" in str(error.value)


@pytest.mark.parametrize(
    ("choice", "target", "name"),
    [
        (Huber(delta=0.0), "values", "delta"),
        (CrossEntropy(label_smoothing=1.0), "classes", "label_smoothing"),
    ],
)
def test_a_parameter_out_of_range_is_found_when_the_loss_is_built(choice, target, name):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of"):
        build_loss(choice, target)


def test_a_built_loss_survives_clone_and_pickle():
    choice = clone(Huber(delta=0.3))
    copied = pickle.loads(pickle.dumps(choice)).build()
    assert torch.equal(
        copied(OUTPUT, TARGETS["values"]),
        Huber(delta=0.3).build()(OUTPUT, TARGETS["values"]),
    )
