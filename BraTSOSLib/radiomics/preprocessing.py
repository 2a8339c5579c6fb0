"""What happens to a scan and a region before any filter: normalisation, resampling, cropping, resegmentation.

In pyradiomics' order and with its numbers; SimpleITK does the same work for both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..geometry import Geometry
from .box import bounding_box
from .settings import Settings
from .volume import Volume

if TYPE_CHECKING:
    import SimpleITK as sitk  # noqa: N813


@dataclass(frozen=True)
class Sample:
    """An image and a region on one grid, as filters get them.

    Attributes
    ----------
    volume : Volume or None
        None where only the region was asked for.
    mask : (z, y, x) bool
        The region on the image's grid.
    geometry : Geometry
    """

    volume: Volume | None
    mask: np.ndarray
    geometry: Geometry


def depends_on_region(settings: Settings) -> bool:
    """Whether ``settings`` make each region have its own image, so that filters cannot be shared between regions."""
    return settings.pre_crop or _resamples(settings)


def _resamples(settings: Settings) -> bool:
    return settings.resampled_pixel_spacing is not None and settings.interpolator is not None


def to_itk(array: np.ndarray, geometry: Geometry) -> sitk.Image:
    """Return an array (z, y, x) as a SimpleITK image on ``geometry``."""
    import SimpleITK as sitk  # noqa: N813

    from ..images import set_geometry

    image = sitk.GetImageFromArray(array)
    set_geometry(image, geometry)
    return image


def from_itk(image: sitk.Image) -> tuple[np.ndarray, Geometry]:
    """Return a SimpleITK image's array (z, y, x) and geometry."""
    import SimpleITK as sitk  # noqa: N813

    geometry = Geometry(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    return sitk.GetArrayFromImage(image), geometry


def normalised(volume: Volume, settings: Settings) -> Volume:
    """Return the image less its mean, in units of its standard deviation / ``normalize_scale``, if settings say so.

    Mean and standard deviation are those of the whole image, its background included, as in pyradiomics.
    """
    if not settings.normalize:
        return volume
    import SimpleITK as sitk  # noqa: N813

    array = sitk.GetArrayFromImage(sitk.Normalize(sitk.GetImageFromArray(volume.typed(volume.array))))
    if settings.remove_outliers is not None:
        np.clip(array, -settings.remove_outliers, settings.remove_outliers, out=array)
    array *= settings.normalize_scale
    return Volume(array, volume.spacing)


def regional_sample(volume: Volume | None, geometry: Geometry, mask: np.ndarray, settings: Settings) -> Sample:
    """Return image and region as resampling or pre-cropping leaves them.

    Parameters
    ----------
    volume : Volume or None
        The whole image, normalised already; None for the region alone.
    geometry : Geometry
        The grid of both.
    mask : (z, y, x) bool
        The region on the whole grid, with at least one voxel.
    settings : Settings
    """
    if _resamples(settings):
        grid = _target_grid(geometry, mask, settings)
        if grid is not None:
            return _resampled(volume, geometry, mask, grid, settings)
    box = bounding_box(mask)
    pad = settings.pad_distance
    wide = tuple(
        slice(max(part.start - pad, 0), min(part.stop + pad, n)) for part, n in zip(box, mask.shape, strict=True)
    )
    part = None if volume is None else Volume(volume.crop((wide[0], wide[1], wide[2])), volume.spacing)
    size = [side.stop - side.start for side in reversed(wide)]
    origin = to_itk(np.zeros((1, 1, 1), np.uint8), geometry).TransformIndexToPhysicalPoint(
        [side.start for side in reversed(wide)]
    )
    moved = Geometry((size[0], size[1], size[2]), geometry.spacing, origin, geometry.direction)
    return Sample(part, mask[wide], moved)


def _target_grid(geometry: Geometry, mask: np.ndarray, settings: Settings) -> Geometry | None:
    """Return the grid that covers the region and its padding at the new spacing; None if the spacing stays."""
    box = bounding_box(mask)
    lower = np.array([part.start for part in reversed(box)])
    extent = np.array([part.stop - part.start for part in reversed(box)])
    old = np.array(geometry.spacing)
    new = np.array(settings.resampled_pixel_spacing, dtype=float)
    # An axis stays as it is where 0 says so and where the region is one voxel thick.
    new = np.where((new == 0) | (extent == 1), old, new)
    if np.allclose(old, new):
        return None
    ratio = old / new
    size = np.array(geometry.size)
    first = np.maximum(np.floor((lower - 0.5) * ratio - settings.pad_distance), 0)
    last = np.minimum(np.ceil((lower + extent - 0.5) * ratio + settings.pad_distance), np.ceil(size * ratio) - 1)
    count = (last - first + 1).astype(int)
    # Corners of the two grids coincide, not the centres of their first voxels.
    index = 0.5 * (new - old) / old + first / ratio
    origin = to_itk(np.zeros((1, 1, 1), np.uint8), geometry).TransformContinuousIndexToPhysicalPoint(index.tolist())
    return Geometry(tuple(count.tolist()), tuple(new.tolist()), tuple(origin), geometry.direction)  # type: ignore[arg-type]


def _resampled(
    volume: Volume | None, geometry: Geometry, mask: np.ndarray, grid: Geometry, settings: Settings
) -> Sample:
    import SimpleITK as sitk  # noqa: N813

    resampler = sitk.ResampleImageFilter()
    resampler.SetOutputSpacing(grid.spacing)
    resampler.SetOutputDirection(grid.direction)
    resampler.SetOutputOrigin(grid.origin)
    resampler.SetSize(grid.size)
    resampler.SetInterpolator(sitk.sitkNearestNeighbor)
    region, _ = from_itk(resampler.Execute(to_itk(mask.astype(np.uint8), geometry)))
    part = None
    if volume is not None:
        resampler.SetInterpolator(getattr(sitk, str(settings.interpolator)))
        array, _ = from_itk(resampler.Execute(to_itk(volume.typed(volume.array), geometry)))
        part = Volume(array, (grid.spacing[2], grid.spacing[1], grid.spacing[0]))
    return Sample(part, region == 1, grid)


def resegmented(image: np.ndarray, mask: np.ndarray, settings: Settings) -> np.ndarray:
    """Return the voxels of ``mask`` whose intensity in ``image`` is within ``resegment_range``.

    ``image`` (z, y, x) has the type that pyradiomics would compute in; ``mask`` (bool) has at least one voxel.
    """
    if settings.resegment_range is None:
        return mask
    values = image[mask]
    thresholds = sorted(settings.resegment_range)
    if settings.resegment_mode == "relative":
        thresholds = [values.max() * threshold for threshold in thresholds]
    elif settings.resegment_mode == "sigma":
        mean, deviation = np.mean(values), np.std(values)
        thresholds = [mean + deviation * threshold for threshold in thresholds]
    inside = values >= thresholds[0]
    if len(thresholds) == 2:
        inside &= values <= thresholds[1]
    result = mask.copy()
    result[mask] = inside
    return result
