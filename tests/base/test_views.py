"""Looking at the network of a fitted learner."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from torch import nn

from torchlearners import (
    FTTransformerClassifier,
    GraphClassifier,
    ImageClassifier,
    MLPClassifier,
    ModernNCAClassifier,
    ModuleClassifier,
    TabMClassifier,
    TabNetClassifier,
)
from torchlearners.exceptions import ArchitectureError
from torchlearners.graph import (
    LSTM,
    Dropout,
    Head,
    Linear,
    ReLU,
    Residual,
    Select,
    Tap,
    Tensor,
)

X, y = load_iris(return_X_y=True)
QUICK = {"max_epochs": 2, "random_state": 0}


class Twice(nn.Module):
    def __init__(self, n_numeric, n_outputs):
        super().__init__()
        self.square = nn.Linear(n_numeric, n_numeric)
        self.output = nn.Linear(n_numeric, n_outputs)

    def forward(self, x):
        return self.output(self.square(self.square(x)))


def fitted(network, **params):
    return GraphClassifier(network, **QUICK, **params).fit(X, y)


@pytest.fixture(scope="module")
def learner():
    return fitted(Linear(6) >> ReLU() >> Tap("code") >> Dropout(0.5) >> Head())


def by_hand(learner, n_steps, X):
    rows = learner._schema.tensor(X)
    with torch.no_grad():
        return learner.net_.module_.eval()[:n_steps](rows).numpy()


# intermediate


@pytest.mark.parametrize("n_rows", [1, 2, 5, 150])
@pytest.mark.parametrize(("name", "n_steps"), [("linear_1", 1), ("code", 3)])
def test_what_a_step_gives_equals_the_first_layers_by_hand(
    learner, name, n_steps, n_rows
):
    values = learner.intermediate(X[:n_rows], name)
    assert values.shape == (n_rows, 6)
    expected = by_hand(learner, n_steps, X[:n_rows])
    np.testing.assert_allclose(values, expected, atol=1e-6)


@pytest.mark.parametrize("rows", [1, 7, 10, 149, 150])
def test_rows_stay_in_their_place_whatever_the_batch(rows):
    network = Linear(8) >> ReLU() >> Head()
    learner = fitted(network)
    whole = learner.intermediate(X, "relu_1")
    learner.set_params(predict_batch_size=rows)
    assert_array_equal(learner.intermediate(X, "relu_1"), whole)


def test_the_last_step_gives_the_decision(learner):
    outputs = learner.intermediate(X, "head_1")
    np.testing.assert_allclose(outputs, learner.decision_function(X), atol=1e-6)


def test_dropout_is_off(learner):
    assert_array_equal(
        learner.intermediate(X, "dropout_1"), learner.intermediate(X, "code")
    )


def test_values_have_the_shape_that_the_step_gives_them():
    network = Tensor((2, 2)) >> LSTM(5) >> Select(1, -1) >> Head()
    learner = fitted(network)
    output = learner.intermediate(X, "lstm_1")
    assert output.shape == (150, 2, 5)
    assert_array_equal(output[:, -1], learner.intermediate(X, "select_1"))


def test_steps_of_a_network_with_branches_have_names_too():
    learner = fitted(Linear(4) >> Residual(Linear(4)) >> Head())
    total = learner.intermediate(X, "linear_1") + learner.intermediate(X, "linear_2")
    assert_array_equal(learner.intermediate(X, "residual_1"), total)


def test_parts_of_any_module_can_be_looked_at():
    module = nn.Sequential(nn.Sequential(nn.Linear(4, 5), nn.ReLU()), nn.Linear(5, 3))
    learner = ModuleClassifier(module, **QUICK).fit(X, y)
    assert learner.intermediate(X, "0.1").min() == 0
    learner = MLPClassifier(preset="simple", hidden_layer_sizes=(5,), **QUICK).fit(X, y)
    assert learner.intermediate(X, "linear_1").shape == (150, 5)


def test_an_unknown_name_is_told_with_the_nearest(learner):
    with pytest.raises(ValueError, match=r"(?s)no part 'linear1'.*mean 'linear_1'.*co"):
        learner.intermediate(X, "linear1")
    with pytest.raises(ValueError, match="no part ''"):
        learner.intermediate(X, "")


def test_a_part_that_runs_twice_is_refused():
    learner = ModuleClassifier(Twice, **QUICK).fit(X, y)
    with pytest.raises(ValueError, match="'square' of the network runs 2 times for 1"):
        learner.intermediate(X, "square")
    assert learner.intermediate(X, "output").shape == (150, 3)


@pytest.mark.parametrize("rows", [X[:, :3], X[0], np.full_like(X, np.inf)])
def test_rows_are_checked_as_in_predict_and_no_hook_is_left(learner, rows):
    of_rows = "features|array|infinity"
    with pytest.raises(ValueError, match=of_rows) as of_predict:
        learner.predict(rows)
    with pytest.raises(ValueError, match=of_rows) as raised:
        learner.intermediate(rows, "relu_1")
    assert str(raised.value) == str(of_predict.value)
    assert not learner.net_.module_.relu_1._forward_hooks


def test_looking_changes_nothing(learner):
    before = learner.predict_proba(X)
    values = learner.intermediate(X, "relu_1")
    values[:] = 0
    assert_array_equal(learner.predict_proba(X), before)
    assert not learner.net_.module_.relu_1._forward_hooks


# network_shapes


def test_the_table_of_shapes_is_that_of_the_data():
    learner = MLPClassifier(
        preset="simple", hidden_layer_sizes=(8,), dropout=0.1, **QUICK
    ).fit(X, y)
    assert str(learner.network_shapes()) == (
        "step       input               output              parameters\n"
        "linear_1   (batch, feature=4)  (batch, feature=8)          40\n"
        "relu_1     (batch, feature=8)  (batch, feature=8)           0\n"
        "dropout_1  (batch, feature=8)  (batch, feature=8)           0\n"
        "head_1     (batch, feature=8)  (batch, feature=3)          27"
    )
    n_weights = sum(p.numel() for p in learner.net_.module_.parameters())
    assert learner.network_shapes().n_parameters == n_weights == 67


def test_the_table_is_of_the_network_that_was_fitted():
    learner = fitted(Linear(6) >> Head())
    learner.set_params(network__linear_1__out_features=9)
    assert "feature=6" in str(learner.network_shapes())
    learner.set_params(network=None)
    assert learner.network_shapes().steps == ["linear_1", "head_1"]


# plot_network


def test_a_plot_is_drawn_of_the_fitted_network(learner, monkeypatch):
    drawn = []

    def plot(node, data, *, format, ax):
        drawn.append((repr(node), data, format, ax))
        return "drawing"

    monkeypatch.setattr(type(learner.network), "plot", plot, raising=False)
    assert learner.plot_network(format="text") == "drawing"
    assert drawn == [(repr(learner.network), learner._spec, "text", None)]


@pytest.mark.parametrize("view", ["network_shapes", "plot_network"])
def test_a_torch_module_has_no_steps(view):
    learner = ModuleClassifier(**QUICK).fit(X, y)
    message = r"ModuleClassifier is a torch module.*print net_\.module_"
    with pytest.raises(ArchitectureError, match=message):
        getattr(learner, view)()


@pytest.mark.parametrize("view", ["network_shapes", "plot_network"])
def test_there_is_nothing_to_see_before_fit(view):
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        getattr(GraphClassifier(), view)()
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        GraphClassifier().intermediate(X, "linear_1")


# encode_inputs


TABLE = pd.DataFrame(
    {
        "city": [*"ab" * 20],
        "age": np.r_[np.nan, np.linspace(0, 9, 39)],
        "born": pd.date_range("2000", periods=40),
    }
)
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
LEARNERS = [
    MLPClassifier(),
    FTTransformerClassifier(n_blocks=1),
    ModernNCAClassifier(),
    TabMClassifier(k=2),
    TabNetClassifier(),
    ImageClassifier(),
]


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda m: type(m).__name__)
def test_the_network_makes_of_encoded_rows_what_predict_decodes(learner):
    images = isinstance(learner, ImageClassifier)
    rows = PIXELS if images else TABLE
    learner = clone(learner).set_params(max_epochs=1, random_state=0)
    learner.fit(rows, np.arange(40) % 3)
    inputs = learner.encode_inputs(rows[:7])
    assert inputs.dtype == (torch.uint8 if images else torch.float32)
    names = learner.encoded_feature_names()
    assert inputs.shape == (7, len(names))
    if not images:
        expected = ["age", "born", "age is missing", "city"]
        assert names.tolist() == expected
        assert inputs[:2, 2:].tolist() == [[1, 1], [0, 2]]
    with torch.no_grad():
        outputs = learner.net_.module_.eval()(inputs)
    proba = outputs.softmax(1).numpy()
    np.testing.assert_allclose(proba, learner.predict_proba(rows[:7]), 1e-4, 1e-5)


def test_an_array_has_names_by_number_and_other_rows_are_refused():
    learner = MLPClassifier(**QUICK).fit(X, y)
    assert learner.encoded_feature_names().tolist() == ["x0", "x1", "x2", "x3"]
    with pytest.raises(ValueError, match="X has 3 features"):
        learner.encode_inputs(X[:, :3])
    with pytest.raises(NotFittedError):
        MLPClassifier().encode_inputs(X)
    with pytest.raises(NotFittedError):
        MLPClassifier().encoded_feature_names()


def test_files_of_images_are_rows_of_pixels():
    column = [PIXELS[i, : 7 + i % 2] for i in range(20)]
    learner = ImageClassifier(**QUICK).fit(column, np.arange(20) % 2)
    inputs = learner.encode_inputs(column[:3])
    assert inputs.shape == (3, len(learner.encoded_feature_names()))
    assert inputs.dtype == torch.uint8
