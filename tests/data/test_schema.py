import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, rankdata
from sklearn.datasets import load_diabetes, load_wine
from sklearn.preprocessing import StandardScaler

from torchlearners.data import DataSpec, Schema
from torchlearners.data._schema import center_and_scale

WINE = load_wine().data


# center_and_scale


@pytest.mark.parametrize("X", [WINE, load_diabetes().data], ids=["wine", "diabetes"])
def test_center_and_scale_are_those_of_standard_scaler(X):
    center, scale = center_and_scale(X, None)
    scaler = StandardScaler().fit(X)
    np.testing.assert_allclose(center, scaler.mean_, rtol=1e-12, atol=1e-17)
    np.testing.assert_allclose(scale, scaler.scale_, rtol=1e-12)


def test_weighted_center_and_scale_are_those_of_standard_scaler():
    weight = np.linspace(0.1, 3, len(WINE))
    center, scale = center_and_scale(WINE, weight)
    scaler = StandardScaler().fit(WINE, sample_weight=weight)
    np.testing.assert_allclose(center, scaler.mean_, rtol=1e-12)
    np.testing.assert_allclose(scale, scaler.scale_, rtol=1e-12)


@given(st.lists(st.integers(1, 4), min_size=2, max_size=20), st.integers(0, 9999))
def test_weights_are_repetition(times, seed):
    X = np.random.default_rng(seed).normal(size=(len(times), 3))
    weighted = center_and_scale(X, np.array(times, dtype=float))
    repeated = center_and_scale(X.repeat(times, axis=0), None)
    np.testing.assert_allclose(weighted, repeated, rtol=1e-9, atol=1e-12)


def test_a_multiple_of_all_weights_changes_nothing():
    weight = np.linspace(1, 2, len(WINE))
    np.testing.assert_allclose(
        center_and_scale(WINE, weight),
        center_and_scale(WINE, 1000 * weight),
        rtol=1e-12,
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e6 + 0.1, 1e-30])
def test_a_constant_column_has_scale_one(value, dtype):
    X = np.full((101, 1), value, dtype=dtype)
    _, scale = center_and_scale(X, None)
    assert scale.tolist() == [1.0]
    _, scale = center_and_scale(X, np.linspace(0.1, 1, 101))
    assert scale.tolist() == [1.0]


def test_float32_values_are_averaged_in_float64():
    X = np.full((10_000, 1), 1.0, dtype=np.float32)
    X[::2] = 1.0 + 2**-10
    center, scale = center_and_scale(X, None)
    assert center.dtype == scale.dtype == np.float64
    np.testing.assert_allclose(center, 1 + 2**-11, rtol=1e-12)
    np.testing.assert_allclose(scale, 2**-11, rtol=1e-12)


# Schema


def test_scaled_features_have_mean_zero_and_standard_deviation_one():
    scaled = Schema().fit(WINE, None).tensor(WINE).double()
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std(0, correction=0), 1, rtol=1e-6)


def test_features_become_a_float32_tensor():
    tensor = Schema().fit(WINE, None).tensor(WINE)
    assert tensor.dtype == torch.float32
    assert tensor.shape == WINE.shape
    expected = StandardScaler().fit_transform(WINE)
    np.testing.assert_allclose(tensor.numpy(), expected, rtol=1e-6, atol=1e-7)


def test_training_rows_decide_how_other_rows_are_scaled():
    schema = Schema().fit(np.array([[1.0], [3.0]]), None)
    assert schema.tensor(np.array([[5.0]])).tolist() == [[3.0]]


def test_weights_count():
    schema = Schema().fit(np.array([[0.0], [1.0]]), np.array([3.0, 1.0]))
    assert schema.center.tolist() == [0.25]


def test_without_scaling_the_values_pass():
    schema = Schema(scaling=None).fit(WINE, None)
    np.testing.assert_array_equal(schema.tensor(WINE), WINE.astype(np.float32))


