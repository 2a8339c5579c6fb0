"""Features from pyradiomics itself, with the same settings, names and table.

Its own code does all the work, in the order of its ``RadiomicsFeatureExtractor.execute``: loading, filters, feature
classes. Only repetition is left out: shape is computed once per region, and filters that do not depend on the region
once per image. The extractor refuses regions that are a single voxel or a line; the classes do not, so what they can
say is computed.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DependencyError
from .columns import DIAGNOSTICS, Key
from .image_types import image_names
from .job import Job, Task
from .names import SHAPE_CLASSES
from .parameters import write_parameters
from .preprocessing import depends_on_region, to_itk

if TYPE_CHECKING:
    import SimpleITK as sitk  # noqa: N813 (everybody calls it sitk)


_LOGGER = logging.getLogger("radiomics")


@contextmanager
def _silent_import() -> Iterator[None]:
    """Keep warnings and the log of the import from the user; the level that pyradiomics then sets itself stays."""
    before, _LOGGER.disabled = _LOGGER.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        _LOGGER.disabled = before


@contextmanager
def _silent_computation() -> Iterator[None]:
    """Keep the log of all its modules and numpy's warnings about 0 / 0 in degenerate regions from the user."""
    before = _LOGGER.level
    _LOGGER.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        _LOGGER.setLevel(before)


