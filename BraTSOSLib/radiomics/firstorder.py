"""pyradiomics' eighteen first-order features of the intensities inside a region.

Symbols: X the N intensities, m their mean, μk = Σ (X - m)^k / N the central moments (population statistics), P_q the
q-th percentile (linear interpolation), c the voxel array shift, v the volume of a voxel in mm³, p_i the share of voxels
in the i-th occupied bin of the histogram, ε = 2.2e-16.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from .discretisation import Discretised, discretise
from .registry import Registry
from .settings import Settings

FIRSTORDER: Registry[Intensities] = Registry()
"""The first-order features by name."""


class Intensities:
    """The intensities of one modality inside one region and what several features need of them, computed once.

    Parameters
    ----------
    values : (N,) real
        The intensities in the order of the voxels, finite; at least one.
    voxel_volume : float
        Volume of a voxel in mm³.
    settings : Settings
        Bins and voxel array shift.
    discretised : Discretised, optional
        The grey levels of ``values``, where they are known already.
    """

    def __init__(
        self, values: np.ndarray, voxel_volume: float, settings: Settings, discretised: Discretised | None = None
    ) -> None:
        self.raw = values
        self.values = values.astype(float)
        self.voxel_volume = voxel_volume
        self.settings = settings
        self._discretised = discretised

    @cached_property
    def deviations(self) -> np.ndarray:
        """Intensities less their mean, (N,)."""
        return self.values - self.values.mean()

    @cached_property
    def ordered(self) -> np.ndarray:
        """The intensities in ascending order, (N,)."""
        return np.sort(self.values)

    def percentile(self, percent: float) -> float:
        """Return a percentile, interpolated as ``np.percentile`` does it."""
        place = (len(self.ordered) - 1) * (percent / 100)
        low = int(place)
        below, above = self.ordered[low], self.ordered[min(low + 1, len(self.ordered) - 1)]
        part, step = place - low, above - below
        return float(above - step * (1 - part) if part >= 0.5 else below + step * part)

    @cached_property
    def energy(self) -> float:
        """Sum of the squares of the shifted intensities."""
        return float(np.sum((self.values + self.settings.voxel_array_shift) ** 2))

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Shares p_i of the occupied bins of the histogram, (bins,)."""
        found = self._discretised or discretise(self.raw, self.settings)
        return found.counts / len(self.raw)

    @cached_property
    def variance(self) -> float:
        """The second central moment."""
        return self.moment(2)

    def moment(self, order: int) -> float:
        """Return the central moment of ``order``."""
        return float(np.mean(np.power(self.deviations, order)))


@FIRSTORDER.feature("Energy", ibsi="N8CA", formula="Σ (X + c)²")
def _energy(region: Intensities) -> float:
    return region.energy


@FIRSTORDER.feature("TotalEnergy", ibsi=None, formula="v · Σ (X + c)²")
def _total_energy(region: Intensities) -> float:
    return region.energy * region.voxel_volume


@FIRSTORDER.feature("RootMeanSquared", ibsi="5ZWQ", formula="√(Σ (X + c)² / N)")
def _root_mean_squared(region: Intensities) -> float:
    return np.sqrt(region.energy / len(region.values))


@FIRSTORDER.feature("Entropy", ibsi="TLU2", formula="-Σ p_i log2(p_i + ε)")
def _entropy(region: Intensities) -> float:
    p = region.probabilities
    return -np.sum(p * np.log2(p + np.spacing(1)))


@FIRSTORDER.feature("Uniformity", ibsi="BJ5W", formula="Σ p_i²")
def _uniformity(region: Intensities) -> float:
    return np.sum(region.probabilities**2)


@FIRSTORDER.feature("Minimum", ibsi="1GSF", formula="min X")
def _minimum(region: Intensities) -> float:
    return region.ordered[0]


@FIRSTORDER.feature("Maximum", ibsi="84IY", formula="max X")
def _maximum(region: Intensities) -> float:
    return region.ordered[-1]


@FIRSTORDER.feature("Range", ibsi="2OJQ", formula="max X - min X")
def _range(region: Intensities) -> float:
    return region.ordered[-1] - region.ordered[0]


@FIRSTORDER.feature("10Percentile", ibsi="QG58", formula="P_10")
def _percentile_10(region: Intensities) -> float:
    return region.percentile(10)


@FIRSTORDER.feature("90Percentile", ibsi="8DWT", formula="P_90")
def _percentile_90(region: Intensities) -> float:
    return region.percentile(90)


@FIRSTORDER.feature("InterquartileRange", ibsi="SALO", formula="P_75 - P_25")
def _interquartile_range(region: Intensities) -> float:
    return region.percentile(75) - region.percentile(25)


@FIRSTORDER.feature("Mean", ibsi="Q4LE", formula="m = Σ X / N")
def _mean(region: Intensities) -> float:
    return region.values.mean()


@FIRSTORDER.feature("Median", ibsi="Y12H", formula="P_50")
def _median(region: Intensities) -> float:
    middle = len(region.ordered) // 2
    if len(region.ordered) % 2:
        return region.ordered[middle]
    return (region.ordered[middle - 1] + region.ordered[middle]) / 2


@FIRSTORDER.feature("MeanAbsoluteDeviation", ibsi="4FUA", formula="Σ |X - m| / N")
def _mean_absolute_deviation(region: Intensities) -> float:
    return np.mean(np.abs(region.deviations))


@FIRSTORDER.feature(
    "RobustMeanAbsoluteDeviation",
    ibsi="1128",
    formula="mean absolute deviation of the X with P_10 ≤ X ≤ P_90 from their own mean",
)
def _robust_mean_absolute_deviation(region: Intensities) -> float:
    values = region.values
    inside = (values >= region.percentile(10)) & (values <= region.percentile(90))
    count = np.count_nonzero(inside)
    if count == 0:  # two voxels: both lie outside the percentiles interpolated between them
        return np.nan
    # Zeros stand in for the left-out values: the sums then pair their terms, and so round, as pyradiomics' do.
    mean = np.sum(values * inside) / count
    return np.sum(np.abs(values - mean) * inside) / count


@FIRSTORDER.feature("Variance", ibsi="ECT3", formula="μ2")
def _variance(region: Intensities) -> float:
    deviation = np.std(region.values)
    return deviation * deviation


@FIRSTORDER.feature("Skewness", ibsi="KE2A", formula="μ3 / μ2^(3/2); 0 if all X are equal")
def _skewness(region: Intensities) -> float:
    variance = region.variance
    # As an array: numpy's power of arrays may round other than that of single numbers.
    return (region.moment(3) / np.array([variance]) ** 1.5)[0] if variance > 0 else 0.0


@FIRSTORDER.feature("Kurtosis", ibsi=None, formula="μ4 / μ2², 3 more than IBSI's excess (IPH6); 0 if all X are equal")
def _kurtosis(region: Intensities) -> float:
    variance = region.variance
    return region.moment(4) / (variance * variance) if variance > 0 else 0.0
