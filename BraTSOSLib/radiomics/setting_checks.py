"""What must hold of each setting, and how to say so."""

from __future__ import annotations

import math
from typing import Any

INTERPOLATORS = (
    "sitkNearestNeighbor",
    "sitkLinear",
    "sitkBSpline",
    "sitkGaussian",
    "sitkLabelGaussian",
    "sitkHammingWindowedSinc",
    "sitkCosineWindowedSinc",
    "sitkWelchWindowedSinc",
    "sitkLanczosWindowedSinc",
    "sitkBlackmanWindowedSinc",
)
WEIGHTING_NORMS = ("euclidean", "manhattan", "infinity", "no_weighting")
RESEGMENT_MODES = ("absolute", "relative", "sigma")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _positive(value: Any) -> bool:
    return _number(value) and value > 0


def _whole(value: Any, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _none_or(holds: Any) -> Any:
    return lambda value: value is None or holds(value)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _each(holds: Any, counts: range) -> Any:
    return lambda value: isinstance(value, tuple) and len(value) in counts and all(holds(item) for item in value)


_ANY = range(0, 1000)
_FLAG = (_flag, "True or False")
CHECKS: dict[str, tuple[Any, str]] = {
    "bin_width": (_positive, "a positive number of intensity units, such as 25"),
    "voxel_array_shift": (_number, "a finite number, such as 0"),
    "bin_count": (_none_or(lambda value: _whole(value, 1)), "a whole number of bins, or None for bins of bin_width"),
    "normalize": _FLAG,
    "normalize_scale": (_positive, "a positive number, such as 100"),
    "remove_outliers": (_none_or(_positive), "a positive number of standard deviations, such as 3, or None"),
    "resampled_pixel_spacing": (
        _none_or(_each(lambda step: _number(step) and step >= 0, range(3, 4))),
        "three voxel lengths in mm (x, y, z), 0 where an axis is to stay, or None",
    ),
    "interpolator": (_none_or(lambda value: value in INTERPOLATORS), f"one of {', '.join(INTERPOLATORS)}, or None"),
    "pad_distance": (_whole, "a whole number of voxels, such as 5"),
    "pre_crop": _FLAG,
    "resegment_range": (_none_or(_each(_number, range(1, 3))), "one or two finite numbers, or None"),
    "resegment_mode": (lambda value: value in RESEGMENT_MODES, f"one of {', '.join(RESEGMENT_MODES)}"),
    "resegment_shape": _FLAG,
    "distances": (_each(lambda step: _whole(step, 1), range(1, 100)), "whole numbers of voxels from 1, such as (1,)"),
    "symmetrical_glcm": _FLAG,
    "weighting_norm": (
        _none_or(lambda value: value in WEIGHTING_NORMS),
        f"one of {', '.join(WEIGHTING_NORMS)}, or None",
    ),
    "gldm_a": (_whole, "a whole number of grey levels from 0"),
    "force_2d": _FLAG,
    "force_2d_dimension": (lambda value: value in (0, 1, 2), "0, 1 or 2"),
    "label": (lambda value: _whole(value, 1), "a whole number from 1"),
    "minimum_roi_dimensions": (lambda value: value in (1, 2, 3), "1, 2 or 3"),
    "minimum_roi_size": (_none_or(lambda value: _whole(value, 1)), "a whole number of voxels, or None"),
    "sigma": (_each(_positive, _ANY), "positive widths in mm, such as (1.0, 3.0)"),
    "start_level": (_whole, "a whole number from 0"),
    "level": (lambda value: _whole(value, 1), "a whole number from 1"),
    "gradient_use_spacing": _FLAG,
    "lbp_3d_levels": (lambda value: _whole(value, 1), "a whole number from 1"),
    "lbp_3d_icosphere_radius": (_positive, "a positive number of voxels"),
    "lbp_3d_icosphere_subdivision": (_whole, "a whole number from 0"),
    "additional_info": _FLAG,
}
"""Field of ``Settings`` to what must hold of it, and the words for that."""
