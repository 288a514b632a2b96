import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from pytorch_tabnet.tab_network import TabNetNoEmbeddings
from sklearn.datasets import load_iris, load_wine
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score
from torch.nn import functional as F

from torchlearners import TabNetClassifier, TabNetRegressor
from torchlearners.data import DataSpec
from torchlearners.nn import CategoricalEmbedding, TabNetEncoder

SMALL = {"n_d": 8, "n_a": 8, "max_epochs": 3, "random_state": 0}


def values(n_rows=60):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(n_rows, 3))
    return X, 100 + 10 * np.c_[X[:, 0], X[:, 1] * X[:, 2]]


def table(n_rows=120):
    rng = np.random.RandomState(0)
    frame = pd.DataFrame(
        {
            "noise": rng.normal(size=n_rows),
            "town": rng.choice(["Bonn", "Paris", "Rome"], n_rows),
            "age": np.where(rng.rand(n_rows) < 0.3, np.nan, rng.normal(size=n_rows)),
        }
    )
    return frame, (frame["town"] == "Paris").to_numpy()


def encoder_of(learner):
    modules = learner.net_.module_.modules()
    return next(m for m in modules if isinstance(m, TabNetEncoder))


def ours_in_order(module):
    encoder = module.encoder
    yield encoder.first_norm
    yield from encoder.shared
    for transformer in encoder.transformers:
        yield from transformer.linears
        yield from transformer.norms
    for attention in encoder.attentions:
        yield from (attention.linear, attention.norm)


def theirs_in_order(encoder):
    yield encoder.initial_bn
    first = encoder.initial_splitter
    yield from first.shared.shared_layers
    for transformer in [first, *encoder.feat_transformers]:
        own = transformer.specifics.glu_layers
        yield from (layer.fc for layer in own)
        yield from (g.bn.bn for g in [*transformer.shared.glu_layers, *own])
    for attention in encoder.att_transformers:
        yield from (attention.fc, attention.bn.bn)


