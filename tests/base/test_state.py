"""What a stored learner holds, and states that are not what they should be."""

import copy
import pickle
from contextlib import suppress

import numpy as np
import pytest
from sklearn.datasets import load_iris

from torchlearners import MLPClassifier
from torchlearners.callbacks import Checkpoint, checkpoints
from torchlearners.exceptions import StorageError
from torchlearners.storage import read_state, write_state

X, y = load_iris(return_X_y=True)


def learner(**params):
    settings = {"preset": "simple", "hidden_layer_sizes": 4, "max_epochs": 2}
    return MLPClassifier(**{**settings, "random_state": 0, **params})


def n_bytes(fitted):
    return sum(v.nbytes for v in fitted.net_.module_.state_dict().values())


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("n_ensemble", [1, 2])
def test_a_pickle_is_as_large_as_its_weights(optimizer, n_ensemble):
    made = learner(hidden_layer_sizes=(300, 300), optimizer=optimizer)
    fitted = made.set_params(n_ensemble=n_ensemble).fit(X, y)
    weights = n_ensemble * n_bytes(fitted)
    assert weights > 300_000
    assert len(pickle.dumps(fitted)) <= 1.2 * weights + 50_000


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda f: pickle.loads(pickle.dumps(f))]
)
@pytest.mark.parametrize("n_ensemble", [1, 2])
def test_training_goes_on_from_a_pickle_with_a_new_optimizer(copied, n_ensemble):
    fitted = learner(warm_start=True, n_ensemble=n_ensemble).fit(X, y)
    again = copied(fitted)
    for member in getattr(fitted, "members_", None) or [fitted]:
        member.net_.optimizer_.state.clear()
    expected = fitted.fit(X, y)
    assert again.fit(X, y).n_iter_ == 4
    np.testing.assert_array_equal(again.predict_proba(X), expected.predict_proba(X))


def state_of(fitted):
    return copy.deepcopy(fitted.__getstate__())


def load(state):
    made = MLPClassifier.__new__(MLPClassifier)
    made.__setstate__(state)
    return made


def test_a_state_tells_who_wrote_it_and_the_learner_does_not():
    fitted = learner().fit(X, y)
    state = state_of(fitted)
    assert state["_stored_by"].keys() == {"torchlearners", "format"}
    assert "_stored_by" not in vars(load(state))


def test_a_state_from_before_there_were_formats_is_read():
    fitted = learner().fit(X, y)
    state = state_of(fitted)
    del state["_stored_by"]
    np.testing.assert_array_equal(load(state).predict(X), fitted.predict(X))


@pytest.mark.parametrize("n_ensemble", [1, 2])
def test_a_state_of_a_later_format_is_refused(n_ensemble):
    state = state_of(learner(n_ensemble=n_ensemble).fit(X, y))
    state["_stored_by"] = {"torchlearners": "9.1", "format": 99}
    with pytest.raises(StorageError, match=r"by torchlearners 9.1 \(format 99\)"):
        load(state)


def parts(state, path=()):
    """Yield the path of each entry of nested dicts, but of the learner's parameters."""
    for key, value in state.items():
        if path or key.startswith("_") or key.endswith("_"):
            yield (*path, key)
        if isinstance(value, dict) and key != "_fitted_params":
            yield from parts(value, (*path, key))


FITTED = learner().fit(X, y)
PARTS = list(parts(state_of(FITTED)))


def put(state, path, value):
    for key in path[:-1]:
        state = state[key]
    if value is None:
        del state[path[-1]]
    else:
        state[path[-1]] = value


def refusals(load, whole, places, value):
    """Return what errors say of states each of which has one forged part."""
    said = []
    for place in places:
        state = copy.deepcopy(whole)
        put(state, place, value)
        with suppress(StorageError):
            load(state)
            continue
        said.append(place)
    return said


# A network of no columns is an odd one.
@pytest.mark.filterwarnings("ignore:Initializing zero-element")
@pytest.mark.parametrize("value", [None, "forged", [], {}, -1], ids=repr)
def test_a_forged_state_is_read_or_refused_by_one_class_of_error(value):
    refused = refusals(load, state_of(FITTED), PARTS, value)
    assert ("_net_state", "module", "linear_1.weight") in refused
    assert len(refused) > 10


def test_a_state_without_its_network_is_refused():
    state = state_of(FITTED)
    del state["_net_state"]
    with pytest.raises(StorageError, match="the MLPClassifier lacks '_net_state'"):
        load(state)


def test_weights_that_are_nan_are_refused():
    state = state_of(FITTED)
    weights = state["_net_state"]["module"]
    name = next(iter(weights))
    weights[name][...] = np.nan
    with pytest.raises(StorageError, match=f"'{name}' is NaN"):
        load(state)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Return the state of a checkpoint, not to be changed."""
    folder = tmp_path_factory.mktemp("run")
    learner(callbacks=[Checkpoint(folder=folder)]).fit(X, y)
    state = read_state(checkpoints(folder)[1], kind="checkpoint")
    # A run that resumes from it here writes no checkpoints itself.
    state["identity"]["list of callbacks"].remove("Checkpoint: Checkpoint")
    return state


@pytest.mark.parametrize("value", [None, "forged", -1], ids=repr)
def test_a_forged_checkpoint_is_read_or_refused(tmp_path, checkpoint, value):
    path = tmp_path / "checkpoint-000001.safetensors"

    def resume(state):
        write_state(path, state, kind="checkpoint")
        learner().fit(X, y, resume=path)

    places = [("identity",), ("training",)]
    places += [("training", key) for key in checkpoint["training"]]
    places.append(("training", "module", "linear_1.weight"))
    refused = refusals(resume, checkpoint, places, value)
    assert ("training", "module", "linear_1.weight") in refused
    assert len(refused) > len(places) // 2
