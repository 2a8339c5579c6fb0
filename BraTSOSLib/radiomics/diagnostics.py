"""pyradiomics' diagnostics: versions, settings, and what image and region were when they were loaded and prepared."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np

from ..geometry import Geometry
from .box import bounding_box
from .parameters import write_parameters
from .preprocessing import Sample, to_itk
from .settings import Settings
from .volume import Volume

_ALWAYS_LISTED = (
    "minimumROIDimensions",
    "minimumROISize",
    "normalize",
    "normalizeScale",
    "removeOutliers",
    "resampledPixelSpacing",
    "interpolator",
    "preCrop",
    "padDistance",
    "distances",
    "force2D",
    "force2Ddimension",
    "resegmentRange",
    "label",
)
"""The settings that pyradiomics lists even where nobody set them, in its order."""


def general(settings: Settings, engine: str) -> dict[str, Any]:
    """Return versions and settings; ``engine`` stands in the row of pyradiomics' version."""
    import SimpleITK as sitk  # noqa: N813

    try:
        from pywt import __version__ as wavelets
    except ImportError:
        wavelets = "not installed"
    parameters = write_parameters(settings)
    default = write_parameters(Settings())["setting"]
    given = parameters["setting"]
    listed = {name: _short(given.get(name)) for name in _ALWAYS_LISTED}
    listed["additionalInfo"] = True
    listed.update({name: _short(value) for name, value in given.items() if value != default.get(name)})
    return {
        "Versions_PyRadiomics": engine,
        "Versions_Numpy": np.__version__,
        "Versions_SimpleITK": sitk.Version().VersionString(),
        "Versions_PyWavelet": wavelets,
        "Versions_Python": platform.python_version(),
        "Configuration_Settings": listed,
        "Configuration_EnabledImageTypes": {
            name: {key: _short(value) for key, value in changes.items()}
            for name, changes in parameters["imageType"].items()
        },
    }


def _short(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _statistics(values: np.ndarray) -> dict[str, float]:
    return {"Mean": float(values.mean()), "Minimum": float(values.min()), "Maximum": float(values.max())}


def of_image(volume: Volume, geometry: Geometry, prefix: str = "original") -> dict[str, Any]:
    """Return what is said of an image."""
    import SimpleITK as sitk  # noqa: N813

    array = volume.typed(volume.array)
    found: dict[str, Any] = {}
    if prefix == "original":
        found["Hash"] = sitk.Hash(to_itk(array, geometry))
        found["Dimensionality"] = "3D"
    found.update(Spacing=tuple(geometry.spacing), Size=tuple(geometry.size))
    values = array.astype(float)
    found.update(_statistics(values))
    return {f"Image-{prefix}_{name}": value for name, value in found.items()}


def mask_hash(mask: np.ndarray, geometry: Geometry) -> str:
    """Return the hash of a mask or label map, in the number type that pyradiomics gives it."""
    import SimpleITK as sitk  # noqa: N813

    return str(sitk.Hash(to_itk(mask.astype(np.uint32), geometry)))


def of_mask(mask: np.ndarray, geometry: Geometry, prefix: str = "original") -> dict[str, Any]:
    """Return what is said of a region's mask (z, y, x), with at least one voxel, on its whole grid."""
    from scipy.ndimage import label

    found: dict[str, Any] = {}
    if prefix == "original":
        found["Hash"] = mask_hash(mask, geometry)
    box = bounding_box(mask)
    voxels = np.array(np.nonzero(mask))
    centre = tuple(voxels.mean(axis=1)[::-1].tolist())
    grid = to_itk(np.zeros((1, 1, 1), np.uint8), geometry)
    found.update(
        Spacing=tuple(geometry.spacing),
        Size=tuple(geometry.size),
        BoundingBox=(*(part.start for part in reversed(box)), *(part.stop - part.start for part in reversed(box))),
        VoxelNum=voxels.shape[1],
        VolumeNum=int(label(mask[box], np.ones((3, 3, 3)))[1]),
        CenterOfMassIndex=centre,
        CenterOfMass=grid.TransformContinuousIndexToPhysicalPoint(centre),
    )
    return {f"Mask-{prefix}_{name}": value for name, value in found.items()}


def prepared(sample: Sample, prefix: str) -> dict[str, Any]:
    """Return what is said of image and region after resampling (``"interpolated"``) or resegmentation."""
    assert sample.volume is not None
    values = sample.volume.typed(sample.volume.array[sample.mask]).astype(float)
    return {
        **of_image(sample.volume, sample.geometry, prefix),
        **of_mask(sample.mask, sample.geometry, prefix),
        **{f"Mask-{prefix}_{name}": value for name, value in _statistics(values).items()},
    }
