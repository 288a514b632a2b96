"""Pictures of two networks, drawn without matplotlib: those of the guide.

Run it to draw them again: ``python docs/examples/network_plots.py``.
"""

from pathlib import Path

from torchlearners.data import DataSpec
from torchlearners.graph import (
    Categorical,
    CategoricalEmbedding,
    Concat,
    Dropout,
    Flatten,
    Head,
    LayerNorm,
    Linear,
    MultiheadAttention,
    Numeric,
    NumericTokenizer,
    ReLU,
    Residual,
    Select,
)

IMAGES = Path(__file__).resolve().parents[1] / "guide" / "images"


def pictures():
    """Return the pictures as SVG, by the name of the file."""
    block = LayerNorm() >> Linear(64) >> ReLU() >> Dropout(0.1) >> Linear(32)
    encoded = Numeric() | Categorical() >> CategoricalEmbedding()
    residual = encoded >> Concat() >> Linear(32) >> Residual(block) >> Head()
    table = DataSpec(n_numeric=8, n_outputs=1, cardinalities=(3, 12))

    tokens = Numeric() >> NumericTokenizer(16)
    normed = tokens >> LayerNorm()
    attention = MultiheadAttention(4)(query=normed, key=tokens, value=tokens)
    rows = attention >> Select(1, 0) | attention["weights"] >> Flatten() >> Linear(8)
    return {
        "residual.svg": residual.plot(table, format="svg"),
        "attention.svg": (rows >> Concat() >> Head()).plot((None, 6), format="svg"),
    }


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    for name, svg in pictures().items():
        (IMAGES / name).write_text(svg, encoding="utf-8", newline="\n")
