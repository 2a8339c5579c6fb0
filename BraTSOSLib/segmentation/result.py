"""What a segmentation gives besides the label map."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class SegmentationResult:
    """A label map and how far to trust it. Arrays are on the case's own grid and in its own orientation.

    Attributes
    ----------
    labels : uint8 (z, y, x): 0 background, 1 NCR/NET, 2 ED, 4 ET
    probabilities : float32 (3, z, y, x) of WT, TC and ET, before post-processing; None unless asked for
    entropy : float32 (z, y, x) in bits, see ``entropy.py``; None unless asked for
    quality : region to expected Dice with an interval, see ``quality.py``; None where the model has no calibration
    warnings : sentences for the reader: an input that looks unlike the training data, a fallback
    card : the model's card
    engine : what computed it, e.g. "openvino on cpu"
    plausible : region to mm3 for each of several plausible segmentations, see ``plausible.py``; empty unless asked for
    """

    labels: np.ndarray
    probabilities: np.ndarray | None
    entropy: np.ndarray | None
    quality: dict[str, dict[str, float]] | None
    warnings: tuple[str, ...]
    card: dict[str, Any] = field(repr=False)
    engine: str = ""
    plausible: tuple[dict[str, float], ...] = ()
