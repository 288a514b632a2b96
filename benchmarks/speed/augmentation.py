"""What augmenting a batch costs: ``python -m benchmarks.speed.augmentation``.

CPU time on one thread of 256 images of 32x32 with three channels, uint8, beside that of
a training step of a small convolutional network on the same batch. The figure is the
least of the rounds.
"""

import torch
from torch import nn

from benchmarks.speed._timing import cpu_seconds, ratio
from torchlearners.augmentation import (
    AUGMENTATIONS,
    Affine,
    ColorJitter,
    CutMix,
    Erasing,
    GaussianBlur,
    Grayscale,
    HorizontalFlip,
    Mixup,
    PadCrop,
    RandAugment,
    ResizedCrop,
    Rotation,
    TrivialAugment,
    VerticalFlip,
    augmentation,
)

N, SIZE, CLASSES = 256, 32, 10
OPS = [
    HorizontalFlip(),
    VerticalFlip(),
    PadCrop(),
    ResizedCrop(),
    Rotation(),
    Affine(),
    ColorJitter(),
    Grayscale(p=1),
    GaussianBlur(p=1),
    Erasing(p=1),
    RandAugment(),
    TrivialAugment(),
]


def make_batch() -> tuple[torch.Tensor, torch.Tensor, torch.Generator]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (N, 3, SIZE, SIZE), generator=generator)
    y = torch.randint(0, CLASSES, (N,), generator=generator)
    return images.to(torch.uint8), y, generator


def training_step(images: torch.Tensor, y: torch.Tensor) -> object:
    """Return a step of a network of two convolutions, 5,418 weights."""
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, CLASSES),
    )

    def step() -> None:
        net.zero_grad()
        loss = nn.functional.cross_entropy(net(images.float() / 255), y)
        loss.backward()
        with torch.no_grad():
            for weight in net.parameters():
                weight -= 0.01 * weight.grad

    return step


def measure(rounds: int) -> list[dict[str, object]]:
    images, y, generator = make_batch()
    step = training_step(images, y)
    augment = augmentation("standard")
    return [
        ratio(
            'augment="standard" of a batch, against a training step',
            0.15,
            lambda: cpu_seconds(lambda: augment(images, generator), 3),
            lambda: cpu_seconds(step),
            rounds,
        )
    ]


def main(rounds: int = 21) -> None:
    torch.set_num_threads(1)
    images, y, generator = make_batch()
    step = training_step(images, y)
    calls = {repr(op): lambda op=op: op(images, generator) for op in OPS}
    for mixing in (Mixup(), CutMix()):
        calls[repr(mixing)] = lambda op=mixing: op(images, y, generator)
    for name in AUGMENTATIONS:
        augment = augmentation(name)
        calls[f'"{name}"'] = lambda augment=augment: augment(images, generator)

    least = dict.fromkeys([*calls, "step"], float("inf"))
    for _ in range(rounds):
        for name, call in {**calls, "step": step}.items():
            least[name] = min(least[name], cpu_seconds(call))
    print(f"{'':26s}{'ms':>8s}{'% of a step':>13s}")
    for name, seconds in least.items():
        print(f"{name:26s}{seconds * 1e3:8.2f}{seconds / least['step']:13.1%}")


if __name__ == "__main__":
    main()
