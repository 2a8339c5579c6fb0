"""pyradiomics' 16 features of the grey-level run-length matrix.

A run is a row of voxels of equal grey level in one direction. P(i, j) is how many runs of level i and length j there
are; the other symbols and the formulas are those of ``level_sizes.py``. Directions along which no line holds two voxels
are left out; where the setting ``weighting_norm`` asks for it, the directions' matrices are weighted and summed first.

Galloway 1975, Computer Graphics and Image Processing 4:172-179.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from . import level_sizes as f
from .names import GLRLM_FEATURES
from .regions import Region
from .weighting import lengths

GLRLM = f.registry(
    {
        "ShortRunEmphasis": (f.small_emphasis, "22OV"),
        "LongRunEmphasis": (f.large_emphasis, "W4KF"),
        "GrayLevelNonUniformity": (f.level_non_uniformity, "R5YN"),
        "GrayLevelNonUniformityNormalized": (f.level_non_uniformity_normalized, "OVBL"),
        "RunLengthNonUniformity": (f.size_non_uniformity, "W92Y"),
        "RunLengthNonUniformityNormalized": (f.size_non_uniformity_normalized, "IC23"),
        "RunPercentage": (f.percentage, "9ZK5"),
        "GrayLevelVariance": (f.level_variance, "8CE5"),
        "RunVariance": (f.size_variance, "SXLW"),
        "RunEntropy": (f.entropy, "HJ9O"),
        "LowGrayLevelRunEmphasis": (f.low_level_emphasis, "V3SW"),
        "HighGrayLevelRunEmphasis": (f.high_level_emphasis, "G3QZ"),
        "ShortRunLowGrayLevelEmphasis": (f.small_low_emphasis, "HTZT"),
        "ShortRunHighGrayLevelEmphasis": (f.small_high_emphasis, "GD3A"),
        "LongRunLowGrayLevelEmphasis": (f.large_low_emphasis, "IVPO"),
        "LongRunHighGrayLevelEmphasis": (f.large_high_emphasis, "3KUM"),
    }
)
"""The features of the run-length matrix by name."""


def compute(region: Region, names: Iterable[str] | None = None) -> dict[str, float]:
    """Return the features of ``region``, all or ``names``, sorted; NaN where it has no room for neighbours."""
    if region.runs is None:
        return dict.fromkeys(sorted(names or GLRLM_FEATURES), np.nan)
    with np.errstate(all="ignore"):
        return GLRLM.compute(_run_lengths(region), names)


def _run_lengths(region: Region) -> f.LevelSizes:
    runs = region.runs
    assert runs is not None
    counts = runs.transpose(1, 2, 0).astype(float, order="C")
    if region.settings.weighting_norm is not None:
        weights = lengths(region.offsets(), region.footprint.spacing, region.settings.weighting_norm)
        counts = np.sum(counts * weights, 2, keepdims=True)
    total = np.sum(counts, (0, 1))
    if counts.shape[2] > 1 and not total.all():
        empty = np.flatnonzero(total == 0)
        counts, total = np.delete(counts, empty, 2), np.delete(total, empty)
    total[total == 0] = np.nan
    per_size, per_level = np.sum(counts, 0), np.sum(counts, 1)
    absent = np.flatnonzero(np.sum(per_size, 1) == 0)
    return f.LevelSizes(
        np.delete(counts, absent, 1),
        per_level,
        np.delete(per_size, absent, 0),
        region.grey,
        np.delete(np.arange(1.0, counts.shape[1] + 1), absent),
        total,
    )