@pytest.mark.parametrize(("n_rows", "padded"), [(1, 4), (3, 4), (4, 4), (5, 8)])
def test_rows_of_zeros_are_added_up_to_a_multiple(n_rows, padded):
    schema = Schema().fit(WINE, None)
    tensor = schema.tensor(WINE[:n_rows], pad_to=4)
    assert tensor.shape == (padded, WINE.shape[1])
    assert torch.equal(tensor[:n_rows], schema.tensor(WINE[:n_rows]))
    assert not tensor[n_rows:].any()


def test_the_given_array_is_not_changed():
    X = WINE.copy()
    Schema().fit(X, None).tensor(X)
    np.testing.assert_array_equal(X, WINE)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (np.inf, "Input X contains infinity"),
        (-np.inf, "Input X contains infinity"),
        (1e300, r"too large for dtype\('float32'\)"),
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_value_that_is_not_finite_is_found(value, sentence, dtype):
    X = WINE.astype(dtype)
    schema = Schema().fit(X, None)
    with np.errstate(over="ignore"):
        X[17, 3] = value
    if dtype == np.float32 and value == 1e300:
        sentence = "contains infinity"
    sentence += ".*column 3"
    with pytest.raises(ValueError, match=sentence):
        schema.tensor(X)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("scaling", ["standard", None])
def test_a_missing_value_becomes_the_mean_of_the_training_rows(dtype, scaling):
    X = np.array([[1, 5], [np.nan, 6], [3, 7]], dtype=dtype)
    schema = Schema(scaling=scaling).fit(X, None)
    filled = np.where(np.isnan(X), dtype(2), X)
    np.testing.assert_array_equal(schema.tensor(X), schema.tensor(filled))
    assert schema.fill.tolist() == [2, 6]
    # A column that had none.
    new = schema.tensor(np.array([[0, np.nan]], dtype=dtype))
    assert new[0, 1] == schema.tensor(np.array([[0, 6]], dtype=dtype))[0, 1]


def test_missing_values_leave_center_and_scale_to_the_others():
    X = np.array([[1.0], [np.nan], [3.0], [7.0]])
    weight = np.array([1.0, 5.0, 1.0, 2.0])
    schema, present = Schema().fit(X, weight), [0, 2, 3]
    alone = Schema().fit(X[present], weight[present])
    assert schema.center == alone.center
    assert schema.inverse_scale == alone.inverse_scale


def test_a_column_without_values_becomes_zero():
    X = np.full((3, 1), np.nan)
    assert Schema().fit(X, None).tensor(X).tolist() == [[0.0]] * 3
    later = Schema().fit(X, None).tensor(np.array([[2.0]]))
    assert later.tolist() == [[2.0]]


def test_missing_values_are_refused_where_nothing_fills_them():
    schema = Schema().fit(WINE, None)
    schema.fill = None
    with pytest.raises(ValueError, match=r"Input X contains NaN\."):
        schema.tensor(WINE * np.nan)


def test_columns_behind_the_scaled_ones_pass():
    X = np.array([[1.0, 0.0, 7.0], [3.0, 1.0, 8.0]])
    tensor = Schema(n_scaled=1).fit(X, None).tensor(X)
    assert tensor.tolist() == [[-1.0, 0.0, 7.0], [1.0, 1.0, 8.0]]
    assert torch.equal(
        Schema(n_scaled=0).fit(X, None).tensor(X), torch.tensor(X).float()
    )


def test_large_values_whose_sum_overflows_are_fine():
    X = np.full((4, 1), 3e38)
    tensor = Schema(scaling=None).fit(X, None).tensor(X)
    assert tensor.isfinite().all()


# Robust and quantile scaling

BENT = pytest.mark.parametrize("scaling", ["robust", "quantile"])


def test_robust_scaling_is_by_median_and_quartiles_and_bends_towards_three():
    scaled = Schema(scaling="robust").fit(WINE, None).tensor(WINE).numpy()
    low, median, high = np.quantile(
        WINE, [0.25, 0.5, 0.75], axis=0, method="averaged_inverted_cdf"
    )
    straight = (WINE - median) / (high - low)
    np.testing.assert_allclose(
        scaled, straight / np.sqrt(1 + (straight / 3) ** 2), rtol=1e-5, atol=1e-6
    )
    assert np.abs(scaled).max() < 3


