"""Running a network over a volume: in one pass, or in overlapping windows blended with Gaussian weights."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


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


def run_windows(
    forward: Callable[[Tensor], Tensor],
    image: Tensor,
    window: tuple[int, int, int],
    step_done: Callable[[float], None] | None = None,
) -> Tensor:
    """Probabilities of ``image`` (1, channel, z, y, x), whose axes are at least those of ``window``.

    Parameters
    ----------
    forward : maps (1, channel, *window) to (1, region, *window)
    window : (z, y, x); equal to the image's size for a single pass
    step_done : told the share of the work that is done after each window
    """
    import torch

    size = image.shape[2:]
    if tuple(size) == tuple(window):
        result = forward(image)
        if step_done is not None:
            step_done(1.0)
        return result
    weight = torch.from_numpy(gaussian_weight(window)).to(image.device)
    starts = list(itertools.product(*(window_starts(n, w) for n, w in zip(size, window, strict=True))))
    total: Tensor | None = None
    norm = image.new_zeros(size)
    for done, start in enumerate(starts, start=1):
        where = tuple(slice(a, a + w) for a, w in zip(start, window, strict=True))
        part = forward(image[(slice(None), slice(None), *where)])
        if total is None:
            total = image.new_zeros((1, part.shape[1], *size))
        total[(slice(None), slice(None), *where)] += part * weight
        norm[where] += weight
        if step_done is not None:
            step_done(done / len(starts))
    assert total is not None  # there is always at least one window
    return total / norm
