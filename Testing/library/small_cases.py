"""Small cases for the library's tests: quick to write, read and measure."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from BraTSOSLib.case import MODALITIES, Case, Geometry
from BraTSOSLib.images import write_image

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
GRID = Geometry((24, 22, 20), (1.0, 1.0, 1.0), (0.0, -21.0, 0.0), IDENTITY)


def small_volumes(grid: Geometry = GRID, seed: int = 0) -> dict[str, np.ndarray]:
    """Four scans of whole numbers with a rim of zeros, no two alike."""
    random = np.random.default_rng(seed)
    volumes = {}
    for kind in MODALITIES:
        volume = np.zeros(grid.size[::-1], np.float32)
        inside = tuple(slice(3, -3) for _ in range(3))
        volume[inside] = random.integers(50, 500, volume[inside].shape)
        volumes[kind] = volume
    return volumes


def small_labels(grid: Geometry = GRID) -> np.ndarray:
    """A tumour of the three labels inside the scans of ``small_volumes``."""
    labels = np.zeros(grid.size[::-1], np.uint8)
    labels[5:13, 5:13, 5:13] = 2
    labels[6:11, 6:11, 6:11] = 4
    labels[7:10, 7:10, 7:10] = 1
    return labels


def small_case(grid: Geometry = GRID, name: str = "small") -> Case:
    return Case(name, small_volumes(grid), grid)


def write_case(folder: Path, endings: tuple[str, ...] = ("_t1", "_t1ce", "_t2", "_flair"), extension=".nii.gz") -> Path:
    """Write ``small_volumes`` as a case folder, one ending for each of ``MODALITIES``."""
    folder.mkdir(parents=True, exist_ok=True)
    for (_, volume), ending in zip(small_volumes().items(), endings, strict=True):
        write_image(volume.astype(np.int16), GRID, folder / f"{folder.name}{ending}{extension}")
    return folder
