"""What the presets of augmentation make of an image: the picture of the guide.

Run it to draw it again: ``python docs/examples/augmentation.py``. It needs matplotlib.
"""

from pathlib import Path

import matplotlib as mpl

from torchlearners.augmentation import AugmentDisplay
from torchlearners.datasets import make_shapes

mpl.use("Agg")

IMAGES = Path(__file__).resolve().parents[1] / "guide" / "images"
PRESETS = ["light", "standard", "strong"]
VARIANTS = 6
SCENE = 9


def picture():
    """Return a figure with a row for each preset."""
    import matplotlib.pyplot as plt

    size = 1.1 * (1 + VARIANTS), 1.15 * len(PRESETS)
    figure, axes = plt.subplots(
        len(PRESETS), 1 + VARIANTS, figsize=size, layout="constrained"
    )
    scene, _ = make_shapes(
        1, size=96, target="mask", color=True, noise=0, random_state=SCENE
    )
    for row, preset in zip(axes, PRESETS, strict=True):
        display = AugmentDisplay.from_images(
            scene, preset, n_variants=VARIANTS, random_state=0
        )
        display.plot(ax=row)
        row[0].set_title("")
        row[1].set_title("")
        row[0].text(
            -0.08,
            0.5,
            preset,
            transform=row[0].transAxes,
            rotation=90,
            ha="right",
            va="center",
        )
    return figure


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    picture().savefig(IMAGES / "augmentation.png", dpi=90)
