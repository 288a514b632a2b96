import pickle
import warnings

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from rtdl_revisiting_models import FTTransformer
from sklearn.datasets import load_iris, load_wine
from torch import nn

from torchlearners import FTTransformerClassifier, FTTransformerRegressor
from torchlearners.callbacks import Checkpoint
from torchlearners.data import DataSpec
from torchlearners.exceptions import ManyFeaturesWarning
from torchlearners.nn import FTTransformerBlock

SMALL = {"n_blocks": 2, "d_token": 16, "n_heads": 2, "max_epochs": 3, "random_state": 0}


def tensors_of_theirs(net):
    """Return their parameters in the order of ours."""
    tokens = []
    if net.cont_embeddings is not None:
        tokens += [net.cont_embeddings.weight, net.cont_embeddings.bias]
    if net.cat_embeddings is not None:
        tables = torch.cat([e.weight for e in net.cat_embeddings.embeddings])
        tokens += [tables, net.cat_embeddings.bias]
    yield from [*tokens, net.cls_embedding.weight[None]]
    for block in net.backbone.blocks:
        attention = block["attention"]
        if "attention_normalization" in block:
            yield from block["attention_normalization"].parameters()
        yield from attention.W_q.parameters()
        yield torch.cat([attention.W_k.weight, attention.W_v.weight])
        yield torch.cat([attention.W_k.bias, attention.W_v.bias])
        yield from attention.W_out.parameters()
        yield from block["ffn_normalization"].parameters()
        yield from block["ffn"].linear1.parameters()
        yield from block["ffn"].linear2.parameters()
    yield from net.backbone.output.parameters()


@pytest.mark.parametrize(
    ("n_numeric", "cardinalities"), [(4, ()), (3, (2, 5)), (0, (3,))]
)
def test_the_forward_pass_is_that_of_the_published_package(n_numeric, cardinalities):
    learner = FTTransformerRegressor(n_blocks=3, d_token=24)
    spec = DataSpec(n_numeric=n_numeric, n_outputs=2, cardinalities=cardinalities)
    ours = learner.build_module(spec).eval()
    theirs = FTTransformer(
        n_cont_features=n_numeric,
        cat_cardinalities=list(cardinalities),
        d_out=2,
        n_blocks=3,
        d_block=24,
        attention_n_heads=8,
        attention_dropout=0.2,
        ffn_d_hidden=None,
        ffn_d_hidden_multiplier=4 / 3,
        ffn_dropout=0.1,
        residual_dropout=0.0,
    ).eval()
    numbers = torch.randn(6, n_numeric)
    codes = (
        torch.stack(
            [torch.randint(c, (6,)) for c in cardinalities] or [torch.zeros(0)] * 0, 1
        )
        if cardinalities
        else torch.zeros(6, 0)
    )
    with torch.no_grad():
        for p in theirs.parameters():
            p.add_(0.1 * torch.randn_like(p))
        for a, b in zip(ours.parameters(), tensors_of_theirs(theirs), strict=True):
            a.copy_(b)
        assert_allclose(
            ours(torch.cat([numbers, codes.float()], 1)),
            theirs(
                numbers if n_numeric else None,
                codes.long() if cardinalities else None,
            ),
            rtol=1e-5,
            atol=1e-5,
        )


def test_attention_maps_are_weights_of_the_cls_token_in_each_block_and_head():
    X, y = load_iris(return_X_y=True)
    learner = FTTransformerClassifier(**SMALL).fit(X, y)
    maps = learner.attention_maps(X[:7])
    assert maps.shape == (7, 2, 2, 5)
    assert_allclose(maps.sum(-1), 1, rtol=1e-5)
    assert_allclose(
        learner.set_params(predict_batch_size=4).attention_maps(X[:7]), maps
    )
    blocks = [
        m for m in learner.net_.module_.modules() if isinstance(m, FTTransformerBlock)
    ]
    assert not any(block._forward_pre_hooks for block in blocks)


