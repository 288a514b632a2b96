import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from pytorch_tabnet.metrics import UnsupervisedLoss
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn import functional as F

from torchlearners import TabNetClassifier, TabNetPretrainer, TabNetRegressor
from torchlearners.nn import CategoricalEmbedding, TabNetEncoder
from torchlearners.tabular._tabnet_pretrainer import masked_loss

SMALL = {"n_d": 8, "n_a": 8, "n_steps": 2, "random_state": 0}
BRIEF = {**SMALL, "max_epochs": 2}
X, y = load_iris(return_X_y=True)


def table(n_rows=240):
    rng = np.random.RandomState(0)
    size = rng.normal(size=n_rows)
    frame = pd.DataFrame(
        {
            "size": np.where(rng.rand(n_rows) < 0.1, np.nan, size),
            "twice": 2 * size + 0.1 * rng.normal(size=n_rows),
            "sign": np.where(size > 0, "plus", "minus"),
            "town": rng.choice(["Bonn", "Paris", "Rome"], n_rows),
        }
    )
    return frame, (size > 0.3).astype(int)


def part(learner, kind):
    return next(m for m in learner.net_.module_.modules() if isinstance(m, kind))


def assert_same_weights(one, other, kind=TabNetEncoder):
    ours, theirs = (part(learner, kind).state_dict() for learner in (one, other))
    for name, value in ours.items():
        assert_array_equal(value, theirs[name])


def test_the_loss_is_that_of_the_published_package():
    generator = torch.Generator().manual_seed(0)
    x, reconstructed = torch.randn(2, 50, 6, generator=generator)
    masked = (torch.rand(50, 6, generator=generator) < 0.3).float()
    masked[3] = 0
    expected = UnsupervisedLoss(reconstructed, x, masked)
    found = masked_loss((reconstructed - x).square(), masked, x.var(dim=0))
    assert_allclose(found.mean(), expected, rtol=1e-6)
    assert found[3] == 0


def test_the_loss_of_a_fit_is_that_of_what_the_decoder_reconstructs():
    frame, _ = table()
    learner = TabNetPretrainer(**BRIEF, mask_fraction=0.4).fit(frame)
    module = learner.net_.module_
    rows = torch.randn(9, 5, generator=torch.Generator().manual_seed(0))
    rows[:, 3], rows[:, 4] = torch.arange(9) % 3, torch.arange(9) % 4
    outputs = []
    module.decoder.register_forward_hook(lambda *args: outputs.append(args[-1]))
    with torch.no_grad():
        found = module(rows)[:, 0]
    drawn = torch.rand(9, 5, generator=torch.Generator().manual_seed(0))
    masked = (drawn < 0.4).float()
    errors = torch.column_stack(
        [
            (outputs[0][:, :3] - rows[:, :3]).square(),
            F.cross_entropy(outputs[0][:, 3:6], rows[:, 3].long(), reduction="none"),
            F.cross_entropy(outputs[0][:, 6:], rows[:, 4].long(), reduction="none"),
        ]
    )
    expected = (errors * masked / module.spread).sum(1) / masked.sum(1).clamp(min=1)
    assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_spread_of_a_column_is_its_variance_or_entropy(weighted):
    frame, _ = table()
    weight = np.arange(1.0, 241.0) if weighted else None
    learner = TabNetPretrainer(
        **BRIEF, preprocessing=None, early_stopping=False, batch_size=32
    ).fit(frame, sample_weight=weight)
    share = np.full(240, 1 / 240) if weight is None else weight / weight.sum()
    size = frame["size"].to_numpy()
    present = ~np.isnan(size)
    mean = np.average(size[present], weights=share[present])
    filled = np.where(present, size, mean)
    towns = [share[frame["town"] == t].sum() for t in ("Bonn", "Paris", "Rome")]
    expected = [
        share @ (filled - share @ filled) ** 2,
        -np.sum(towns * np.log(towns)),
    ]
    assert_allclose(learner.net_.module_.spread[[0, 4]], expected, rtol=1e-5)


def test_a_column_that_says_nothing_divides_by_one():
    constant = np.c_[X, np.ones(150)]
    learner = TabNetPretrainer(**BRIEF).fit(constant)
    assert learner.net_.module_.spread[4] == 1
    assert np.isfinite(learner.history_[-1]["train_loss"])