def test_robust_scaling_of_a_rare_value_is_by_the_range_and_of_a_constant_zero():
    X = np.array([[0.0, 7.0]] * 9 + [[5.0, 7.0]])
    schema = Schema(scaling="robust").fit(X, None)
    assert schema.inverse_scale.tolist() == [0.4, 0.0]
    assert schema.tensor(np.array([[0.0, 9.0]])).tolist() == [[0.0, 0.0]]


def test_quantile_scaling_gives_what_stands_at_a_place_in_a_normal_distribution():
    x = np.random.RandomState(0).exponential(size=(30_000, 1)) ** 3
    scaled = Schema(scaling="quantile").fit(x, None).tensor(x).numpy()[:, 0]
    ranks = (rankdata(x[:, 0]) - 0.5) / len(x)
    inner = (ranks > 0.01) & (ranks < 0.99)
    np.testing.assert_allclose(scaled[inner], norm.ppf(ranks[inner]), atol=0.01)
    np.testing.assert_allclose(scaled, norm.ppf(ranks), atol=0.05)
    assert (np.diff(scaled[np.argsort(x[:, 0])]) >= 0).all()


def test_quantile_scaling_puts_a_common_value_in_the_middle_of_its_share():
    X = np.array([[0.0]] * 6 + [[1.0]] * 2 + [[2.0]] * 2)
    scaled = Schema(scaling="quantile").fit(X, None).tensor(X).numpy()[:, 0]
    np.testing.assert_allclose(scaled[[0, 6, 8]], norm.ppf([0.3, 0.7, 0.9]), rtol=1e-6)


def test_what_lies_beyond_the_training_rows_becomes_what_the_last_of_them_is():
    schema = Schema(scaling="quantile").fit(WINE, None)
    lowest, highest = schema.tensor(np.stack([WINE.min(0), WINE.max(0)]))
    assert torch.equal(schema.tensor(WINE[:1] - 1e6)[0], lowest)
    assert torch.equal(schema.tensor(WINE[:1] + 1e6)[0], highest)


@pytest.mark.parametrize(
    ("n_rows", "scaling"), [(1999, "standard"), (2000, "quantile")]
)
def test_automatic_scaling_is_by_rank_where_there_are_2000_rows(n_rows, scaling):
    X = np.random.RandomState(0).exponential(size=(n_rows, 2))
    schema = Schema(scaling="auto").fit(X, None)
    assert schema.scaling == scaling
    assert torch.equal(schema.tensor(X), Schema(scaling).fit(X, None).tensor(X))


def test_knots_do_not_grow_with_the_rows():
    def n_knots(n):
        X = np.c_[np.arange(n), np.arange(n) % 2]
        return Schema(scaling="quantile").fit(X.astype(float), None).knots.shape[1]

    assert {n_knots(n) for n in (5, 300, 40_000)} == {128}


@BENT
def test_integer_weights_equal_repetition_and_weight_zero_removal(scaling):
    rng = np.random.RandomState(0)
    weight = rng.randint(4, size=len(WINE))
    X = np.where(rng.uniform(size=WINE.shape) < 0.1, np.nan, WINE)
    weighted = Schema(scaling=scaling).fit(X[weight > 0], weight[weight > 0])
    repeated = Schema(scaling=scaling).fit(np.repeat(X, weight, axis=0), None)
    assert torch.equal(weighted.tensor(X), repeated.tensor(X))
    tenfold = Schema(scaling=scaling).fit(X[weight > 0], weight[weight > 0] / 10)
    assert torch.equal(weighted.tensor(X), tenfold.tensor(X))


@BENT
def test_missing_values_become_the_median(scaling):
    X = np.array([[1.0], [2.0], [40.0], [np.nan]])
    tensor = Schema(scaling=scaling).fit(X, None).tensor(X)
    assert tensor[3] == tensor[1] == 0


@BENT
def test_a_column_that_is_constant_or_empty_becomes_zero(scaling):
    X = np.array([[1e9 / 3, np.nan]] * 3)
    schema = Schema(scaling=scaling).fit(X, None)
    assert not schema.tensor(X).any()
    assert schema.tensor(np.array([[1.0, 2.0]])).isfinite().all()


