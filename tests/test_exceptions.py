import pytest

from torchlearners import MLPClassifier, exceptions
from torchlearners.exceptions import NonFiniteLossError


@pytest.mark.parametrize("name", exceptions.__all__)
def test_errors_are_value_errors_and_warnings_user_warnings(name):
    base = UserWarning if name.endswith("Warning") else ValueError
    assert issubclass(getattr(exceptions, name), base)


def test_a_loss_that_is_not_finite_says_where_and_what_to_do():
    X, y = [[0.0], [1.0], [2.0]], ["a", "b", "a"]
    learner = MLPClassifier(preset="simple", lr=1e30, optimizer="sgd", random_state=0)
    with pytest.raises(
        NonFiniteLossError,
        match=r"became (nan|inf) in epoch \d+, batch 1 of 1 \(lr=1e\+30\)\. Lower lr",
    ):
        learner.fit(X, y)
    assert not hasattr(learner, "net_")
