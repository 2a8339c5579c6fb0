"""Reading the scans of a case from one four-dimensional file, as the Medical Segmentation Decathlon stores them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...geometry import Geometry
from ...images import quiet_stderr


def read_volumes(path: Path, order: Sequence[int]) -> tuple[list[np.ndarray], Geometry]:
    """The volumes ``order`` of a four-dimensional image, float32 (z, y, x) each, and their grid.

    Raises
    ------
    InputError
        If the file is missing, damaged, not four-dimensional, has too few volumes, or holds values that are no numbers.
    """
    import SimpleITK as sitk  # noqa: N813

    if not path.is_file():
        raise InputError(f"{path} does not exist: check the path.")
    try:
        with quiet_stderr():
            image = sitk.ReadImage(str(path), sitk.sitkFloat32)
    except RuntimeError as error:
        raise InputError(f"{path} cannot be read as a scalar image: copy or export it again.") from error
    size = image.GetSize()
    if len(size) != 4 or size[3] <= max(order):
        shown = " × ".join(map(str, size))
        raise InputError(f"{path} is of size {shown}: expected four volumes of one size, or list four files.")
    first = image[:, :, :, 0]
    geometry = Geometry(first.GetSize(), first.GetSpacing(), first.GetOrigin(), first.GetDirection())
    array = sitk.GetArrayFromImage(image)
    if not np.isfinite(array).all():
        raise InputError(
            f"{path} holds voxels that are NaN or infinite: replace them (with 0 outside the brain) first."
        )
    return [np.ascontiguousarray(array[index]) for index in order], geometry
