"""What a network's outputs would be as the predictions of an estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from skorch import NeuralNet

from torchlearners.callbacks._measure_choice import Measure

_METHODS = [("predict", "predict_proba", "decision_function"), ("predict",)]


class Responses:
    """What an estimator would say to rows with these outputs; each computed once."""

    def __init__(self, target: Any, outputs: np.ndarray) -> None:
        self.target = target
        self.outputs = outputs
        self._known: dict[str, np.ndarray] = {}

    def __call__(self, method: str) -> np.ndarray:
        if method not in self._known:
            decode = {
                "predict": self.target.predict,
                "predict_proba": self.target.probabilities,
                "decision_function": self.target.decision,
            }[method]
            self._known[method] = decode(self.outputs)
        return self._known[method]

    def for_scorer(self, measure: Measure) -> np.ndarray:
        """Return what scikit-learn's scorer would give to its function."""
        has = _METHODS[self.target.kind == "values"]
        method = next((m for m in measure.responses if m in has), None)
        if method is None:
            raise ValueError(
                f"it needs {' or '.join(measure.responses)}, which a learner of "
                f"{self.target.kind} does not have"
            )
        response = self(method)
        if self.target.kind != "classes" or len(self.target.classes) > 2:
            return response
        classes = self.target.classes.tolist()
        positive = classes[-1] if measure.pos_label is None else measure.pos_label
        if positive not in classes:
            raise ValueError(
                f"pos_label={positive!r} is not a valid label, it should be one of "
                f"{classes}; give a scorer made by make_scorer with another pos_label"
            )
        if method == "predict_proba":
            return response[:, classes.index(positive)]
        if method == "decision_function" and positive == classes[0]:
            return -response
        return response


def forward(net: NeuralNet, X: torch.Tensor) -> torch.Tensor:
    """Return outputs in evaluation mode; leave every module in the mode it was."""
    trained = [module for module in net.module_.modules() if module.training]
    net.module_.eval()
    try:
        with torch.inference_mode():
            rows = X.split(net.evaluation_batch_size)
            return torch.cat([net.compute(net.module_, part) for part in rows])
    finally:
        for module in trained:
            module.training = True


class _View(BaseEstimator):
    """The net as an estimator, for scorers that call one.

    Its X is what the network sees. On those very rows it answers from the outputs.
    """

    def __init__(self, responses: Any, net: Any, X: Any) -> None:
        self.responses = responses
        self.net = net
        self.X = X

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def classes_(self) -> np.ndarray:
        return self.responses.target.classes

    def predict(self, X: Any) -> np.ndarray:
        return self._respond("predict", X)

    def _respond(self, method: str, X: Any) -> np.ndarray:
        if X is self.X:
            return self.responses(method)
        X = torch.as_tensor(X, dtype=torch.float32).to(self.net.device)
        outputs = forward(self.net, X).numpy(force=True)
        points = self.net.criterion_.read_points(outputs)
        return Responses(self.responses.target, points)(method)


class _ClassifierView(ClassifierMixin, _View):
    def predict_proba(self, X: Any) -> np.ndarray:
        return self._respond("predict_proba", X)

    def decision_function(self, X: Any) -> np.ndarray:
        return self._respond("decision_function", X)


class _RegressorView(RegressorMixin, _View):
    pass


def view_of(responses: Responses, net: Any, X: Any) -> _View:
    X = None if X is None else X.numpy(force=True)
    if responses.target.kind == "values":
        return _RegressorView(responses, net, X)
    return _ClassifierView(responses, net, X)
