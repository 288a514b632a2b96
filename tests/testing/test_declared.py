"""What holds for all parts with parameters, and which of these are dead."""

import pytest

from torchlearners.params import Parameters, fraction, param
from torchlearners.testing._declared import (
    dead_parameters,
    require_same_defaults,
    require_signature,
    said,
    told,
)
from torchlearners.training import Descriptor


class Part(Descriptor):
    """A part.

    {parameters}
    """

    used: float = param(default=0.5, check=fraction, doc="Has an effect.")
    beside: bool = param(default=False, doc="Has one where `used` is below a half.")
    dead: int = param(default=3, doc="Has none.")
    unknown: object = param(default=None, doc="Of no kind that can be changed.")


def outcome(part):
    part._validate_params()
    return f"{part.used} {part.beside and part.used < 0.5}"


def test_dead_parameters_are_found_and_no_others():
    assert dead_parameters(Part(), outcome) == ["dead"]


def test_a_part_without_get_params_is_told_what_to_derive_from():
    with pytest.raises(AssertionError, match="thing has no get_params"):
        require_signature("thing", object())


def test_another_default_than_that_of_the_namesake_is_told():
    class Theirs(Parameters):
        used: float = param(default=0.9)

    with pytest.raises(AssertionError, match=r"used=0.5 by default, .* has 0.9"):
        require_same_defaults("Part", Part(), Theirs)
    assert require_same_defaults("Part", Part(), Part) is None


def test_what_is_told_has_neither_addresses_nor_lines():
    assert told(object()) == told(object())
    assert said(ValueError("one\n  two")) == "ValueError: one two"