@pytest.mark.takes_long("what is learned shows after 40 epochs")
def test_what_follows_from_other_columns_is_learned():
    frame, _ = table(1000)
    parts = {**SMALL, "max_epochs": 40, "early_stopping": False}
    learner = TabNetPretrainer(**parts).fit(frame[["size", "twice", "sign"]])
    # Of most rows something is masked here.
    noise = TabNetPretrainer(**{**parts, "max_epochs": 10}, mask_fraction=0.4)
    noise.fit(np.random.RandomState(0).rand(1000, 10))
    # A row of which nothing is masked, here about half of them, costs nothing.
    assert learner.history_[-1]["train_loss"] < 0.3
    assert 0.9 < noise.history_[-1]["train_loss"] < 1.1


def test_a_share_of_the_values_is_masked():
    learner = TabNetPretrainer(**BRIEF, mask_fraction=0.3).fit(X)
    module = learner.net_.module_
    rows = torch.zeros(2000, 4)
    assert 0.27 < module._hidden(rows).mean() < 0.33
    assert torch.equal(module._hidden(rows), module._hidden(rows))
    module.train()
    assert 0.27 < module._hidden(rows).mean() < 0.33
    assert not torch.equal(module._hidden(rows), module._hidden(rows))


def test_hidden_values_do_not_matter_to_what_is_told_of_them():
    learner = TabNetPretrainer(**BRIEF).fit(X)
    encoder = part(learner, TabNetEncoder)
    known = torch.tensor([[1.0, 0.0, 1.0, 1.0]])
    rows = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    rows[1, [0, 2, 3]] = rows[0, [0, 2, 3]]
    with torch.no_grad():
        one, other = encoder.decisions(rows, known.expand(2, 4))
    assert_array_equal(one, other)


def test_features_are_those_of_the_encoder_on_whole_rows():
    learner = TabNetPretrainer(**BRIEF).fit(X)
    rows = learner._schema.tensor(X)
    with torch.no_grad():
        expected = part(learner, TabNetEncoder)(rows)
    assert_allclose(learner.transform(X), expected, rtol=1e-4, atol=1e-5)
    assert learner.get_feature_names_out()[0] == "tabnetpretrainer0"
    assert learner.explain(X)[1].shape == (2, 150, 4)
    again = pickle.loads(pickle.dumps(learner))
    assert_array_equal(again.transform(X), learner.transform(X))


# In other learners


@pytest.mark.parametrize("cls", [TabNetClassifier, TabNetRegressor])
def test_training_starts_from_the_weights_of_a_fitted_pretrainer(cls):
    frame, target = table()
    pretrainer = TabNetPretrainer(**BRIEF).fit(frame)
    frozen = {"lr": 1e-12, "momentum": 1e-12, "max_epochs": 1}
    learner = cls(**{**SMALL, **frozen}, pretrained=pretrainer)
    learner.fit(frame[:50], target[:50])
    for kind in (TabNetEncoder, CategoricalEmbedding):
        ours, theirs = part(learner, kind), part(pretrainer, kind)
        for name, value in ours.named_parameters():
            assert_allclose(value.detach(), theirs.state_dict()[name], atol=1e-6)
    # Levels and scales are those of all rows, not of the labelled ones.
    assert learner._schema is pretrainer._schema
    assert learner.pretrainer_ is pretrainer
    assert learner.feature_importances_.shape == (4,)
    again = pickle.loads(pickle.dumps(learner))
    assert_array_equal(again.predict(frame), learner.predict(frame))


@pytest.mark.parametrize("as_array", [False, True])
def test_a_pretrainer_that_is_not_fitted_is_fitted_on_the_training_rows(as_array):
    frame, target = table()
    data = frame.to_numpy(dtype=object) if as_array else frame
    chosen = [2, 3] if as_array else "from_dtype"
    learner = TabNetClassifier(
        **BRIEF, pretrained=TabNetPretrainer(**BRIEF), categorical_features=chosen
    ).fit(data, target)
    assert not hasattr(learner.pretrained, "net_")
    n_train = 240 - 24
    assert learner.pretrainer_.net_.history[0, "batches", 0, "train_batch_size"] == (
        n_train - 22
    )
    assert learner.pretrainer_._columns is learner._columns
    if not as_array:
        assert "town" in learner._spec.feature_names


