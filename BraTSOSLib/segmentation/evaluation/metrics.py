"""How well a segmentation agrees with another one, voxel by voxel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ...labels import region_mask

REGIONS = ("WT", "TC", "ET")
"""The three nested regions that BraTS judges: whole tumour, tumour core, enhancing tumour."""


@dataclass(frozen=True)
class Overlap:
    """Numbers of voxels of a prediction against a truth: the four cells of the confusion matrix."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def dice(self) -> float:
        """2 TP / (2 TP + FP + FN); 1 where both masks are empty."""
        total = 2 * self.true_positive + self.false_positive + self.false_negative
        return 2 * self.true_positive / total if total else 1.0

    @property
    def sensitivity(self) -> float:
        """TP / (TP + FN). Where the truth is empty it is 1 if the prediction is too, else 0 (as BraTS 2023 has it)."""
        total = self.true_positive + self.false_negative
        return self.true_positive / total if total else float(self.false_positive == 0)

    @property
    def specificity(self) -> float:
        """TN / (TN + FP) over all voxels of the image; 1 where the truth fills the image."""
        total = self.true_negative + self.false_positive
        return self.true_negative / total if total else 1.0


def check_masks(first: np.ndarray, second: np.ndarray) -> None:
    """Raise InputError unless both arrays have one shape."""
    if first.shape != second.shape:
        raise InputError(f"Masks of {first.shape} and {second.shape} cannot be compared: bring them onto one grid.")


def overlap(prediction: np.ndarray, truth: np.ndarray) -> Overlap:
    """Count the voxels of two masks of one shape that agree and differ."""
    check_masks(prediction, truth)
    prediction, truth = prediction.astype(bool), truth.astype(bool)
    both = int(np.count_nonzero(prediction & truth))
    predicted, true = int(np.count_nonzero(prediction)), int(np.count_nonzero(truth))
    return Overlap(both, predicted - both, true - both, truth.size - predicted - true + both)


def dice(first: np.ndarray, second: np.ndarray) -> float:
    """Dice coefficient 2 |A ∩ B| / (|A| + |B|) of two masks of one shape; 1 where both are empty.

    References
    ----------
    .. [1] Dice LR, Measures of the amount of ecologic association between species, Ecology 26 (1945) 297-302.
    """
    return overlap(first, second).dice


def region_dice(prediction: np.ndarray, truth: np.ndarray, regions: Sequence[str] = REGIONS) -> dict[str, float]:
    """Dice of each region of two label maps (z, y, x) with the values 0, 1, 2, 4."""
    return {region: dice(region_mask(prediction, region), region_mask(truth, region)) for region in regions}
