"""What an extraction may be told to do differently; the defaults are pyradiomics' own."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import InputError
from .names import FEATURE_CLASSES


@dataclass(frozen=True)
class Settings:
    """Settings of a feature extraction.

    Intensities are used as they are in the scans: there is no normalisation, no resampling and no filter. First-order
    values of MRI therefore carry the scanner's arbitrary units, exactly as pyradiomics' default call gives them.

    Attributes
    ----------
    bin_width : float
        Width of a grey-level bin, in the scan's own intensity units; used by Entropy and Uniformity only. Bins are
        aligned to multiples of it. pyradiomics: ``binWidth``.
    voxel_array_shift : float
        Added to every intensity before Energy, TotalEnergy and RootMeanSquared. pyradiomics: ``voxelArrayShift``.
    classes : tuple of str
        Which feature classes to compute, of ``names.FEATURE_CLASSES``.
    """

    bin_width: float = 25.0
    voxel_array_shift: float = 0.0
    classes: tuple[str, ...] = FEATURE_CLASSES

    def __post_init__(self) -> None:
        if not (math.isfinite(self.bin_width) and self.bin_width > 0):
            raise InputError(f"bin_width is {self.bin_width!r}; give a positive number of intensity units, such as 25.")
        if not math.isfinite(self.voxel_array_shift):
            raise InputError(f"voxel_array_shift is {self.voxel_array_shift!r}; give a finite number, such as 0.")
        unknown = [name for name in self.classes if name not in FEATURE_CLASSES]
        if unknown:
            raise InputError(f"Unknown feature class {unknown[0]!r}; choose from {', '.join(FEATURE_CLASSES)}.")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values, ready for JSON."""
        return {**asdict(self), "classes": list(self.classes)}
