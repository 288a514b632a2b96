"""Checks that a learner learns, and that what it predicts follows from its network."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from sklearn.base import clone, is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from skorch.callbacks import Callback

from torchlearners.testing._kinds import classifies, learns, predicts, torch_check
from torchlearners.testing._probe import (
    quick,
    record,
    require_fitted,
    require_parameters,
    toy,
    weights,
)

# Training that any network of moderate size can learn a few rows with.
_EAGER = {
    "optimizer": "adamw",
    "lr": 0.01,
    "weight_decay": 0.0,
    "lr_schedule": None,
    "loss": "auto",
}


@torch_check(learns)
def check_beats_a_constant(name: str, learner: Any) -> None:
    """Check that easy data are learned with the default training parameters.

    On new rows, the learner makes at most half the error of the best constant.
    """
    require_parameters(learner, "random_state")
    X, y = toy(learner, 400)
    score = clone(learner).set_params(random_state=0).fit(X[:300], y[:300])
    score = score.score(X[300:], y[300:])
    dummy = DummyClassifier() if is_classifier(learner) else DummyRegressor()
    constant = dummy.fit(X[:300], y[:300]).score(X[300:], y[300:])
    assert score >= (1 + constant) / 2, (
        f"{name} hardly learns with the default training parameters: its score on easy "
        f"data is {score:.3g}, that of a constant {constant:.3g}. Give max_epochs, lr "
        "or batch_size better defaults, or look for a fault in network(spec)."
    )


@torch_check(learns)
def check_training_loss_falls(name: str, learner: Any) -> None:
    """Check that the training loss falls, with the optimizer that the learner has."""
    X, y = toy(learner)
    fitted = quick(learner, max_epochs=20, batch_size=16).fit(X, y)
    require_fitted(fitted, "history_")
    losses = fitted.history_[:, "train_loss"]
    first, last = np.mean(losses[:5]), np.mean(losses[-5:])
    assert last < first, (
        f"The training loss of {name} does not fall: its mean is {first:.4g} in the "
        f"first five of 20 epochs and {last:.4g} in the last five. Look at lr, and at "
        "whether gradients reach the weights."
    )


@torch_check(learns)
def check_overfits_eight_rows(name: str, learner: Any) -> None:
    """Check that eight rows can be learned by heart, judged without dropout.

    Where they cannot, something stands between the weights and the loss: a cut gradient
    or an activation after the last layer.
    """
    X, y = toy(learner, 8)
    stop = ("stop", _StopBelow(0.05))
    params = {**_EAGER, "max_epochs": 1000, "eval_every": 10, "callbacks": [stop]}
    made = quick(learner, **params)
    if getattr(made.value_of("loss"), "label_smoothing", 0):
        made.set_params(loss="cross_entropy")  # the smoothed one's minimum is above 0
    fitted = made.fit(X, y, X_val=X, y_val=y)
    require_fitted(fitted, "history_")
    loss = min(row["valid_loss"] for row in fitted.history_ if "valid_loss" in row)
    score = fitted.score(X, y)
    learned = loss < 0.05 and score > 0.9
    assert learned, (
        f"{name} cannot learn eight rows by heart: after {len(fitted.history_)} epochs "
        f"their loss is {loss:.3g} and their score {score:.3g}. Look for a softmax, "
        "ReLU or tanh after the last layer (the network must return logits or "
        "standardized values), and for a detach() in forward."
    )


@torch_check(predicts)
def check_gradients_reach_all_weights(name: str, learner: Any) -> None:
    """Check that each trainable tensor gets a gradient that is not zero.

    Within twelve steps, so that units may be off in some of them.
    """
    X, y = toy(learner)
    fitted, recorder = record(learner, X, y, batch_size=16)
    norms = _largest_gradients(recorder)
    missed = [weight for weight in _trainable(fitted) if not norms.get(weight)]
    assert not missed, (
        f"No gradient, or always zero, reaches these weights of {name} in "
        f"{len(recorder.grads)} steps: {missed}. Use them in forward, without detach() "
        "or no_grad() on the way to the output, or give them requires_grad=False."
    )


@torch_check(predicts)
def check_training_changes_all_weights(name: str, learner: Any) -> None:
    """Check that the optimizer holds and changes each trainable tensor."""
    X, y = toy(learner)
    fitted, recorder = record(learner, X, y, batch_size=16)
    groups = fitted.net_.optimizer_.param_groups
    held = {id(p) for group in groups for p in group["params"]}
    end = recorder.epochs[-1]["weights"]
    norms = _largest_gradients(recorder)
    for weight, parameter in _trainable(fitted).items():
        assert id(parameter) in held, (
            f"The optimizer of {name} does not hold {weight}, which requires a "
            "gradient. Register parameters in __init__ of the module."
        )
        # A gradient of rounding errors (a bias before a normalization) moves nothing.
        if norms.get(weight, 0.0) > 1e-6 * max(norms.values()):
            assert not torch.equal(recorder.start[weight], end[weight]), (
                f"Training leaves the weights {weight} of {name} as they were, though "
                "they have a gradient. Look for lr=0 in a parameter group, or for code "
                "that sets them back."
            )


@torch_check(predicts)
def check_frozen_weights_stay(name: str, learner: Any) -> None:
    """Check that weights without requires_grad keep their bits in training.

    Of those that the network freezes itself, and of one named by the parameter freeze.
    """
    X, y = toy(learner)
    names = list(_trainable(quick(learner, max_epochs=1).fit(X, y)))
    params = {"freeze": names[0]} if len(names) > 1 else {}
    fitted, recorder = record(learner, X, y, batch_size=16, **params)
    after = weights(fitted)
    frozen = set(dict(fitted.net_.module_.named_parameters())) - set(_trainable(fitted))
    missed = set(params.values()) - frozen
    assert not missed, (
        f"{name} did not freeze {sorted(missed)} with freeze={names[0]!r}. Leave "
        "requires_grad to the parameter freeze once the network is built."
    )
    changed = [w for w in sorted(frozen) if not recorder.start[w].equal(after[w])]
    assert not changed, (
        f"Training changed frozen weights of {name}: {changed}. Nothing but the "
        "optimizer should write to parameters; a buffer is for what forward updates."
    )


@torch_check(predicts)
def check_modes_while_training(name: str, learner: Any) -> None:
    """Check that batches train in training mode and validate in evaluation mode."""
    X, y = toy(learner)
    given = {"X_val": X[:20], "y_val": y[:20]}
    fitted, recorder = record(learner, X, y, given, batch_size=16)
    assert all(b["training"] for b in recorder.train_batches), (
        f"{name} trains in evaluation mode, without dropout. Leave "
        "net_.module_.train() to the package."
    )
    assert not any(b["training"] for b in recorder.valid_batches), (
        f"{name} evaluates validation rows in training mode, with dropout. Leave "
        "net_.module_.eval() to the package."
    )
    assert not fitted.net_.module_.training, (
        f"{name} leaves its network in training mode after fit. Call "
        "net_.module_.eval() at its end."
    )


@torch_check(predicts)
def check_predicts_in_evaluation_mode(name: str, learner: Any) -> None:
    """Check that predictions use all parts in evaluation mode, and no gradients."""
    X, y = toy(learner)
    fitted = quick(learner).fit(X, y)
    for method in _prediction_methods(fitted):
        with _forwards(fitted) as seen:
            getattr(fitted, method)(X)
        assert seen, (
            f"{method} of {name} does not call net_.module_, so that hooks and changed "
            "weights have no effect. Predict with the network itself."
        )
        training = [part for part, state in seen if state["training"]]
        assert not training, (
            f"{method} of {name} uses {training} in training mode. Call "
            "net_.module_.eval() before, and train() nowhere in forward."
        )
        recording = [part for part, state in seen if state["records"]]
        assert not recording, (
            f"{method} of {name} records gradients in {recording}, which costs memory "
            "and time. Run the network under torch.inference_mode()."
        )


@torch_check(predicts)
def check_predict_leaves_the_network_alone(name: str, learner: Any) -> None:
    """Check that predictions change no weight and no running statistic."""
    X, y = toy(learner)
    fitted = quick(learner).fit(X, y)
    before = weights(fitted)
    for method in _prediction_methods(fitted):
        getattr(fitted, method)(X + 1)
        after = weights(fitted)
        changed = [key for key, value in before.items() if not value.equal(after[key])]
        assert not changed, (
            f"{method} of {name} changes {changed}. Predict in evaluation mode, where "
            "batch normalization keeps its running statistics."
        )


@torch_check(classifies)
def check_probabilities_are_probabilities(name: str, learner: Any) -> None:
    """Check that class probabilities are finite, in [0, 1], and sum to one.

    Also far away from the training rows.
    """
    X, y = toy(learner)
    fitted = quick(learner).fit(X, y)
    for rows, where in ((X, ""), (1e4 * X, " on rows far from those trained on")):
        proba = fitted.predict_proba(rows)
        look = "Compute them as softmax of the outputs, in float64."
        assert proba.shape == (len(X), len(fitted.classes_)), (
            f"predict_proba of {name} has shape {proba.shape}; it must be "
            f"{(len(X), len(fitted.classes_))}: a column for each class."
        )
        assert proba.dtype.kind == "f", (
            f"predict_proba of {name} returns {proba.dtype}, no floats. {look}"
        )
        inside = np.all((proba >= 0) & (proba <= 1))  # false for NaN
        assert inside, (
            f"predict_proba of {name} returns values from {proba.min():.3g} to "
            f"{proba.max():.3g}{where}; they must be in [0, 1]. {look}"
        )
        off = np.abs(proba.sum(axis=1) - 1).max()
        assert off < 1e-6, (
            f"The probabilities of {name} do not sum to one{where}: they are off by "
            f"{off:.3g}. {look}"
        )


@torch_check(classifies)
def check_predict_is_the_most_probable_class(name: str, learner: Any) -> None:
    """Check that predictions, (log-)probabilities and decisions agree."""
    X, codes = toy(learner)
    # Sorted, these are in another order than their numbers.
    y = np.array(["two", "one", "zero"])[codes]
    fitted = quick(learner, max_epochs=10).fit(X, y)
    proba = fitted.predict_proba(X)
    likely = fitted.classes_[proba.argmax(axis=1)]
    differ = np.flatnonzero(fitted.predict(X) != likely)
    assert not len(differ), (
        f"predict of {name} is not the most probable class in {len(differ)} of "
        f"{len(X)} rows. predict must be classes_[predict_proba(X).argmax(axis=1)]."
    )
    if hasattr(fitted, "predict_log_proba"):
        off = np.abs(np.exp(fitted.predict_log_proba(X)) - proba).max()
        assert off < 1e-12, (
            f"predict_log_proba of {name} is off by {off:.3g} from the logarithm of "
            "predict_proba. Compute it from the same outputs."
        )
    if not hasattr(fitted, "decision_function"):
        return
    logits = fitted.decision_function(X)
    if logits.ndim == 1:
        logits = np.column_stack([np.zeros(len(X)), logits])
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    off = np.abs(powers / powers.sum(axis=1, keepdims=True) - proba).max()
    assert off < 1e-6, (
        f"The softmax of decision_function of {name} differs from predict_proba by "
        f"{off:.3g}. decision_function must return logits, for two classes the "
        "log-odds of the second one."
    )


@torch_check(predicts)
def check_recorded_loss_is_that_of_the_predictions(name: str, learner: Any) -> None:
    """Check that the last validation loss follows from the predictions.

    It is the cross-entropy of the predicted probabilities, or the mean squared error in
    units of the variance of the training targets.
    """
    X, y = toy(learner)
    loss = "cross_entropy" if is_classifier(learner) else "mse"
    fitted = quick(learner, loss=loss, restore_best=False, batch_size=16)
    fitted.fit(X[:44], y[:44], X_val=X[44:], y_val=y[44:])
    require_fitted(fitted, "history_")
    recorded = fitted.history_[-1]["valid_loss"]
    if is_classifier(learner):
        proba = fitted.predict_proba(X[44:])
        expected = -np.log(proba[np.arange(16), y[44:]]).mean()
    else:
        predicted = fitted.predict(X[44:])
        # Predictions may be kept within the range of the training targets, losses not.
        at_end = (predicted <= y[:44].min()) | (predicted >= y[:44].max())
        if at_end.any():
            raw = fitted._outputs(X[44:]).ravel() * y[:44].std() + y[:44].mean()
            predicted = np.where(at_end, raw, predicted)
        errors = predicted - y[44:]
        expected = np.mean(errors**2) / np.var(y[:44])
    assert np.isclose(recorded, expected, rtol=1e-4), (
        f"The last validation loss in history_ of {name} is {recorded:.6g}, but that "
        f"of its predictions is {expected:.6g}. Validation rows must go the way of "
        "predict (scaling, evaluation mode), and the loss be a mean over rows."
    )


@torch_check(learns)
def check_informative_features_matter(name: str, learner: Any) -> None:
    """Check that shuffling a feature that tells the target worsens the predictions."""
    X, y = toy(learner)
    fitted = quick(learner, **{**_EAGER, "max_epochs": 30, "batch_size": 16}).fit(X, y)
    score = fitted.score(X, y)
    for feature in (0, 1):
        shuffled = X.copy()
        np.random.RandomState(0).shuffle(shuffled[:, feature])
        now = fitted.score(shuffled, y)
        assert now < score, (
            f"{name} predicts no worse where feature {feature}, which tells the "
            f"target, is shuffled: its score goes from {score:.3g} to {now:.3g}. Look "
            "for a column that is dropped or mixed up on the way to the output."
        )


class _StopBelow(Callback):
    """End training once the validation loss is below a value."""

    def __init__(self, loss: float) -> None:
        self.loss = loss

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """End it."""
        if net.history[-1].get("valid_loss", np.inf) < self.loss:
            net.stop_training = True


def _trainable(fitted: Any) -> dict[str, torch.nn.Parameter]:
    require_fitted(fitted, "net_")
    parameters = fitted.net_.module_.named_parameters()
    return {name: p for name, p in parameters if p.requires_grad}


def _largest_gradients(recorder: Any) -> dict[str, float]:
    largest: dict[str, float] = {}
    for step in recorder.grads:
        for name, norm in step.items():
            largest[name] = max(largest.get(name, 0.0), norm or 0.0)
    return largest


def _prediction_methods(fitted: Any) -> list[str]:
    names = ("predict", "predict_proba", "decision_function")
    return [name for name in names if hasattr(fitted, name)]


@contextlib.contextmanager
def _forwards(fitted: Any) -> Iterator[list[tuple[str, dict[str, bool]]]]:
    """Collect in what state each part of the network is called, by its name."""
    require_fitted(fitted, "net_")
    seen: list[tuple[str, dict[str, bool]]] = []

    def watch(name: str, part: torch.nn.Module) -> Any:
        def look(*_: Any) -> None:
            records = torch.is_grad_enabled()
            seen.append((name, {"training": part.training, "records": records}))

        return part.register_forward_pre_hook(look)

    module = fitted.net_.module_
    handles = [watch(name or "net_.module_", m) for name, m in module.named_modules()]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
