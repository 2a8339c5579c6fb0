"""Features that pyradiomics calls deprecated and computes only where a parameter file names them: they repeat others.

Symbols as in ``shape.py``, ``shape2d.py`` and ``firstorder.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .registry import Registry

if TYPE_CHECKING:
    from .firstorder import Intensities
    from .shape import Shape

_SHAPE: Registry[Shape] = Registry()
_SHAPE2D: Registry[dict[str, float]] = Registry()
_FIRSTORDER: Registry[Intensities] = Registry()

DEPRECATED: dict[str, Registry[Any]] = {"shape": _SHAPE, "shape2D": _SHAPE2D, "firstorder": _FIRSTORDER}
"""Feature class to its deprecated features by name."""

WITHOUT_VALUE = {
    "glcm": ("Dissimilarity", "Homogeneity1", "Homogeneity2", "SumVariance"),
    "gldm": ("DependencePercentage", "GrayLevelNonUniformityNormalized"),
}
"""Feature class to names that pyradiomics 3 still reads, and gives no value for."""


@_SHAPE.feature("Compactness1", ibsi="SKGS", formula="V / (√π A^(3/2))")
def _compactness_1(region: Shape) -> float:
    area, volume = region.area_and_volume
    return volume / (area ** (3.0 / 2.0) * np.sqrt(np.pi))


@_SHAPE.feature("Compactness2", ibsi="BQWJ", formula="36 π V² / A³")
def _compactness_2(region: Shape) -> float:
    area, volume = region.area_and_volume
    return (36.0 * np.pi) * (volume**2.0) / (area**3.0)


@_SHAPE.feature("SphericalDisproportion", ibsi="KRCK", formula="A / (36 π V²)^(1/3)")
def _spherical_disproportion(region: Shape) -> float:
    area, volume = region.area_and_volume
    return area / (36 * np.pi * volume**2) ** (1.0 / 3.0)


@_SHAPE2D.feature("SphericalDisproportion", ibsi=None, formula="1 / Sphericity")
def _circular_disproportion(others: dict[str, float]) -> float:
    return 1.0 / others["Sphericity"]


@_FIRSTORDER.feature("StandardDeviation", ibsi=None, formula="√μ2")
def _standard_deviation(region: Intensities) -> float:
    return np.std(region.values)


def deprecated_names(feature_class: str) -> tuple[str, ...]:
    """Return the names of a class's deprecated features."""
    return tuple(DEPRECATED[feature_class].features) if feature_class in DEPRECATED else ()


def compute_deprecated(feature_class: str, prepared: Any, wanted: tuple[str, ...]) -> dict[str, float]:
    """Return those of the features ``wanted`` that are deprecated.

    ``prepared`` is what the class's features are computed from; for shape2D, those features themselves by name.
    """
    names = [name for name in deprecated_names(feature_class) if name in wanted]
    return DEPRECATED[feature_class].compute(prepared, names) if names else {}
