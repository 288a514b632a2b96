"""Running a kit over an object, and what is told of it."""

import unittest

import pytest
from sklearn.exceptions import SkipTestWarning

from torchlearners.testing import CheckFailedWarning, CheckReport
from torchlearners.testing._kinds import torch_check
from torchlearners.testing._runner import check_expected, parametrize, run_checks

KEYS = [
    "estimator",
    "check_name",
    "exception",
    "status",
    "expected_to_fail",
    "expected_to_fail_reason",
]


class Part:
    """What is checked."""

    def __repr__(self):
        return "Part(\n  big=True)"


class Other(Part):
    """Of another kind."""


@torch_check()
def check_is_fine(name, part):
    """Check nothing."""


@torch_check()
def check_is_green(name, part):
    """Check that it is green."""
    raise AssertionError(f"{name} is blue.\n  Paint it.")


@torch_check()
def check_has_color(name, part):
    """Check that it has a color."""
    raise KeyError("color")


@torch_check()
def check_in_the_sun(name, part):
    """Check what needs a package."""
    raise unittest.SkipTest("needs the package sun")


@torch_check(lambda part: isinstance(part, Other))
def check_is_other(name, part):
    """Check others only."""


KIT = (check_is_fine, check_is_green, check_has_color, check_in_the_sun, check_is_other)


def run(part=None, kit=KIT, **settings):
    settings = {
        "on_fail": None,
        "on_skip": None,
        "callback": None,
        "expected_failed_checks": None,
        **settings,
    }
    return run_checks(Part() if part is None else part, kit, **settings)


def test_a_report_holds_a_row_for_each_check_that_applies_in_their_order():
    report = run()
    assert isinstance(report, CheckReport)
    assert [row["check_name"] for row in report] == [c.__name__ for c in KIT[:4]]
    assert [row["status"] for row in report] == [
        "passed",
        "failed",
        "failed",
        "skipped",
    ]
    assert [list(row) for row in report] == [KEYS] * 4


def test_conditions_select_the_checks():
    assert run(Other()).names("passed") == ["check_is_fine", "check_is_other"]


def test_a_row_holds_the_object_and_what_was_raised():
    part = Part()
    passed, green, *_ = run(part)
    assert passed["estimator"] is part
    assert passed["exception"] is None
    assert str(green["exception"]) == "Part is blue.\n  Paint it."


def test_a_report_prints_counts_and_what_did_not_pass():
    report = run(expected_failed_checks={"check_has_color": "it has none"})
    assert str(report) == (
        "Part: 1 passed, 1 failed, 1 skipped, 1 expected failures\n"
        "  failed  check_is_green\n"
        "          Part is blue. Paint it.\n"
        "  xfail   check_has_color\n"
        "          KeyError: 'color' (expected: it has none)\n"
        "  skipped check_in_the_sun\n"
        "          needs the package sun"
    )


def test_a_report_of_passed_checks_is_one_line():
    assert str(run(kit=[check_is_fine])) == "Part: 1 passed"
    assert str(run(kit=[check_is_other])) == "no check applies"


def test_an_error_without_a_message_is_told_as_such():
    @torch_check()
    def check_quietly(name, part):
        """Check something."""
        raise AssertionError

    assert "no message" in str(run(kit=[check_quietly]))


def test_the_first_failure_is_raised_on_request():
    with pytest.raises(AssertionError, match="Part is blue"):
        run(on_fail="raise")


def test_an_expected_failure_is_not_raised():
    with pytest.raises(KeyError):
        run(on_fail="raise", expected_failed_checks={"check_is_green": "blue is fine"})


def test_failures_are_warned_of_on_request():
    with pytest.warns(CheckFailedWarning) as warned:
        run(on_fail="warn")
    messages = [" ".join(str(w.message).split()) for w in warned]
    assert messages == [
        "Part: failed check_is_green Part is blue. Paint it.",
        "Part: failed check_has_color KeyError: 'color'",
    ]


def test_skipped_checks_are_warned_of_on_request():
    with pytest.warns(SkipTestWarning, match="needs the package sun"):
        report = run(on_skip="warn")
    assert report.names("skipped") == ["check_in_the_sun"]


def test_a_callback_is_called_after_each_check_with_its_row():
    rows = []
    report = run(callback=lambda **row: rows.append(row))
    assert rows == list(report)


def test_an_expected_failure_is_told_with_its_reason():
    row = run(expected_failed_checks={"check_is_green": "blue is fine"})[1]
    assert row["status"] == "xfail"
    assert row["expected_to_fail"]
    assert row["expected_to_fail_reason"] == "blue is fine"


def test_an_expected_failure_that_passes_is_passed():
    row = run(expected_failed_checks={"check_is_fine": "who knows"})[0]
    assert row["status"] == "passed"
    assert row["expected_to_fail"]


def test_an_expected_failure_of_no_check_gets_the_nearest_name():
    with pytest.raises(ValueError, match="Did you mean 'check_is_green'"):
        run(expected_failed_checks={"check_is_greem": "?"})


def test_a_check_that_does_not_apply_may_be_expected_to_fail():
    assert check_expected({"check_is_other": "another kind"}, KIT) is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"on_fail": "shout"}, "on_fail='shout'"),
        ({"on_skip": "raise"}, "on_skip='raise'"),
        ({"on_fail": "raise", "callback": print}, "callback needs on_fail"),
    ],
)
def test_a_wrong_setting_is_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        run(**settings)


def test_a_class_is_refused():
    with pytest.raises(TypeError, match=r"Pass an instance, not the class: Part\(\)"):
        run(Part)
    with pytest.raises(TypeError, match=r"Pass an instance, not the class: Part\(\)"):
        parametrize([Part], KIT, None, "part, check")


def test_errors_that_are_no_exceptions_go_through():
    @torch_check()
    def check_slowly(name, part):
        """Check until Ctrl-C."""
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(kit=[check_slowly])


def test_cases_of_pytest_have_a_line_as_their_name():
    mark = parametrize([Part(), Other()], KIT, None, "part, check")
    names, cases = mark.args
    assert names == "part, check"
    assert len(cases) == 4 + 5
    assert cases[0].id == "Part( big=True)-check_is_fine"
    part, check = cases[1].values
    with pytest.raises(AssertionError, match="Part is blue"):
        check(part)


def test_cases_of_pytest_are_marked_where_they_may_fail():
    def expected(part):
        return {"check_is_green": "blue"} if type(part) is Part else {}

    _, cases = parametrize([Part(), Other()], KIT, expected, "part, check").args
    marked = {case.id: case.marks[0].kwargs for case in cases if case.marks}
    assert marked == {"Part( big=True)-check_is_green": {"reason": "blue"}}


def test_cases_of_pytest_expect_no_unknown_failures():
    with pytest.raises(ValueError, match="which is no check"):
        parametrize([Part()], KIT, lambda part: {"check_nothing": ""}, "part, check")


@parametrize([Other()], (check_is_fine, check_is_other), None, "part, check")
def test_cases_run(part, check):
    assert check(part) is None
