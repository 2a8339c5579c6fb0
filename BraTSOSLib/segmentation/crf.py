"""A fully connected conditional random field over the voxels around the tumour, solved by mean-field iterations.

Each region (WT, TC, ET) is a field of two labels of its own, whose evidence is the network's log-odds: the networks
score nested regions, and so every later step finds probabilities of regions again. The code is our own, because the
packages that exist (pydensecrf, SimpleCRF) have no wheels for today's Python.

References
----------
.. [1] Krähenbühl P, Koltun V, Efficient inference in fully connected CRFs with Gaussian edge potentials, NIPS 24
   (2011), sections 2 and 3.
.. [2] Anand VK et al., Brain tumor segmentation and survival prediction using automatic hard mining in 3D CNN
   architecture, BrainLes 2020.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

from ..errors import InputError
from .preprocessing import bounding_box

_SURE = 1e-5
"""Probabilities are kept this far from 0 and 1, so that their log-odds are finite."""
_REACH = 3.0
"""Voxels that are this far (log-odds) below the threshold of every region keep their probabilities."""


@dataclass(frozen=True)
class DenseCRF:
    """What the field prefers; the defaults are Anand et al.'s, smoothness alone.

    Attributes
    ----------
    iterations : mean-field updates
    smoothness_weight : compatibility: log-odds that a voxel gains if all voxels near it are surely in the region
    smoothness_mm : what "near" means: standard deviation in mm
    appearance_weight : the same for voxels that are near and look alike on all scans; 0 leaves the scans aside
    appearance_mm : what "near" means here, in mm
    appearance_deviation : what "alike" means: difference in standard deviations of a scan over the brain
    """

    iterations: int = 5
    smoothness_weight: float = 3.0
    smoothness_mm: float = 1.0
    appearance_weight: float = 0.0
    appearance_mm: float = 5.0
    appearance_deviation: float = 0.5

    def __post_init__(self) -> None:
        for field in fields(self):
            value, least = getattr(self, field.name), 0 if field.name.endswith("weight") else 1e-3
            if not least <= value < math.inf:
                raise InputError(f"The CRF's {field.name} is {value}: give a number of {least} or more.")
        if self.iterations != int(self.iterations):
            raise InputError(f"The CRF's iterations are {self.iterations}: give a whole number.")


def refine(
    probability: np.ndarray,
    settings: DenseCRF,
    *,
    spacing: tuple[float, float, float],
    thresholds: tuple[float, float, float] = (0.5, 0.5, 0.5),
    brain: np.ndarray | None = None,
    image: np.ndarray | None = None,
) -> np.ndarray:
    """Probabilities float32 (3, z, y, x) after the field's mean-field iterations.

    Parameters
    ----------
    probability : float32 (3, z, y, x) of WT, TC and ET
    spacing : (x, y, z) in mm
    thresholds : probability of each region at which a voxel is undecided, before and after
    brain : bool (z, y, x); voxels outside it neither change nor count as like others; everywhere where None
    image : (modality, z, y, x), in whatever unit; needed for appearance

    Notes
    -----
    A voxel takes part where the probability of some region is not far below its threshold: elsewhere smoothness alone
    cannot change the label. The appearance kernel is normalised symmetrically, so that its weight does not depend on
    its width [1]_, and counts a voxel itself among its likes; the smoothness kernel leaves the voxel itself out.

    Raises
    ------
    InputError
        If the appearance kernel is to be used and ``image`` is not given.
    """
    if settings.appearance_weight > 0 and image is None:
        raise InputError("The CRF compares voxels by their looks but got no scans: pass them or set its weight to 0.")
    offset = np.array([_log_odds(np.array(t)) for t in thresholds], dtype=np.float32)
    active = np.zeros(probability.shape[1:], dtype=bool)
    for region, shift in zip(probability, offset, strict=True):
        active |= region > _sigmoid(shift - _REACH)
    if brain is not None:
        active &= brain
    if not active.any():
        return probability
    deviations = [settings.smoothness_mm / size for size in spacing[::-1]]
    box = (slice(None), *bounding_box(active, margin=int(np.ceil(3 * max(deviations)))).slices)
    active = active[box[1:]]
    evidence = _log_odds(probability[box][:, active]) - offset[:, None]
    belief = _sigmoid(_log_odds(probability[box]) - offset[:, None, None, None])
    likeness = None
    if settings.appearance_weight > 0 and image is not None:
        spread = [channel[brain if brain is not None else channel != 0].std() or 1.0 for channel in image]
        looks = image[box][:, active].T / np.array(spread, dtype=np.float32)
        likeness = _Likeness(looks, np.argwhere(active), settings, spacing)
    for _ in range(int(settings.iterations)):
        log_odds = evidence.copy()
        for region, near in enumerate(belief):
            agreement = _smoothed(near, deviations)[active]
            log_odds[region] += settings.smoothness_weight * (2 * agreement - 1)
        if likeness is not None:
            log_odds += settings.appearance_weight * likeness(2 * belief[:, active] - 1)
        belief[:, active] = _sigmoid(log_odds)
    result = probability.copy()
    result[box][:, active] = _sigmoid(log_odds + offset[:, None])
    return result


class _Likeness:
    """Normalised appearance kernel over the active voxels: values (region, voxels) to weighted means of the same."""

    def __init__(
        self, looks: np.ndarray, where: np.ndarray, settings: DenseCRF, spacing: tuple[float, float, float]
    ) -> None:
        from .permutohedral import PermutohedralFilter

        position = where * (np.array(spacing[::-1]) / settings.appearance_mm)
        features = np.concatenate([position, looks / settings.appearance_deviation], axis=1)
        self._kernel = PermutohedralFilter(features)
        self._norm = 1 / np.sqrt(self._kernel(np.ones((len(where), 1), dtype=np.float32)))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return (self._norm * self._kernel(self._norm * values.T)).T


def _smoothed(values: np.ndarray, deviations: list[float]) -> np.ndarray:
    """Gaussian mean of each voxel's neighbours, itself left out; beyond the box the border goes on."""
    from scipy import ndimage

    own = np.prod([_centre_weight(deviation) for deviation in deviations])
    if own > 1 - 1e-4:  # voxels so large that none is near another: one half says nothing for either label
        return np.full_like(values, 0.5)
    return (ndimage.gaussian_filter(values, deviations, mode="nearest", truncate=3.0) - own * values) / (1 - own)


def _centre_weight(deviation: float) -> float:
    steps = np.arange(-int(3 * deviation + 0.5), int(3 * deviation + 0.5) + 1)
    return float(1 / np.exp(-0.5 * (steps / deviation) ** 2).sum())


def _log_odds(probability: np.ndarray) -> np.ndarray:
    probability = np.clip(probability, _SURE, 1 - _SURE)
    return np.log(probability) - np.log1p(-probability)


def _sigmoid(log_odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-log_odds))
