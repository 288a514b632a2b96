"""Transformer blocks over the features of a row."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from torchlearners.nn._arguments import ShowsArguments, check_shape, checked
from torchlearners.nn._dropout import Dropout
from torchlearners.nn._gated import GEGLU, ReGLU, SwiGLU
from torchlearners.params import boolean, fraction, one_of, positive, positive_int

_PLAIN: dict[str, type[nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU}
_GATED: dict[str, type[nn.Module]] = {"geglu": GEGLU, "reglu": ReGLU, "swiglu": SwiGLU}


class FTTransformerBlock(ShowsArguments):
    """Let the tokens of a row attend to each other, then transform each of them [1]_.

    The block of FT-Transformer. Each of its two parts is normalised before
    (``x + attention(norm(x))``, then ``x + ffn(norm(x))``). Costs time and memory
    proportional to the square of the number of tokens.

    Parameters
    ----------
    d_token : int
        Size of a token, a multiple of `n_heads`.
    n_heads : int, default=8
        Number of attention heads.
    attention_dropout : float, default=0.2
        Probability of zeroing an attention weight while training.
    ffn_d_hidden_multiplier : float, default=4/3
        Hidden units between the two linear layers, per value of a token; rounded down.
    ffn_dropout : float, default=0.1
        Probability of zeroing a hidden unit while training.
    residual_dropout : float, default=0.0
        Probability of zeroing a value that one of the two parts adds, while training.
    activation : {"reglu", "geglu", "swiglu", "relu", "gelu"}, default="reglu"
        Function between the two linear layers. The first three are gated: twice the
        weights in the first layer.
    attention_norm : bool, default=True
        Whether to normalise before the attention; [1]_ does not in the first block.
    query : {"all", "first"}, default="all"
        Which tokens attend, and remain. "first" suits the last block, where only the
        CLS token is read, and saves most of its time.

    References
    ----------
    .. [1] Gorishniy et al. (2021). Revisiting deep learning models for tabular data.
       NeurIPS. arXiv:2106.11959.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import FTTransformerBlock
    >>> tokens = torch.zeros(5, 4, 16)
    >>> FTTransformerBlock(16)(tokens).shape
    torch.Size([5, 4, 16])
    >>> FTTransformerBlock(16, query="first")(tokens).shape
    torch.Size([5, 1, 16])
    """

    def __init__(
        self,
        d_token: int,
        n_heads: int = 8,
        attention_dropout: float = 0.2,
        ffn_d_hidden_multiplier: float = 4 / 3,
        ffn_dropout: float = 0.1,
        residual_dropout: float = 0.0,
        activation: str = "reglu",
        attention_norm: bool = True,
        query: str = "all",
    ) -> None:
        super().__init__()
        self.d_token = checked("d_token", d_token, positive_int)
        self.n_heads = checked("n_heads", n_heads, positive_int)
        if d_token % n_heads:
            raise ValueError(
                f"d_token must be a multiple of n_heads={n_heads}, got {d_token!r}."
            )
        self.attention_dropout = checked(
            "attention_dropout", attention_dropout, fraction
        )
        multiplier = checked(
            "ffn_d_hidden_multiplier", ffn_d_hidden_multiplier, positive
        )
        self.ffn_d_hidden_multiplier = multiplier
        self.ffn_dropout = checked("ffn_dropout", ffn_dropout, fraction)
        self.residual_dropout = checked("residual_dropout", residual_dropout, fraction)
        self.activation = checked("activation", activation, one_of(*_PLAIN, *_GATED))
        self.attention_norm = checked("attention_norm", attention_norm, boolean)
        self.query = checked("query", query, one_of("all", "first"))

        self.before_attention = nn.LayerNorm(d_token) if attention_norm else None
        # Apart from keys and values, as fewer tokens may ask than answer.
        self.queries = nn.Linear(d_token, d_token)
        self.keys_values = nn.Linear(d_token, 2 * d_token)
        self.joined_heads = nn.Linear(d_token, d_token)
        for linear in (self.queries, self.keys_values, self.joined_heads):
            nn.init.zeros_(linear.bias)
        self.drop_weights = Dropout(attention_dropout)
        self.drop_added = Dropout(residual_dropout)

        d_hidden = max(1, int(multiplier * d_token))
        gated = activation in _GATED
        self.ffn = nn.Sequential(
            nn.LayerNorm(d_token),
            nn.Linear(d_token, d_hidden * (2 if gated else 1)),
            (_GATED if gated else _PLAIN)[activation](),
            Dropout(ffn_dropout),
            nn.Linear(d_hidden, d_token),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens that remain, for `x` (batch, tokens, d_token).

        Returns
        -------
        torch.Tensor of shape (batch, tokens, d_token) or (batch, 1, d_token)
            The latter where `query` is "first".
        """
        q, k, v = self._queries_keys_values(x)
        if self.drop_weights.training and self.drop_weights.p > 0:
            # Not torch's fused attention, which would draw from the global state.
            seen = self.drop_weights(_attention_weights(q, k)) @ v
        else:
            seen = F.scaled_dot_product_attention(q, k, v)
        added = self.joined_heads(seen.transpose(1, 2).flatten(2))
        x = self._asking(x) + self.drop_added(added)
        return x + self.drop_added(self.ffn(x))

    def attention_map(self, x: Tensor, query: str = "all") -> Tensor:
        """Return how much each token attends to each, before any dropout.

        Parameters
        ----------
        x : torch.Tensor of shape (batch, tokens, d_token)
            What the block is called with.
        query : {"all", "first"}, default="all"
            Whether to look at all tokens that attend, or only at the first one.

        Returns
        -------
        torch.Tensor of shape (batch, n_heads, queries, tokens)
            Weights that add up to 1 over the last dimension. There are as many
            queries as tokens, or 1 where `query` is "first", here or for the block.
        """
        checked("query", query, one_of("all", "first"))
        q, k, _ = self._queries_keys_values(x)
        if query == "first":
            q = q[:, :, :1]
        return _attention_weights(q, k)

    def _queries_keys_values(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return each as (batch, n_heads, tokens, d_token / n_heads)."""
        check_shape(self, x, "batch", "tokens", self.d_token)
        normed = x if self.before_attention is None else self.before_attention(x)
        keys, values = self.keys_values(normed).chunk(2, -1)
        queries = self.queries(self._asking(normed))
        return self._by_head(queries), self._by_head(keys), self._by_head(values)

    def _asking(self, x: Tensor) -> Tensor:
        return x[:, :1] if self.query == "first" else x

    def _by_head(self, x: Tensor) -> Tensor:
        d_head = self.d_token // self.n_heads
        return x.reshape(*x.shape[:2], self.n_heads, d_head).transpose(1, 2)


def _attention_weights(q: Tensor, k: Tensor) -> Tensor:
    return (q @ k.mT * q.shape[-1] ** -0.5).softmax(-1)
