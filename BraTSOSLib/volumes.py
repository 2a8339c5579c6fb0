"""Volumes of the tumour's regions, in millilitres and as a share of the brain."""

from __future__ import annotations

import numpy as np

from .case import Case
from .errors import InputError
from .labels import REGIONS, region_mask


def brain_volume(case: Case) -> float:
    """Return the volume in mL of ``case.brain``: every non-zero voxel of the skull-stripped scans, fluid included."""
    return float(np.count_nonzero(case.brain)) * case.geometry.voxel_volume / 1000.0


def volumes(case: Case, labels: np.ndarray) -> dict[str, dict[str, float]]:
    """Measure each region.

    Parameters
    ----------
    case : Case
    labels : ndarray, (z, y, x)
        Values 0, 1, 2, 4 on the case's grid.

    Returns
    -------
    dict
        Region (a key of ``REGIONS``) to ``ml``, its volume in mL, and ``brain_percent``, that volume in per cent of
        the brain's (tumour and cerebrospinal fluid count as brain). An absent region has 0 in both.

    Raises
    ------
    InputError
        If ``labels`` is not on the case's grid, or the scans hold no brain.
    """
    if labels.shape != case.brain.shape:
        raise InputError(
            f"The label map of {case.name} has {labels.shape} voxels (z, y, x) and its scans have {case.brain.shape}: "
            "use a label map on the scans' own grid."
        )
    brain = brain_volume(case)
    if brain == 0:
        raise InputError(f"The scans of {case.name} are zero everywhere, so there is no brain to measure: check them.")
    result = {}
    for region in REGIONS:
        millilitres = float(np.count_nonzero(region_mask(labels, region))) * case.geometry.voxel_volume / 1000.0
        result[region] = {"ml": millilitres, "brain_percent": 100.0 * millilitres / brain}
    return result
