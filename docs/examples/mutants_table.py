"""Write the tables of docs/guide/mutants.rst from what the mutants say."""

import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "guide" / "mutants.rst"
START = ".. tables of docs/examples/mutants_table.py"

sys.path.insert(0, str(ROOT / "tests" / "testing"))
from mutants import all_mutants  # noqa: E402 - it lies beside the tests


def table_of(mutants):
    """Return a csv-table with a row for each mutant."""
    lines = [
        ".. csv-table::",
        "   :header: mutant, what it breaks, caught by, also fails",
        "   :widths: 20, 35, 25, 20",
        "",
    ]
    for mutant in mutants:
        also = ", ".join(f"`{name}`" for name in mutant.also)
        cells = f"``{mutant.name}``", mutant.breaks, f"`{mutant.caught_by}`", also
        quoted = (cell.replace('"', '""') for cell in cells)
        lines.append("   " + ", ".join(f'"{cell}"' for cell in quoted))
    return "\n".join(lines)


def page_with_tables(page):
    """Return the text of the page, with a table for each module of mutants."""
    by_module = defaultdict(list)
    for mutant in all_mutants():
        by_module[type(mutant.subject).__module__.rpartition(".")[2]].append(mutant)
    parts = [page.partition(START)[0] + START]
    for name, mutants in by_module.items():
        title = name.capitalize()
        parts.append(f"{title}\n{'-' * len(title)}\n\n{table_of(mutants)}")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page_with_tables(PAGE.read_text("utf-8")), "utf-8")
