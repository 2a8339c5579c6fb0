"""The library's own engine: numpy, scipy, SimpleITK and PyWavelets; numba makes it fast where it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..geometry import Geometry
from .box import bounding_box
from .columns import Key, diagnostic_names, wants_intensities
from .deprecated import compute_deprecated
from .image_types import filtered, image_names
from .job import Job, Task
from .names import ORIGINAL, SHAPE_CLASSES
from .preprocessing import Sample, depends_on_region, normalised, regional_sample, resegmented
from .settings import Settings
from .volume import Box, Volume

if TYPE_CHECKING:
    from .regions import Footprint

Found = dict[tuple[str, str], float]
"""Feature class and feature to value."""


class OwnEngine:
    """The library's own code, behind the interface of ``engines.Engine``."""

    name = "bratsos"
    parallel = True

    def __init__(self) -> None:
        from .. import __version__
        from .jit import find_cache_folder

        self.version = __version__
        find_cache_folder()

    def shape(self, mask: np.ndarray, spacing: tuple[float, float, float]) -> dict[str, float]:
        """Return the shape features of ``mask`` (bool) by name."""
        found = shape_features(mask, spacing, Settings(classes=("shape",)))
        return {feature: value for (_, feature), value in found.items()}

    def firstorder(
        self, image: np.ndarray, mask: np.ndarray, spacing: tuple[float, float, float], settings: Settings
    ) -> dict[str, float]:
        """Return the first-order features of ``image`` inside ``mask`` (bool, same shape) by name."""
        from .firstorder import FIRSTORDER, Intensities

        return FIRSTORDER.compute(Intensities(image[mask], float(np.prod(spacing)), settings))

    def tasks(self, job: Job) -> list[Task]:
        """Return the work: the shape of each region and the images of each modality."""
        settings = job.settings
        tasks = []
        if job.shape_once and any(name in SHAPE_CLASSES for name in settings.classes):
            tasks += [Task(1, lambda region=region: _measure_shape(job, region)) for region in job.masks]  # type: ignore[misc]
        images = sum(len(image_names(image_type, settings)) for image_type in settings.image_types)
        steps = images * len(job.masks) if depends_on_region(settings) else images
        for modality in job.volumes:
            tasks.append(Task(steps, lambda modality=modality: _measure_modality(job, modality)))  # type: ignore[misc]
        return tasks


def shape_features(mask: np.ndarray, spacing: tuple[float, float, float], settings: Settings) -> Found:
    """Return the features of the shape classes that ``settings`` ask for."""
    from .shape import SHAPE, Shape

    found: Found = {}
    if "shape" in settings.classes:
        region, names = Shape(mask, spacing), settings.features_of("shape")
        values = SHAPE.compute(region, [name for name in names if name in SHAPE.features])
        values.update(compute_deprecated("shape", region, names))
        found.update({("shape", name): values[name] for name in names})
    if "shape2D" in settings.classes:
        from .shape2d import compute

        names = settings.features_of("shape2D")
        values = compute(mask, spacing, settings.force_2d_dimension)
        values.update(compute_deprecated("shape2D", values, names))
        found.update({("shape2D", name): values[name] for name in names})
    return found


def _measure_shape(job: Job, region: str) -> Iterator[str]:
    mask, spacing = job.masks[region], job.spacing
    if depends_on_region(job.settings):
        sample = regional_sample(None, job.geometry, job.whole_mask(region), job.settings)
        mask, spacing = sample.mask, sample.geometry.spacing[::-1]  # type: ignore[assignment]
    _keep_shape(job, None, region, mask, spacing)
    yield f"shape of {region}"


def _keep_shape(
    job: Job, modality: str | None, region: str, mask: np.ndarray, spacing: tuple[float, float, float]
) -> None:
    if not mask.any():
        return
    settings, box = job.settings, bounding_box(mask)
    axis = settings.force_2d_dimension
    if "shape2D" in settings.classes and not (settings.force_2d and box[axis].stop - box[axis].start == 1):
        job.notes[f"{region} shape2D"] = "Shape in a plane is that of a region in one slice, with force_2d."
        settings = replace(settings, classes=tuple(name for name in settings.classes if name != "shape2D"))
    for (feature_class, feature), value in shape_features(mask, spacing, settings).items():
        job.values[Key(modality, region, ORIGINAL, feature_class, feature)] = value


def _measure_modality(job: Job, modality: str) -> Iterator[str]:
    settings = job.settings
    volume = job.volumes[modality]
    spreads = settings.normalize or depends_on_region(settings)
    if (spreads or any(kind.name != "Original" for kind in settings.image_types)) and not volume.finite:
        raise InputError(
            f"{modality} holds NaN or infinite intensities, which filters, normalisation and resampling would spread: "
            "replace them first."
        )
    if job.diagnostics:
        _keep_loaded(job, modality, volume)
    volume = normalised(volume, settings)
    if not depends_on_region(settings):
        yield from _measure_images(job, modality, volume, job.geometry, job.box, job.masks)
        return
    for region in job.masks:
        sample = regional_sample(volume, job.geometry, job.whole_mask(region), settings)
        assert sample.volume is not None
        _keep_prepared(job, modality, region, sample, "interpolated")
        z, y, x = sample.mask.shape
        everything = slice(0, z), slice(0, y), slice(0, x)
        yield from _measure_images(job, modality, sample.volume, sample.geometry, everything, {region: sample.mask})


