"""Every mutant fails the check that is named for it, and no check besides.

The suite runs the checks that must fail; `make test-mutants` runs all of them.
"""

import runpy
from pathlib import Path
from unittest import SkipTest

import pytest
from mutants import all_mutants

from torchlearners import testing

MUTANTS = all_mutants()
EACH_MUTANT = pytest.mark.parametrize(
    "mutant", [pytest.param(m, id=m.name) for m in MUTANTS]
)
# Measures of probabilities that do not sum to one.
pytestmark = pytest.mark.filterwarnings("ignore:The y_prob values:UserWarning")
DOCS = Path(__file__).resolve().parents[2] / "docs"


@EACH_MUTANT
def test_a_mutant_fails_the_checks_that_it_is_said_to_fail(mutant):
    for name in (mutant.caught_by, *mutant.also):
        check = getattr(testing, name)
        try:
            with pytest.raises(AssertionError, match=mutant.name):
                check(mutant.name, mutant.subject)
        except SkipTest as reason:
            pytest.skip(str(reason))


@pytest.mark.mutants
@EACH_MUTANT
def test_a_mutant_fails_no_other_check(mutant):
    report = mutant.kit(mutant.subject, on_fail=None, on_skip=None)
    expected = {mutant.caught_by, *mutant.also} - set(report.names("skipped"))
    assert sorted(report.names("failed")) == sorted(expected), str(report)


def test_every_mutant_has_a_name_of_its_own_and_says_what_it_breaks():
    names = [mutant.name for mutant in MUTANTS]
    assert len(names) == len(set(names))
    assert all(mutant.breaks for mutant in MUTANTS)


def test_every_check_of_learners_has_a_mutant():
    # Only estimators from elsewhere lack the parameters that our base class declares.
    without = {"check_has_shared_parameters"}
    checks = {c.__name__ for group in testing.torch_checks().values() for c in group}
    assert checks - {mutant.caught_by for mutant in MUTANTS} == without


def test_the_table_of_the_guide_is_what_the_mutants_say():
    script = runpy.run_path(str(DOCS / "examples" / "mutants_table.py"))
    page = script["PAGE"].read_text("utf-8")
    assert page == script["page_with_tables"](page), (
        "run `python docs/examples/mutants_table.py`"
    )
