"""What the presets of augmentation make of a photograph: the picture of the guide.

Run it to draw it again: ``python docs/examples/augmentation.py``. It needs matplotlib
and Pillow.
"""

from pathlib import Path

import matplotlib as mpl
import torch
from sklearn.datasets import load_sample_image

from torchlearners.augmentation import AugmentDisplay

mpl.use("Agg")

IMAGES = Path(__file__).resolve().parents[1] / "guide" / "images"
PRESETS = ["light", "standard", "strong"]
VARIANTS = 6


def temple():
    """Return 96 x 96 pixels of a photograph by danielbuechele, CC BY 2.0."""
    image = torch.tensor(load_sample_image("china.jpg")).permute(2, 0, 1).float()
    small = torch.nn.functional.adaptive_avg_pool2d(image[:, :, 150:577], 96)
    return small.round().to(torch.uint8).permute(1, 2, 0)


def picture():
    """Return a figure with a row for each preset."""
    import matplotlib.pyplot as plt

    size = 1.1 * (1 + VARIANTS), 1.15 * len(PRESETS)
    figure, axes = plt.subplots(
        len(PRESETS), 1 + VARIANTS, figsize=size, layout="constrained"
    )
    for row, preset in zip(axes, PRESETS, strict=True):
        display = AugmentDisplay.from_images(
            temple().unsqueeze(0), preset, n_variants=VARIANTS, random_state=0
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
    # A photograph is smaller as JPEG.
    picture().savefig(IMAGES / "augmentation.jpg", dpi=90, pil_kwargs={"quality": 80})
