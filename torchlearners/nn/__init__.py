"""Torch modules of our own, and random numbers that stay inside one fit."""

from torchlearners.nn._dropout import Dropout
from torchlearners.nn._random import (
    bind_generator,
    draws_unbound_numbers,
    random_numbers_from,
)

__all__ = [
    "Dropout",
    "bind_generator",
    "draws_unbound_numbers",
    "random_numbers_from",
]
