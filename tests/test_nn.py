"""What holds for every module of `torchlearners.nn`."""

import copy
import inspect
import io
import pickle

import pytest
import torch
from torch import nn

import torchlearners.nn as tnn
from torchlearners.nn import bind_generator, draws_unbound_numbers, random_numbers_from


def codes(n):
    return torch.arange(2 * n).reshape(n, 2) % 3


def numbers(*sizes, seed=0):
    def make(n):
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(n, *sizes, generator=generator)

    return make


def neighbors():
    module = tnn.SoftNearestNeighbors(nn.Linear(3, 4), 3, 2, sample_rate=1.0)
    module.set_candidates(numbers(3, seed=3)(9), numbers(2, seed=4)(9))
    return module


# name: a module, what makes each input of n rows, and the shape of a row of output
CASES = {
    "Attend": (lambda: tnn.Attend(3), [numbers(4, 3), numbers(4, 3, seed=1)], (4, 3)),
    "BatchEnsembleLinear": (
        lambda: tnn.BatchEnsembleLinear(3, 6, 4, scaling_init="normal"),
        [numbers(4, 3)],
        (4, 6),
    ),
    "CLSToken": (lambda: tnn.CLSToken(8), [numbers(3, 8)], (4, 8)),
    "CLSToken normal": (lambda: tnn.CLSToken(8, "normal"), [numbers(3, 8)], (4, 8)),
    "CategoricalEmbedding": (
        lambda: tnn.CategoricalEmbedding((3, 10)),
        [codes],
        (9,),
    ),
    "CategoricalTokenizer": (
        lambda: tnn.CategoricalTokenizer((3, 4), 8),
        [codes],
        (2, 8),
    ),
    "Concat": (tnn.Concat, [numbers(2, 3), numbers(2, 4)], (2, 7)),
    "Dropout": (lambda: tnn.Dropout(0.3), [numbers(3)], (3,)),
    "Entmax15": (tnn.Entmax15, [numbers(4)], (4,)),
    "ExpandMembers": (lambda: tnn.ExpandMembers(4), [numbers(3)], (4, 3)),
    "FTTransformerBlock": (
        lambda: tnn.FTTransformerBlock(16, residual_dropout=0.1),
        [numbers(5, 16)],
        (5, 16),
    ),
    "FTTransformerBlock first": (
        lambda: tnn.FTTransformerBlock(16, 2, 0.0, query="first", attention_norm=False),
        [numbers(5, 16)],
        (1, 16),
    ),
    "GEGLU": (tnn.GEGLU, [numbers(2, 6)], (2, 3)),
    "GhostBatchNorm1d": (lambda: tnn.GhostBatchNorm1d(3, 2), [numbers(3)], (3,)),
    "LinearEnsemble": (lambda: tnn.LinearEnsemble(3, 2, 4), [numbers(4, 3)], (4, 2)),
    "Mean": (tnn.Mean, [numbers(2, 3), numbers(2, 1)], (2, 3)),
    "NTKLinear": (lambda: tnn.NTKLinear(3, 6), [numbers(4, 3)], (4, 6)),
    "NumericTokenizer": (lambda: tnn.NumericTokenizer(3, 8), [numbers(3)], (3, 8)),
    "OneHotEmbedding": (lambda: tnn.OneHotEmbedding((3, 12)), [codes], (9,)),
    "PBLDEmbedding": (lambda: tnn.PBLDEmbedding(3), [numbers(3)], (3, 4)),
    "ParametricActivation": (
        lambda: tnn.ParametricActivation(3, "mish"),
        [numbers(4, 3)],
        (4, 3),
    ),
    "PeriodicEmbedding": (lambda: tnn.PeriodicEmbedding(3), [numbers(3)], (3, 24)),
    "PeriodicEmbedding lite": (
        lambda: tnn.PeriodicEmbedding(3, lite=True),
        [numbers(3)],
        (3, 24),
    ),
    "Permute": (lambda: tnn.Permute((0, 2, 1)), [numbers(3, 4)], (4, 3)),
    "PiecewiseLinearEmbedding": (
        lambda: tnn.PiecewiseLinearEmbedding(3),
        [numbers(3)],
        (3, 16),
    ),
    "PiecewiseLinearEmbedding 2022": (
        lambda: tnn.PiecewiseLinearEmbedding(3, 5, 7, activation=True, residual=False),
        [numbers(3)],
        (3, 7),
    ),
    "PiecewiseLinearEncoding": (
        lambda: tnn.PiecewiseLinearEncoding(3, 5),
        [numbers(3)],
        (3, 5),
    ),
    "Product": (tnn.Product, [numbers(2, 3), numbers(1, 3)], (2, 3)),
    "ReGLU": (tnn.ReGLU, [numbers(6)], (3,)),
    "Reshape": (lambda: tnn.Reshape((2, -1)), [numbers(6)], (2, 3)),
    "ScaleEnsemble": (lambda: tnn.ScaleEnsemble(3, 4), [numbers(4, 3)], (4, 3)),
    "ScaleFeatures": (lambda: tnn.ScaleFeatures(3), [numbers(3)], (3,)),
    "Select": (lambda: tnn.Select(1, -1), [numbers(3, 4)], (4,)),
    "SoftNearestNeighbors": (neighbors, [numbers(3)], (2,)),
    "Sparsemax": (lambda: tnn.Sparsemax(1), [numbers(4)], (4,)),
    "Squeeze": (lambda: tnn.Squeeze(1), [numbers(1, 4)], (4,)),
    "Stack": (tnn.Stack, [numbers(3), numbers(3, seed=1)], (2, 3)),
    "Sum": (tnn.Sum, [numbers(2, 3), numbers(1, 3)], (2, 3)),
    "SwiGLU": (tnn.SwiGLU, [numbers(6)], (3,)),
    "TabNetDecoder": (lambda: tnn.TabNetDecoder(5), [numbers(3, 8)], (5,)),
    "TabNetEncoder": (lambda: tnn.TabNetEncoder(6, 4, 4), [numbers(6)], (4,)),
    "TabNetEncoder groups": (
        lambda: tnn.TabNetEncoder(6, mask_type="entmax", group_sizes=[1, 3, 2]),
        [numbers(6)],
        (8,),
    ),
    "Unsqueeze": (lambda: tnn.Unsqueeze(-1), [numbers(3)], (3, 1)),
}
# Trains on no single row.
WITH_NORM = ("GhostBatchNorm1d", "TabNetDecoder", "TabNetEncoder")
of_all_modules = pytest.mark.parametrize("case", CASES)


