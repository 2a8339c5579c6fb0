"""How well a segmentation agrees with another one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError
from ..labels import region_mask


def dice(first: np.ndarray, second: np.ndarray) -> float:
    """Dice coefficient 2 |A ∩ B| / (|A| + |B|) of two masks of one shape; 1 where both are empty.

    References
    ----------
    .. [1] Dice LR, Measures of the amount of ecologic association between species, Ecology 26 (1945) 297-302.
    """
    if first.shape != second.shape:
        raise InputError(f"Masks of {first.shape} and {second.shape} cannot be compared: bring them onto one grid.")
    first, second = first.astype(bool), second.astype(bool)
    total = int(np.count_nonzero(first)) + int(np.count_nonzero(second))
    return 2 * int(np.count_nonzero(first & second)) / total if total else 1.0


def region_dice(
    prediction: np.ndarray, truth: np.ndarray, regions: Sequence[str] = ("WT", "TC", "ET")
) -> dict[str, float]:
    """Dice of each region of two label maps (z, y, x) with the values 0, 1, 2, 4."""
    return {region: dice(region_mask(prediction, region), region_mask(truth, region)) for region in regions}
