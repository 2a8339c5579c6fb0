"""Running a network over a volume, in overlapping windows blended with Gaussian weights."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np


def slide(
    forward: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    window: tuple[int, int, int],
    overlap: float = 0.5,
    step_done: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Probabilities float32 (region, z, y, x) of ``image`` (channel, z, y, x).

    Parameters
    ----------
    forward : maps float32 (1, channel, *window) to (region, *window)
    window : (z, y, x); the image is zero-padded at its end to this size where it is smaller
    overlap : of neighbouring windows, as a share of the window
    step_done : told the share of the work that is done after each window
    """
    shape = image.shape[1:]
    image = np.pad(image, [(0, 0), *((0, max(w - n, 0)) for n, w in zip(shape, window, strict=True))])
    size = image.shape[1:]
    starts = list(itertools.product(*(window_starts(n, w, overlap) for n, w in zip(size, window, strict=True))))
    starts = needed_windows(starts, window, overlap, image)
    weight = gaussian_weight(window) if len(starts) > 1 else np.ones(window, dtype=np.float32)
    norm = np.zeros(size, dtype=np.float32)
    total: np.ndarray | None = None
    for done, start in enumerate(starts, start=1):
        where = tuple(slice(a, a + w) for a, w in zip(start, window, strict=True))
        part = forward(image[(None, slice(None), *where)])
        if total is None:
            total = np.zeros((part.shape[0], *size), dtype=np.float32)
        total[(slice(None), *where)] += part * weight
        norm[where] += weight
        if step_done is not None:
            step_done(done / len(starts))
    assert total is not None  # there is always at least one window
    total /= np.maximum(norm, 1e-6)  # corners without brain that no window covers
    return total[:, : shape[0], : shape[1], : shape[2]]


def needed_windows(
    starts: list[tuple[int, ...]], window: tuple[int, int, int], overlap: float, image: np.ndarray
) -> list[tuple[int, ...]]:
    """``starts`` without those windows whose brain the others see at least as well: a brain leaves corners empty.

    A voxel is well seen by a window if it is half the overlap away from those sides that have neighbours.
    """
    brain = (image != 0).any(axis=0)
    margins = [int(w * overlap / 2) for w in window]
    cores = [
        tuple(
            slice(a + m if a > 0 else 0, a + w - m if a + w < n else n)
            for a, w, m, n in zip(start, window, margins, brain.shape, strict=True)
        )
        for start in starts
    ]
    seen = np.zeros(brain.shape, dtype=np.int16)
    for core in cores:
        seen[core] += 1
    kept = []
    for start, core in zip(starts, cores, strict=True):
        if (seen[core][brain[core]] > 1).all():
            seen[core] -= 1
        else:
            kept.append(start)
    return kept or starts[:1]


def window_starts(length: int, window: int, overlap: float = 0.5) -> list[int]:
    """First voxels of windows that cover ``length`` voxels, evenly spread, overlapping by at least ``overlap``."""
    if length <= window:
        return [0]
    count = int(np.ceil((length - window) / (window * (1 - overlap)))) + 1
    return [round(i * (length - window) / (count - 1)) for i in range(count)]


def gaussian_weight(size: tuple[int, int, int]) -> np.ndarray:
    """Weights float32 (z, y, x) with a standard deviation of an eighth of each axis, at most 1, nowhere below 1e-3."""
    weight = np.ones(())
    for length in size:
        position = np.arange(length) - (length - 1) / 2
        weight = np.multiply.outer(weight, np.exp(-0.5 * (position / (length / 8)) ** 2))
    return np.maximum(weight, 1e-3).astype(np.float32)