def seeded(case, seed=0):
    """Return the module of a case, ready to train, and the makers of its inputs."""
    generator = torch.Generator().manual_seed(seed)
    make, inputs, _ = CASES[case]
    with random_numbers_from(generator):
        module = make()
    bind_generator(module, generator)
    return module, inputs


IMAGES = {
    "ChannelNorm2d",
    "ConvNeXtBlock",
    "ImageInput",
    "PatchTokens",
    "PoolPositions",
}


def test_every_module_has_a_case():
    modules = {
        name
        for name in tnn.__all__
        if isinstance(getattr(tnn, name), type)
        and issubclass(getattr(tnn, name), nn.Module)
        # Their output depends on a function, and on the mode.
        and name not in ("Function", "MeanMembers")
        # Those of images are tested beside them: tests/nn/test_image_*.py.
        and name not in IMAGES
    }
    assert {name.split()[0] for name in CASES} == modules


@of_all_modules
@pytest.mark.parametrize("n_rows", [0, 1, 5])
@pytest.mark.parametrize("training", [True, False])
def test_a_batch_of_any_size_comes_out(case, n_rows, training):
    module, inputs = seeded(case)
    if training and n_rows == 1 and case.split()[0] in WITH_NORM:
        with pytest.raises(ValueError, match="more than 1 value"):
            module(*(make(n_rows) for make in inputs))
        return
    out = module.train(training)(*(make(n_rows) for make in inputs))
    assert out.shape == (n_rows, *CASES[case][2])
    assert out.isfinite().all()


@of_all_modules
def test_rows_do_not_see_each_other(case):
    module, inputs = seeded(case)
    module.eval()
    rows = [make(5) for make in inputs]
    alone = [module(*(x[i : i + 1] for x in rows)) for i in range(5)]
    torch.testing.assert_close(module(*rows), torch.cat(alone))