def _measure_images(
    job: Job, modality: str, volume: Volume, geometry: Geometry, box: Box, masks: dict[str, np.ndarray]
) -> Iterator[str]:
    """Measure the regions ``masks`` (inside ``box``) on every image made from ``volume``; yield after each image."""
    settings = job.settings
    if settings.resegment_range is not None or not job.shape_once:
        masks = _resegmented(job, modality, volume, geometry, box, masks)
    from .regions import Footprint

    footprints = {region: Footprint(mask, volume.spacing) for region, mask in masks.items() if mask.any()}
    wanted = np.any(list(masks.values()), axis=0)
    for image_type in settings.image_types if footprints and wants_intensities(settings) else ():
        own = settings.for_image_type(image_type)
        for name, image in filtered(image_type, volume, box, wanted, settings):
            for region, footprint in footprints.items():
                if image is None:
                    job.notes[f"{modality} {region} {name}"] = "The image is too small for this filter."
                    continue
                found = _measure(job, image, footprint, own, f"{modality} ({name})", region)
                for (feature_class, feature), value in found.items():
                    job.values[Key(modality, region, name, feature_class, feature)] = value
            yield f"{modality} {name}"


def _resegmented(
    job: Job, modality: str, volume: Volume, geometry: Geometry, box: Box, masks: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return the masks after resegmentation, and measure the shape where it is wanted for each modality."""
    settings = job.settings
    image = volume.crop(box)
    result = {}
    for region, mask in masks.items():
        result[region] = kept = resegmented(image, mask, settings)
        if settings.resegment_range is not None and np.count_nonzero(kept) <= 1:  # pyradiomics refuses one voxel, too
            job.notes[f"{modality} {region}"] = "Less than two voxels of the region are within resegment_range."
            result[region] = kept = np.zeros_like(kept)
        if not job.shape_once:
            shaped = kept if settings.resegment_shape else mask
            # pyradiomics cuts the region off at the box around what resegmentation kept, even where the shape is to be
            # that of the region before.
            _keep_shape(job, modality, region, shaped[bounding_box(kept)] if kept.any() else shaped, volume.spacing)
        if job.diagnostics and settings.resegment_range is not None and kept.any():
            whole = np.zeros(volume.array.shape, bool)
            whole[box] = kept
            _keep_prepared(job, modality, region, Sample(volume, whole, geometry), "resegmented")
    return result


def _measure(job: Job, image: np.ndarray, footprint: Footprint, settings: Settings, where: str, region: str) -> Found:
    """Return the features of all intensity classes that ``settings`` ask for.

    ``image`` has the size of the mask that the footprint was made of; errors and notes name it ``where``.

    Raises
    ------
    InputError
        If intensities of an unfiltered image inside the region are not finite, or need too many grey levels.
    """
    from .firstorder import FIRSTORDER
    from .regions import Region
    from .textures import TEXTURE_CLASSES

    prepared = Region(image, footprint, settings=settings, device=job.device)
    if not np.isfinite(prepared.values).all():
        if where.endswith("(original)"):
            raise InputError(f"{where} holds NaN or infinite intensities inside {region}: replace them first.")
        job.notes[f"{where} {region}"] = "The filter's values are not finite here."
        return {}
    found: Found = {}
    try:
        for feature_class in settings.classes:
            if feature_class in SHAPE_CLASSES:
                continue
            names = settings.features_of(feature_class)
            if feature_class == "firstorder":
                current = [name for name in names if name in FIRSTORDER.features]
                values = FIRSTORDER.compute(prepared.intensities, current)
                values.update(compute_deprecated("firstorder", prepared.intensities, names))
            else:
                values = TEXTURE_CLASSES[feature_class](prepared)
            for name in names:
                found[feature_class, name] = values[name]
    except InputError as error:
        raise InputError(f"{where} inside {region}: {error}") from error
    return found


def _keep_loaded(job: Job, modality: str, volume: Volume) -> None:
    from .diagnostics import of_image

    image = of_image(volume, job.geometry)
    for region, mask in job.mask_diagnostics.items():
        for name, value in (*image.items(), *mask.items()):
            _keep_diagnostic(job, modality, region, name, value)


def _keep_prepared(job: Job, modality: str, region: str, sample: Sample, prefix: str) -> None:
    if job.diagnostics:
        from .diagnostics import prepared

        wanted = diagnostic_names(job.settings)
        for name, value in prepared(sample, prefix).items():
            if name in wanted:
                _keep_diagnostic(job, modality, region, name, value)


def _keep_diagnostic(job: Job, modality: str, region: str, name: str, value: object) -> None:
    first, _, second = name.partition("_")
    job.values[Key(modality, region, "diagnostics", first, second)] = value
