import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator
from torch import nn

from torchlearners.graph import Conv2d, Flatten, Head, Linear, ReLU
from torchlearners.image import CNN, ImageClassifier, ImageEncoder

X, Y = load_digits(return_X_y=True)
SMALL = CNN(width=4, n_stages=2)


@pytest.fixture(scope="module")
def fitted():
    return ImageClassifier(SMALL, max_epochs=5, random_state=0).fit(X[:600], Y[:600])


def test_features_of_a_learner_are_what_its_head_gets(fitted):
    features = ImageEncoder(fitted).fit_transform(X[:50])
    head = fitted.net_.module_[-1]
    scores = torch.as_tensor(features) @ head.weight.detach().T + head.bias.detach()
    expected = fitted.predict_proba(X[:50])
    assert np.allclose(scores.softmax(1).numpy(), expected, atol=1e-5)


def test_a_pipeline_learns_from_features_of_a_learner(fitted):
    pipe = make_pipeline(ImageEncoder(fitted), LogisticRegression(max_iter=500))
    assert pipe.fit(X[600:1200], Y[600:1200]).score(X[1200:], Y[1200:]) > 0.8
    frozen = ImageEncoder(FrozenEstimator(fitted))
    pipe = make_pipeline(frozen, LogisticRegression(max_iter=500))
    assert cross_val_score(pipe, X[600:900], Y[600:900], cv=2).min() > 0.6


def test_random_weights_come_from_the_seed_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    one = ImageEncoder(SMALL, random_state=0).fit_transform(X[:40])
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(
        one, ImageEncoder(SMALL, random_state=0).fit_transform(X[:40])
    )
    other = ImageEncoder(SMALL, random_state=1).fit_transform(X[:40])
    assert not np.allclose(one, other)


def test_an_encoder_does_not_follow_its_learner():
    learner = ImageClassifier(SMALL, max_epochs=1, random_state=0).fit(X[:60], Y[:60])
    encoder = ImageEncoder(learner).fit(X[:60])
    before = encoder.transform(X[:60])
    learner.partial_fit(X[:60], Y[:60])
    assert np.array_equal(encoder.transform(X[:60]), before)


def test_tokens_are_the_places_of_the_last_map():
    images = np.random.default_rng(0).random((5, 3, 16, 24), dtype=np.float32)
    tokens = ImageEncoder(SMALL, output="tokens", random_state=0).fit(images)
    assert tokens.transform(images).shape == (5, 4 * 6, 8)
    pooled = ImageEncoder(SMALL, random_state=0).fit_transform(images)
    assert np.allclose(tokens.transform(images).mean(1), pooled, atol=1e-5)
    vit = ImageEncoder("vit", output="tokens", random_state=0)
    assert vit.fit_transform(images).ndim == 3
    with pytest.raises(ValueError, match="no names of columns"):
        tokens.get_feature_names_out()


def test_modules_and_networks_of_nodes_are_encoders_too():
    module = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    assert ImageEncoder(module).fit_transform(X[:20]).shape == (20, 6)
    nodes = Conv2d(5, 3) >> ReLU()
    assert ImageEncoder(nodes).fit_transform(X[:20]).shape == (20, 5)
    whole = Flatten() >> Linear(7) >> ReLU() >> Head()
    assert ImageEncoder(whole).fit_transform(X[:20]).shape == (20, 7)
    with pytest.raises(ValueError, match="0 modules PoolPositions"):
        ImageEncoder(whole, output="tokens").fit(X[:20]).transform(X[:20])


def test_columns_have_names_in_pandas():
    encoder = ImageEncoder(SMALL, random_state=0).set_output(transform="pandas")
    frame = encoder.fit_transform(X[:20])
    assert list(frame.columns[:2]) == ["imageencoder0", "imageencoder1"]
    assert frame.shape[1] == len(encoder.get_feature_names_out())


def test_a_pickle_gives_the_same_features():
    encoder = ImageEncoder(SMALL, random_state=0).fit(X[:20])
    again = pickle.loads(pickle.dumps(encoder))
    assert np.array_equal(again.transform(X[:20]), encoder.transform(X[:20]))


def test_errors_say_what_to_do(fitted):
    with pytest.raises(NotFittedError, match="FrozenEstimator"):
        clone(ImageEncoder(fitted)).fit(X[:20])
    with pytest.raises(ValueError, match="49 features"):
        ImageEncoder(fitted).fit(X[:20, :49])
    with pytest.raises(NotFittedError):
        ImageEncoder().transform(X[:20])


def test_every_check_of_scikit_learn_passes():
    results = check_estimator(ImageEncoder(CNN(width=8)), on_fail=None, on_skip=None)
    assert [r for r in results if r["status"] == "failed"] == []


def test_an_ensemble_has_no_features_of_its_own():
    X = np.random.default_rng(0).integers(0, 256, (12, 8, 8), dtype=np.uint8)
    learner = ImageClassifier(CNN(width=4), n_ensemble=2, max_epochs=1).fit(
        X, np.arange(12) % 2
    )
    with pytest.raises(ValueError, match=r"is an ensemble.* Give one of its members_"):
        ImageEncoder(learner).fit(X)
    assert ImageEncoder(learner.members_[1]).fit(X).transform(X).shape[0] == 12


def test_a_column_transformer_mixes_files_of_images_with_numbers(tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(20) % 2
    paths = [str(tmp_path / f"{i}.png") for i in range(20)]
    for path, bright in zip(paths, y, strict=True):
        pixels = rng.integers(0, 100, (12, 12)) + 100 * bright
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    table = pd.DataFrame({"path": paths, "size": rng.normal(size=20)})
    both = ColumnTransformer(
        [
            ("image", ImageEncoder(SMALL, random_state=0), ["path"]),
            ("number", "passthrough", ["size"]),
        ]
    )
    pipe = make_pipeline(both, LogisticRegression()).fit(table[:10], y[:10])
    assert pipe.score(table[10:], y[10:]) == 1
    names = both.fit(table).get_feature_names_out()
    assert list(names[[0, -1]]) == ["image__imageencoder0", "number__size"]
