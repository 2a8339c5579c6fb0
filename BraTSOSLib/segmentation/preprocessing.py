"""From a case's scans to what the networks see: axis order, brain box, normalisation and the 2 mm lattice.

The same functions prepare training and inference, so that the two cannot drift apart. Everything is numpy; arrays are
(channel, z, y, x) in nearest-LPS axis order with the modalities in the order of ``case.MODALITIES``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CLIP = 5.0
"""Normalised intensities are clipped to ± this many standard deviations."""


@dataclass(frozen=True)
class Box:
    """A box of voxels: ``start`` (z, y, x) inclusive and ``stop`` exclusive."""

    start: tuple[int, int, int]
    stop: tuple[int, int, int]

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The box as an index for the last three axes."""
        z, y, x = (slice(a, b) for a, b in zip(self.start, self.stop, strict=True))
        return z, y, x

    @property
    def shape(self) -> tuple[int, int, int]:
        """Size along (z, y, x)."""
        z, y, x = (b - a for a, b in zip(self.start, self.stop, strict=True))
        return z, y, x


def bounding_box(mask: np.ndarray, margin: int = 0) -> Box:
    """Smallest box around the true voxels of ``mask`` (z, y, x), grown by ``margin`` voxels inside the array."""
    start, stop = [], []
    for axis in range(3):
        line = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        first, last = (line[0], line[-1] + 1) if line.size else (0, mask.shape[axis])
        start.append(max(int(first) - margin, 0))
        stop.append(min(int(last) + margin, mask.shape[axis]))
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def normalise(image: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Each channel of ``image`` to zero mean and unit standard deviation over the brain; outside the brain 0.

    As Anand et al. 2020; their outside becomes a negative constant, ours stays 0. Values are clipped to ± ``CLIP``.

    Parameters
    ----------
    image : float32 ndarray (channel, z, y, x)
    brain : bool ndarray (z, y, x)
    """
    result = np.zeros(image.shape, dtype=np.float32)
    for channel, target in zip(image, result, strict=True):
        inside = channel[brain].astype(np.float64)
        if inside.size:
            spread = inside.std() or 1.0
            target[brain] = np.clip((inside - inside.mean()) / spread, -CLIP, CLIP)
    return result


def normalise_nonzero(image: np.ndarray) -> np.ndarray:
    """Each channel of ``image`` (channel, z, y, x) to zero mean and unit deviation over its own nonzero voxels.

    As MONAI's ``NormalizeIntensity(nonzero=True, channel_wise=True)``, which most published BraTS models expect.
    """
    result = np.zeros(image.shape, dtype=np.float32)
    for channel, target in zip(image, result, strict=True):
        inside = channel != 0
        values = channel[inside].astype(np.float64)
        if values.size:
            target[inside] = (values - values.mean()) / (values.std() or 1.0)
    return result


def pad_to_multiple(image: np.ndarray, multiple: int) -> np.ndarray:
    """Zero-pad the last three axes at their end to the next multiple."""
    padding = [(0, 0)] * (image.ndim - 3) + [(0, -size % multiple) for size in image.shape[-3:]]
    return np.pad(image, padding)


def halve(image: np.ndarray) -> np.ndarray:
    """Mean over 2 x 2 x 2 blocks of the last three axes (zero-padded to even sizes first)."""
    image = pad_to_multiple(image, 2)
    *lead, z, y, x = image.shape
    blocks = image.reshape(*lead, z // 2, 2, y // 2, 2, x // 2, 2)
    return blocks.mean(axis=(-5, -3, -1), dtype=np.float32)
