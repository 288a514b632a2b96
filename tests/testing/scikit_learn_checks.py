"""scikit-learn's checks as cases of a test, brief ones for the suite."""

import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

# They ask for good predictions, so they need the whole training.
OF_ACCURACY = {
    "check_class_weight_classifiers",
    "check_classifiers_train",
    "check_regressors_train",
}
FEW_EPOCHS = {"max_epochs": 2}


def name_of(check):
    return getattr(check, "func", check).__name__


def with_checks(estimators):
    """Parametrize a test with ``estimator`` and ``check``.

    The suite runs each check after few epochs, and one of each kind that needs good
    predictions as it is. `make test-slow` runs all with the estimators as they are.
    """
    mark = parametrize_with_checks(estimators)
    names, checks = mark.args
    cases, seen = [], set()
    for estimator, check in checks:
        kind = repr(estimator), name_of(check)
        if kind[1] not in OF_ACCURACY:
            brief = clone(estimator).set_params(**FEW_EPOCHS)
            cases.append(pytest.param(brief, check))
            marks = [pytest.mark.slow]
        elif kind in seen:  # for data in other memory, or of float32
            marks = [pytest.mark.slow]
        else:
            marks = [pytest.mark.takes_long("it is trained until it is accurate")]
        seen.add(kind)
        cases.append(pytest.param(estimator, check, marks=marks))
    return pytest.mark.parametrize(names, cases, **mark.kwargs)