@of_all_modules
def test_gradients_reach_every_parameter_and_number(case):
    module, inputs = seeded(case)
    rows = [make(5) for make in inputs]
    for x in rows:
        x.requires_grad_(x.is_floating_point())
    out = module(*rows)
    if out.requires_grad:
        (out * numbers(*out.shape[1:], seed=2)(5)).sum().backward()
    for name, leaf in [*module.named_parameters(), *enumerate(rows)]:
        if leaf.requires_grad:
            assert leaf.grad is not None, name
            assert leaf.grad.isfinite().all(), name
            assert (leaf.grad != 0).any(), name


@of_all_modules
def test_the_same_seed_gives_the_same_bits(case):
    first, inputs = seeded(case)
    second, _ = seeded(case)
    rows = [make(5) for make in inputs]
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(first(*rows), second(*rows))


@of_all_modules
def test_another_seed_gives_other_parameters(case):
    first, second = seeded(case)[0].state_dict(), seeded(case, seed=1)[0].state_dict()
    drawn = {name for name in first if not torch.equal(first[name], second[name])}
    weights = dict(seeded(case)[0].named_parameters())
    start = all(((w == 0) | (w == 1)).all() for w in weights.values())
    assert drawn or start


@of_all_modules
def test_the_global_random_state_is_left_alone(case):
    before = torch.get_rng_state()
    module, inputs = seeded(case)
    module(*(make(5) for make in inputs))
    assert torch.equal(torch.get_rng_state(), before)
    assert not draws_unbound_numbers(module)


@of_all_modules
def test_shapes_can_be_asked_for_on_the_meta_device(case):
    module, inputs = seeded(case)
    out = module.eval().to("meta")(*(make(5).to("meta") for make in inputs))
    assert out.is_meta
    assert out.shape == (5, *CASES[case][2])


def through_its_state(module):
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    other = copy.deepcopy(module)
    for value in other.state_dict().values():
        value.zero_()
    other.load_state_dict(torch.load(file, weights_only=True))
    return other


@of_all_modules
@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), through_its_state],
    ids=["deepcopy", "pickle", "state_dict"],
)
def test_a_copy_computes_the_same(case, duplicate):
    module, inputs = seeded(case)
    if hasattr(module, "fit_to"):
        module.fit_to(inputs[0](50))
    module.eval()
    rows = [make(5) for make in inputs]
    other = duplicate(module)
    assert torch.equal(other(*rows), module(*rows))
    own = {p.data_ptr() for p in module.parameters()}
    assert not own & {p.data_ptr() for p in other.parameters()}


@of_all_modules
def test_the_repr_shows_every_argument(case):
    module, _ = seeded(case)
    shown = repr(module)
    assert shown.startswith(f"{type(module).__name__}(")
    for name, parameter in inspect.signature(type(module)).parameters.items():
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            assert f"{name}=" in shown or f"({name}): " in shown
    assert "tensor(" not in shown


@of_all_modules
def test_double_precision_is_kept(case):
    module, inputs = seeded(case)
    rows = [make(5) for make in inputs]
    rows = [x.double() if x.is_floating_point() else x for x in rows]
    assert module.double()(*rows).dtype == torch.float64


