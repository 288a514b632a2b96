import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax
from sklearn.exceptions import DataConversionWarning

from torchlearners.data import (
    ClassTarget,
    MultilabelTarget,
    ValueTarget,
    restore_target,
)

OUTPUTS = np.array([[0.5, -1.0, 2.0], [3.0, 0.1, -0.2]], dtype=np.float32)


# Classes


@pytest.mark.parametrize(
    "labels",
    [
        ["no", "perhaps", "yes"],
        [-1, 0, 7],
        [False, True],
        [0.0, 2.0],
        np.array(["a", "bb"], dtype=object),
    ],
    ids=["words", "ints", "bools", "floats", "objects"],
)
def test_labels_come_back(labels):
    classes = np.array(labels)
    target = ClassTarget(classes)
    y = np.concatenate([classes[::-1], classes])
    codes = target.codes(y)
    assert set(codes.tolist()) == set(range(len(classes)))
    back = target.predict(np.eye(len(classes))[codes])
    np.testing.assert_array_equal(back, y)
    assert back.dtype == classes.dtype
    assert target.n_outputs == len(classes)


def test_class_codes_are_int64_for_the_loss():
    target = ClassTarget(np.array(["a", "b"]))
    tensor = target.tensor(target.codes(["b", "a"]))
    assert tensor.dtype == torch.int64
    assert tensor.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("classes", "y", "unseen"),
    [
        (np.array(["a", "c"]), ["a", "b"], "'b'"),
        (np.array([0, 1]), [0, 2], "2"),
        (np.array([1, 2]), [0, 3], "0 3"),
    ],
)
def test_an_unseen_label_is_named(classes, y, unseen):
    with pytest.raises(ValueError, match=f"classes not in .*'y' has .{unseen}"):
        ClassTarget(classes).codes(y)


def test_a_column_of_labels_is_flattened():
    with pytest.warns(DataConversionWarning):
        assert ClassTarget(np.array([3, 4])).codes([[4], [3]]).tolist() == [1, 0]


def test_class_probabilities_are_a_softmax_in_float64():
    proba = ClassTarget(np.arange(3)).probabilities(OUTPUTS)
    assert proba.dtype == np.float64
    np.testing.assert_allclose(
        proba, softmax(OUTPUTS.astype(np.float64), axis=1), rtol=1e-14
    )


def test_class_probabilities_of_huge_outputs_do_not_overflow():
    proba = ClassTarget(np.arange(2)).probabilities(np.array([[1e30, -1e30]]))
    assert proba.tolist() == [[1.0, 0.0]]


def test_the_decision_of_two_classes_is_the_log_odds_of_the_second():
    target = ClassTarget(np.arange(2))
    outputs = np.array([[1.0, 3.0], [2.0, -1.0]], dtype=np.float32)
    decision = target.decision(outputs)
    assert decision.tolist() == [2.0, -3.0]
    np.testing.assert_allclose(target.probabilities(outputs)[:, 1], expit(decision))


def test_the_decision_of_more_classes_is_one_column_each():
    decision = ClassTarget(np.arange(3)).decision(OUTPUTS)
    assert decision.dtype == np.float64
    np.testing.assert_array_equal(decision, OUTPUTS)


def test_classes_are_what_a_split_is_stratified_by():
    codes = np.array([0, 1])
    assert ClassTarget(np.arange(2)).groups(codes) is codes
    assert MultilabelTarget(2).groups(np.eye(2)) is None
    assert ValueTarget(1, flat=True).groups(codes) is None


# Labels


def test_a_label_matrix_comes_back():
    target = MultilabelTarget(3)
    y = np.array([[1, 0, 1], [0, 0, 0]])
    codes = target.codes(y.tolist())
    assert codes.dtype == np.int64
    tensor = target.tensor(codes)
    assert tensor.dtype == torch.float32
    np.testing.assert_array_equal(target.predict(tensor.numpy() - 0.5), y)
    assert target.classes.tolist() == [0, 1, 2]
    assert target.n_outputs == 3


@pytest.mark.parametrize("y", [[[0, 2]], [[0, 1, 0]], [0, 1], [[0.5, 1.0]]], ids=repr)
def test_another_kind_of_label_matrix_is_refused(y):
    with pytest.raises(ValueError, match="0/1 matrix with 2 columns"):
        MultilabelTarget(2).codes(y)


def test_a_label_is_predicted_above_one_half():
    target = MultilabelTarget(3)
    np.testing.assert_array_equal(
        target.predict(OUTPUTS), target.probabilities(OUTPUTS) > 0.5
    )
    assert target.predict(np.zeros((1, 3))).tolist() == [[0, 0, 0]]


def test_label_probabilities_and_decision_are_float64():
    target = MultilabelTarget(3)
    assert target.probabilities(OUTPUTS).dtype == np.float64
    np.testing.assert_allclose(
        target.probabilities(OUTPUTS), expit(OUTPUTS.astype(np.float64))
    )
    np.testing.assert_array_equal(target.decision(OUTPUTS), OUTPUTS)


