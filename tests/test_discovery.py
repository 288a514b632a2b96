import inspect

import pytest
from sklearn.base import is_classifier, is_regressor

import torchlearners
from torchlearners.base import TorchLearner
from torchlearners.discovery import all_learners


def test_all_learners_are_sorted_pairs_of_name_and_class():
    names = [name for name, _ in all_learners()]
    assert names == sorted(set(names))
    assert all(name == learner.__name__ for name, learner in all_learners())


def test_exactly_the_learners_of_the_top_level_are_found():
    public = {
        name
        for name in torchlearners.__all__
        if inspect.isclass(getattr(torchlearners, name))
    }
    assert {name for name, _ in all_learners()} == public
    assert {
        "DummyTorchClassifier",
        "DummyTorchRegressor",
        "MLPClassifier",
        "MLPRegressor",
    } <= public


@pytest.mark.parametrize(("name", "learner"), all_learners())
def test_a_learner_needs_no_parameter_and_is_of_the_kind_its_name_says(name, learner):
    assert issubclass(learner, TorchLearner)
    estimator = learner()
    assert is_classifier(estimator) == name.endswith("Classifier")
    assert is_regressor(estimator) == name.endswith("Regressor")
