"""Optimizers as declared choices, built on torch's classes and fused kernels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal

import torch

from torchlearners.params import (
    boolean,
    fraction,
    non_negative,
    one_of,
    optional,
    param,
    positive_int,
)
from torchlearners.training._fused import FusedAdam, FusedAdamW, FusedSGD
from torchlearners.training._optimizer import (
    Optimizer,
    declared_betas,
    declared_eps,
    each_parameter,
)


class Adam(Optimizer):
    """Adam: per-weight step sizes from running moments of the gradient [1]_.

    {parameters}

    References
    ----------
    .. [1] Kingma and Ba (2015). Adam: a method for stochastic optimization. ICLR.

    Examples
    --------
    >>> from torchlearners import MLPClassifier
    >>> from torchlearners.training import Adam
    >>> MLPClassifier(optimizer=Adam(betas=(0.9, 0.99))).optimizer
    Adam(betas=(0.9, 0.99))
    """

    betas: tuple[float, float] = declared_betas((0.9, 0.999))
    eps: float = declared_eps(1e-8)
    amsgrad: bool = param(
        default=False,
        check=boolean,
        doc="Use the largest second moment so far, which makes steps never grow.",
    )

    torch_class: ClassVar[Any] = torch.optim.Adam
    fused_class = FusedAdam

    def settings(self) -> dict[str, Any]:
        """Return the keyword arguments for the torch class."""
        return {**super().settings(), "betas": tuple(map(float, self.betas))}


class AdamW(Adam):
    """Adam with weight decay decoupled from the gradient [1]_. The default.

    {parameters}

    References
    ----------
    .. [1] Loshchilov and Hutter (2019). Decoupled weight decay regularization. ICLR.

    Examples
    --------
    >>> from torchlearners import MLPClassifier
    >>> learner = MLPClassifier().set_params(optimizer__betas=(0.9, 0.95))
    >>> learner.optimizer
    AdamW(betas=(0.9, 0.95))
    """

    torch_class: ClassVar[Any] = torch.optim.AdamW
    fused_class = FusedAdamW


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum on request [1]_.

    {parameters}

    References
    ----------
    .. [1] Sutskever et al. (2013). On the importance of initialization and momentum
       in deep learning. ICML.

    Examples
    --------
    >>> from torchlearners.training import SGD
    >>> SGD(momentum=0.9)
    SGD(momentum=0.9)
    """

    momentum: float = param(
        default=0.0, check=fraction, doc="Share of the last step that is kept."
    )
    nesterov: bool = param(
        default=False,
        check=boolean,
        doc="Look ahead along the momentum; needs momentum above 0.",
    )

    torch_class = torch.optim.SGD
    fused_class = FusedSGD


class RMSprop(Optimizer):
    """Step sizes from a running mean of squared gradients [1]_.

    {parameters}

    References
    ----------
    .. [1] Tieleman and Hinton (2012). Lecture 6.5: RMSprop. COURSERA: Neural Networks
       for Machine Learning.

    Examples
    --------
    >>> from torchlearners.training import RMSprop
    >>> RMSprop(alpha=0.9)
    RMSprop(alpha=0.9)
    """

    alpha: float = param(
        default=0.99, check=fraction, doc="Decay rate of the mean of squares."
    )
    eps: float = declared_eps(1e-8)
    momentum: float = param(
        default=0.0, check=fraction, doc="Share of the last step that is kept."
    )
    centered: bool = param(
        default=False,
        check=boolean,
        doc="Divide by the estimated standard deviation instead of the raw moment.",
    )

    torch_class = torch.optim.RMSprop


