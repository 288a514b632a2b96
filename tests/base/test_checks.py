import numpy as np
import pytest
import torch
from sklearn.datasets import make_classification
from torch import nn

from torchlearners import MLPClassifier
from torchlearners.base import ClassifierLearner
from torchlearners.training import CrossEntropy, Loss

X, Y = make_classification(64, 5, flip_y=0.3, random_state=0)
WEIGHTS = np.random.RandomState(0).randint(1, 4, size=64).astype(float)


def learner(**settings):
    given = {"preset": "simple", "hidden_layer_sizes": 8, "max_epochs": 1, "lr": 0.01}
    given |= {"batch_size": 32, "early_stopping": False, "random_state": 0}
    return MLPClassifier(**{**given, **settings})


class NoMemory(nn.Linear):
    """A layer that trains on no more than eight rows at a time."""

    def forward(self, x):
        if self.training and len(x) > 8:
            raise torch.OutOfMemoryError("no memory left")
        return super().forward(x)


class NoMemoryClassifier(ClassifierLearner):
    def network(self, spec):
        return NoMemory(spec.n_numeric, spec.n_outputs)


class ComparesRows(Loss):
    """Looks at the whole batch."""

    target = "classes"
    splits_batches = False

    def rows(self, output, target):
        return CrossEntropy().rows(output - output.mean(0), target)


def compares_rows(output, target):
    return ComparesRows().rows(output, target)


def one_number(output, target):
    return CrossEntropy().mean(output, target)


PARTS_DIFFER = [
    ComparesRows(),
    compares_rows,
    nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0])),
    nn.CrossEntropyLoss(reduction="sum"),
]


@pytest.mark.parametrize("loss", PARTS_DIFFER, ids=type)
def test_a_batch_is_not_cut_where_its_loss_is_not_the_mean_of_its_parts(loss):
    learner(loss=loss).fit(X, Y)
    said = r"(?s)loss=.* of a batch is not the mean of the losses of its parts.*"
    with pytest.raises(ValueError, match=said + "Set accumulate_grad=1"):
        learner(loss=loss, accumulate_grad=2).fit(X, Y)
    short = NoMemoryClassifier(loss=loss, batch_size=32, max_epochs=1)
    with pytest.raises(ValueError, match=r"32 rows does not fit.* Lower batch_size"):
        short.fit(X, Y)


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), CrossEntropy(), one_number])
def test_a_batch_is_cut_where_its_loss_is_the_mean_of_its_parts(loss):
    whole = learner(loss=loss, batch_size=64).fit(X, Y)
    parts = learner(loss=loss, accumulate_grad=2).fit(X, Y)
    expected = whole.predict_proba(X)
    np.testing.assert_allclose(parts.predict_proba(X), expected, rtol=0, atol=1e-5)


def test_a_loss_of_one_number_trains_on_repeated_rows():
    again = np.r_[0, 0:20]
    found = learner(loss=one_number, max_epochs=3).fit(X[again], Y[again])
    expected = learner(max_epochs=3).fit(X[again], Y[again]).predict_proba(X)
    np.testing.assert_allclose(found.predict_proba(X), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("batch_size", [8, 1000])
@pytest.mark.parametrize("given", ["sample_weight", "sample_weight_val", "class"])
def test_a_loss_of_one_number_takes_no_row_weights_from_the_start(batch_size, given):
    made = learner(loss=one_number, batch_size=batch_size)
    rows = {} if given == "class" else {given: WEIGHTS}
    if given == "class":
        made.set_params(class_weight={0: 1.0, 1: 2.0})
    if given == "sample_weight_val":
        rows |= {"X_val": X, "y_val": Y}
    with pytest.raises(ValueError, match=r"one number for all rows.* unreduced"):
        made.fit(X, Y, **rows)
    assert not hasattr(made, "net_")
