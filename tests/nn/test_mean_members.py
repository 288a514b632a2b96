import pytest
import torch
from torch.testing import assert_close

from torchlearners.nn import MeanMembers


def test_while_training_the_members_are_passed_on():
    x = torch.randn(5, 4, 3)
    assert MeanMembers("classes")(x) is x


@pytest.mark.parametrize(
    ("target", "predict"),
    [
        ("values", lambda x: x),
        ("classes", lambda x: x.softmax(-1)),
        ("labels", torch.sigmoid),
    ],
)
def test_the_output_stands_for_the_mean_of_the_predictions(target, predict):
    x = 5 * torch.randn(7, 4, 3, generator=torch.Generator().manual_seed(0))
    output = MeanMembers(target).eval()(x)
    assert output.shape == (7, 3)
    assert_close(predict(output), predict(x).mean(1))


@pytest.mark.parametrize("target", ["classes", "labels"])
def test_very_sure_members_give_finite_logits(target):
    x = torch.full((1, 2, 2), 80.0)
    x[..., 1] = -80
    assert MeanMembers(target).eval()(x).isfinite().all()


def test_another_target_is_refused():
    with pytest.raises(ValueError, match=r"target must be .* got 'rows'"):
        MeanMembers("rows")


def test_a_loss_may_join_the_members_in_its_own_way():
    x = torch.randn(7, 4, 3, generator=torch.Generator().manual_seed(0))
    module = MeanMembers()
    module.join = lambda members: members.amax(1)
    assert_close(module.eval()(x), x.amax(1))
    assert module.train()(x) is x
