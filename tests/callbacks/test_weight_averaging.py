import numpy as np
import pytest
import torch
from sklearn.datasets import make_classification

from torchlearners import MLPClassifier
from torchlearners.callbacks import Checkpoint, WeightAveraging, callback

X, y = make_classification(90, 5, random_state=0)


def learner(*callbacks, **settings):
    settings = {
        "hidden_layer_sizes": (4,),
        "lr": 0.01,
        "max_epochs": 8,
        "batch_size": 16,
        "random_state": 0,
        "early_stopping": False,
        **settings,
    }
    return MLPClassifier(preset="simple", callbacks=list(callbacks), **settings)


def flat(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()]).clone()


def trained_weights():
    """Return the weights of a plain training after each step, and each epoch."""
    steps, epochs = [], []
    note = callback(
        # Before a step the weights are those after the step before.
        on_grad_computed=lambda net, **kwargs: steps.append(flat(net.module_)),
        on_epoch_end=lambda net, **kwargs: epochs.append(flat(net.module_)),
    )
    fitted = learner(note).fit(X, y)
    return [*steps[1:], flat(fitted.net_.module_)], epochs


def assert_close(fitted, wanted):
    got = flat(fitted.net_.module_)
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_ema_per_batch_is_the_recursion():
    steps, _ = trained_weights()
    average = steps[0]
    for n, now in enumerate(steps[1:], 1):
        decay = min(0.9, (1 + n) / (10 + n))
        average = decay * average + (1 - decay) * now
    assert_close(learner(WeightAveraging(decay=0.9)).fit(X, y), average)


@pytest.mark.parametrize(("start", "first"), [(0.0, 0), (0.75, 6), (0.7, 6)])
def test_swa_per_epoch_is_the_mean_of_the_last_epochs(start, first):
    _, epochs = trained_weights()
    swa = WeightAveraging(kind="swa", every="epoch", start=start)
    assert_close(learner(swa).fit(X, y), torch.stack(epochs[first:]).mean(0))


def test_swa_per_batch_is_the_mean_of_the_last_steps():
    steps, _ = trained_weights()
    fitted = learner(WeightAveraging(kind="swa", start=0.5)).fit(X, y)
    assert_close(fitted, torch.stack(steps[len(steps) // 2 :]).mean(0))


def test_a_decay_of_zero_changes_no_bit():
    a = flat(learner().fit(X, y).net_.module_)
    b = flat(learner(WeightAveraging(decay=0.0)).fit(X, y).net_.module_)
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", ["ema", "swa"])
def test_training_itself_is_not_changed(kind):
    plain = learner().fit(X, y, X_val=X, y_val=y)
    averaged = learner(WeightAveraging(kind=kind)).fit(X, y, X_val=X, y_val=y)
    name = "train_loss"
    assert averaged.history_[:, name] == plain.history_[:, name]


def test_validation_sees_the_averages():
    after = []

    def loss(net, dataset_valid, **kwargs):
        with torch.no_grad():
            outputs = net.module_.eval()(dataset_valid.X)
            after.append(net.criterion_(outputs, dataset_valid.y, None).item())

    average = WeightAveraging(decay=0.9)
    fitted = learner(average, callback(on_epoch_end=loss)).fit(X, y, X_val=X, y_val=y)
    np.testing.assert_allclose(fitted.history_[:, "valid_loss"], after, rtol=1e-5)
    plain = learner().fit(X, y, X_val=X, y_val=y)
    assert plain.history_[1, "valid_loss"] != fitted.history_[1, "valid_loss"]


def test_early_stopping_keeps_the_best_averages():
    fitted = learner(WeightAveraging(decay=0.9), lr=0.3, max_epochs=15)
    fitted.fit(X[:45], y[:45], X_val=X[45:], y_val=y[45:])
    proba = fitted.predict_proba(X[45:])
    loss = -np.log(proba[np.arange(45), y[45:]]).mean()
    np.testing.assert_allclose(loss, fitted.best_score_, rtol=1e-4)


@pytest.mark.parametrize(
    "average",
    [
        WeightAveraging(decay=0.9),
        WeightAveraging(every="epoch", decay=0.5),
        WeightAveraging(kind="swa", start=0.5),
        WeightAveraging(kind="swa", start=0.25, every="epoch"),
    ],
)
@pytest.mark.parametrize("epoch", [1, 3, 6])
def test_a_resumed_training_is_the_straight_one_bit_for_bit(tmp_path, average, epoch):
    straight = learner(average, Checkpoint(folder=tmp_path / "a", keep=9), dropout=0.1)
    straight.fit(X, y, X_val=X, y_val=y)
    resumed = learner(average, Checkpoint(folder=tmp_path / "b"), dropout=0.1)
    source = tmp_path / "a" / f"checkpoint-{epoch:06d}.safetensors"
    resumed.fit(X, y, X_val=X, y_val=y, resume=source)
    name = "valid_loss"
    assert straight.history_[:, name] == resumed.history_[:, name]
    np.testing.assert_array_equal(
        flat(straight.net_.module_), flat(resumed.net_.module_)
    )


def test_an_interrupt_leaves_the_averages():
    def interrupt(net, **kwargs):
        if len(net.history) == 3:
            raise KeyboardInterrupt

    average = WeightAveraging(kind="swa", start=0, every="epoch")
    fitted = learner(average, callback(on_epoch_begin=interrupt))
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(X, y)
    _, epochs = trained_weights()
    assert_close(fitted, torch.stack(epochs[:2]).mean(0))


def test_no_batches_are_kept_in_the_history():
    fitted = learner(WeightAveraging()).fit(X, y)
    assert len(fitted.history_[0]["batches"]) == 1


@pytest.mark.parametrize("settings", [{"kind": "mean"}, {"decay": 1.0}, {"start": 1}])
def test_a_parameter_out_of_range_is_an_error(settings):
    with pytest.raises(ValueError, match=f"The '{next(iter(settings))}' parameter"):
        learner(WeightAveraging(**settings)).fit(X, y)
