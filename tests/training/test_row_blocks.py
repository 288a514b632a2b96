"""Blocks of rows in which a row gets the same bits whatever stands beside it.

Kernels of processors that are not at hand are simulated: one unit in the last place
more, where such a kernel would round otherwise.
"""

import inspect
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import nn
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function

from torchlearners import GraphRegressor, MLPClassifier
from torchlearners.base import RegressorLearner
from torchlearners.graph import Head, ReLU
from torchlearners.graph import Linear as LinearNode
from torchlearners.training import RowBlocks, Trial, torch_threads
from torchlearners.training import _row_blocks as row_blocks
from torchlearners.training import _threads as threads

ROWS = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))


def below_sixteen(n):
    return torch.arange(n) * 0 + (n < 16)


def rest_of_eight(n):
    return torch.arange(n) >= n - n % 8


def all_but_sixty_four(n):
    return torch.arange(n) * 0 + (n != 64)


def odd_places(n):
    return torch.arange(n) % 2


def nowhere(n):
    return torch.zeros(n)


def name_of(value):
    if isinstance(value, tuple):
        return " ".join([value[0].__name__, *value[1:]])
    return str(value) if len(value) < 3 else "many"


@pytest.fixture
def kernel(request, monkeypatch):
    """Let `linear` round otherwise in some rows; float64 hides it, unless refused."""
    rounds_up, *rest = request.param
    refuses_float64 = "even in float64" in rest

    def linear(x, weight, bias=None):
        if has_torch_function((x,)) and not refuses_float64:
            return handle_torch_function(linear, (x,), x, weight, bias)
        exact = x.double() @ weight.double().T
        exact = exact if bias is None else exact + bias.double()
        out = exact.to(x.dtype)
        if out.dtype == torch.float64:
            return out
        other = rounds_up(len(x)).bool().reshape(-1, *[1] * (out.ndim - 1))
        return torch.where(other, torch.nextafter(out, out + 1), out)

    monkeypatch.setattr(F, "linear", linear)
    monkeypatch.setattr(row_blocks, "_PRODUCTS", {linear})


def layers():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 3)).eval()


def cut(n_rows, module, most=4096, blocks=None):
    blocks = RowBlocks(4096) if blocks is None else blocks
    with torch.inference_mode():
        return blocks.cut(n_rows, most, lambda: Trial(module, ROWS))


@pytest.mark.parametrize(
    ("kernel", "one", "hundred"),
    [
        ((nowhere,), [4], [128]),
        ((below_sixteen,), [16], [128]),
        ((rest_of_eight,), [8], [128]),
        ((all_but_sixty_four,), [64], [64, 64]),
        ((odd_places,), [4], [128]),
        ((odd_places, "even in float64"), [1], [1] * 100),
    ],
    indirect=["kernel"],
    ids=name_of,
)
@pytest.mark.usefixtures("kernel")
def test_the_smallest_size_that_rounds_as_the_others_is_taken(one, hundred):
    assert cut(1, layers()) == one
    assert cut(100, layers()) == hundred


KERNELS = [
    (nowhere,),
    (below_sixteen,),
    (rest_of_eight,),
    (all_but_sixty_four,),
    (odd_places,),
    (odd_places, "even in float64"),
]


@pytest.mark.parametrize("kernel", KERNELS, indirect=True, ids=name_of)
@pytest.mark.usefixtures("kernel")
def test_a_row_is_predicted_with_the_same_bits_by_every_kernel():
    X = np.random.RandomState(0).normal(size=(150, 4))
    network = LinearNode(32) >> ReLU() >> Head()
    learner = GraphRegressor(network, max_epochs=1, random_state=0).fit(X, X[:, 0])
    one = learner.predict(X[:1])
    whole = learner.predict(X)
    hidden = learner.intermediate(X, "linear_1")
    assert_array_equal(one, whole[:1])
    for rows in (slice(1, 6), slice(3, 140), slice(None, None, -1), slice(0, 64, 7)):
        assert_array_equal(learner.predict(X[rows]), whole[rows])
        assert_array_equal(learner.intermediate(X[rows], "linear_1"), hidden[rows])
    for size in (1, 7, 50):
        learner.set_params(predict_batch_size=size)
        assert_array_equal(learner.predict(X), whole)


