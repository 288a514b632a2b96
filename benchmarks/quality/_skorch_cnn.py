"""The network of our default CNN, written with skorch alone."""

from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from skorch import NeuralNetClassifier
from torch import nn

SETTINGS = {
    "lr": 1e-3,
    "max_epochs": 30,
    "batch_size": 64,
    "optimizer": torch.optim.AdamW,
    "criterion": nn.CrossEntropyLoss,
    "iterator_train__shuffle": True,
    "train_split": None,
    "callbacks__print_log": None,
    "verbose": 0,
}


def cnn(side: int, n_outputs: int) -> nn.Sequential:
    """Return convolutions, each with a pool while a side is above 4, and a layer."""
    layers: list[nn.Module] = []
    channels = 1
    for width in (32, 64, 128):
        layers.append(nn.Conv2d(channels, width, 3, padding=1, bias=False))
        layers += [nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
        if side <= 4:
            break
        layers.append(nn.MaxPool2d(2))
        side //= 2
    head = nn.Linear(channels * side * side, n_outputs)
    return nn.Sequential(*layers, nn.Flatten(), head)


class SkorchCNN(BaseEstimator):
    """The net behind rows of the pixels of one gray square, from 0 to 1."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def fit(self, X: np.ndarray, y: np.ndarray) -> "SkorchCNN":
        torch.manual_seed(self.seed)  # skorch has no generator of its own
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.side_ = round(X.shape[1] ** 0.5)
        net = cnn(self.side_, len(self.classes_))
        self.net_ = NeuralNetClassifier(net, **SETTINGS)
        self.net_.fit(self._images(X), codes)
        self.n_iter_ = SETTINGS["max_epochs"]
        return self

    def predict(self, X: np.ndarray) -> Any:
        return self.classes_[self.net_.predict(self._images(X))]

    def _images(self, X: np.ndarray) -> np.ndarray:
        return X.reshape(-1, 1, self.side_, self.side_).astype(np.float32)
