"""Every learner has quick configurations."""

import pytest
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from torchlearners.discovery import all_learners
from torchlearners.testing import quick_instances


def test_there_is_one_of_every_learner():
    names = {type(instance).__name__ for instance in quick_instances()}
    assert names == {name for name, _ in all_learners()}


def test_no_two_are_alike():
    shown = [repr(instance) for instance in quick_instances()]
    assert len(shown) == len(set(shown))


@pytest.mark.parametrize("instance", quick_instances(), ids=repr)
def test_an_instance_is_new_and_unfitted(instance):
    assert instance not in quick_instances()
    with pytest.raises(NotFittedError):
        check_is_fitted(instance)


def test_classifier_and_regressor_get_the_same_parameters():
    shown = [" ".join(repr(instance).split()) for instance in quick_instances()]
    mlps = [text for text in shown if text.startswith("MLPClassifier")]
    assert len(mlps) > 1
    assert {t.replace("Classifier", "Regressor") for t in mlps} <= set(shown)
