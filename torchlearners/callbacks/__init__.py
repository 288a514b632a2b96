"""What happens between batches and epochs, as skorch callbacks."""

from torchlearners.callbacks._early_stopping import EarlyStopping

__all__ = ["EarlyStopping"]
