"""What checks look through shows a training as it is."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from torchlearners import (
    DummyTorchClassifier,
    DummyTorchRegressor,
    MLPClassifier,
    MLPRegressor,
)
from torchlearners.callbacks import TimeLimit
from torchlearners.testing._probe import (
    N_FEATURES,
    outputs,
    quick,
    record,
    require_fitted,
    require_parameters,
    same_weights,
    toy,
    weights,
)

SMALL = MLPClassifier(preset="simple", hidden_layer_sizes=(8,))


class Binary(LogisticRegression):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


@pytest.mark.parametrize(
    ("learner", "n_classes"), [(MLPClassifier(preset="simple"), 3), (Binary(), 2)]
)
def test_toy_classes_take_turns(learner, n_classes):
    X, y = toy(learner, 30)
    assert X.shape == (30, N_FEATURES)
    assert y[:6].tolist() == [i % n_classes for i in range(6)]


def test_toy_classes_can_be_told_apart():
    X, y = toy(MLPClassifier(preset="simple"))
    assert LogisticRegression().fit(X, y).score(X, y) > 0.95


def test_toy_values_have_a_mean_of_about_ten():
    X, y = toy(MLPRegressor(preset="simple"), 200)
    assert X.dtype == np.float64
    assert 9 < y.mean() < 11


def test_toy_data_depend_on_the_seed_only():
    one, again, other = (
        toy(MLPClassifier(preset="simple"), seed=s)[0] for s in (1, 1, 2)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_quick_is_a_clone_with_a_seed_and_few_epochs():
    learner = quick(SMALL, lr=0.5, optimizer__eps=0.1)
    assert (learner.max_epochs, learner.random_state, learner.lr) == (3, 0, 0.5)
    assert learner.optimizer.eps == 0.1
    assert SMALL.lr == MLPClassifier(preset="simple").lr


def test_quick_asks_for_parameters_of_a_torch_learner():
    with pytest.raises(AssertionError, match="LogisticRegression has no constructor"):
        quick(LogisticRegression())


def test_what_is_missing_is_named():
    with pytest.raises(AssertionError, match=r"StandardScaler .* 'lr'"):
        require_parameters(StandardScaler(), "lr")
    with pytest.raises(AssertionError, match="StandardScaler has no attribute 'net_'"):
        require_fitted(StandardScaler(), "net_")


def test_what_is_there_is_fine():
    assert require_parameters(SMALL, "lr", "callbacks") is None
    assert require_fitted(quick(SMALL).fit(*toy(SMALL)), "net_") is None


@pytest.mark.parametrize(
    ("learner", "shape"),
    [
        (DummyTorchClassifier(), (60, 3)),
        (DummyTorchRegressor(), (60,)),
        (StandardScaler(), (60, 4)),
    ],
)
def test_outputs_are_the_finest_there_are(learner, shape):
    X, y = toy(learner if hasattr(learner, "lr") else SMALL)
    assert outputs(clone(learner).fit(X, y), X).shape == shape


def test_outputs_need_a_way_to_predict():
    with pytest.raises(AssertionError, match="object has neither predict nor"):
        outputs(object(), [[0]])


def test_weights_are_copies():
    fitted = quick(SMALL).fit(*toy(SMALL))
    weights(fitted)["linear_1.weight"].zero_()
    assert fitted.net_.module_[0].weight.any()


def test_same_weights_compares_bits():
    X, y = toy(SMALL)
    one, again = (quick(SMALL).fit(X, y) for _ in range(2))
    assert same_weights(one, again)
    with torch.no_grad():
        again.net_.module_[0].bias[0] += 1e-6
    assert not same_weights(one, again)
    assert not same_weights(one, quick(SMALL, hidden_layer_sizes=(9,)).fit(X, y))


def test_a_record_tells_batches_gradients_and_epochs():
    X, y = toy(SMALL)
    fit = {"X_val": X[:10], "y_val": y[:10]}
    fitted, recorded = record(SMALL, X, y, fit, batch_size=25, lr=0.02, max_epochs=2)
    sizes = [len(batch["y"]) for batch in recorded.train_batches]
    assert sizes == [25, 25, 10] * 2
    assert [batch["epoch"] for batch in recorded.train_batches] == [1, 1, 1, 2, 2, 2]
    assert {batch["lr"] for batch in recorded.train_batches} == {0.02}
    assert all(batch["training"] for batch in recorded.train_batches)
    assert [len(batch["X"]) for batch in recorded.valid_batches] == [10, 10]
    assert not any(batch["training"] for batch in recorded.valid_batches)
    assert len(recorded.grads) == 6
    assert recorded.grads[0].keys() == {
        n for n, _ in fitted.net_.module_.named_parameters()
    }
    assert len(recorded.epochs) == 2
    assert recorded.stages[:3] == ["on_train_begin", "on_epoch_begin", "on_batch_begin"]
    assert recorded.stages[-1] == "on_train_end"


def test_a_record_holds_the_weights_before_and_after():
    X, y = toy(SMALL)
    fitted, recorded = record(SMALL, X, y)
    now = weights(fitted)
    assert all(
        torch.equal(now[k], v) for k, v in recorded.epochs[-1]["weights"].items()
    )
    assert not torch.equal(now["linear_1.weight"], recorded.start["linear_1.weight"])


def test_a_record_stands_beside_other_callbacks():
    X, y = toy(SMALL)
    fitted, _ = record(SMALL, X, y, callbacks=[("seen", TimeLimit())])
    names = [name for name, _ in fitted.net_.callbacks_]
    assert names[:2] == ["seen", "recorder"]
