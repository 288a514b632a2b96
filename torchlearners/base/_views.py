"""Looking at the network of a fitted learner."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from torchlearners._compat import HTMLAppendix
from torchlearners.exceptions import ArchitectureError
from torchlearners.graph import Node, ShapeTable
from torchlearners.params import did_you_mean
from torchlearners.training import as_array


class NetworkViews(HTMLAppendix):
    """What every fitted learner tells of its network."""

    def intermediate(self: Any, X: Any, name: str) -> np.ndarray:
        """Return what a module inside the network gives for each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        name : str
            Of a step of the network such as ``"relu_1"``, or of any submodule as
            ``net_.module_.named_modules()`` calls it.

        Returns
        -------
        ndarray of shape (n_samples, ...)
            Its output, in evaluation mode; the first one where there are several.

        Raises
        ------
        ValueError
            Where there is no such module, or it does not run exactly once a batch.
        """
        check_is_fitted(self)
        modules = dict(self.net_.module_.named_modules())
        if name not in modules or not name:
            known = [key for key in modules if key]
            raise ValueError(
                f"The network has no part {name!r}.{did_you_mean(name, known)} Its "
                f"parts are {known}."
            )
        found: list[np.ndarray] = []

        def keep(module: Any, inputs: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple | list) else output
            found.append(as_array(first))

        handle = modules[name].register_forward_hook(keep)
        try:
            parts = self._output_parts(X)
        finally:
            handle.remove()
        if len(found) != len(parts):
            raise ValueError(
                f"Part {name!r} of the network runs {len(found)} times for "
                f"{len(parts)} batches of rows; only parts that run once a batch can "
                "be looked at."
            )
        # A batch may hold rows of padding at its end.
        pairs = zip(found, parts, strict=True)
        return np.concatenate([values[: len(part)] for values, part in pairs])

    def encode_inputs(self: Any, X: Any) -> torch.Tensor:
        """Return what the network takes: rows as numbers, filled, scaled and encoded.

        ``net_.module_`` makes of it what `predict` decodes. Explainers of networks, and
        servers of exported ones, start from it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            As `predict` takes it.

        Returns
        -------
        torch.Tensor of shape (n_samples, n_inputs)
            float32, on the CPU: numbers, indicators of missing values, then a code for
            each category. Of images the pixels, of uint8 where X holds that. With
            several members, what the first one takes, whose network `net_` is.

        See Also
        --------
        encoded_feature_names : A name for each column.

        Examples
        --------
        >>> from torchlearners import MLPRegressor
        >>> X = [[0.0, 5.0], [2.0, 5.0], [4.0, float("nan")]]
        >>> learner = MLPRegressor(preset="simple", max_epochs=1, random_state=0)
        >>> learner.fit(X, [1.0, 2.0, 3.0]).encode_inputs([[2.0, float("nan")]])
        tensor([[0., 0., 1.]])
        >>> learner.encoded_feature_names()
        array(['x0', 'x1', 'x1 is missing'], dtype=object)
        """
        check_is_fitted(self)
        X = self._columns.check(self, X, reset=False)
        inputs: torch.Tensor = self._schema.tensor(self._columns.matrix(X))
        return inputs

    def encoded_feature_names(self: Any) -> np.ndarray:
        """Return a name for each column of what `encode_inputs` returns.

        Returns
        -------
        ndarray of str, of shape (n_inputs,)
            Numbers and categories have the names of their columns in X; x0, x1, ...
            where those have none.
        """
        check_is_fitted(self)
        return np.array(self._columns.encoded_names, dtype=object)

    def network_shapes(self: Any) -> ShapeTable:
        """Return the steps of the network, with shapes and numbers of weights.

        Returns
        -------
        ShapeTable

        Raises
        ------
        ArchitectureError
            Where the learner's network is a torch module and no graph.
        """
        return self._fitted_node().shapes(self._spec)

    def plot_network(self: Any, *, format: str = "matplotlib", ax: Any = None) -> Any:
        """Draw the network with tensor shapes and numbers of weights.

        Parameters
        ----------
        format : {"matplotlib", "svg", "dot", "text"}, default="matplotlib"
            What is drawn with; the last three return a str.
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        matplotlib.axes.Axes or str

        Raises
        ------
        ArchitectureError
            Where the learner's network is a torch module and no graph.
        """
        return self._fitted_node().plot(self._spec, format=format, ax=ax)

    def _html_appendix(self: Any) -> str:
        """Return a picture of the network, where the learner is fitted and has one."""
        if not hasattr(self, "net_") or not isinstance(self._drawn_from(), Node):
            return ""
        svg = self.plot_network(format="svg")
        return f"<details><summary>Network</summary>{svg}</details>"

    def _drawn_from(self: Any) -> Any:
        # Parameters may have been set since.
        as_fitted = type(self)(**self._fitted_params)
        return as_fitted._network_node(self._spec)

    def _fitted_node(self: Any) -> Node:
        check_is_fitted(self)
        node = self._drawn_from()
        if not isinstance(node, Node):
            raise ArchitectureError(
                f"The network of this {type(self).__name__} is a torch module, of "
                "which only torch knows the inside: print net_.module_. Networks "
                "written with torchlearners.graph can be drawn."
            )
        return node