def test_attention_goes_to_the_feature_that_matters():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(400, 5))
    learner = FTTransformerRegressor(**{**SMALL, "lr": 3e-3, "max_epochs": 40})
    maps = learner.fit(X, np.sin(3 * X[:, 2])).attention_maps(X)
    assert maps.mean(axis=(0, 1, 2))[1:].argmax() == 2


def test_only_weights_of_linear_layers_decay():
    X, y = load_iris(return_X_y=True)
    learner = FTTransformerClassifier(**{**SMALL, "weight_decay": 0.1}).fit(X, y)
    net = learner.net_
    decayed, rest = net.optimizer_.param_groups
    names = {id(p): name for name, p in net.module_.named_parameters()}
    linear = {id(m.weight) for m in net.module_.modules() if isinstance(m, nn.Linear)}
    assert {id(p) for p in decayed["params"]} == linear
    assert (decayed["weight_decay"], rest["weight_decay"]) == (0.1, 0.0)
    assert {id(p) for p in rest["params"]} == names.keys() - linear


def test_a_schedule_and_freezing_reach_both_groups():
    X, y = load_iris(return_X_y=True)
    learner = FTTransformerClassifier(
        **SMALL, lr_schedule="cosine", freeze="numeric_tokenizer_1.*"
    )
    net = learner.fit(X, y).net_
    assert len({group["lr"] for group in net.optimizer_.param_groups}) == 1
    fresh = FTTransformerClassifier(**SMALL, lr=1e-12).fit(X, y).net_
    name = "numeric_tokenizer_1.weight"
    assert_array_equal(
        net.module_.get_parameter(name).detach(),
        fresh.module_.get_parameter(name).detach(),
    )


def test_a_resumed_training_ends_with_the_same_bits(tmp_path):
    X, y = load_iris(return_X_y=True)

    def learner(n_epochs, folder):
        return FTTransformerClassifier(
            **{**SMALL, "max_epochs": n_epochs, "weight_decay": 0.1},
            lr_schedule=None,
            callbacks=[Checkpoint(folder=folder)],
        )

    whole = learner(4, tmp_path / "whole").fit(X, y)
    learner(2, tmp_path / "cut").fit(X, y)
    resumed = learner(4, tmp_path / "cut").fit(X, y, resume=tmp_path / "cut")
    assert_array_equal(whole.predict_proba(X), resumed.predict_proba(X))


def test_a_pickle_predicts_the_same():
    X, y = load_iris(return_X_y=True)
    learner = FTTransformerClassifier(**SMALL).fit(X, y)
    again = pickle.loads(pickle.dumps(learner))
    assert_array_equal(again.predict_proba(X), learner.predict_proba(X))
    assert_array_equal(again.attention_maps(X), learner.attention_maps(X))


def test_many_features_are_warned_about_in_fit_only():
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(8, 201)), np.arange(8) % 2
    learner = FTTransformerClassifier(**{**SMALL, "max_epochs": 1})
    with pytest.warns(ManyFeaturesWarning, match="201 features"):
        learner.fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(pickle.dumps(learner)).predict(X)
        learner.fit(X[:, :200], y)


def test_the_classifier_is_accurate_with_its_defaults():
    X, y = load_wine(return_X_y=True)
    learner = FTTransformerClassifier(random_state=0).fit(X[::2], y[::2])
    assert learner.score(X[1::2], y[1::2]) > 0.95


def test_the_network_can_be_drawn():
    X, y = load_iris(return_X_y=True)
    text = FTTransformerClassifier(**SMALL).fit(X, y).plot_network(format="text")
    assert "ft_transformer_block_2" in text


def test_automatic_batches_have_128_rows_at_most():
    sizes = [FTTransformerClassifier()._batch_size(n) for n in (200, 1000, 100_000)]
    assert sizes == [200, 32, 128]
