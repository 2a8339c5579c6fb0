"""pyradiomics' 14 features of the grey-level dependence matrix (IBSI: neighbouring grey level dependence).

A neighbour depends on a voxel if their grey levels differ by the setting ``gldm_a`` at most. P(i, j) is how many voxels
of level i have j - 1 dependent neighbours; the other symbols and the formulas are those of ``level_sizes.py``.

Sun and Wee 1983, Computer Vision, Graphics, and Image Processing 23:341-352.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from . import level_sizes as f
from .names import GLDM_FEATURES
from .regions import Region

GLDM = f.registry(
    {
        "SmallDependenceEmphasis": (f.small_emphasis, "SODN"),
        "LargeDependenceEmphasis": (f.large_emphasis, "IMOQ"),
        "GrayLevelNonUniformity": (f.level_non_uniformity, "FP8K"),
        "DependenceNonUniformity": (f.size_non_uniformity, "Z87G"),
        "DependenceNonUniformityNormalized": (f.size_non_uniformity_normalized, "OKJI"),
        "GrayLevelVariance": (f.level_variance, "1PFV"),
        "DependenceVariance": (f.size_variance, "DNX2"),
        "DependenceEntropy": (f.entropy, "FCBV"),
        "LowGrayLevelEmphasis": (f.low_level_emphasis, "TL9H"),
        "HighGrayLevelEmphasis": (f.high_level_emphasis, "OAE7"),
        "SmallDependenceLowGrayLevelEmphasis": (f.small_low_emphasis, "EQ3F"),
        "SmallDependenceHighGrayLevelEmphasis": (f.small_high_emphasis, "JA6D"),
        "LargeDependenceLowGrayLevelEmphasis": (f.large_low_emphasis, "NBZI"),
        "LargeDependenceHighGrayLevelEmphasis": (f.large_high_emphasis, "9QMG"),
    }
)
"""The features of the dependence matrix by name."""


def compute(region: Region, names: Iterable[str] | None = None) -> dict[str, float]:
    """Return the features of ``region``, all or ``names``, sorted; NaN where it has no room for neighbours."""
    if region.dependences is None:
        return dict.fromkeys(sorted(names or GLDM_FEATURES), np.nan)
    with np.errstate(all="ignore"):
        return GLDM.compute(_dependences(region), names)


def _dependences(region: Region) -> f.LevelSizes:
    assert region.dependences is not None
    counts = region.dependences.astype(float)[:, :, None]
    per_size, per_level = np.sum(counts, 0), np.sum(counts, 1)
    # pyradiomics' matrix has room for twice as many neighbours: at least two sizes are always absent.
    absent = np.flatnonzero(per_size[:, 0] == 0)
    full = np.concatenate([counts, np.zeros_like(counts)], axis=1)
    return f.LevelSizes(
        np.delete(full, np.append(absent, np.arange(counts.shape[1], full.shape[1])), 1),
        per_level,
        np.delete(per_size, absent, 0),
        region.grey,
        np.delete(np.arange(1.0, counts.shape[1] + 1), absent),
        np.sum(per_size, 0),
    )