@BENT
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_is_refused_however_it_is_scaled(scaling, value):
    schema = Schema(scaling=scaling).fit(WINE, None)
    X = WINE.copy()
    X[3, 2] = value
    with pytest.raises(ValueError, match="infinity"):
        schema.tensor(X)


@BENT
def test_huge_values_are_bent_and_not_lost(scaling):
    schema = Schema(scaling=scaling).fit(WINE, None)
    tensor = schema.tensor(np.full((1, WINE.shape[1]), 1e300))
    assert (tensor > 0.9).all()
    assert (tensor <= 3).all()


@BENT
def test_units_do_not_matter(scaling):
    units = 2.0 ** np.arange(-20, -20 + 3 * WINE.shape[1], 3)
    plain = Schema(scaling=scaling).fit(WINE, None).tensor(WINE)
    scaled = Schema(scaling=scaling).fit(WINE * units, None).tensor(WINE * units)
    assert torch.equal(plain, scaled)


@BENT
def test_indicators_and_codes_pass(scaling):
    X = np.array([[1.0, 0.0, 7.0], [3.0, 1.0, 8.0]])
    tensor = Schema(scaling=scaling, n_scaled=1).fit(X, None).tensor(X)
    assert tensor[:, 1:].tolist() == [[0.0, 7.0], [1.0, 8.0]]
    none = Schema(scaling=scaling, n_scaled=0).fit(X, None).tensor(X)
    assert torch.equal(none, torch.tensor(X).float())


# Plain data


@pytest.mark.parametrize("scaling", [None, "standard", "robust", "quantile"])
def test_the_state_of_a_schema_makes_an_equal_one(scaling):
    schema = Schema(scaling=scaling).fit(WINE, None)
    copy = Schema(**schema.state())
    assert torch.equal(copy.tensor(WINE), schema.tensor(WINE))
    assert set(schema.state()) == {
        "scaling",
        "n_scaled",
        "center",
        "inverse_scale",
        "fill",
        "knots",
        "scores",
    }


def test_the_state_of_a_spec_is_plain_and_makes_an_equal_one():
    spec = DataSpec(n_numeric=4, n_outputs=3)
    assert DataSpec(**json.loads(json.dumps(spec.state()))) == spec


def test_a_spec_cannot_be_changed():
    spec = DataSpec(n_numeric=4, n_outputs=3)
    with pytest.raises(AttributeError):
        spec.n_outputs = 2


@pytest.mark.parametrize("scaling", [None, "standard"])
def test_scaled_values_end_where_float32_holds_their_squares(scaling):
    X = np.array([[1.0, 3.0], [-1.0, 5.0]])
    schema = Schema(scaling=scaling).fit(X, None)
    expected = schema.tensor(X)
    far = np.array([[3e38, 3.0], [-3e38, 5.0]])
    found = schema.tensor(far)
    assert (found.square() < np.inf).all()
    assert found[:, 0].tolist() == torch.tensor([1e15, -1e15]).tolist()
    assert torch.equal(found[:, 1], expected[:, 1])
    for bad in (np.inf, -np.inf):
        with pytest.raises(ValueError, match="infinity"):
            schema.tensor(np.array([[bad, 3.0]]))


# trial_rows


def test_rows_to_try_a_network_with_differ_where_columns_are_scaled():
    rows = np.array([[5.0, 7.0, 2.0], [5.0, 7.0, 3.0]])
    schema = Schema(n_scaled=2).fit(rows, None)
    tried = schema.trial_rows(rows, 21)
    assert tried.shape == (21, 3)
    assert tried.dtype == torch.float32
    assert len(tried[:, :2].unique(dim=0)) == 21
    # Codes are those of the rows at hand, in turn.
    assert tried[:4, 2].tolist() == [2, 3, 2, 3]
    assert torch.equal(tried, schema.trial_rows(rows, 21))


def test_rows_to_try_a_network_with_are_those_at_hand_where_nothing_is_scaled():
    rows = np.array([[5.0, 7.0], [1.0, 2.0]])
    schema = Schema(scaling=None).fit(rows, None)
    assert schema.trial_rows(rows).tolist() == rows.tolist()
