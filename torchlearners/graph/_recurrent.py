"""torch's layers of several outputs, with the batch first and plain tuples."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class BatchFirstRNN(nn.RNN):
    """`torch.nn.RNN` that returns its output and the last hidden state."""

    def forward(self, x: Tensor) -> Any:  # type: ignore[override]
        """Return (batch, token, feature) and (batch, layer, feature)."""
        output, hidden = super().forward(x)
        return output, hidden.transpose(0, 1)


class BatchFirstGRU(nn.GRU):
    """`torch.nn.GRU` that returns its output and the last hidden state."""

    def forward(self, x: Tensor) -> Any:  # type: ignore[override]
        """Return (batch, token, feature) and (batch, layer, feature)."""
        output, hidden = super().forward(x)
        return output, hidden.transpose(0, 1)


class BatchFirstLSTM(nn.LSTM):
    """`torch.nn.LSTM` that returns its output, and the last hidden and cell states."""

    def forward(self, x: Tensor) -> Any:  # type: ignore[override]
        """Return (batch, token, feature), and twice (batch, layer, feature)."""
        output, (hidden, cell) = super().forward(x)
        return output, hidden.transpose(0, 1), cell.transpose(0, 1)


class Attention(nn.MultiheadAttention):
    """`torch.nn.MultiheadAttention` with weights on demand, and one input for all."""

    def __init__(self, *args: Any, need_weights: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.need_weights = need_weights

    def forward(  # type: ignore[override]
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        key_padding_mask: Tensor | None = None,
        attn_mask: Tensor | None = None,
    ) -> Any:
        """Return what the queries get of the values, and the weights if asked for."""
        key = query if key is None else key
        output, weights = super().forward(
            query,
            key,
            key if value is None else value,
            key_padding_mask=key_padding_mask,
            need_weights=self.need_weights,
            attn_mask=attn_mask,
        )
        return (output, weights) if self.need_weights else output
