"""The walk of rows through the network of a fitted learner."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from torchlearners.training import Trial, inference, torch_threads


class NetworkOutputs:
    """How every learner predicts: block by block, each row as if it were alone."""

    def _outputs(self: Any, X: Any) -> np.ndarray:
        """Return the network's outputs, float32 of shape (n_samples, n_outputs)."""
        parts = self._output_parts(X)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _output_parts(self: Any, X: Any) -> list[np.ndarray]:
        """Return the network's outputs for each block of rows."""
        if not self._is_plain(X):
            check_is_fitted(self)
            X = self._columns.check(self, X, reset=False)
        net, most = self.net_, self.predict_batch_size
        most = net.evaluation_batch_size if most == "auto" else int(most)
        with inference(net.device):
            blocks = net.row_blocks_with(self.n_threads)
            sizes = blocks.cut(X.shape[0], most, lambda: self._trial(X))
            with blocks.products():
                if len(sizes) == 1:
                    return [self._forward(X, sizes[0])]
                ends = zip(accumulate(sizes), sizes, strict=True)
                return [self._forward(X[end - n : end], n) for end, n in ends]

    def _trial(self: Any, X: Any) -> Trial:
        """Return the network and rows like those of X, to find sizes of blocks."""
        with torch_threads(1):
            rows = self._schema.trial_rows(self._columns.matrix(X[:64]))
            net = self.net_
            rows = rows.to(net.device)
            return Trial(net.module_, rows, self._computed, net.own_hooks)

    def _forward(self: Any, X: Any, n_rows: int) -> np.ndarray:
        """Return outputs of rows, in a block that is filled up with rows of zeros."""
        with torch_threads(self._threads(self.net_, n_rows)):
            X = self._columns.matrix(X)
            rows = self._schema.tensor(X, n_rows).to(self.net_.device)
            outputs = self._computed(self.net_.module_, rows)
            return outputs.numpy(force=True)[: X.shape[0]]

    def _computed(self: Any, module: Any, rows: torch.Tensor) -> torch.Tensor:
        with torch_threads(self._threads(self.net_, len(rows))):
            return self._network_outputs(module, rows)

    def _network_outputs(self: Any, module: Any, rows: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.net_.compute(module, rows)
        return outputs

    def _is_plain(self: Any, X: Any) -> bool:
        """Tell in well under a microsecond that X needs no further checks."""
        return (
            type(X) is np.ndarray
            and X.ndim == 2
            and X.dtype in (np.float64, np.float32)
            and X.shape[1] == getattr(self, "n_features_in_", None)
            and len(X) > 0
            and not hasattr(self, "feature_names_in_")
            and hasattr(self, "net_")
        )
