"""Reading JPEG files for training: ``python -m benchmarks.speed.image_files``.

Images a second of one pass in a random order over files of 160x160 pixels, resized to
64x64, in batches of 64 by two worker processes: those of `StreamedImages`, which is
what ``decode="batches"`` of a learner reads, beside torchvision's ImageFolder in a
DataLoader that also hands over uint8. Workers of both stay from pass to pass; the two
take turns in one process. The files are smooth random pictures, made in a temporary
folder. ``--out FILE`` writes the result as JSON.

It needs torchvision, so it is not part of ``python -m benchmarks.speed``.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader

from benchmarks._record import provenance, versions
from torchlearners.data import ImageColumn, ImageLoader, ImageReader, StreamedImages

N, SIDE, SIZE, BATCH, WORKERS, CLASSES = 2000, 160, 64, 64, 2, 10
TARGET = 1.0


def make_files(root: Path, n: int = N) -> None:
    rng = np.random.default_rng(0)
    for i in range(n):
        few = Image.fromarray(rng.integers(0, 256, (10, 10, 3), dtype=np.uint8))
        path = root / f"{i % CLASSES}" / f"{i}.jpg"
        path.parent.mkdir(exist_ok=True)
        few.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path, quality=90)


def our_pass(root: Path) -> Callable[[], int]:
    X, _ = ImageColumn.from_folder(root)
    loader = ImageLoader(ImageReader(X, SIZE), {"num_workers": WORKERS})
    images = StreamedImages(loader, np.arange(len(X)), (SIZE, SIZE, 3), True)
    generator = torch.Generator().manual_seed(0)

    def read() -> int:
        lists = torch.randperm(len(X), generator=generator).split(BATCH)
        return sum(len(batch) for batch in images.batches([r.numpy() for r in lists]))

    return read


def their_pass(root: Path) -> Callable[[], int]:
    try:
        from torchvision.datasets import ImageFolder
        from torchvision.transforms import Compose, PILToTensor, Resize
    except ImportError as error:
        raise SystemExit(
            "This compares with torchvision, which is not installed. "
            "Run: pip install torchvision"
        ) from error
    files = ImageFolder(root, Compose([Resize((SIZE, SIZE)), PILToTensor()]))
    loader = DataLoader(
        files,
        batch_size=BATCH,
        shuffle=True,
        num_workers=WORKERS,
        persistent_workers=True,
        generator=torch.Generator().manual_seed(0),
    )
    return lambda: sum(len(images) for images, _ in loader)


def images_a_second(read: Callable[[], int]) -> float:
    start = time.perf_counter()
    n = read()
    return n / (time.perf_counter() - start)


def measure(rounds: int, n: int = N) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        make_files(Path(folder), n)
        ours, theirs = our_pass(Path(folder)), their_pass(Path(folder))
        if ours() != n or theirs() != n:  # workers start, and files are in memory
            raise RuntimeError("Not every file was read.")
        pairs = []
        for i in range(rounds):
            # Whoever comes first in one round comes second in the next.
            first, second = (ours, theirs) if i % 2 else (theirs, ours)
            rates = {id(read): images_a_second(read) for read in (first, second)}
            pairs.append((rates[id(ours)], rates[id(theirs)]))
    best = [max(side) for side in zip(*pairs, strict=True)]
    return {
        "what": "streamed decoding with 2 workers against torchvision, images a second",
        "target": TARGET,
        "ours": round(best[0]),
        "torchvision": round(best[1]),
        "ratio": best[0] / best[1],
        "median": statistics.median(a / b for a, b in pairs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path, help="write the result as JSON")
    args = parser.parse_args()
    torch.set_num_threads(1)
    row = measure(args.rounds)
    met = "" if row["ratio"] >= TARGET else "  MISSED"
    print(
        f"images a second: ours {row['ours']}, torchvision {row['torchvision']}; ratio "
        f"{row['ratio']:.2f}, median of rounds {row['median']:.2f}{met}"
    )
    if args.out:
        packages = versions(("torchvision", "pillow"))
        record = {"provenance": {**provenance(), **packages}, "rows": [row]}
        args.out.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
