"""pyradiomics' 5 features of the neighbouring grey-tone difference matrix.

Symbols: N voxels; n_i of them have the level i; p_i = n_i / N; s_i is the sum over these voxels of the difference
between i and the mean level of their neighbours inside the region (0 for a voxel without neighbours, which is counted
all the same: IBSI leaves it out); G levels occur. Sums run over the levels that occur.

Amadasun and King 1989, IEEE Transactions on Systems, Man, and Cybernetics 19:1264-1274.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .names import NGTDM_FEATURES
from .regions import Region
from .registry import Registry

NGTDM: Registry[ToneDifferences] = Registry()
"""The features of the tone difference matrix by name."""


def compute(region: Region, names: Iterable[str] | None = None) -> dict[str, float]:
    """Return the features of ``region``, all or ``names``, sorted; NaN where it has no room for neighbours."""
    if region.differences is None:
        return dict.fromkeys(sorted(names or NGTDM_FEATURES), np.nan)
    with np.errstate(all="ignore"):
        return NGTDM.compute(ToneDifferences(region), names)


class ToneDifferences:
    """The tone difference matrix of a region and what several features need of it, computed once."""

    def __init__(self, region: Region) -> None:
        assert region.differences is not None
        counts = region.discretised.counts.astype(float)
        self.voxels = np.sum(counts)
        self.levels = len(counts)
        self.p = counts / self.voxels
        self.s = region.differences
        self.i = region.grey
        self.between = self.i[:, None] - self.i
        self.ps = self.p * self.s


@NGTDM.feature("Coarseness", ibsi="QCDE", formula="1 / Σ p_i s_i; 10⁶ if that sum is 0")
def _coarseness(m: ToneDifferences) -> float:
    total = np.sum(m.ps)
    return 1 / total if total != 0 else 1e6


@NGTDM.feature("Contrast", ibsi="65HE", formula="Σ_ij p_i p_j (i - j)² · Σ s_i / N / (G (G - 1)); 0 for one level")
def _contrast(m: ToneDifferences) -> float:
    contrast = np.sum(m.p[:, None] * m.p * m.between**2) * np.sum(m.s) / m.voxels
    return contrast / (m.levels * (m.levels - 1)) if m.levels > 1 else 0.0


@NGTDM.feature("Busyness", ibsi="NQ30", formula="Σ p_i s_i / Σ_ij |i p_i - j p_j|; 0 if the divisor is 0")
def _busyness(m: ToneDifferences) -> float:
    weighted = m.i * m.p
    divisor = np.sum(np.abs(weighted[:, None] - weighted))
    return np.sum(m.ps) / divisor if divisor != 0 else 0.0


@NGTDM.feature("Complexity", ibsi="HDEZ", formula="Σ_ij |i - j| (p_i s_i + p_j s_j) / (p_i + p_j) / N")
def _complexity(m: ToneDifferences) -> float:
    terms = np.abs(m.between) * (m.ps[:, None] + m.ps) / (m.p[:, None] + m.p)
    return np.sum(terms) / m.voxels


@NGTDM.feature("Strength", ibsi="1X9X", formula="Σ_ij (p_i + p_j) (i - j)² / Σ s_i; 0 if the divisor is 0")
def _strength(m: ToneDifferences) -> float:
    divisor = np.sum(m.s)
    strength = np.sum((m.p[:, None] + m.p) * m.between**2)
    return strength / divisor if divisor != 0 else 0.0