REFUSED = [
    (tnn.Attend, {"in_features": 0}, "in_features"),
    (tnn.BatchEnsembleLinear, {"in_features": 0}, "in_features"),
    (tnn.BatchEnsembleLinear, {"out_features": 1.5}, "out_features"),
    (tnn.BatchEnsembleLinear, {"k": 0}, "k"),
    (tnn.BatchEnsembleLinear, {"bias": "yes"}, "bias"),
    (tnn.BatchEnsembleLinear, {"scaling_init": "zeros"}, "scaling_init"),
    (tnn.BatchEnsembleLinear, {"scaling_chunks": [1, 1]}, "scaling_chunks"),
    (tnn.CLSToken, {"d_token": -1}, "d_token"),
    (tnn.CLSToken, {"initialization": "zeros"}, "initialization"),
    (tnn.CategoricalEmbedding, {"cardinalities": []}, "cardinalities"),
    (tnn.CategoricalEmbedding, {"embedding_dim": [2]}, "embedding_dim"),
    (tnn.CategoricalEmbedding, {"embedding_dim": "large"}, "embedding_dim"),
    (tnn.CategoricalTokenizer, {"cardinalities": 3}, "cardinalities"),
    (tnn.CategoricalTokenizer, {"cardinalities": [3, 0]}, "cardinalities"),
    (tnn.CategoricalTokenizer, {"d_token": 0}, "d_token"),
    (tnn.CategoricalTokenizer, {"bias": None}, "bias"),
    (tnn.CategoricalTokenizer, {"initialization": 1}, "initialization"),
    (tnn.Concat, {"dim": 0}, "dim"),
    (tnn.Entmax15, {"dim": 0}, "dim"),
    (tnn.ExpandMembers, {"k": 0}, "k"),
    (tnn.FTTransformerBlock, {"d_token": 10}, "d_token"),
    (tnn.FTTransformerBlock, {"d_token": 0}, "d_token"),
    (tnn.FTTransformerBlock, {"n_heads": 0}, "n_heads"),
    (tnn.FTTransformerBlock, {"attention_dropout": 1.0}, "attention_dropout"),
    (tnn.FTTransformerBlock, {"ffn_d_hidden_multiplier": 0}, "ffn_d_hidden_multiplier"),
    (tnn.FTTransformerBlock, {"ffn_dropout": -0.1}, "ffn_dropout"),
    (tnn.FTTransformerBlock, {"residual_dropout": 2}, "residual_dropout"),
    (tnn.FTTransformerBlock, {"activation": "glu"}, "activation"),
    (tnn.FTTransformerBlock, {"attention_norm": "layer"}, "attention_norm"),
    (tnn.FTTransformerBlock, {"query": "last"}, "query"),
    (tnn.GhostBatchNorm1d, {"num_features": 0}, "num_features"),
    (tnn.GhostBatchNorm1d, {"virtual_batch_size": 0}, "virtual_batch_size"),
    (tnn.GhostBatchNorm1d, {"momentum": 1.0}, "momentum"),
    (tnn.LinearEnsemble, {"in_features": 0}, "in_features"),
    (tnn.LinearEnsemble, {"out_features": 0}, "out_features"),
    (tnn.LinearEnsemble, {"k": 0}, "k"),
    (tnn.LinearEnsemble, {"bias": 2}, "bias"),
    (tnn.NTKLinear, {"in_features": 0}, "in_features"),
    (tnn.NTKLinear, {"out_features": 1.5}, "out_features"),
    (tnn.NTKLinear, {"bias": "yes"}, "bias"),
    (tnn.NumericTokenizer, {"n_features": 0}, "n_features"),
    (tnn.NumericTokenizer, {"d_token": 0}, "d_token"),
    (tnn.NumericTokenizer, {"bias": 2}, "bias"),
    (tnn.NumericTokenizer, {"initialization": "zeros"}, "initialization"),
    (tnn.OneHotEmbedding, {"cardinalities": []}, "cardinalities"),
    (tnn.OneHotEmbedding, {"max_one_hot": 0}, "max_one_hot"),
    (tnn.OneHotEmbedding, {"embedding_dim": 0}, "embedding_dim"),
    (tnn.PBLDEmbedding, {"n_features": 0}, "n_features"),
    (tnn.PBLDEmbedding, {"n_frequencies": 0}, "n_frequencies"),
    (tnn.PBLDEmbedding, {"frequency_init_scale": 0}, "frequency_init_scale"),
    (tnn.PBLDEmbedding, {"d_embedding": 1}, "d_embedding"),
    (tnn.ParametricActivation, {"n_features": 0}, "n_features"),
    (tnn.ParametricActivation, {"activation": "swish"}, "activation"),
    (tnn.PeriodicEmbedding, {"n_features": 0}, "n_features"),
    (tnn.PeriodicEmbedding, {"n_frequencies": 0}, "n_frequencies"),
    (tnn.PeriodicEmbedding, {"frequency_init_scale": -1}, "frequency_init_scale"),
    (tnn.PeriodicEmbedding, {"d_embedding": 0}, "d_embedding"),
    (tnn.PeriodicEmbedding, {"lite": "yes"}, "lite"),
    (tnn.PeriodicEmbedding, {"activation": "relu"}, "activation"),
    (tnn.Permute, {"dims": (1, 0)}, "dims"),
    (tnn.Permute, {"dims": (0, 1, 1)}, "dims"),
    (tnn.Permute, {"dims": ()}, "dims"),
    (tnn.Permute, {"dims": (0, 1.0)}, "dims"),
    (tnn.PiecewiseLinearEmbedding, {"n_features": 0}, "n_features"),
    (tnn.PiecewiseLinearEmbedding, {"n_bins": 0}, "n_bins"),
    (tnn.PiecewiseLinearEmbedding, {"d_embedding": 0}, "d_embedding"),
    (tnn.PiecewiseLinearEmbedding, {"activation": "relu"}, "activation"),
    (tnn.PiecewiseLinearEmbedding, {"residual": 3}, "residual"),
    (tnn.PiecewiseLinearEncoding, {"n_features": 0}, "n_features"),
    (tnn.PiecewiseLinearEncoding, {"n_bins": 0}, "n_bins"),
    (tnn.Reshape, {"shape": (-1, -1)}, "shape"),
    (tnn.Reshape, {"shape": (0, 3)}, "shape"),
    (tnn.Reshape, {"shape": -2}, "shape"),
    (tnn.Reshape, {"shape": 1.5}, "shape"),
    (tnn.ScaleEnsemble, {"in_features": 0}, "in_features"),
    (tnn.ScaleEnsemble, {"k": 0}, "k"),
    (tnn.ScaleEnsemble, {"scaling_init": None}, "scaling_init"),
    (tnn.ScaleEnsemble, {"scaling_chunks": [3.0]}, "scaling_chunks"),
    (tnn.ScaleFeatures, {"n_features": 0}, "n_features"),
    (tnn.Select, {"dim": 0}, "dim"),
    (tnn.Select, {"index": "first"}, "index"),
    (tnn.Sparsemax, {"dim": 0}, "dim"),
    (tnn.Sparsemax, {"dim": True}, "dim"),
    (tnn.Squeeze, {"dim": 0}, "dim"),
    (tnn.Squeeze, {"dim": None}, "dim"),
    (tnn.Stack, {"dim": 0}, "dim"),
    *(
        (tnn.TabNetEncoder, {name: 0}, name)
        for name in ("in_features", "n_d", "n_a", "n_steps", "virtual_batch_size")
    ),
    (tnn.TabNetEncoder, {"gamma": 0.9}, "gamma"),
    (tnn.TabNetEncoder, {"n_independent": -1}, "n_independent"),
    (tnn.TabNetEncoder, {"n_shared": 1.5}, "n_shared"),
    (tnn.TabNetEncoder, {"n_shared": 0, "n_independent": 0}, "n_independent"),
    (tnn.TabNetEncoder, {"momentum": 0.0}, "momentum"),
    (tnn.TabNetEncoder, {"mask_type": "softmax"}, "mask_type"),
    (tnn.TabNetEncoder, {"lambda_sparse": -1}, "lambda_sparse"),
    (tnn.TabNetEncoder, {"group_sizes": [1, 1]}, "group_sizes"),
    (tnn.Unsqueeze, {"dim": 0}, "dim"),
]
VALID = {
    "cardinalities": (3, 4),
    "d_token": 8,
    "dim": 1,
    "dims": (0, 1),
    "in_features": 3,
    "index": 0,
    "k": 2,
    "n_features": 3,
    "num_features": 3,
    "out_features": 3,
    "shape": (3,),
}


@pytest.mark.parametrize(("module", "wrong", "name"), REFUSED)
def test_a_wrong_argument_is_refused_by_name_and_value(module, wrong, name):
    names = inspect.signature(module).parameters
    right = {name: value for name, value in VALID.items() if name in names}
    module(**right)
    with pytest.raises(ValueError, match=rf"^{name} must .*, got ") as raised:
        module(**right | wrong)
    assert repr(wrong[name]) in str(raised.value)
