"""Volumes of other segmentations that a model finds nearly as plausible as the one it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..labels import REGIONS, region_mask
from .postprocessing import PostProcessing, postprocess
from .resampling import resize_linear
from .volume import BrainVolume

THRESHOLD_STEPS = (-0.3, 0.0, 0.3)
"""Added to the model's probability thresholds. With 0.3 the expert's volumes of WT, TC and ET lay within the range in
22 of 24 (eight held-out cases), with 0.2 in 14, with 0.1 in 9 (Testing/benchmarks/bench_spread.py)."""


def described(count: int) -> str:
    """Return in words what ``count`` plausible segmentations differ in."""
    views = "the scans as they are and mirrored, each" if count > len(THRESHOLD_STEPS) else "the scans"
    return f"{views} with lower and higher probability thresholds"


def plausible_volumes(
    passes: Sequence[np.ndarray],
    volume: BrainVolume,
    settings: PostProcessing,
    steps: Sequence[float] = THRESHOLD_STEPS,
) -> tuple[dict[str, float], ...]:
    """Return the region volumes of each plausible segmentation.

    Parameters
    ----------
    passes : sequence of ndarray, each (3, z, y, x)
        Probabilities of WT, TC and ET on ``volume.grid``, one array for each view of the scans.
    settings : PostProcessing
        The model's own; its thresholds are shifted by each of ``steps``.

    Returns
    -------
    tuple of dict
        Region (NCR, ED, ET, TC, WT) to mm3, one dictionary for each view and step.
    """
    voxel = float(np.prod(volume.spacing))
    found = []
    for probabilities in passes:
        native = resize_linear(probabilities, volume.box.shape)
        for step in steps:
            low, middle, high = (min(max(value + step, 0.05), 0.95) for value in settings.thresholds)
            labels = postprocess(
                native,
                spacing=volume.spacing,
                brain=volume.brain,
                image=volume.image,
                settings=replace(settings, thresholds=(low, middle, high)),
            )
            found.append({region: float(np.count_nonzero(region_mask(labels, region)) * voxel) for region in REGIONS})
    return tuple(found)
