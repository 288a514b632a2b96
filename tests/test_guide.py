"""The code of the guide runs, and prints what the pages say."""

import doctest
import sys
import types
import warnings
from pathlib import Path

import pytest

GUIDE = Path(__file__).resolve().parents[1] / "docs" / "guide"
PAGES = sorted(path.name for path in GUIDE.glob("*.rst"))
# The table of contents, and tables.
WITHOUT_CODE = {"index.rst", "mutants.rst"}
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.takes_long("a page shows what real trainings give")
@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_prints_what_the_page_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (GUIDE / page).read_text("utf-8")
    example = doctest.DocTestParser().get_doctest(text, {}, page, str(GUIDE / page), 0)
    # As if typed into a session: its classes are pickled, also for other processes.
    module = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    example.globs = vars(module)
    assert bool(example.examples) != (page in WITHOUT_CODE), (
        "a page of the guide has code that runs, or is listed in WITHOUT_CODE"
    )
    report = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        failed, _ = doctest.DocTestRunner(optionflags=FLAGS).run(
            example, out=report.append
        )
    assert not failed, "".join(report)


@pytest.mark.parametrize("page", [page for page in PAGES if page != "index.rst"])
def test_a_page_is_in_the_table_of_contents(page):
    contents = (GUIDE / "index.rst").read_text("utf-8").split()
    assert page.removesuffix(".rst") in contents
