"""pyradiomics' 24 features of the grey-level co-occurrence matrix.

Symbols: p(i, j) how often a voxel of level i has a neighbour of level j in one direction, as a share of all pairs (with
the opposite direction added unless the setting ``symmetrical_glcm`` is off); px, py its marginals with means μx, μy and
standard deviations σx, σy; p+(k) = Σ p(i, j) over i + j = k and p-(k) = Σ p(i, j) over |i - j| = k; Ng the highest
level; ε = 2.2e-16; entropies HX = -Σ px log2(px + ε), HY alike, HXY = -Σ p log2(p + ε), HXY1 = -Σ p log2(px py + ε),
HXY2 = -Σ px py log2(px py + ε). Every feature is the mean over the directions, or is computed on their weighted sum
where the setting ``weighting_norm`` asks for it.

Haralick, Shanmugam and Dinstein 1973, IEEE Transactions on Systems, Man and Cybernetics 3:610-621.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np

from .angles import EPSILON, mean_over_all_directions, mean_over_directions, summed
from .kernels import kernels
from .layout import empty_as_after
from .names import GLCM_FEATURES
from .regions import Region
from .registry import Registry
from .weighting import decays

GLCM: Registry[CoOccurrence] = Registry()
"""The features of the co-occurrence matrix by name."""


def compute(region: Region, names: Iterable[str] | None = None) -> dict[str, float]:
    """Return the features of ``region``, all or ``names``, sorted; NaN where it has no room for neighbours.

    Raises
    ------
    InputError
        If the matrices of so many grey levels would not fit into memory.
    """
    if region.pairs is None:
        return dict.fromkeys(sorted(names or GLCM_FEATURES), np.nan)
    with np.errstate(all="ignore"):
        return GLCM.compute(CoOccurrence(region), names)


class CoOccurrence:
    """The normalised co-occurrence matrices of a region and what several features need of them, computed once.

    Arrays have the axes (i, j, direction), where i and j run over the levels that occur.
    """

    def __init__(self, region: Region) -> None:
        self.p = _matrices(region)
        self.levels = region.grey
        self.highest = region.discretised.highest
        self.i, self.j = region.grey[:, None, None], region.grey[None, :, None]

    @cached_property
    def px(self) -> np.ndarray:
        """Marginal of i, (K, 1, A)."""
        return self.p.sum(1, keepdims=True)

    @cached_property
    def py(self) -> np.ndarray:
        """Marginal of j, (1, K, A)."""
        return self.p.sum(0, keepdims=True)

    @cached_property
    def ux(self) -> np.ndarray:
        """Mean of i, (1, 1, A)."""
        return summed(self.i * self.p, (0, 1), keepdims=True)

    @cached_property
    def uy(self) -> np.ndarray:
        """Mean of j, (1, 1, A)."""
        return summed(self.j * self.p, (0, 1), keepdims=True)

    @cached_property
    def k_plus(self) -> np.ndarray:
        """The sums k from 2 to twice the highest level, (S,)."""
        return np.arange(2, self.highest * 2 + 1, dtype=float)

    @cached_property
    def k_minus(self) -> np.ndarray:
        """The differences k from 0 to the highest level less 1, (D,)."""
        return np.arange(0, self.highest, dtype=float)

    @cached_property
    def p_plus(self) -> np.ndarray:
        """Shares of the pairs by their sum, (S, A)."""
        return self._shares_by(self.levels[:, None] + self.levels - 2, len(self.k_plus))

    @cached_property
    def p_minus(self) -> np.ndarray:
        """Shares of the pairs by their difference, (D, A)."""
        return self._shares_by(np.abs(self.levels[:, None] - self.levels), len(self.k_minus))

    def _shares_by(self, number: np.ndarray, count: int) -> np.ndarray:
        """Return the sums of p over the pairs of equal ``number`` (K, K) from 0 to ``count`` less 1, (count, A)."""
        directions = self.p.shape[2]
        if directions < 2:  # np.sum pairs the terms of a single column
            return np.array([summed(self.p[number == k], 0) for k in range(count)])
        cells = number.astype(np.intp)[:, :, None] * directions + np.arange(directions)
        sums = np.bincount(cells.ravel(), weights=self.p.ravel(), minlength=count * directions)
        return sums.reshape(count, directions)

    @cached_property
    def entropy(self) -> np.ndarray:
        """HXY, (A,)."""
        return -summed(self.p * np.log2(self.p + EPSILON), (0, 1))

    @cached_property
    def pxy(self) -> np.ndarray:
        """px py, (K, K, A)."""
        return self.px * self.py

    @cached_property
    def log_pxy(self) -> np.ndarray:
        """log2(px py + ε), (K, K, A)."""
        return np.log2(self.pxy + EPSILON)

    def centred_sum(self, order: int) -> np.ndarray:
        """Return (i + j - μx - μy) to the power of ``order``, (K, K, A)."""
        # Powers are slow, and there are far fewer sums than pairs.
        powers = (self.k_plus[:, None] - self.ux[0] - self.uy[0]) ** order
        return powers[(self.levels[:, None] + self.levels).astype(np.intp) - 2]

    def expected(self, values: np.ndarray) -> float:
        """Return the mean over the directions of Σ p · values."""
        return mean_over_directions(summed(self.p * values, (0, 1)))


def _matrices(region: Region) -> np.ndarray:
    """Return the normalised matrices, (i, j, direction); empty directions left out, or NaN if there is but one."""
    pairs = region.pairs
    assert pairs is not None
    offsets = region.offsets(region.settings.distances)
    counts = pairs.transpose(1, 2, 0)
    p = empty_as_after(counts.shape, (0, region.absent), (1, region.absent))
    p[:] = counts
    if region.settings.symmetrical_glcm:
        p += pairs.transpose(2, 1, 0)
    if region.settings.weighting_norm is not None:
        p = summed(p * decays(offsets, region.footprint.spacing, region.settings.weighting_norm), 2, keepdims=True)
    total = summed(p, (0, 1))
    if p.shape[2] > 1 and not total.all():
        empty = np.flatnonzero(total == 0)
        p, total = np.delete(p, empty, 2), np.delete(total, empty)
    total[total == 0] = np.nan
    p /= total
    return p


@GLCM.feature("Autocorrelation", ibsi="QWB0", formula="Σ p i j")
def _autocorrelation(m: CoOccurrence) -> float:
    return m.expected(m.i * m.j)


@GLCM.feature("JointAverage", ibsi="60VM", formula="μx = Σ p i")
def _joint_average(m: CoOccurrence) -> float:
    return mean_over_all_directions(m.ux)


@GLCM.feature("ClusterProminence", ibsi="AE86", formula="Σ p (i + j - μx - μy)⁴")
def _cluster_prominence(m: CoOccurrence) -> float:
    return m.expected(m.centred_sum(4))


@GLCM.feature("ClusterShade", ibsi="7NFM", formula="Σ p (i + j - μx - μy)³")
def _cluster_shade(m: CoOccurrence) -> float:
    return m.expected(m.centred_sum(3))


@GLCM.feature("ClusterTendency", ibsi="DG8W", formula="Σ p (i + j - μx - μy)²")
def _cluster_tendency(m: CoOccurrence) -> float:
    return m.expected(m.centred_sum(2))


@GLCM.feature("Contrast", ibsi="ACUI", formula="Σ p (i - j)²")
def _contrast(m: CoOccurrence) -> float:
    return m.expected(np.abs(m.i - m.j) ** 2)


@GLCM.feature("Correlation", ibsi="NI2N", formula="Σ p (i - μx) (j - μy) / (σx σy + ε); 1 in a direction of one level")
def _correlation(m: CoOccurrence) -> float:
    sx = summed(m.p * ((m.i - m.ux) ** 2), (0, 1), keepdims=True) ** 0.5
    sy = summed(m.p * ((m.j - m.uy) ** 2), (0, 1), keepdims=True) ** 0.5
    covariance = summed(m.p * (m.i - m.ux) * (m.j - m.uy), (0, 1), keepdims=True)
    correlation = covariance / (sx * sy + EPSILON)
    correlation[sx * sy == 0] = 1
    return mean_over_directions(correlation)


@GLCM.feature("DifferenceAverage", ibsi="TF7R", formula="Σ p-(k) k")
def _difference_average(m: CoOccurrence) -> float:
    return mean_over_directions(summed(m.k_minus[:, None] * m.p_minus, 0))


@GLCM.feature("DifferenceEntropy", ibsi="NTRS", formula="-Σ p-(k) log2(p-(k) + ε)")
def _difference_entropy(m: CoOccurrence) -> float:
    return mean_over_directions(-summed(m.p_minus * np.log2(m.p_minus + EPSILON), 0))


@GLCM.feature("DifferenceVariance", ibsi="D3YU", formula="Σ p-(k) (k - Σ p-(k) k)²")
def _difference_variance(m: CoOccurrence) -> float:
    k = m.k_minus[:, None]
    average = summed(k * m.p_minus, 0, keepdims=True)
    return mean_over_directions(summed(m.p_minus * ((k - average) ** 2), 0))


@GLCM.feature("JointEnergy", ibsi="8ZQL", formula="Σ p²")
def _joint_energy(m: CoOccurrence) -> float:
    return mean_over_directions(summed(m.p**2, (0, 1)))


@GLCM.feature("JointEntropy", ibsi="TU9B", formula="HXY")
def _joint_entropy(m: CoOccurrence) -> float:
    return mean_over_directions(m.entropy)


@GLCM.feature("Imc1", ibsi="R8DG", formula="(HXY - HXY1) / max(HX, HY); 0 in a direction of one level")
def _imc1(m: CoOccurrence) -> float:
    hx = -summed(m.px * np.log2(m.px + EPSILON), (0, 1))
    hy = -summed(m.py * np.log2(m.py + EPSILON), (0, 1))
    imc1 = m.entropy - -summed(m.p * m.log_pxy, (0, 1))
    larger = np.fmax(hx, hy)
    imc1[larger != 0] /= larger[larger != 0]
    imc1[larger == 0] = 0
    return mean_over_directions(imc1)


@GLCM.feature("Imc2", ibsi="JN9H", formula="√(1 - exp(-2 (HXY2 - HXY))); a direction with HXY > HXY2 is left out")
def _imc2(m: CoOccurrence) -> float:
    hxy2 = -summed(m.pxy * m.log_pxy, (0, 1))
    imc2 = (1 - np.e ** (-2 * (hxy2 - m.entropy))) ** 0.5
    imc2[hxy2 == m.entropy] = 0
    return mean_over_directions(imc2)


@GLCM.feature("Idm", ibsi="WF0Z", formula="Σ p-(k) / (1 + k²)")
def _idm(m: CoOccurrence) -> float:
    return mean_over_directions(summed(m.p_minus / (1 + m.k_minus[:, None] ** 2), 0))


@GLCM.feature("Idmn", ibsi="1QCO", formula="Σ p-(k) / (1 + k² / Ng²)")
def _idmn(m: CoOccurrence) -> float:
    return mean_over_directions(summed(m.p_minus / (1 + m.k_minus[:, None] ** 2 / m.highest**2), 0))


@GLCM.feature("Id", ibsi="IB1Z", formula="Σ p-(k) / (1 + k)")
def _id(m: CoOccurrence) -> float:
    return mean_over_directions(summed(m.p_minus / (1 + m.k_minus[:, None]), 0))


@GLCM.feature("Idn", ibsi="NDRX", formula="Σ p-(k) / (1 + k / Ng)")
def _idn(m: CoOccurrence) -> float:
    return mean_over_directions(summed(m.p_minus / (1 + m.k_minus[:, None] / m.highest), 0))


@GLCM.feature("InverseVariance", ibsi="E8JP", formula="Σ p-(k) / k² over k > 0")
def _inverse_variance(m: CoOccurrence) -> float:
    return mean_over_directions(summed(m.p_minus[1:] / m.k_minus[1:, None] ** 2, 0))


@GLCM.feature("MaximumProbability", ibsi="GYBY", formula="max p")
def _maximum_probability(m: CoOccurrence) -> float:
    return mean_over_directions(np.amax(m.p, (0, 1)))


@GLCM.feature("SumAverage", ibsi="ZGXS", formula="Σ p+(k) k")
def _sum_average(m: CoOccurrence) -> float:
    return mean_over_directions(summed(m.k_plus[:, None] * m.p_plus, 0))


@GLCM.feature("SumEntropy", ibsi="P6QZ", formula="-Σ p+(k) log2(p+(k) + ε)")
def _sum_entropy(m: CoOccurrence) -> float:
    return mean_over_directions(-summed(m.p_plus * np.log2(m.p_plus + EPSILON), 0))


@GLCM.feature("SumSquares", ibsi="UR99", formula="Σ p (i - μx)²")
def _sum_squares(m: CoOccurrence) -> float:
    return m.expected((m.i - m.ux) ** 2)


@GLCM.feature(
    "MCC",
    ibsi=None,
    formula="√ of the second largest eigenvalue of Q(i, j) = Σ_k p(i, k) p(j, k) / (px(i) py(k) + ε); 1 for one level",
)
def _mcc(m: CoOccurrence) -> float:
    q = kernels().joint_products(m.p, m.px[:, 0], m.py[0], EPSILON)
    if not np.isfinite(q).all():
        return np.nan
    try:
        eigenvalues = np.linalg.eigvals(q)
    except np.linalg.LinAlgError:  # they did not converge
        return np.nan
    eigenvalues.sort()
    if len(m.levels) < 2:
        return 1.0
    found = np.sqrt(eigenvalues[:, -2])
    return mean_over_directions(found) if np.isrealobj(found) else float(np.real(np.nanmean(found)))