@pytest.mark.parametrize("kernel", [(odd_places,)], indirect=True, ids=name_of)
@pytest.mark.usefixtures("kernel")
def test_products_are_in_float64_where_the_place_of_a_row_matters():
    blocks = RowBlocks(4096)
    cut(1, layers(), blocks=blocks)
    assert blocks.float64
    with blocks.products():
        together = layers()(ROWS[:2])
    assert together.dtype == torch.float32
    exact = layers().double()(ROWS[:2].double())
    torch.testing.assert_close(together.double(), exact, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("n_rows", "most", "expected"),
    [
        (64, 4096, [64]),
        (65, 4096, [96]),
        (5000, 4096, [4096, 1024]),
        (20, 7, [4] * 5),
        (3, 1, [4]),
        (9000, 10_000, [4096, 4096, 1024]),
    ],
)
@pytest.mark.parametrize("kernel", [(nowhere,)], indirect=True, ids=name_of)
@pytest.mark.usefixtures("kernel")
def test_blocks_hold_all_rows_and_little_padding(n_rows, most, expected):
    assert cut(n_rows, layers(), most) == expected


def test_blocks_leave_no_rest_to_loops_over_single_values():
    """Seven values of four rows are no whole number of vectors; of 32 rows they are."""
    odd = nn.Sequential(nn.Linear(4, 7), nn.SiLU(), nn.Linear(7, 2)).eval()
    assert cut(1, odd)[0] % 32 == 0


class Centers(nn.Module):
    def forward(self, x):
        return x - x.mean(0)


class PlaceCounts(nn.Module):
    def forward(self, x):
        return x.cumsum(0)


@pytest.mark.parametrize("module", [Centers(), PlaceCounts()])
def test_a_network_that_looks_at_other_rows_gets_them_as_they_come(module):
    assert cut(10, module) == [10]
    assert cut(10, module, most=4) == [4, 4, 2]


def test_a_size_is_tried_once():
    blocks, module, trials = RowBlocks(4096), layers(), []

    def trial():
        trials.append(1)
        return Trial(module, ROWS)

    with torch.inference_mode():
        blocks.cut(1, 4096, trial)
        blocks.cut(300, 4096, trial)
        n_trials = len(trials)
        for _ in range(3):
            blocks.cut(1, 4096, trial)
            blocks.cut(300, 4096, trial)
    assert len(trials) == n_trials


class Remembers(nn.Linear):
    def forward(self, x):
        self.last = x
        return super().forward(x)


def test_nobody_notices_a_trial():
    module, seen = nn.Sequential(nn.Identity(), Remembers(4, 2)), []
    module[1].register_forward_hook(lambda *args: seen.append(args))
    module.register_forward_pre_hook(lambda *args: seen.append(args))
    cut(1, module)
    assert not seen
    assert not hasattr(module[1], "last")
    assert module(ROWS).shape == (64, 2)
    assert len(seen) == 2


def test_weights_of_a_trial_are_those_of_the_network():
    module = nn.Linear(4, 2)
    trial = Trial(module, ROWS)
    with torch.no_grad():
        module.weight += 1
    assert torch.equal(trial(ROWS).outputs, module(ROWS))


def test_a_scripted_module_is_tried_as_it_is():
    with pytest.warns(DeprecationWarning, match="script"):
        scripted = torch.jit.script(nn.Linear(4, 2))
    assert cut(1, nn.Sequential(scripted, nn.ReLU()))


def test_a_nan_is_no_difference():
    module = layers()
    with torch.no_grad():
        module[0].weight[0, 0] = torch.nan
    blocks = RowBlocks(4096)
    cut(1, module, blocks=blocks)
    assert not blocks.float64


@pytest.mark.parametrize("kernel", [(odd_places,)], indirect=True, ids=name_of)
@pytest.mark.usefixtures("kernel")
def test_calls_in_threads_choose_one_reference():
    module, start = layers(), threading.Barrier(4)
    for _ in range(5):
        blocks = RowBlocks(4096)

        def in_thread(n_rows, blocks=blocks):
            start.wait()
            return cut(n_rows, module, blocks=blocks), blocks.float64

        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(in_thread, (1, 3, 70, 1)))
        assert found == [([4], True), ([4], True), ([96], True), ([4], True)]


def test_blocks_on_two_threads_round_as_those_on_one(monkeypatch):
    X = np.random.RandomState(0).normal(size=(300, 10))
    learner = MLPClassifier(preset="simple", max_epochs=1, random_state=0)
    learner.fit(X, np.arange(300) % 3)
    work = 100 * learner.net_.n_weights
    monkeypatch.setattr(threads, "_SMALL_WORK", work)  # of 100 rows, on one thread
    one = learner.predict_proba(X[:1])
    few = learner.predict_proba(X[10:60])
    with torch_threads(2):
        whole = learner.predict_proba(X)
        assert_array_equal(learner.predict_proba(X[:1]), whole[:1])
        assert_array_equal(learner.predict_proba(X[10:60]), whole[10:60])
    assert_array_equal(one, whole[:1])
    assert_array_equal(few, whole[10:60])


