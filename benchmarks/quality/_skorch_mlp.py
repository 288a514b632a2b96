"""The net of our plain MLP, written with skorch alone."""

from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from skorch import NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import EarlyStopping
from skorch.dataset import ValidSplit
from torch import nn

from torchlearners.training import automatic_batch_size

HIDDEN = 128
SETTINGS = {
    "lr": 2e-3,
    "max_epochs": 100,
    "optimizer": torch.optim.AdamW,
    "optimizer__weight_decay": 0.0,
    "iterator_train__shuffle": True,
    "callbacks__print_log": None,
    "verbose": 0,
}
PATIENCE = 16
VALIDATION_FRACTION = 0.1


class MLP(nn.Module):
    """Two hidden layers of rectified units."""

    def __init__(self, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_inputs, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, n_outputs),
        )

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return self.layers(X)


class SkorchMLP(BaseEstimator):
    """The net behind the types that a pipeline passes: float64, classes as strings."""

    def __init__(self, regression: bool, seed: int) -> None:
        self.regression = regression
        self.seed = seed

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        torch.manual_seed(self.seed)  # skorch has no generator of its own
        own: dict[str, Any] = {}
        if self.regression:
            make = NeuralNetRegressor
            y = y.astype(np.float32).reshape(len(y), -1)
            n_outputs = y.shape[1]
        else:
            make = NeuralNetClassifier
            self.classes_, y = np.unique(y, return_inverse=True)
            n_outputs = len(self.classes_)
            own["criterion"] = nn.CrossEntropyLoss
        split = ValidSplit(
            VALIDATION_FRACTION,
            stratified=not self.regression,
            random_state=self.seed,
        )
        self.net_ = make(
            MLP(X.shape[1], n_outputs),
            batch_size=automatic_batch_size(len(X)),
            train_split=split,
            callbacks=[EarlyStopping(patience=PATIENCE, load_best=True)],
            **SETTINGS,
            **own,
        )
        self.net_.fit(X.astype(np.float32), y)
        self.n_iter_ = len(self.net_.history_)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return self.net_.predict_proba(X.astype(np.float32))

    def predict(self, X: np.ndarray) -> np.ndarray:
        predicted = self.net_.predict(X.astype(np.float32))
        if self.regression:
            several = predicted.shape[1] > 1
            return (predicted if several else predicted[:, 0]).astype(np.float64)
        return self.classes_[predicted]
