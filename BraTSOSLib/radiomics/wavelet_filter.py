"""The stationary wavelet transform as pyradiomics applies it: every sub-band of every level, at the scan's own size.

A value of a sub-band depends on no voxel further away than the wavelet's filter is long, for each level. The transform
therefore runs on the box that is asked for and that margin around it. It takes the image for periodic, after an axis of
odd length has got its first voxel once more at its end; where the margin reaches over the border it is filled likewise.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..errors import DependencyError, InputError
from .settings import Settings
from .volume import Box, Volume


def wavelet_names(settings: Settings) -> list[str]:
    """Return the names of the images of :func:`wavelet_images`, such as ``wavelet-LLH``, in its order."""
    bands = _bands(2 if settings.force_2d else 3)
    levels = range(1, settings.level + 1)
    names = [_name(level, band) for level in levels for band in bands[1:]]
    return [*names, _name(settings.level, bands[0])]


def wavelet_images(volume: Volume, box: Box, settings: Settings) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the sub-bands of an image inside ``box`` by name: all with a high pass, level by level, then the low one.

    Parameters
    ----------
    volume : Volume
        The whole image. Single precision gives single precision, all else double, as in PyWavelets.
    box : three slices
        The part that is wanted.
    settings : Settings
        ``wavelet``, ``start_level``, ``level``, and ``force_2d``, which leaves one axis alone.

    Raises
    ------
    InputError
        If PyWavelets does not know the wavelet.
    DependencyError
        If PyWavelets is not installed.
    """
    try:
        import pywt
    except ImportError as error:
        raise DependencyError(
            "Wavelet images need the package PyWavelets, which is not installed: pip install PyWavelets."
        ) from error
    try:
        wavelet = pywt.Wavelet(settings.wavelet)
    except ValueError as error:
        known = ", ".join(pywt.families(short=True))
        raise InputError(
            f"PyWavelets knows no discrete wavelet {settings.wavelet!r}; choose one such as coif1 (families: {known})."
        ) from error
    axes = tuple(axis for axis in (2, 1, 0) if not (settings.force_2d and axis == settings.force_2d_dimension))
    margin = wavelet.dec_len * (settings.start_level + settings.level)
    data, inside = _with_margin(volume, box, margin)
    bands = _bands(len(axes))
    for level in range(-settings.start_level, settings.level):
        found = pywt.swtn(data, wavelet, level=1, start_level=0, axes=axes)[0]
        data = found["a" * len(axes)]
        if level < 0:
            continue
        for band in bands[1:]:
            yield _name(level + 1, band), found.pop(band.replace("L", "a").replace("H", "d"))[inside]
    yield _name(settings.level, bands[0]), data[inside]


def _bands(dimensions: int) -> list[str]:
    """Return LLL, LLH, LHL, ... in PyWavelets' order."""
    count = 2**dimensions
    return [format(number, f"0{dimensions}b").replace("0", "L").replace("1", "H") for number in range(count)]


def _name(level: int, band: str) -> str:
    return f"wavelet{level if level > 1 else ''}-{band}"


def _with_margin(volume: Volume, box: Box, margin: int) -> tuple[np.ndarray, Box]:
    """Return an even-sized part of the periodic image that holds ``box`` and a margin, and where the box is in it."""
    positions, inside = [], []
    for length, part in zip(volume.array.shape, box, strict=True):
        where, start = _positions(part, margin, length + length % 2)
        inside.append(slice(start, start + part.stop - part.start))
        positions.append(where % length)  # the one position past an odd end is the first again
    return volume.typed(volume.array[np.ix_(*positions)]), (inside[0], inside[1], inside[2])


def _positions(part: slice, margin: int, period: int) -> tuple[np.ndarray, int]:
    """Return which positions of a periodic axis are needed for ``part``, an even number, and where the part begins."""
    first, end = part.start - margin, part.stop + margin
    if end <= period:
        size = end - first + (end - first) % 2
        if size < period:
            return np.arange(first, first + size) % period, margin
    else:
        # PyWavelets adds in another order where its filter reaches over the last voxel. So the axis must end there here
        # too, and the first voxels follow it, that is, come first.
        ahead = margin + (margin + period - first) % 2
        if ahead < first:
            return np.concatenate([np.arange(ahead), np.arange(first, period)]), ahead + margin
    return np.arange(period), part.start
