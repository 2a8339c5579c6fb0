"""Features of one image and one region, called as pyradiomics calls them: what its extractor's ``execute`` does."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..geometry import Geometry, grid_differences
from .box import bounding_box
from .columns import DIAGNOSTICS, Key, block_keys
from .engines import choose_engine
from .job import Job
from .preprocessing import from_itk
from .settings import Settings
from .volume import Volume
from .work import Cancel, Progress, run_tasks

if TYPE_CHECKING:
    import SimpleITK as sitk  # noqa: N813

_IMAGE, _REGION = "image", "mask"


def measure_image(
    image: str | os.PathLike[str] | sitk.Image,
    mask: str | os.PathLike[str] | sitk.Image,
    *,
    settings: Settings | None = None,
    label: int | None = None,
    engine: str = "auto",
    diagnostics: bool = True,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> dict[str, Any]:
    """Return the features of one image inside one region, as pyradiomics names and orders them.

    Parameters
    ----------
    image, mask : path or SimpleITK image
        Any format that SimpleITK reads, three-dimensional, on the same grid.
    settings : Settings, optional
        By default pyradiomics': all classes but shape2D on the unfiltered image.
    label : int, optional
        The region's value in ``mask``; by default the settings'.
    engine : {"auto", "bratsos", "pyradiomics"}
    diagnostics : bool
        Whether to begin with the 22 diagnostics.
    progress, cancel : callable, optional
        See ``extract_features``.

    Returns
    -------
    dict
        Name, such as ``original_firstorder_Mean``, to float; NaN where a feature is undefined. Diagnostics are text,
        numbers or tuples.

    Raises
    ------
    InputError
        If a file cannot be read, the two grids differ, the region is empty, or intensities inside it are not finite or
        need too many grey levels.
    """
    settings = settings or Settings.from_parameters({"setting": {}, "featureClass": {}, "imageType": {"Original": {}}})
    array, geometry = _read(image)
    regions, grid = _read(mask)
    differences = grid_differences(grid, geometry)
    if differences:
        raise InputError(
            f"The mask is not on the grid of the image: {'; '.join(differences)}. Resample it with nearest neighbours."
        )
    if not all(math.isfinite(step) and step > 0 for step in geometry.spacing):
        raise InputError(f"The image has the voxel spacing {geometry.spacing}; expected three positive lengths in mm.")
    label = settings.label if label is None else label
    inside = regions == label
    if not inside.any():
        found = ", ".join(f"{value:g}" for value in np.unique(regions) if value != 0) or "none"
        raise InputError(f"The mask holds no voxel of the label {label} (labels there: {found}): give another label.")
    box = bounding_box(inside)
    computing = choose_engine(engine)
    job = Job(
        {_IMAGE: Volume(array, (geometry.spacing[2], geometry.spacing[1], geometry.spacing[0]))},
        geometry,
        (box[0], box[1], box[2]),
        {_REGION: inside[box]},
        settings,
        shape_once=settings.resegment_range is None,
        diagnostics=diagnostics,
    )
    run_tasks(computing.tasks(job), 1, progress, cancel)
    values: dict[Key, Any] = job.values
    if diagnostics and computing.name != "pyradiomics":
        from .diagnostics import general, mask_hash

        for name, value in general(settings, f"BraTSOS {computing.version}").items():
            values[Key(_IMAGE, _REGION, DIAGNOSTICS, *name.split("_", 1))] = value
        # The hash is of the mask as it was given, with its labels.
        values[Key(_IMAGE, _REGION, DIAGNOSTICS, "Mask-original", "Hash")] = mask_hash(regions, grid)
    keys = block_keys(_IMAGE, _REGION, settings, diagnostics=diagnostics, shape=True)
    return {"_".join(key[2:]): values.get(key, values.get(key._replace(modality=None), math.nan)) for key in keys}


def _read(source: str | os.PathLike[str] | sitk.Image) -> tuple[np.ndarray, Geometry]:
    if not isinstance(source, str | os.PathLike):
        return _checked(source, "The image")
    import SimpleITK as sitk  # noqa: N813

    from ..images import quiet_stderr

    if not Path(source).is_file():
        raise InputError(f"{source} does not exist: check the path.")
    try:
        with quiet_stderr():
            return _checked(sitk.ReadImage(str(source)), str(source))
    except RuntimeError as error:
        raise InputError(f"{source} cannot be read as an image: is it whole?") from error


def _checked(image: sitk.Image, name: str) -> tuple[np.ndarray, Geometry]:
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(f"{name} is not a three-dimensional image with one value per voxel: give a volume.")
    return from_itk(image)
