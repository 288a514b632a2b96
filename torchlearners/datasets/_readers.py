"""How the files of each data set become arrays: what its Bunch holds."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np

from torchlearners.datasets._formats import read_cifar, read_idx
from torchlearners.datasets._place import Place
from torchlearners.exceptions import DatasetError


def read_mnist(place: Place, parts: tuple[str, ...]) -> dict[str, Any]:
    """Read the IDX files of MNIST or Fashion-MNIST."""
    prefixes = tuple({"train": "train-", "test": "t10k-"}[part] for part in parts)
    wanted = [f for f in place.source.files if f.name.startswith(prefixes)]
    arrays = [
        read_idx(gzip.decompress(path.read_bytes())) for path in place.files(wanted)
    ]
    return {
        "data": np.concatenate([a for a in arrays if a.ndim == 3]),
        "target": np.concatenate([a for a in arrays if a.ndim == 1]).astype(np.int64),
        "target_names": np.array(place.source.class_names),
    }


def read_cifar10(place: Place, parts: tuple[str, ...]) -> dict[str, Any]:
    """Read the binary version of CIFAR-10."""
    folder = place.extracted() / "cifar-10-batches-bin"
    names = {
        "train": [f"data_batch_{i}.bin" for i in range(1, 6)],
        "test": ["test_batch.bin"],
    }
    wanted = [folder / name for part in parts for name in names[part]]
    images, labels = _cifar_files(wanted, n_labels=1)
    return {
        "data": images,
        "target": labels[:, 0],
        "target_names": np.array(
            (folder / "batches.meta.txt").read_text("utf-8").split()
        ),
    }


def read_cifar100(place: Place, parts: tuple[str, ...]) -> dict[str, Any]:
    """Read the binary version of CIFAR-100."""
    folder = place.extracted() / "cifar-100-binary"
    images, labels = _cifar_files([folder / f"{p}.bin" for p in parts], n_labels=2)
    coarse, fine = labels.T
    return {
        "data": images,
        "target": fine,
        "target_names": np.array(
            (folder / "fine_label_names.txt").read_text("utf-8").split()
        ),
        "coarse_target": coarse,
        "coarse_target_names": np.array(
            (folder / "coarse_label_names.txt").read_text("utf-8").split()
        ),
    }


def _cifar_files(paths: list[Path], n_labels: int) -> tuple[np.ndarray, np.ndarray]:
    images, labels = [], []
    for path in paths:
        try:
            read = read_cifar(path.read_bytes(), n_labels)
        except DatasetError as error:
            raise DatasetError(
                f"{path} is damaged. {error} Remove {path.parents[1]}, and call the "
                "function again."
            ) from error
        images.append(read[0])
        labels.append(read[1])
    return np.concatenate(images), np.concatenate(labels)


def read_tiny_imagenet(place: Place, parts: tuple[str, ...]) -> dict[str, Any]:
    """Read the folders of Tiny ImageNet."""
    folder = place.extracted() / "tiny-imagenet-200"
    wnids = sorted((folder / "wnids.txt").read_text("utf-8").split())
    codes = {wnid: code for code, wnid in enumerate(wnids)}
    paths: list[str] = []
    target: list[int] = []
    if "train" in parts:
        for wnid in wnids:
            images = folder / "train" / wnid / "images"
            here = sorted(os.listdir(images), key=lambda name: (len(name), name))
            paths += [str(images / name) for name in here]
            target += [codes[wnid]] * len(here)
    if "test" in parts:
        annotations = (folder / "val" / "val_annotations.txt").read_text("utf-8")
        for line in annotations.splitlines():
            name, wnid = line.split("\t")[:2]
            paths.append(str(folder / "val" / "images" / name))
            target.append(codes[wnid])
    words = dict(
        line.split("\t", 1)
        for line in (folder / "words.txt").read_text("utf-8").splitlines()
    )
    return {
        "data": np.array(paths, dtype=object),
        "target": np.array(target, dtype=np.int64),
        "target_names": np.array([words[wnid] for wnid in wnids]),
        "wnids": np.array(wnids),
    }