class Adagrad(Optimizer):
    """Step sizes that shrink with the sum of squared gradients [1]_.

    {parameters}

    References
    ----------
    .. [1] Duchi et al. (2011). Adaptive subgradient methods for online learning and
       stochastic optimization. JMLR 12.

    Examples
    --------
    >>> from torchlearners.training import Adagrad
    >>> Adagrad()
    Adagrad()
    """

    lr_decay: float = param(
        default=0.0, check=non_negative, doc="Decay of the learning rate with steps."
    )
    initial_accumulator_value: float = param(
        default=0.0, check=non_negative, doc="Start of the sum of squares."
    )
    eps: float = declared_eps(1e-10)

    torch_class = torch.optim.Adagrad


class NAdam(Optimizer):
    """Adam with Nesterov momentum [1]_.

    {parameters}

    References
    ----------
    .. [1] Dozat (2016). Incorporating Nesterov momentum into Adam. ICLR workshop.

    Examples
    --------
    >>> from torchlearners.training import NAdam
    >>> NAdam(momentum_decay=0.01)
    NAdam(momentum_decay=0.01)
    """

    betas: tuple[float, float] = declared_betas((0.9, 0.999))
    eps: float = declared_eps(1e-8)
    momentum_decay: float = param(
        default=4e-3, check=non_negative, doc="Decay rate of the momentum schedule."
    )

    torch_class = torch.optim.NAdam

    def settings(self) -> dict[str, Any]:
        """Return the keyword arguments for the torch class."""
        return {**super().settings(), "betas": tuple(map(float, self.betas))}


class RAdam(Optimizer):
    """Adam whose first steps are rectified, so that no warm-up is needed [1]_.

    {parameters}

    References
    ----------
    .. [1] Liu et al. (2020). On the variance of the adaptive learning rate and
       beyond. ICLR.

    Examples
    --------
    >>> from torchlearners.training import RAdam
    >>> RAdam()
    RAdam()
    """

    betas: tuple[float, float] = declared_betas((0.9, 0.999))
    eps: float = declared_eps(1e-8)

    torch_class = torch.optim.RAdam

    def settings(self) -> dict[str, Any]:
        """Return the keyword arguments for the torch class."""
        return {**super().settings(), "betas": tuple(map(float, self.betas))}


class LBFGS(Optimizer):
    """Limited-memory BFGS with a closure: for small, full-batch problems [1]_.

    Each step evaluates the loss up to `max_iter` times or more. The learner's
    `weight_decay` must be 0, because torch's LBFGS has none.

    {parameters}

    References
    ----------
    .. [1] Liu and Nocedal (1989). On the limited memory BFGS method for large scale
       optimization. Mathematical Programming 45.

    Examples
    --------
    >>> from torchlearners.training import LBFGS
    >>> LBFGS(max_iter=5)
    LBFGS(max_iter=5)
    """

    max_iter: int = param(
        default=20, check=positive_int, doc="Most iterations in one step."
    )
    history_size: int = param(
        default=10, check=positive_int, doc="Number of past updates remembered."
    )
    tolerance_grad: float = param(
        default=1e-7, check=non_negative, doc="A step ends below this gradient."
    )
    tolerance_change: float = param(
        default=1e-9, check=non_negative, doc="A step ends below this change."
    )
    line_search: Literal["strong_wolfe"] | None = param(
        default="strong_wolfe",
        check=optional(one_of("strong_wolfe")),
        doc='"strong_wolfe", or None for steps of length lr.',
    )

    torch_class = torch.optim.LBFGS

    def build(
        self, parameters: Iterable[Any], lr: float, weight_decay: float
    ) -> torch.optim.Optimizer:
        """Return `torch.optim.LBFGS`; see `Optimizer.build`."""
        self._validate_params()
        if weight_decay:
            raise ValueError(
                f"optimizer='lbfgs' has no weight decay, got weight_decay="
                f"{weight_decay}. Set weight_decay=0 or take another optimizer."
            )
        settings = self.get_params(deep=False)
        settings["line_search_fn"] = settings.pop("line_search")
        # A step has one length for all parameters.
        return torch.optim.LBFGS(each_parameter(list(parameters)), lr=lr, **settings)
