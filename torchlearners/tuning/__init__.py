"""Choosing what data must decide, with rows that no training saw."""

from torchlearners.tuning._early_stopping_cv import EarlyStoppingCV

__all__ = ["EarlyStoppingCV"]
