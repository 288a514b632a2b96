"""Prediction from the targets of candidates that are near."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torchlearners.nn._arguments import ShowsArguments, checked
from torchlearners.params import (
    one_of,
    optional,
    positive,
    positive_fraction,
    positive_int,
)

# What rounding may leave of the squared distance between equal float32 points, as a
# share of their squared norms; it is subtracted, so that equal points have distance 0.
_ROUNDING = 2e-6
# Larger whole numbers are not exact in float32, as which rows carry their number.
_MOST_ROWS = 2**24
# A share that every class has; the logarithm of 0 would be infinite.
_LEAST_SHARE = 1e-7
_AS_IT_IS = nullcontext()
# Keys are encoded so many at a time, however many there are.
_ENCODED_ROWS = 4096


class SoftNearestNeighbors(ShowsArguments):
    """Average the targets of all candidates, weighted by how near they are [1]_ [2]_.

    A candidate at Euclidean distance d of a row, measured between what `encoder` makes
    of the two, has the weight exp(-d / temperature), times a weight of its own. Outputs
    are the mean of the candidates' targets with these weights: for values itself, for
    classes the logarithm of the shares, for labels the log-odds of theirs.

    While training, rows carry their number among the candidates as one more column; a
    row is then no candidate for itself, and only a sample of the candidates, new for
    each batch, is looked at. Distances are computed for `chunk_size` candidates at a
    time, forwards and backwards, and never all held.

    Parameters
    ----------
    encoder : torch.nn.Module
        From rows (n_rows, n_columns) to points (n_rows, dim).
    n_columns : int
        Number of columns of the rows.
    n_outputs : int
        Number of values, classes or labels.
    target : {"values", "classes", "labels"}, default="values"
        What the candidates' targets are.
    temperature : float, default=1.0
        Distance over which a candidate's weight falls to 37 percent.
    sample_rate : float, default=0.5
        Share of the candidates that a training batch looks at.
    max_candidates : int or None, default=None
        Most candidates that a training batch looks at.
    chunk_size : int, default=1024
        Candidates at a time. The result depends on it by rounding only.

    Notes
    -----
    Candidates are no part of ``state_dict()``; `candidates` returns them, and
    `set_candidates` puts them in. Without any, every row gets zeros.

    References
    ----------
    .. [1] Goldberger, Roweis, Hinton and Salakhutdinov (2004). Neighbourhood components
       analysis. NeurIPS.
    .. [2] Ye, Yin, Zhan and Chao (2025). Revisiting nearest neighbor for tabular data:
       a deep tabular baseline two decades later. ICLR. arXiv:2407.03257.

    Examples
    --------
    >>> import torch
    >>> from torchlearners.nn import SoftNearestNeighbors
    >>> net = SoftNearestNeighbors(torch.nn.Identity(), 1, 1, temperature=0.1).eval()
    >>> net.set_candidates(torch.tensor([[0.0], [4.0]]), torch.tensor([[5.0], [7.0]]))
    >>> net(torch.tensor([[0.1], [2.0]]))
    tensor([[5.],
            [6.]])
    """

    rows: Tensor
    values: Tensor
    weight: Tensor | None
    _keys: Tensor | None
    _keys_of: list[Any]

    def __init__(
        self,
        encoder: nn.Module,
        n_columns: int,
        n_outputs: int,
        target: str = "values",
        temperature: float = 1.0,
        sample_rate: float = 0.5,
        max_candidates: int | None = None,
        chunk_size: int = 1024,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.n_columns = checked("n_columns", n_columns, positive_int)
        self.n_outputs = checked("n_outputs", n_outputs, positive_int)
        self.target = checked("target", target, one_of("values", "classes", "labels"))
        self.temperature = checked("temperature", temperature, positive)
        self.sample_rate = checked("sample_rate", sample_rate, positive_fraction)
        self.max_candidates = checked(
            "max_candidates", max_candidates, optional(positive_int)
        )
        self.chunk_size = checked("chunk_size", chunk_size, positive_int)
        self.generator: torch.Generator | None = None
        self.register_buffer("rows", torch.zeros(0, n_columns), persistent=False)
        self.register_buffer("values", torch.zeros(0, n_outputs), persistent=False)
        self.register_buffer("weight", None, persistent=False)
        self._forget_keys()

    def set_candidates(
        self, rows: Tensor, target: Tensor, weight: Tensor | None = None
    ) -> None:
        """Replace all candidates.

        Parameters
        ----------
        rows : torch.Tensor of shape (n_candidates, n_columns)
        target : torch.Tensor of shape (n_candidates, n_outputs)
            For classes int64 codes of shape (n_candidates,).
        weight : torch.Tensor of shape (n_candidates,) or None, default=None
            Positive; only ratios count.

        Raises
        ------
        ValueError
            Where there are more than 2**24 candidates.
        """
        if len(rows) > _MOST_ROWS:
            raise ValueError(
                f"There are {len(rows)} candidates; only {_MOST_ROWS} can be told "
                "apart. Take a sample of the training rows."
            )
        if self.target == "classes":
            target = F.one_hot(target, self.n_outputs)
        device = self.rows.device
        self.rows = rows.detach().to(device)
        self.values = target.detach().to(self.rows)
        self.weight = None if weight is None else weight.detach().to(self.rows)
        self._forget_keys()

    def candidates(self) -> dict[str, Tensor | None]:
        """Return the arguments of `set_candidates`."""
        coded = self.target == "classes"
        target = self.values.argmax(1) if coded else self.values
        return {"rows": self.rows, "target": target, "weight": self.weight}

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, n_outputs) for `x` (batch, n_columns).

        A last column more is the row's number among the candidates, -1 for none; it is
        ignored in evaluation mode.
        """
        own = None
        if x.shape[1] == self.n_columns + 1:
            x, own = x[:, :-1], x[:, -1].int()
        if self.training:
            numbers = self._sample()
            # Together, so that batch normalization sees one batch.
            points = self.encoder(torch.cat((x, self.rows[numbers])))
            queries, keys = points[: len(x)], points[len(x) :]
            values, weight = self.values[numbers], self.weight
            weight = None if weight is None else weight[numbers]
            numbers = numbers.int()
        else:
            own = numbers = None
            queries, keys = self.encoder(x), self._encoded()
            values, weight = self.values, self.weight
        # Differences of near points need all digits.
        with torch.autocast(x.device.type, enabled=False) if _casts(x) else _AS_IT_IS:
            mean = _NearnessWeightedMean.apply(
                queries.to(values),
                keys.to(values),
                values,
                None if weight is None else weight.log(),
                None if own is None else (own, numbers),
                self.temperature,
                self.chunk_size,
            )
        if self.target == "values":
            return mean
        if self.target == "classes":
            return (mean + _LEAST_SHARE).log()
        return (mean + _LEAST_SHARE).log() - (1 - mean + _LEAST_SHARE).log()

    def _sample(self) -> Tensor:
        """Draw the numbers of the candidates of a batch."""
        n = len(self.rows)
        k = min(n, max(1, round(self.sample_rate * n)))
        if self.max_candidates is not None:
            k = min(k, self.max_candidates)
        device = self.rows.device
        if k == n:
            return torch.arange(n, device=device)
        return torch.randperm(n, generator=self.generator, device=device)[:k]

    def _encoded(self) -> Tensor:
        """Return the candidates' points, kept until the encoder changes."""
        tensors = (*self.encoder.parameters(), *self.encoder.buffers())
        state = [(t.data_ptr(), t._version) for t in tensors]
        state.append((-1, int(_casts(self.rows))))
        if self._keys is None or self._keys_of != state:
            # Inference tensors could not serve a later pass with gradients.
            with torch.inference_mode(False), torch.no_grad():
                parts = map(self.encoder, self.rows.split(_ENCODED_ROWS))
                self._keys, self._keys_of = torch.cat(list(parts)), state
        return self._keys

    def extra_repr(self) -> str:
        """Return what stands between the parentheses of the repr."""
        # torch shows the encoder, being a module.
        return super().extra_repr().removeprefix(f"encoder={self.encoder!r}, ")

    def train(self, mode: bool = True) -> SoftNearestNeighbors:
        """Set the mode, as in torch."""
        # Fused optimizers change weights without a trace, but only in training mode.
        self._forget_keys()
        super().train(mode)
        return self

    def _forget_keys(self) -> None:
        self._keys, self._keys_of = None, []

    def __getstate__(self) -> dict[str, Any]:
        # A copied module must not share, nor carry along, the generator of a fit.
        return {**self.__dict__, "generator": None, "_keys": None}