# Values


@pytest.mark.parametrize("flat", [True, False])
def test_values_come_back_in_their_units(flat):
    y = np.array([100.0, 300.0, 800.0])
    y = y if flat else np.column_stack([y, -y])
    target = ValueTarget(n_values=1 if flat else 2, flat=flat)
    codes = target.codes(y)
    target.fit(codes, None)
    tensor = target.tensor(codes)
    assert tensor.dtype == torch.float32
    np.testing.assert_allclose(tensor.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(tensor.std(0, correction=0), 1, rtol=1e-6)
    back = target.predict(tensor.numpy())
    assert back.shape == y.shape
    assert back.dtype == np.float64
    np.testing.assert_allclose(back, y, rtol=1e-6)


def test_weights_count_for_the_scale_of_values():
    target = ValueTarget(n_values=1, flat=True)
    target.fit(target.codes([0.0, 1.0]), np.array([3.0, 1.0]))
    assert target.center.tolist() == [0.25]


def test_constant_values_come_back():
    target = ValueTarget(n_values=1, flat=True)
    target.fit(target.codes([7.0, 7.0]), None)
    assert target.tensor(target.codes([7.0])).tolist() == [[0.0]]
    assert target.predict(np.zeros((1, 1))).tolist() == [7.0]


def test_another_number_of_columns_is_refused():
    with pytest.raises(ValueError, match="y has 3 columns, but the first fit had 2"):
        ValueTarget(n_values=2, flat=False).codes(np.ones((4, 3)))


# Plain data


@pytest.mark.parametrize(
    ("target", "y"),
    [
        (ClassTarget(np.array(["a", "b", "c"])), ["c", "a"]),
        (MultilabelTarget(3), [[1, 0, 1]]),
        (ValueTarget(n_values=3, flat=False), [[1.0, 2.0, 3.0], [2.0, 4.0, 9.0]]),
    ],
    ids=["classes", "labels", "values"],
)
def test_a_target_is_restored_from_its_state(target, y):
    codes = target.codes(y)
    target.fit(codes, None)
    state = target.state()
    assert all(isinstance(v, str | int | bool | np.ndarray) for v in state.values())
    before = dict(state)
    copy = restore_target(state)
    assert type(copy) is type(target)
    assert state == before
    assert torch.equal(copy.tensor(copy.codes(y)), target.tensor(codes))
    np.testing.assert_array_equal(copy.predict(OUTPUTS), target.predict(OUTPUTS))
    assert copy.n_outputs == target.n_outputs


@pytest.mark.parametrize(
    ("target", "loss"),
    [
        (ClassTarget, "cross_entropy"),
        (MultilabelTarget, "binary_cross_entropy"),
        (ValueTarget, "mse"),
    ],
)
def test_each_kind_has_its_default_loss(target, loss):
    assert target.default_loss == loss


def test_distances_are_in_the_units_of_y_wherever_its_center_is():
    flat = ValueTarget(n_values=1, flat=True)
    flat.fit(flat.codes([10.0, 30.0]), None)
    assert_array_equal(flat.spread(np.array([[0.5], [2.0]])), [5.0, 20.0])
    both = ValueTarget(n_values=2, flat=False)
    both.fit(both.codes([[10.0, 0.0], [30.0, 2.0]]), None)
    assert_array_equal(both.spread(np.array([[0.5, 0.5]])), [[5.0, 0.5]])


def test_predictions_may_have_an_axis_in_between():
    target = ValueTarget(n_values=2, flat=False)
    target.fit(target.codes([[10.0, 0.0], [30.0, 2.0]]), None)
    found = target.predict(np.zeros((4, 3, 2)))
    assert_array_equal(found, np.broadcast_to([20.0, 1.0], (4, 3, 2)))


def test_mean_logits_are_those_of_the_mean_probabilities():
    outputs = np.stack([OUTPUTS, OUTPUTS[::-1], 3 * OUTPUTS])
    target = ClassTarget(np.arange(3))
    logits = target.mean_logits(outputs)
    expected = np.mean([softmax(o, axis=1) for o in outputs.astype(float)], axis=0)
    assert_allclose(target.probabilities(logits), expected)
    assert_allclose(np.exp(logits), expected)
    labels = MultilabelTarget(3)
    logits = labels.mean_logits(outputs)
    assert_allclose(labels.probabilities(logits), expit(outputs.astype(float)).mean(0))


def test_mean_logits_of_sure_networks_are_finite():
    outputs = np.float32([[[900.0, 0.0]], [[880.0, -20.0]]])
    for target in (ClassTarget(np.arange(2)), MultilabelTarget(2)):
        logits = target.mean_logits(outputs)
        assert np.isfinite(logits).all()
        assert logits[0, 0] - logits[0, 1] > 800