def test_pretraining_inside_a_fit_depends_on_its_seed_alone():
    def predicted(seed):
        learner = TabNetClassifier(
            **{**BRIEF, "random_state": seed}, pretrained=TabNetPretrainer(**BRIEF)
        ).set_params(pretrained__random_state=None)
        return learner.fit(X, y).predict_proba(X), learner.pretrainer_.transform(X)

    state = torch.get_rng_state()
    for one, other in zip(predicted(0), predicted(0), strict=True):
        assert_array_equal(one, other)
    for one, other in zip(predicted(0), predicted(1), strict=True):
        assert not np.array_equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_weights_of_rows_and_classes_weigh_pretraining_too():
    weight = np.arange(150) % 3
    parts = {**BRIEF, "pretrained": TabNetPretrainer(**BRIEF)}
    weighted = TabNetClassifier(**parts).fit(X, y, sample_weight=weight)
    rows = np.repeat(np.arange(150), weight)[::-1]
    repeated = TabNetClassifier(**parts).fit(X[rows], y[rows])
    assert_array_equal(weighted.predict_proba(X), repeated.predict_proba(X))
    by_class = TabNetClassifier(**parts, class_weight={0: 3, 1: 1, 2: 2}).fit(X, y)
    alike = TabNetClassifier(**parts).fit(X, y, sample_weight=np.array([3, 1, 2])[y])
    assert_array_equal(by_class.predict_proba(X), alike.predict_proba(X))


def test_pretraining_is_searched_in_a_pipeline():
    learner = TabNetClassifier(**BRIEF, pretrained=TabNetPretrainer(**BRIEF))
    grid = {"tabnetclassifier__pretrained__mask_fraction": [0.1, 0.5]}
    search = GridSearchCV(make_pipeline(StandardScaler(), learner), grid, cv=2)
    best = search.fit(X, y).best_estimator_[-1].pretrainer_
    assert best.mask_fraction == search.best_params_[next(iter(grid))]


def test_a_frozen_pretrainer_stays_fitted_in_clones():
    pretrainer = TabNetPretrainer(**BRIEF).fit(X)
    learner = TabNetClassifier(**BRIEF, pretrained=FrozenEstimator(pretrainer))
    assert clone(learner).fit(X[:60], y[:60]).pretrainer_ is pretrainer
    unfitted = FrozenEstimator(TabNetPretrainer(**BRIEF))
    learner = TabNetClassifier(**BRIEF, pretrained=unfitted).fit(X, y)
    assert hasattr(learner.pretrainer_, "net_")


def test_a_warm_start_does_not_go_back_to_the_pretrainer():
    pretrainer = TabNetPretrainer(**BRIEF).fit(X)
    parts = {**BRIEF, "pretrained": pretrainer}
    learner = TabNetClassifier(**parts, warm_start=True).fit(X, y)
    before = learner.predict_proba(X)
    learner.set_params(lr=1e-12, momentum=1e-12).fit(X, y)
    assert_allclose(learner.predict_proba(X), before, atol=1e-4)
    assert learner.set_params(pretrained=None, warm_start=False).fit(X, y)
    assert not hasattr(learner, "pretrainer_")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_d": 4}, "pretrained has n_d=8, but this TabNetClassifier has n_d=4"),
        ({"preprocessing": "robust"}, "has preprocessing='auto', but"),
        ({"categorical_features": [3]}, "Column 3 of X is a category, but was a num"),
        ({"pretrained": FrozenEstimator(StandardScaler())}, "must be a TabNetPretr"),
        ({"pretrained": StandardScaler()}, "The 'pretrained' parameter"),
    ],
)
def test_a_pretrainer_that_does_not_fit_is_refused(params, message):
    parts = {**BRIEF, "pretrained": TabNetPretrainer(**BRIEF).fit(X), **params}
    learner = TabNetClassifier(**parts)
    with pytest.raises((ValueError, TypeError), match=message):
        learner.fit(X, y)
    assert not hasattr(learner, "pretrainer_")


def test_columns_other_than_those_of_pretraining_are_refused():
    frame = pd.DataFrame(X, columns=list("abcd"))
    pretrainer = TabNetPretrainer(**BRIEF).fit(frame)
    learner = TabNetClassifier(**BRIEF, pretrained=pretrainer)
    with pytest.raises(ValueError, match=r"fitted on 4 columns \[.* has 3 col"):
        learner.fit(frame[["a", "b", "c"]], y)
    with pytest.raises(ValueError, match="Fit both on the same columns"):
        learner.fit(frame[["b", "a", "c", "d"]], y)
    assert learner.fit(X, y).score(X, y) > 0


@pytest.mark.slow
def test_pretraining_on_many_rows_helps_where_labels_are_few():
    X, y = load_digits(return_X_y=True)
    gains = []
    for seed in range(3):
        rows = np.random.RandomState(seed).permutation(len(X))
        few, rest = rows[:100], rows[900:]
        parts = {"random_state": seed, "max_epochs": 30}
        pretrainer = TabNetPretrainer(**parts).fit(X[rows[:900]])
        scores = [
            TabNetClassifier(**parts, pretrained=given)
            .fit(X[few], y[few])
            .score(X[rest], y[rest])
            for given in (pretrainer, None)
        ]
        gains.append(scores[0] - scores[1])
    assert np.mean(gains) > 0.05
