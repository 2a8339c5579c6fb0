"""pyradiomics' 16 features of the grey-level size-zone matrix.

A zone is a set of voxels of equal grey level connected through faces, edges or corners. P(i, j) is how many zones of
level i and j voxels there are; the other symbols and the formulas are those of ``level_sizes.py``.

Thibault et al. 2009, Pattern Recognition and Information Processing, 140-145.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from . import level_sizes as f
from .layout import empty_as_after
from .names import GLSZM_FEATURES
from .regions import Region

GLSZM = f.registry(
    {
        "SmallAreaEmphasis": (f.small_emphasis, "5QRC"),
        "LargeAreaEmphasis": (f.large_emphasis, "48P8"),
        "GrayLevelNonUniformity": (f.level_non_uniformity, "JNSA"),
        "GrayLevelNonUniformityNormalized": (f.level_non_uniformity_normalized, "Y1RO"),
        "SizeZoneNonUniformity": (f.size_non_uniformity, "4JP3"),
        "SizeZoneNonUniformityNormalized": (f.size_non_uniformity_normalized, "VB3A"),
        "ZonePercentage": (f.percentage, "P30P"),
        "GrayLevelVariance": (f.level_variance, "BYLV"),
        "ZoneVariance": (f.size_variance, "3NSA"),
        "ZoneEntropy": (f.entropy, "GU8N"),
        "LowGrayLevelZoneEmphasis": (f.low_level_emphasis, "XMSY"),
        "HighGrayLevelZoneEmphasis": (f.high_level_emphasis, "5GN9"),
        "SmallAreaLowGrayLevelEmphasis": (f.small_low_emphasis, "5RAI"),
        "SmallAreaHighGrayLevelEmphasis": (f.small_high_emphasis, "HW1V"),
        "LargeAreaLowGrayLevelEmphasis": (f.large_low_emphasis, "YH51"),
        "LargeAreaHighGrayLevelEmphasis": (f.high_large_emphasis, "J17V"),
    }
)
"""The features of the size-zone matrix by name."""


def compute(region: Region, names: Iterable[str] | None = None) -> dict[str, float]:
    """Return the features of ``region``, all or ``names``, sorted; NaN where it has no room for neighbours."""
    if region.zones is None:
        return dict.fromkeys(sorted(names or GLSZM_FEATURES), np.nan)
    with np.errstate(all="ignore"):
        return GLSZM.compute(_zone_sizes(region), names)


def _zone_sizes(region: Region) -> f.LevelSizes:
    assert region.zones is not None
    levels, sizes = region.zones
    # Only sizes that occur are stored: a matrix up to the largest zone would be mostly zeros.
    found = np.flatnonzero(np.bincount(sizes))
    column = np.zeros(int(found[-1]) + 1, dtype=np.intp)
    column[found] = np.arange(len(found))
    shape = len(region.grey), len(found)
    counts = empty_as_after(shape, (0, region.absent), (1, int(found[-1]) - len(found)))
    counts[:] = np.bincount((levels - 1) * shape[1] + column[sizes], minlength=shape[0] * shape[1]).reshape(shape)
    counts = counts[:, :, None]
    return f.LevelSizes(
        counts,
        np.sum(counts, 1),
        np.sum(counts, 0),
        region.grey,
        found.astype(float),
        np.sum(counts, (0, 1)),
    )
