"""What surrounds a learner is looked at without being changed."""

import logging
import os
import sys
import warnings

import numpy as np
import pytest
import torch

from torchlearners import DummyTorchClassifier
from torchlearners.testing._surroundings import (
    SETTINGS,
    everything_told,
    globally_seeded,
    random_states,
    uses_of,
)


def test_all_that_is_told_is_collected():
    with everything_told() as told:
        sys.stdout.write("from python\n")
        sys.stderr.write("an error\n")
        os.write(1, b"from C\n")
        warnings.warn("a warning", UserWarning, stacklevel=1)
        warnings.warn("of a library", DeprecationWarning, stacklevel=1)
        logging.getLogger("somewhere").warning("a record")
        logging.getLogger("somewhere").info("a detail")
    assert sorted(told) == sorted(
        ["from python", "an error", "from C", "UserWarning: a warning", "a record"]
    )


def test_output_goes_where_it_went_after_collecting(capfd):
    with everything_told():
        sys.stdout.write("hidden")
    os.write(1, b"shown")
    assert capfd.readouterr().out == "shown"


def test_random_states_tell_each_module():
    before = random_states()
    with globally_seeded(1):
        seeded = random_states()
        assert all(seeded[module] != before[module] for module in before)
        torch.rand(1)
        now = random_states()
        assert [m for m in now if now[m] != seeded[m]] == ["torch"]
    assert random_states() == before


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_a_setting_reads_what_was_set(setting):
    before = setting.get()
    with warnings.catch_warnings(), np.errstate():
        try:
            for value in setting.values:
                setting.set(value)
                assert setting.get() == value
        finally:
            setting.set(before)


def test_a_learner_is_used_in_all_ways():
    uses = list(uses_of(DummyTorchClassifier()))
    assert uses[:4] == ["The constructor", "clone", "fit", "predict"]
    assert uses[-1] == "A failed fit"