def test_what_was_found_stays_in_its_process():
    X = np.random.RandomState(0).normal(size=(30, 4))
    learner = MLPClassifier(preset="simple", max_epochs=1).fit(X, np.arange(30) % 2)
    learner.predict(X)
    assert learner.net_.row_blocks
    assert not pickle.loads(pickle.dumps(learner)).net_.row_blocks
    assert "row_blocks" not in str(learner.__getstate__())


# Kernels of other processors, as far as this one has them


# Where a library obeys these variables, it takes kernels that other processors get.
IN_EACH_RUN = [
    {"MKL_CBWR": "COMPATIBLE"},
    {"ATEN_CPU_CAPABILITY": "default"},
]
SLOW = [
    {"MKL_CBWR": "AVX2"},
    {"MKL_CBWR": "AVX512"},
    {"MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    {"MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
    {"ATEN_CPU_CAPABILITY": "avx2"},
    {"ONEDNN_MAX_CPU_ISA": "SSE41"},
    {"ONEDNN_MAX_CPU_ISA": "AVX2"},
]


def kernel_digest():
    """Return a digest of what products, activations and convolutions compute."""
    import hashlib

    import torch
    from torch.nn import functional as F

    generator = torch.Generator().manual_seed(0)
    computed = []
    for n_in, n_out in ((7, 33), (16, 16), (100, 10), (128, 128)):
        weight = torch.randn(n_out, n_in, generator=generator)
        for n_rows in (1, 5, 64):
            product = F.linear(torch.randn(n_rows, n_in, generator=generator), weight)
            computed += [product, F.silu(product)]
    image = torch.randn(2, 3, 9, 9, generator=generator)
    weight = torch.randn(16, 3, 3, 3, generator=generator)
    computed.append(F.conv2d(image, weight))
    every_bit = b"".join(one.numpy().tobytes() for one in computed)
    return hashlib.sha256(every_bit).hexdigest()


# Then come the learners with a row whose prediction has other bits alone, in another
# order, in a subset or in other batches.
SCRIPT = f"""
{inspect.getsource(kernel_digest)}
print(kernel_digest())
"""
SCRIPT += """
import warnings

import numpy as np
from torchlearners.discovery import all_learners
from torchlearners.testing._probe import outputs, quick, toy

warnings.simplefilter("ignore")
for name, learner in all_learners():
    X, y = toy(learner())
    fitted = quick(learner(), max_epochs=1).fit(X, y)
    alone = outputs(fitted, X[:1])
    whole = outputs(fitted, X)
    order = np.random.RandomState(0).permutation(len(X))
    same = [
        np.array_equal(alone, whole[:1]),
        np.array_equal(outputs(fitted, X[order]), whole[order]),
        np.array_equal(outputs(fitted, X[3:10]), whole[3:10]),
    ]
    for size in (1, 7):
        fitted.set_params(predict_batch_size=size)
        same.append(np.array_equal(outputs(fitted, X), whole))
    if not all(same):
        print(name, same)
"""


@pytest.mark.takes_long("fits every learner, in a process with other kernels")
@pytest.mark.parametrize(
    "setting",
    [*IN_EACH_RUN, *(pytest.param(one, marks=pytest.mark.slow) for one in SLOW)],
    ids=lambda setting: "=".join(*setting.items()),
)
def test_a_row_is_predicted_alike_in_any_company(run_script, setting):
    digest, *unlike = run_script(SCRIPT, OMP_NUM_THREADS="1", **setting).splitlines()
    assert not unlike
    with torch_threads(1):
        if digest == kernel_digest():
            pytest.skip(f"{setting} changes no kernel here; every learner passed")


class Doubled(RegressorLearner):
    """Its layer takes each column twice, by a hook."""

    def network(self, spec):
        layer = nn.Linear(2 * spec.n_numeric, spec.n_outputs)
        layer.register_forward_pre_hook(lambda _, x: (torch.cat([x[0], x[0]], 1),))
        return layer


def test_hooks_that_a_network_is_built_with_belong_to_it():
    X, y = ROWS.numpy(), ROWS[:, 0].numpy()
    learner = Doubled(max_epochs=1, random_state=0).fit(X, y)
    learner.net_.module_.register_forward_hook(lambda *args: seen.append(args))
    seen = []
    alone = learner.predict(X[:1])
    assert len(seen) == 1  # by the prediction, and by no trial
    assert_array_equal(alone, learner.predict(X)[:1])
