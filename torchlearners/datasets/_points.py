"""Points in the plane, of classes that no line divides."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from torchlearners._compat import Interval
from torchlearners.params import check_values, non_negative, positive, positive_int

_TWO_OR_MORE = [Interval(Integral, 2, None, closed="left")]
_SHARED: dict[str, Any] = {
    "n_samples": positive_int,
    "noise": non_negative,
    "random_state": ["random_state"],
}
_SPIRALS = {**_SHARED, "n_classes": _TWO_OR_MORE, "n_turns": positive}
_XOR = {**_SHARED, "n_tiles": _TWO_OR_MORE}


def make_spirals(
    n_samples: int = 100,
    *,
    n_classes: int = 2,
    n_turns: float = 1.5,
    noise: float = 0.02,
    random_state: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Make points on spirals that wind around each other, one for each class.

    A hard test of how bent a boundary a learner can find: see how it ends as `n_turns`
    grows.

    Parameters
    ----------
    n_samples : int, default=100
        Number of points; classes have as many points each, or one more.
    n_classes : int, default=2
        Number of spirals.
    n_turns : float, default=1.5
        How often each one goes around the center.
    noise : float, default=0.02
        Standard deviation of normal noise in both directions. The spirals end at
        distance 1.
    random_state : int, RandomState instance or None, default=None
        Seed of the points and of their order.

    Returns
    -------
    X : ndarray of shape (n_samples, 2), float64
    y : ndarray of shape (n_samples,), int64

    Examples
    --------
    >>> from torchlearners.datasets import make_spirals
    >>> X, y = make_spirals(6, n_classes=3, random_state=0)
    >>> X.shape, y
    ((6, 2), array([2, 2, 1, 0, 0, 1]))
    """
    given = {
        "n_samples": n_samples,
        "n_classes": n_classes,
        "n_turns": n_turns,
        "noise": noise,
        "random_state": random_state,
    }
    check_values(_SPIRALS, given, "make_spirals")
    rng = check_random_state(random_state)
    y = rng.permutation(np.arange(n_samples, dtype=np.int64) % n_classes)
    # The outer turns are longer, so they need more points.
    radius = np.sqrt(rng.uniform(0.005, 1, size=n_samples))
    angle = 2 * np.pi * (n_turns * radius + y / n_classes)
    X = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return X + rng.normal(scale=noise, size=X.shape), y


def make_xor(
    n_samples: int = 100,
    *,
    n_tiles: int = 2,
    noise: float = 0.0,
    random_state: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Make points on the tiles of a chessboard, whose color is the class.

    Two by two tiles are the exclusive or of the signs of both features: neither of them
    tells anything without the other.

    Parameters
    ----------
    n_samples : int, default=100
        Number of points.
    n_tiles : int, default=2
        Number of tiles in each direction.
    noise : float, default=0.0
        Standard deviation of normal noise in both directions, which moves points across
        edges. The board goes from -1 to 1.
    random_state : int, RandomState instance or None, default=None
        Seed of the points.

    Returns
    -------
    X : ndarray of shape (n_samples, 2), float64
    y : ndarray of shape (n_samples,), int64
        0 or 1.

    Examples
    --------
    >>> from torchlearners.datasets import make_xor
    >>> X, y = make_xor(100, random_state=0)
    >>> bool(((X[:, 0] > 0) ^ (X[:, 1] > 0) == y).all())
    True
    """
    given = {
        "n_samples": n_samples,
        "n_tiles": n_tiles,
        "noise": noise,
        "random_state": random_state,
    }
    check_values(_XOR, given, "make_xor")
    rng = check_random_state(random_state)
    X = rng.uniform(-1, 1, size=(n_samples, 2))
    tile = np.floor((X + 1) * n_tiles / 2).astype(np.int64)
    return X + rng.normal(scale=noise, size=X.shape), tile.sum(axis=1) % 2