class PyradiomicsEngine:
    """pyradiomics behind the interface of ``engines.Engine``.

    Raises
    ------
    DependencyError
        If pyradiomics cannot be imported.
    """

    name = "pyradiomics"
    parallel = False

    def __init__(self) -> None:
        try:
            with _silent_import():
                import radiomics
                from radiomics import featureextractor, generalinfo, imageoperations, shape  # noqa: F401
        except Exception as error:  # a broken build fails in many ways; all mean that it cannot be used
            raise DependencyError(
                f"pyradiomics cannot be imported ({type(error).__name__}: {error}); install pyradiomics 3.0.1 or use "
                "the engine 'bratsos', which gives the same values."
            ) from error
        self.version = str(radiomics.__version__).lstrip("v")
        self._extractor = featureextractor.RadiomicsFeatureExtractor
        self._operations = imageoperations
        self._general_info = generalinfo.GeneralInfo

    def tasks(self, job: Job) -> list[Task]:
        """Return the work: the shape of each region where it is stored once, and each modality."""
        tasks = []
        if job.shape_once and any(name in SHAPE_CLASSES for name in job.settings.classes):
            tasks += [Task(1, lambda region=region: self._measure_shape(job, region)) for region in job.masks]  # type: ignore[misc]
        images = sum(len(image_names(image_type, job.settings)) for image_type in job.settings.image_types)
        steps = images * len(job.masks) if depends_on_region(job.settings) else images
        for modality in job.volumes:
            tasks.append(Task(steps, lambda modality=modality: self._measure_modality(job, modality)))  # type: ignore[misc]
        return tasks

    def _new_extractor(self, job: Job) -> Any:
        parameters = write_parameters(job.settings)
        with _silent_computation():
            extractor = self._extractor()
        extractor.settings.update({**parameters["setting"], "label": 1, "additionalInfo": job.diagnostics})
        extractor.enabledImagetypes = parameters["imageType"]
        extractor.enabledFeatures = parameters["featureClass"]
        return extractor

    def _measure_shape(self, job: Job, region: str) -> Iterator[str]:
        """Compute the shape of a region, with the region itself in the place of the image."""
        extractor = self._new_extractor(job)
        mask = to_itk(job.whole_mask(region).astype(np.uint32), job.geometry)
        settings = {**extractor.settings, "normalize": False}
        with _silent_computation():
            image = mask
            if depends_on_region(job.settings):
                image, mask = extractor.loadImage(mask, mask, None, **settings)
            _keep(job, None, region, extractor.computeShape(image, mask, _bounding_box(mask), **settings))
        yield f"shape of {region}"

    def _measure_modality(self, job: Job, modality: str) -> Iterator[str]:
        extractor = self._new_extractor(job)
        volume = job.volumes[modality]
        scan = to_itk(volume.typed(volume.array), job.geometry)
        settings = dict(extractor.settings)
        masks = {region: to_itk(job.whole_mask(region).astype(np.uint32), job.geometry) for region in job.masks}
        with _silent_computation():
            if job.diagnostics:
                for region, mask in masks.items():
                    self._keep_diagnostics(job, modality, region, extractor, scan, mask)
            if settings["normalize"]:
                scan = self._operations.normalizeImage(scan, **settings)
                settings["normalize"] = False
        blocks = [masks] if not depends_on_region(job.settings) else [{name: mask} for name, mask in masks.items()]
        for block in blocks:
            yield from self._measure_block(job, modality, extractor, scan, block, settings)

    def _measure_block(
        self, job: Job, modality: str, extractor: Any, scan: sitk.Image, masks: dict[str, Any], settings: dict[str, Any]
    ) -> Iterator[str]:
        """Measure regions that have the image in common."""
        boxes = {}
        image = scan
        for region, mask in list(masks.items()):
            try:
                with _silent_computation():
                    if depends_on_region(job.settings):
                        image, mask = extractor.loadImage(scan, mask, None, **settings)
                    given = mask
                    if settings.get("resegmentRange") is not None:
                        mask = self._operations.resegmentMask(image, mask, **settings)
                    masks[region], boxes[region] = mask, _bounding_box(mask)
            except ValueError as error:
                job.notes[f"{modality} {region}"] = f"pyradiomics refuses the region: {error}"
                continue
            if not job.shape_once:
                with _silent_computation():
                    shaped = mask if settings.get("resegmentShape") else given
                    _keep(job, modality, region, extractor.computeShape(image, shaped, boxes[region], **settings))
        for kind, changes in extractor.enabledImagetypes.items():
            for region_only in _separately(kind, boxes):
                filtered = getattr(self._operations, f"get{kind}Image")(
                    image, masks[next(iter(region_only))] if region_only else None, **{**settings, **changes}
                )
                made_any = False
                while True:
                    with _silent_computation():
                        found = next(filtered, None)
                        if found is None:
                            break
                        made_any = True
                        made, name, own = found
                        for region in region_only:
                            values = self._features(extractor, made, name, own, masks[region], boxes[region])
                            _keep(job, modality, region, values)
                    yield f"{modality} {name}"
                if not made_any:
                    job.notes[f"{modality} {kind}"] = "pyradiomics makes no image of this type from this image or here."

    def _features(
        self, extractor: Any, image: sitk.Image, name: str, settings: dict[str, Any], mask: sitk.Image, box: np.ndarray
    ) -> dict[str, Any]:
        """Return the features of one image by pyradiomics' names, class by class: one may fail where others do not."""
        image, mask = self._operations.cropToTumorMask(image, mask, box, padDistance=0)
        enabled, found = extractor.enabledFeatures, {}
        for feature_class, features in enabled.items():
            extractor.enabledFeatures = {feature_class: features}
            try:
                found.update(extractor.computeFeatures(image, mask, name, **settings))
            except Exception:  # a matrix without room for neighbours, for example: the values stay undefined
                continue
            finally:
                extractor.enabledFeatures = enabled
        return found

    def _keep_diagnostics(
        self, job: Job, modality: str, region: str, extractor: Any, scan: sitk.Image, mask: sitk.Image
    ) -> None:
        info = self._general_info()
        info.addGeneralSettings(extractor.settings)
        info.addEnabledImageTypes(extractor.enabledImagetypes)
        image, loaded = extractor.loadImage(scan, mask, info, **extractor.settings)
        if extractor.settings.get("resegmentRange") is not None:
            try:
                kept = self._operations.resegmentMask(image, loaded, **extractor.settings)
                info.addMaskElements(image, kept, 1, "resegmented")
            except ValueError:
                pass
        for name, value in info.getGeneralInfo().items():
            first, _, second = name.removeprefix(f"{DIAGNOSTICS}_").partition("_")
            job.values[Key(modality, region, DIAGNOSTICS, first, second)] = value


def _separately(kind: str, regions: dict[str, Any]) -> list[list[str]]:
    """Return which regions share the images of a kind: all, unless the filter itself looks at the region."""
    if kind == "LBP3D":
        return [[region] for region in regions]
    return [list(regions)] if regions else []


def _bounding_box(mask: sitk.Image) -> np.ndarray:
    """Return the box around the voxels of value 1 as pyradiomics has it: first and last x, y and z."""
    import SimpleITK as sitk  # noqa: N813

    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(mask)
    if not statistics.HasLabel(1):
        raise ValueError("no voxel is left")
    lower, extent = np.array(statistics.GetBoundingBox(1)).reshape(2, -1)
    return np.stack([lower, lower + extent - 1], axis=1).ravel()


def _keep(job: Job, modality: str | None, region: str, found: dict[str, Any]) -> None:
    for name, value in found.items():
        image, feature_class, feature = name.rsplit("_", 2)
        job.values[Key(modality, region, image, feature_class, feature)] = float(np.real(value))
