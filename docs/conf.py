"""Sphinx configuration; nothing here needs the network."""

import inspect
import re
from importlib.metadata import version as installed_version

from torch import nn

project = "torchlearners"
author = "the torchlearners developers"
copyright = "2026, the torchlearners developers"
release = version = installed_version("torchlearners")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates", "examples"]
default_role = "py:obj"

# API pages are generated from the lists in api/*.rst; the templates list the methods,
# so numpydoc must not list them again.
autosummary_generate = True
autosummary_imported_members = True
# Pages of modules leave out what each module of torch has.
autosummary_context = {"of_torch": dir(nn.Module)}
autodoc_typehints = "none"
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
# The default adds version and "documentation", too long for the top bar.
html_title = project
html_theme_options = {"navigation_with_keys": False, "show_prev_next": False}
html_show_sourcelink = False

FOREIGN_ROLE = re.compile(r":(?:\w+:)?\w+:`~?([^`<]+?)(?:\s*<[^>`]*>)?`")


def owner(obj):
    """Return the package in which a documented object was written."""
    if isinstance(obj, property):
        obj = obj.fget
    return (getattr(inspect.unwrap(obj), "__module__", "") or "").partition(".")[0]


def flatten_foreign_roles(app, what, name, obj, options, lines):
    """Keep inherited docstrings from linking into pages that are not ours."""
    if owner(obj) in {"sklearn", "skorch", "torch"}:
        text = FOREIGN_ROLE.sub(r"\1", "\n".join(lines))
        text = re.sub(r"^\.\. versionadded::.*\n?", "", text, flags=re.MULTILINE)
        lines[:] = text.split("\n")


def setup(app):
    """Connect the hook, after numpydoc's own (priority 500)."""
    app.connect("autodoc-process-docstring", flatten_foreign_roles, priority=600)
