"""Suggesting the name that a misspelt one was meant for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# What users of other libraries type first, and what it is called here.
SYNONYMS = {
    "learning_rate": "lr",
    "learning_rate_init": "lr",
    "epochs": "max_epochs",
    "n_epochs": "max_epochs",
    "max_iter": "max_epochs",
    "solver": "optimizer",
    "criterion": "loss",
    "alpha": "weight_decay",
    "n_iter_no_change": "patience",
    "tol": "min_delta",
    "seed": "random_state",
    "units": "hidden_layer_sizes",
    "neurons": "hidden_layer_sizes",
}


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """Return a sentence that suggests the nearest valid name, or an empty string.

    Parameters
    ----------
    name : str
        What the user typed.
    valid : iterable of str
        The names that exist.

    Returns
    -------
    str
        A sentence with a leading space.

    Examples
    --------
    >>> from torchlearners.params import did_you_mean
    >>> did_you_mean("max_epoch", ["lr", "max_epochs"])
    " Did you mean 'max_epochs'?"
    """
    valid = sorted(valid)
    guesses = [SYNONYMS[name]] if SYNONYMS.get(name) in valid else []
    guesses += difflib.get_close_matches(name, valid, n=1, cutoff=0.7)
    return f" Did you mean '{guesses[0]}'?" if guesses else ""
