import pickle
from copy import deepcopy

import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from skorch.callbacks import Callback

from torchlearners import MLPClassifier
from torchlearners.callbacks import callback
from torchlearners.callbacks._function import STAGES

X, y = load_iris(return_X_y=True)


def nothing(net, **kwargs):
    """A function that can be pickled."""


def other(net, **kwargs):
    """Another one."""


def fit(*callbacks, **settings):
    settings = {"max_epochs": 2, "batch_size": 64, "random_state": 0, **settings}
    return MLPClassifier(preset="simple", callbacks=list(callbacks), **settings).fit(
        X, y
    )


def test_the_order_and_number_of_all_stages_is_fixed():
    calls = []

    def noting(stage):
        return lambda net, **kwargs: calls.append((stage, kwargs.get("training")))

    fit(callback(**{stage: noting(stage) for stage in STAGES}), early_stopping=True)
    # 135 rows in three batches, 15 rows for validation.
    train = [
        ("on_batch_begin", True),
        ("on_grad_computed", True),
        ("on_batch_end", True),
    ]
    epoch = [
        ("on_epoch_begin", None),
        *3 * train,
        ("on_evaluation_begin", None),
        ("on_batch_begin", False),
        ("on_batch_end", False),
        ("on_epoch_end", None),
    ]
    assert calls == [("on_train_begin", None), *2 * epoch, ("on_train_end", None)]


def test_callbacks_are_called_in_the_order_of_the_list():
    calls = []
    first, second = (
        callback(on_epoch_end=lambda net, name=name, **kwargs: calls.append(name))
        for name in "ab"
    )
    fit(first, second)
    assert calls == ["a", "b", "a", "b"]


@pytest.mark.parametrize("stage", STAGES)
def test_only_the_given_stage_is_overridden(stage):
    made = callback(**{stage: nothing})
    for name in STAGES:
        inherited = getattr(Callback, name, None)
        overridden = getattr(type(made), name, None) is not inherited
        assert overridden == (name == stage)


def test_a_stage_of_epochs_keeps_one_row_an_epoch_in_the_history():
    fast = fit(callback(on_epoch_end=nothing))
    slow = fit(callback(on_batch_end=nothing))
    assert len(fast.history_[0]["batches"]) == 1
    assert len(slow.history_[0]["batches"]) == 3


def test_a_stage_can_be_called_through_the_class():
    calls = []
    made = callback(on_epoch_end=lambda net, **kwargs: calls.append((net, kwargs)))
    type(made).on_epoch_end(made, "net", dataset_train=1)
    assert calls == [("net", {"dataset_train": 1})]


def test_a_function_may_stop_training():
    def stop(net, **kwargs):
        net.stop_training = True

    assert fit(callback(on_epoch_end=stop), max_epochs=50).n_iter_ == 1


@pytest.mark.parametrize(
    "copy",
    [clone, deepcopy, lambda made: pickle.loads(pickle.dumps(made))],
    ids=["clone", "deepcopy", "pickle"],
)
def test_a_copy_calls_the_same_functions(copy):
    made = callback(on_epoch_end=nothing, on_train_begin=other)
    copied = copy(made)
    assert copied is not made
    assert copied.get_params() == {"on_epoch_end": nothing, "on_train_begin": other}


def test_a_function_is_a_parameter():
    learner = MLPClassifier(preset="simple", callbacks=[callback(on_epoch_end=nothing)])
    learner.set_params(callbacks__FunctionCallback__on_epoch_end=other)
    assert learner.get_params()["callbacks__FunctionCallback__on_epoch_end"] is other
    made = learner.callbacks[0]
    assert repr(made).startswith("callback(on_epoch_end=<function other")


@pytest.mark.parametrize(
    ("functions", "message"),
    [
        ({"on_epoch_ends": nothing}, "no stage 'on_epoch_ends'. Did you mean 'on_ep"),
        ({"initialize": nothing}, r"The stages are \['on_train_begin'"),
        ({"on_epoch_end": 3}, "on_epoch_end must be a function, got 3"),
        ({}, "needs a function"),
    ],
)
def test_a_wrong_stage_is_an_error(functions, message):
    with pytest.raises(TypeError, match=message):
        callback(**functions)