@pytest.mark.parametrize("mask_type", ["sparsemax", "entmax"])
@pytest.mark.parametrize("training", [False, True])
def test_the_network_is_that_of_the_published_package(mask_type, training):
    learner = TabNetClassifier(**SMALL, mask_type=mask_type, virtual_batch_size=32)
    learner.set_params(momentum=0.02)
    ours = learner.build_module(DataSpec(n_numeric=5, n_outputs=3))
    theirs = TabNetNoEmbeddings(
        5,
        3,
        virtual_batch_size=32,
        mask_type=mask_type,
        group_attention_matrix=torch.eye(5),
    )
    pairs = zip(ours_in_order(ours), theirs_in_order(theirs.encoder), strict=True)
    for one, other in pairs:
        one.load_state_dict(other.state_dict())
    head = next(m for m in reversed(list(ours.modules())) if hasattr(m, "weight"))
    with torch.no_grad():
        head.weight.copy_(theirs.final_mapping.weight)
        head.bias.zero_()
    X = torch.randn(64, 5, generator=torch.Generator().manual_seed(0)).double()
    # In double precision, as a step multiplies rounding errors.
    theirs.encoder.group_attention_matrix = torch.eye(5).double()
    ours.double().train(training)
    theirs.double().train(training)
    # Of two virtual batches, ours are the even and the odd rows.
    order = torch.cat([torch.arange(0, 64, 2), torch.arange(1, 64, 2)])
    with torch.no_grad():
        expected = theirs(X[order])[0]
        assert_allclose(ours(X)[order], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("pieces", [1, 3])
def test_the_loss_has_the_entropy_of_the_masks_with_the_weights_of_rows(
    weighted, pieces
):
    X, y = load_iris(return_X_y=True)
    learner = TabNetClassifier(**SMALL, lambda_sparse=0.7).fit(X, y)
    net = learner.net_
    rows = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    codes = torch.tensor([0, 1, 2, 0, 1, 2])
    weight = torch.arange(1.0, 7.0) if weighted else None
    # Batch normalization alone would make pieces differ from their batch.
    net.module_.eval()
    encoder_of(learner).training = True
    net._n_pieces = pieces
    net.optimizer_.zero_grad()
    step = net._accumulate((rows, codes, weight))
    gradient = [p.grad.clone() for p in net.module_.parameters()]
    shares = torch.ones(6) if weight is None else weight
    shares = shares / shares.sum()
    encoder_of(learner).training = False
    _, masks = encoder_of(learner).explain(rows)
    entropy = -(masks * (masks + 1e-15).log()).sum(2).mean(0)
    losses = F.cross_entropy(net.module_(rows), codes, reduction="none")
    expected = (shares * (losses + 0.7 * entropy)).sum()
    assert_allclose(step["loss"].item(), expected.item(), rtol=1e-5)
    net.optimizer_.zero_grad()
    expected.backward()
    for found, p in zip(gradient, net.module_.parameters(), strict=True):
        assert_allclose(found, p.grad, rtol=1e-3, atol=1e-6)


def test_the_validation_loss_has_no_entropy():
    X, y = load_iris(return_X_y=True)
    learner = TabNetClassifier(**SMALL, lambda_sparse=10.0, restore_best=False)
    learner.fit(X, y, X_val=X, y_val=y)
    proba = learner.predict_proba(X)
    log_loss = -np.log(proba[np.arange(150), y]).mean()
    assert_allclose(learner.history_[-1]["valid_loss"], log_loss, rtol=1e-5)
    assert learner.history_[-1]["train_loss"] > 2


def test_a_large_lambda_makes_sparse_masks():
    X, y = load_wine(return_X_y=True)
    parts = {**SMALL, "max_epochs": 60, "early_stopping": False}
    used = {}
    for lambda_sparse in (0.0, 1.0):
        learner = TabNetClassifier(**parts, lambda_sparse=lambda_sparse).fit(X, y)
        used[lambda_sparse] = (learner.explain(X)[1] > 0).mean()
    assert used[1.0] < 0.7 * used[0.0]


def test_explanations_are_those_of_the_encoder_on_scaled_rows():
    X, y = values()
    learner = TabNetRegressor(**SMALL).fit(X, y)
    explanation, masks = learner.explain(X[:7])
    scaled = ((X - X.mean(0)) / X.std(0))[:7]
    with torch.no_grad():
        expected = encoder_of(learner).explain(torch.tensor(scaled).float())
    assert_allclose(explanation, expected[0], rtol=1e-4, atol=1e-5)
    assert_allclose(masks, expected[1], rtol=1e-4, atol=1e-5)


def test_explanations_do_not_depend_on_the_batches_of_predict():
    X, y = values()
    learner = TabNetRegressor(**SMALL).fit(X, y)
    whole = learner.explain(X)
    in_batches = learner.set_params(predict_batch_size=7).explain(X)
    for one, other in zip(whole, in_batches, strict=True):
        assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cls", [TabNetClassifier, TabNetRegressor])
def test_explanations_are_in_the_columns_of_x_as_given(cls):
    X, y = table()
    learner = cls(**SMALL).fit(X, y)
    explanation, masks = learner.explain(X)
    assert explanation.shape == (120, 3)
    assert masks.shape == (3, 120, 3)
    assert_allclose(masks.sum(2), 1, rtol=1e-5)
    # Numbers, the indicator of a missing age, then the town.
    matrix = learner._columns.matrix
    encoder = encoder_of(learner)
    assert encoder.group_sizes[:3] == [1, 1, 1]
    tables = CategoricalEmbedding((4,)).out_features
    assert encoder.group_sizes[3:] == [tables]
    rows = learner._schema.tensor(np.asarray(matrix(_narwhals(X))))
    found = []
    hook = encoder.register_forward_hook(lambda m, args, out: found.append(args[0]))
    with torch.no_grad():
        learner.net_.module_(rows)
    hook.remove()
    with torch.no_grad():
        _, groups = encoder.explain(found[0])
    assert_allclose(masks[..., 0], groups[..., 0], atol=1e-5)
    assert_allclose(masks[..., 1], groups[..., 3], atol=1e-5)
    assert_allclose(masks[..., 2], groups[..., 1] + groups[..., 2], atol=1e-5)


def _narwhals(frame):
    import narwhals

    return narwhals.from_native(frame)


def test_the_column_that_decides_is_the_most_important_one():
    X, y = table(400)
    parts = {**SMALL, "max_epochs": 30, "lambda_sparse": 0.01}
    learner = TabNetClassifier(**parts).fit(X, y)
    assert learner.score(X, y) > 0.95
    assert learner.feature_importances_.shape == (3,)
    assert learner.feature_importances_.argmax() == 1
    assert_allclose(learner.feature_importances_.sum(), 1)


def test_importances_are_the_weighted_mean_of_explanations():
    X, y = values()
    weight = np.arange(60.0)
    learner = TabNetRegressor(**SMALL).fit(X, y, sample_weight=weight)
    mean = np.average(learner.explain(X)[0], axis=0, weights=weight)
    assert_allclose(learner.feature_importances_, mean / mean.sum(), rtol=1e-5)
    again = pickle.loads(pickle.dumps(learner))
    assert_array_equal(again.feature_importances_, learner.feature_importances_)
    assert_array_equal(again.explain(X)[1], learner.explain(X)[1])


def test_explain_needs_a_fit():
    with pytest.raises(NotFittedError):
        TabNetClassifier().explain([[1.0, 2.0]])


@pytest.mark.parametrize(
    ("name", "value"),
    [("gamma", 0.5), ("n_steps", 0), ("mask_type", "softmax"), ("momentum", 0.0)],
)
def test_wrong_parameters_are_refused_by_name(name, value):
    X, y = values()
    with pytest.raises(ValueError, match=f"The '{name}' parameter"):
        TabNetRegressor(**{name: value}).fit(X, y)


def test_steps_need_a_layer():
    X, y = values()
    with pytest.raises(ValueError, match="n_independent must be at least 1"):
        TabNetRegressor(n_shared=0, n_independent=0).fit(X, y)


def test_the_classifier_is_accurate_with_its_defaults():
    X, y = load_wine(return_X_y=True)
    learner = TabNetClassifier(random_state=0).fit(X[::2], y[::2])
    assert accuracy_score(y[1::2], learner.predict(X[1::2])) > 0.9


def test_a_default_fit_goes_through_the_whole_cycle_even_on_noise():
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(200, 2)), rng.randint(2, size=200)
    learner = TabNetClassifier(n_d=2, n_a=2, n_steps=1, random_state=0).fit(X, y)
    assert learner.n_iter_ == 100
    assert learner.best_epoch_ < 80
