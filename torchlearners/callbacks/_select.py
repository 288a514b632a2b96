"""Choosing parameters of a network by their names.

The functions make selections, which combine with ``&``, ``|`` and ``~``. Where a
selection is expected, a string stands for `glob`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from torchlearners.callbacks._selection import (
    All,
    Layers,
    Names,
    Nothing,
    Pattern,
    Selection,
    as_selection,
)


def all_() -> Selection:
    """Select every parameter.

    Returns
    -------
    Selection

    Examples
    --------
    >>> from torch import nn
    >>> from torchlearners.callbacks import select
    >>> sorted(select.all_().of(nn.Linear(2, 1)))
    ['bias', 'weight']
    """
    return All()


def none() -> Selection:
    """Select no parameter.

    Returns
    -------
    Selection

    Examples
    --------
    >>> from torch import nn
    >>> from torchlearners.callbacks import select
    >>> select.none().of(nn.Linear(2, 1))
    set()
    """
    return Nothing()


def glob(pattern: str) -> Selection:
    """Select by a shell pattern on a parameter's name, or on a module that holds it.

    Parameters
    ----------
    pattern : str
        ``*`` and ``?`` match dots too: ``"*.bias"``, ``"blocks.?.norm"``,
        ``"encoder"``.

    Returns
    -------
    Selection

    Examples
    --------
    >>> from torch import nn
    >>> from torchlearners.callbacks import select
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> sorted(select.glob("0").of(net)), sorted(select.glob("*.bias").of(net))
    (['0.bias', '0.weight'], ['0.bias', '2.bias'])
    """
    return Pattern("glob", pattern)


def regex(pattern: str) -> Selection:
    """Select the names in which a regular expression is found.

    Parameters
    ----------
    pattern : str
        For `re.search`.

    Returns
    -------
    Selection

    Examples
    --------
    >>> from torch import nn
    >>> from torchlearners.callbacks import select
    >>> select.regex("^w").of(nn.Linear(2, 1))
    {'weight'}
    """
    re.compile(pattern)
    return Pattern("regex", pattern)


def names(*chosen: str) -> Selection:
    """Select parameters by their full names.

    Parameters
    ----------
    *chosen : str

    Returns
    -------
    Selection

    Examples
    --------
    >>> from torch import nn
    >>> from torchlearners.callbacks import select
    >>> select.names("bias").of(nn.Linear(2, 1))
    {'bias'}
    """
    return Names(chosen)


def layers(chosen: int | str | Iterable[int | str]) -> Selection:
    """Select by the children of the network, as `torch.nn.Module.children` has them.

    Parameters
    ----------
    chosen : int, str or iterable of them
        Positions (negative ones count from the end) or names of children:
        ``layers(range(3))``, ``layers(-1)``, ``layers(["stem", "head"])``.

    Returns
    -------
    Selection

    Examples
    --------
    >>> from torch import nn
    >>> from torchlearners.callbacks import select
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> sorted(select.layers(range(2)).of(net))
    ['0.bias', '0.weight']
    """
    single = isinstance(chosen, int | str)
    return Layers((chosen,) if single else tuple(chosen))  # type: ignore[arg-type]


def invert(selection: Selection | str) -> Selection:
    """Select what another selection leaves out; the same as ``~``.

    Parameters
    ----------
    selection : Selection or str

    Returns
    -------
    Selection

    Examples
    --------
    >>> from torch import nn
    >>> from torchlearners.callbacks import select
    >>> select.invert("bias").of(nn.Linear(2, 1))
    {'weight'}
    """
    return ~as_selection(selection)
