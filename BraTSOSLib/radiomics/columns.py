"""What an extraction's table has rows for, known before anything is measured, so that none is silently missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..case import MODALITIES
from ..labels import REGIONS
from .image_types import image_names
from .names import ORIGINAL, SHAPE_CLASSES
from .settings import Settings

LABEL_COMBINATIONS: dict[str, tuple[int, ...]] = {**REGIONS, "NCR+ED": (1, 2), "ED+ET": (2, 4)}
"""All seven ways to put the three labels together: the five regions of BraTS and the two others."""

DIAGNOSTICS = "diagnostics"


class Key(NamedTuple):
    """Which value: ``modality`` is None for the shape of a region, ``image`` is ``"diagnostics"`` for diagnostics."""

    modality: str | None
    region: str
    image: str
    feature_class: str
    feature: str


@dataclass(frozen=True)
class Layout:
    """Which blocks a table has and how they are called.

    Attributes
    ----------
    modalities : tuple of str
    regions : tuple of str
        Keys of ``LABEL_COMBINATIONS``.
    aliases : dict
        Region to what names call it, where that is something else.
    shape_per_modality : bool
        Repeat a region's shape for every modality, as pyradiomics run once for each gives it.
    diagnostics : bool
        Begin each block with pyradiomics' 22 diagnostics.
    with_name : bool
        Begin the table with the case's name.
    """

    modalities: tuple[str, ...] = MODALITIES
    regions: tuple[str, ...] = tuple(REGIONS)
    aliases: Mapping[str, str] = field(default_factory=dict)
    shape_per_modality: bool = False
    diagnostics: bool = False
    with_name: bool = False


DIAGNOSTIC_NAMES = (
    "Versions_PyRadiomics",
    "Versions_Numpy",
    "Versions_SimpleITK",
    "Versions_PyWavelet",
    "Versions_Python",
    "Configuration_Settings",
    "Configuration_EnabledImageTypes",
    "Image-original_Hash",
    "Image-original_Dimensionality",
    "Image-original_Spacing",
    "Image-original_Size",
    "Image-original_Mean",
    "Image-original_Minimum",
    "Image-original_Maximum",
    "Mask-original_Hash",
    "Mask-original_Spacing",
    "Mask-original_Size",
    "Mask-original_BoundingBox",
    "Mask-original_VoxelNum",
    "Mask-original_VolumeNum",
    "Mask-original_CenterOfMassIndex",
    "Mask-original_CenterOfMass",
)
"""pyradiomics' 22 diagnostics of one image and one region, without their prefix ``diagnostics_``, in its order."""

_OF_PREPARED_IMAGE = ("Spacing", "Size", "Mean", "Minimum", "Maximum")
_OF_PREPARED_MASK = (
    "Spacing",
    "Size",
    "BoundingBox",
    "VoxelNum",
    "VolumeNum",
    "CenterOfMassIndex",
    "CenterOfMass",
    "Mean",
    "Minimum",
    "Maximum",
)


def diagnostic_names(settings: Settings) -> tuple[str, ...]:
    """Return the names of the diagnostics of a block: those of what was loaded, then those of what was prepared."""
    names: tuple[str, ...] = DIAGNOSTIC_NAMES
    if settings.resampled_pixel_spacing is not None and settings.interpolator is not None:
        names += tuple(f"Image-interpolated_{name}" for name in _OF_PREPARED_IMAGE)
        names += tuple(f"Mask-interpolated_{name}" for name in _OF_PREPARED_MASK)
    if settings.resegment_range is not None:
        names += tuple(f"Mask-resegmented_{name}" for name in _OF_PREPARED_MASK)
    return names


def block_keys(modality: str, region: str, settings: Settings, *, diagnostics: bool, shape: bool) -> Iterator[Key]:
    """Yield what one image and one region have values for, in pyradiomics' order."""
    if diagnostics:
        for name in diagnostic_names(settings):
            yield Key(modality, region, DIAGNOSTICS, *name.split("_", 1))
    if shape:
        yield from shape_keys(modality, region, settings)
    for image_type in settings.image_types:
        for image in image_names(image_type, settings):
            for feature_class in settings.classes:
                if feature_class not in SHAPE_CLASSES:
                    for feature in settings.features_of(feature_class):
                        yield Key(modality, region, image, feature_class, feature)


def wants_intensities(settings: Settings) -> bool:
    """Whether ``settings`` ask for more than shape."""
    return any(name not in SHAPE_CLASSES for name in settings.classes)


def shape_keys(modality: str | None, region: str, settings: Settings) -> Iterator[Key]:
    """Yield what the shape of a region has values for."""
    for feature_class in SHAPE_CLASSES:
        if feature_class in settings.classes:
            for feature in settings.features_of(feature_class):
                yield Key(modality, region, ORIGINAL, feature_class, feature)


def table_keys(layout: Layout, settings: Settings) -> list[Key]:
    """Return the table's rows in order: region by region, its shape first; or one block after the other."""
    if layout.shape_per_modality or settings.resegment_shape:
        pairs: Sequence[tuple[str, str]] = [(m, r) for m in layout.modalities for r in layout.regions]
        blocks = [block_keys(*pair, settings, diagnostics=layout.diagnostics, shape=True) for pair in pairs]
        return [key for block in blocks for key in block]
    keys: list[Key] = []
    for region in layout.regions:
        keys += shape_keys(None, region, settings)
        for modality in layout.modalities:
            keys += block_keys(modality, region, settings, diagnostics=layout.diagnostics, shape=False)
    return keys


def column_name(key: Key, layout: Layout) -> str:
    """Return a row's name, such as ``t1ce_ET_original_firstorder_Mean`` or ``ET_original_shape_VoxelVolume``."""
    parts = (key.modality, layout.aliases.get(key.region, key.region), key.image, key.feature_class, key.feature)
    return "_".join(part for part in parts if part)
