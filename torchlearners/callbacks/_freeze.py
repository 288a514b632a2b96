"""Keep chosen weights as they are, for all of a training or up to some epoch."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import nn

from torchlearners.callbacks._selection import Selection, selected
from torchlearners.params import Parameters, param, positive_fraction, positive_int

_SELECT = [str, Selection]


class Freeze(Parameters, BaseEstimator, Callback):
    """Keep the chosen weights bit for bit as they were when training began.

    They get no gradient, which saves its cost, no weight decay, and no state in the
    optimizer. Batch normalization whose weights are all frozen works as in prediction:
    its running statistics are used, and stay as they are. `Unfreeze` ends it.

    {parameters}

    Raises
    ------
    ValueError
        When training begins: where nothing is selected, or nothing is left to train.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from torchlearners import MLPClassifier
    >>> from torchlearners.callbacks import Freeze, select
    >>> freeze = Freeze(select=select.layers(0))
    >>> learner = MLPClassifier(preset="simple", max_epochs=1, callbacks=[freeze])
    >>> net = learner.fit(*load_iris(return_X_y=True)).net_
    >>> [name for name, p in net.module_.named_parameters() if not p.requires_grad]
    ['linear_1.weight', 'linear_1.bias']
    """

    select: str | Selection = param(
        default="*",
        check=_SELECT,
        doc="Which weights: a pattern on their names such as ``'encoder'`` or "
        "``'*.bias'``, or a selection made by `torchlearners.callbacks.select`.",
    )

    def initialize(self) -> Freeze:
        """Check the parameters."""
        self._validate_params()
        return self

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Freeze the weights."""
        module, optimizer = net.module_, net.optimizer_
        with_state = False
        for _, p in selected(self.select, module):
            p.requires_grad_(False)
            # Without a gradient the optimizer passes a weight over. It stays in its
            # group, so that groups do not change their length and unfreezing is free.
            p.grad = None
            with_state |= optimizer.state.pop(p, None) is not None
        if with_state:  # of an earlier training; a fused optimizer keeps lists of it
            optimizer.load_state_dict(optimizer.state_dict())
        if not any(p.requires_grad for p in module.parameters()):
            raise ValueError(
                f"{self!r} leaves nothing to train. Select less, for example "
                "~select.layers(-1) for all but the last layer."
            )
        # A hook, because the net puts the whole module into training mode each epoch.
        self._hooks = [
            norm.register_forward_pre_hook(_Still(owner))
            for norm, owner in _norms(module)
        ]

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Let go of batch normalization."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []


class Unfreeze(Parameters, BaseEstimator, Callback):
    """Train weights that `Freeze` holds, from some epoch on.

    Use several for gradual unfreezing.

    {parameters}

    Raises
    ------
    ValueError
        When training begins, where nothing is selected, or the network itself, and not
        `Freeze`, holds a selected weight fixed.

    Examples
    --------
    >>> from torchlearners.callbacks import Freeze, Unfreeze
    >>> callbacks = [
    ...     Freeze(select="encoder"),
    ...     Unfreeze(select="encoder.2", at_epoch=5),
    ...     Unfreeze(select="encoder", at_epoch=10),
    ... ]
    """

    select: str | Selection = param(
        default="*", check=_SELECT, doc="Which weights, as in `Freeze`."
    )
    at_epoch: int = param(
        default=1,
        check=positive_int,
        doc="First epoch in which they train, counted from 1 in each training.",
    )

    def initialize(self) -> Unfreeze:
        """Check the parameters."""
        self._validate_params()
        return self

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Look up the weights."""
        self._chosen = selected(self.select, net.module_)
        held = {id(p) for group in net.optimizer_.param_groups for p in group["params"]}
        for name, p in self._chosen:
            if id(p) not in held:
                raise ValueError(
                    f"Unfreeze: the network itself holds '{name}' fixed, so the "
                    "optimizer does not know it. Let it require a gradient, and add "
                    "Freeze to the callbacks."
                )

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Unfreeze the weights when it is time."""
        # Not only in that epoch: a resumed training may begin after it.
        if len(net.history) - net.epochs_before >= self.at_epoch:
            for _, p in self._chosen:
                p.requires_grad_(True)


class GradualUnfreeze(Freeze):
    """Freeze the chosen weights, and set them free layer by layer, the last first [1]_.

    A layer is a module that holds weights of its own. In the first epoch all are
    frozen; then they are set free in even steps, until all are free.

    {parameters}

    References
    ----------
    .. [1] Howard and Ruder (2018). Universal language model fine-tuning for text
       classification. ACL. arXiv:1801.06146.

    Examples
    --------
    >>> from torchlearners.callbacks import GradualUnfreeze, select
    >>> callbacks = [GradualUnfreeze(select=~select.layers(-1), share=0.25)]
    """

    share: float = param(
        default=0.5,
        check=positive_fraction,
        doc="Share of the epochs of a training after which all weights are free.",
    )

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Freeze the weights, and tell their layers apart."""
        layers: dict[str, list[nn.Parameter]] = {}
        for name, p in selected(self.select, net.module_):
            if p.requires_grad:  # what the network itself holds fixed stays so
                layers.setdefault(name.rpartition(".")[0], []).append(p)
        super().on_train_begin(net, **kwargs)
        self._from_the_last = list(layers.values())[::-1]

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Set free what is due; also where a resumed training begins later."""
        n_done = len(net.history) - net.epochs_before - 1
        n_layers, n_epochs = len(self._from_the_last), self.share * net.max_epochs
        n_free = int(n_layers * min(1.0, n_done / n_epochs)) if n_done else 0
        for layer in self._from_the_last[:n_free]:
            for p in layer:
                p.requires_grad_(True)


class _Still:
    """Forward hook that holds a normalization still while its owner is frozen."""

    def __init__(self, owner: nn.Module) -> None:
        self.parameters = list(owner.parameters())

    def __call__(self, module: nn.Module, inputs: Any) -> None:
        if module.training and not any(p.requires_grad for p in self.parameters):
            module.eval()


def _norms(module: nn.Module) -> list[tuple[nn.Module, nn.Module]]:
    """Return modules with running statistics, and the nearest holder of parameters."""
    found = []
    for name, norm in module.named_modules():
        if getattr(norm, "running_mean", None) is None:
            continue
        owner, path = norm, name
        while not any(True for _ in owner.parameters()):
            path = path.rpartition(".")[0]
            owner = module.get_submodule(path)
        found.append((norm, owner))
    return found
