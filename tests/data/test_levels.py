import numpy as np
import pytest

from torchlearners.data._levels import coded, learned_levels, occurring

FEW = [str(i) for i in range(9)]


def test_only_values_of_some_row_occur():
    assert occurring(np.array([], int), ["a"]) == []
    assert occurring(np.array([-1, 1], np.int8), ["a", "b"]) == ["b"]
    codes = np.array([-1, 1], np.int8)
    assert learned_levels(codes, ["a", "b"], None) == (["b"], False)


def test_values_of_one_level_are_counted_together():
    # 10 and 10.0 stand in one row each.
    codes = np.r_[np.arange(9).repeat(2), 9, 10]
    levels, has_rare = learned_levels(codes, [*range(9), 10, 10.0], None)
    assert (levels, has_rare) == ([*range(9), 10], False)


@pytest.mark.parametrize(("weight", "rare"), [(1.0, True), (2.0, False)])
def test_a_row_of_weight_two_is_two_rows(weight, rare):
    codes = np.r_[np.arange(9).repeat(2), 9]
    share = np.r_[np.ones(18), weight]
    levels, has_rare = learned_levels(codes, [*FEW, "9"], share)
    assert has_rare == rare
    assert levels == FEW + ["9"] * (not rare)


def test_codes_need_no_more_bytes_than_there_are_levels():
    levels = [f"{i:03}" for i in range(255)]
    assert coded(np.array([254]), levels, levels, False).dtype == np.uint16
    found = coded(np.array([253, -1]), levels, levels[:254], False)
    assert found.dtype == np.uint8
    assert found.tolist() == [254, 0]
