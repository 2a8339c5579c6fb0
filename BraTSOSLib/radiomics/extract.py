"""Extraction of all features of a case: every region, its shape once and its intensities in every modality."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..case import MODALITIES, Case
from ..errors import InputError
from ..labels import REGIONS, canonical_labels, region_mask
from .box import bounding_box
from .engines import Engine, choose_engine
from .names import FEATURES, FeatureName
from .settings import Settings

if TYPE_CHECKING:
    import pandas as pd

_DEFAULT = Settings()
_MAXIMUM_BINS = 10_000_000

# What can be said about a region without voxels; every other feature of it is NaN.
_EMPTY = {"VoxelVolume": 0.0, "MeshVolume": 0.0}


def extract_features(
    case: Case,
    labels: np.ndarray,
    *,
    engine: str = "auto",
    regions: Sequence[str] = tuple(REGIONS),
    settings: Settings = _DEFAULT,
    progress: Callable[[str, float], None] | None = None,
) -> pd.DataFrame:
    """Extract radiomic features, named and defined as in pyradiomics.

    Parameters
    ----------
    case : Case
        Volumes (z, y, x). Intensities are used as they are.
    labels : (z, y, x) integer
        Label map on the case's grid, values 0/1/2/4 (3 is read as 4).
    engine : {"auto", "bratsos", "pyradiomics"}
        Which code computes: pyradiomics, the library's own, or (``"auto"``) pyradiomics where it can be imported and
        the own code where it cannot. The two agree to 1e-10 relative.
    regions : sequence of str
        Keys of ``labels.REGIONS``.
    settings : Settings
        Bin width, voxel array shift, feature classes.
    progress : callable, optional
        Called as ``progress(message, fraction)``.

    Returns
    -------
    pandas.DataFrame
        Columns ``feature`` (see ``names.py``) and ``value`` (float), one row a feature, the same rows for every case:
        features that are undefined are NaN; an empty region has volume 0 and NaN otherwise. ``attrs`` holds
        ``engine``, ``engine_version``, ``settings`` and ``notes`` (region to the reason why values are missing).

    Raises
    ------
    InputError
        If the label map is not on the case's grid, its values or a region are unknown, or intensities inside a region
        are not finite or need too many bins.
    DependencyError
        If ``engine="pyradiomics"`` and it cannot be imported.

    Examples
    --------
    >>> from BraTSOSLib import make_phantom
    >>> case, labels = make_phantom(seed=1)
    >>> table = extract_features(case, labels, engine="bratsos", regions=("ET",))
    >>> len(table)  # 14 shape + 4 x 18 first-order
    86
    """
    import pandas as pd

    modalities = tuple(modality for modality in MODALITIES if modality in case.volumes)
    labels = np.asarray(labels)
    _check_grid(case, labels, modalities)
    unknown = [region for region in regions if region not in REGIONS]
    if unknown:
        raise InputError(f"Unknown region {unknown[0]!r}; choose from {', '.join(REGIONS)}.")
    chosen = choose_engine(engine)
    spacing = case.geometry.spacing[2], case.geometry.spacing[1], case.geometry.spacing[0]

    # Time and memory follow the tumour's size, not the volume's: from here on only its bounding box is looked at.
    tumour = bounding_box(labels != 0)
    tumour_labels = canonical_labels(labels[tumour], "The label map")
    values: dict[str, float] = {}
    notes: dict[str, str] = {}
    for done, region in enumerate(regions):
        if progress:
            progress(f"Measuring {region}", done / len(regions))
        mask = region_mask(tumour_labels, region)
        count = int(np.count_nonzero(mask))
        if count == 0:
            notes[region] = "The region is empty: its volumes are 0, its other features undefined."
        elif count == 1:
            notes[region] = "The region is a single voxel: its axis ratios are undefined."
        box = bounding_box(mask)
        images = {modality: case.volumes[modality][tumour][box] for modality in modalities}
        values.update(_region_features(chosen, region, images, mask[box], spacing, settings))
    if progress:
        progress("Features measured", 1.0)

    table = pd.DataFrame({"feature": list(values), "value": np.array(list(values.values()), dtype=float)})
    table.attrs.update(engine=chosen.name, engine_version=chosen.version, settings=settings.to_dict(), notes=notes)
    return table


def _region_features(
    engine: Engine,
    region: str,
    images: dict[str, np.ndarray],
    mask: np.ndarray,
    spacing: tuple[float, float, float],
    settings: Settings,
) -> dict[str, float]:
    """Return one region's features by full name; ``images`` and ``mask`` are cropped to its bounding box."""
    empty = mask.size == 0
    result: dict[str, float] = {}
    if "shape" in settings.classes:
        result.update(_named(region, "shape", None, _EMPTY if empty else engine.shape(mask, spacing)))
    if "firstorder" in settings.classes:
        for modality, image in images.items():
            found: dict[str, float] = {}
            if not empty:
                _check_intensities(image[mask], region, modality, settings)
                found = engine.firstorder(image, mask, spacing, settings)
            result.update(_named(region, "firstorder", modality, found))
    return result


def _named(region: str, feature_class: str, modality: str | None, found: dict[str, float]) -> dict[str, float]:
    """Return all features of a class by full name, NaN where ``found`` (by short name) has none."""
    return {
        str(FeatureName(region, feature_class, feature, modality)): found.get(feature, math.nan)
        for feature in FEATURES[feature_class]
    }


def _check_grid(case: Case, labels: np.ndarray, modalities: Sequence[str]) -> None:
    for modality in modalities:
        shape = case.volumes[modality].shape
        if labels.ndim != 3 or labels.shape != shape:
            raise InputError(
                f"The label map has the shape {labels.shape} but {modality} of {case.name} has {shape} (z, y, x): "
                "give a label map on the scans' own grid."
            )
    if not all(math.isfinite(step) and step > 0 for step in case.geometry.spacing):
        raise InputError(
            f"{case.name} has the voxel spacing {case.geometry.spacing}; expected three positive lengths in mm."
        )


def _check_intensities(values: np.ndarray, region: str, modality: str, settings: Settings) -> None:
    minimum, maximum = float(values.min()), float(values.max())
    if not (math.isfinite(minimum) and math.isfinite(maximum)):
        raise InputError(f"{modality} holds NaN or infinite intensities inside {region}: replace them first.")
    if (maximum - minimum) / settings.bin_width > _MAXIMUM_BINS:
        raise InputError(
            f"{modality} spans {maximum - minimum:g} intensity units inside {region}, more than {_MAXIMUM_BINS:,} bins "
            f"of bin_width {settings.bin_width:g}: choose a larger bin_width or rescale the scan."
        )