def _casts(x: Tensor) -> bool:
    """Tell whether autocast would round what is computed of x."""
    kind = x.device.type
    return torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)


class _NearnessWeightedMean(torch.autograd.Function):
    """Mean of values with weights exp(-distance / temperature), chunk by chunk.

    The largest exponent so far is subtracted from all, and what was summed before is
    scaled where it grows. The backward pass computes the distances again.
    """

    @staticmethod
    def forward(
        ctx: Any,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        log_weight: Tensor | None,
        numbers: tuple[Tensor, Tensor] | None,
        temperature: float,
        chunk_size: int,
    ) -> Tensor:
        """Return (n_queries, n_outputs); zeros where there is no candidate."""
        if len(keys):
            # Distances stay; near the origin they are rounded less.
            center = keys.mean(0)
            queries, keys = queries - center, keys - center
        ctx.settings = log_weight, numbers, temperature, chunk_size
        top = queries.new_full((len(queries), 1), torch.finfo(queries.dtype).min)
        total = torch.zeros_like(top)
        mean = queries.new_zeros(len(queries), values.shape[1])
        for part in _parts(len(keys), chunk_size):
            scores, _ = _scores(ctx, queries, keys, part)
            highest = torch.maximum(top, scores.amax(1, keepdim=True))
            scores.sub_(highest).exp_()
            shrink = (top - highest).exp_()
            total = total * shrink + scores.sum(1, keepdim=True)
            mean = torch.addmm(mean * shrink, scores, values[part])
            top = highest
        some = total > 0
        total = total.where(some, 1)
        mean /= total
        ctx.save_for_backward(queries, keys, values, mean, top + total.log())
        return mean

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Return the gradients of queries and keys."""
        queries, keys, values, mean, log_total = ctx.saved_tensors
        grad_queries, grad_keys = torch.zeros_like(queries), torch.zeros_like(keys)
        expected = (grad * mean).sum(1, keepdim=True)
        for part in _parts(len(keys), ctx.settings[-1]):
            scores, distance = _scores(ctx, queries, keys, part)
            share = scores.sub_(log_total).exp_()
            pull = (grad @ values[part].T).sub_(expected).mul_(share)
            # At distance 0 no direction is steepest.
            pull.div_(distance).masked_fill_(distance == 0, 0)
            grad_queries += pull @ keys[part] - pull.sum(1, keepdim=True) * queries
            column = pull.sum(0).unsqueeze(1)
            grad_keys[part] = pull.T @ queries - column * keys[part]
        temperature = ctx.settings[2]
        nothing = (None,) * 5
        return grad_queries / temperature, grad_keys / temperature, *nothing


def _parts(n: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def _scores(
    ctx: Any, queries: Tensor, keys: Tensor, part: slice
) -> tuple[Tensor, Tensor]:
    """Return exponents and distances, (n_queries, n_candidates of the part)."""
    log_weight, numbers, temperature, _ = ctx.settings
    chunk = keys[part]
    smaller = 1 - _ROUNDING
    squared = (queries.square().sum(1, keepdim=True) * smaller).addmm(
        queries, chunk.T, alpha=-2
    )
    squared += chunk.square().sum(1) * smaller
    distance = squared.clamp_(min=0).sqrt_()
    scores = distance / -temperature
    if log_weight is not None:
        scores += log_weight[part]
    if numbers is not None:
        own, candidates = numbers
        scores.masked_fill_(own.unsqueeze(1) == candidates[part], -torch.inf)
    return scores, distance
