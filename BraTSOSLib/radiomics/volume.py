"""One scan as features see it: its voxels, their spacing, and the number type that its file stores them in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..case import Case

Box = tuple[slice, slice, slice]

_EXACT_IN_FLOAT32 = ("uint8", "int8", "uint16", "int16")


@dataclass(frozen=True)
class Volume:
    """A whole image.

    Attributes
    ----------
    array : (z, y, x) real
    spacing : three floats
        Voxel spacing in mm, (z, y, x).
    dtype : numpy number type, optional
        The type to compute in, where it is not the array's. A case keeps float32, while pyradiomics, given the file,
        computes wavelets of whole numbers in double precision: the type decides about the last digits.
    """

    array: np.ndarray
    spacing: tuple[float, float, float]
    dtype: np.dtype | None = None

    def typed(self, part: np.ndarray) -> np.ndarray:
        """Return a part of the array in the type to compute in."""
        return part if self.dtype is None else part.astype(self.dtype, copy=False)

    def crop(self, box: Box) -> np.ndarray:
        """Return the part of the image inside ``box``, contiguous, in the type to compute in."""
        return np.ascontiguousarray(self.typed(self.array[box]))

    @cached_property
    def largest(self) -> np.float64:
        """The largest absolute intensity."""
        return np.float64(max(abs(float(self.array.min())), abs(float(self.array.max()))))

    @cached_property
    def finite(self) -> bool:
        """Whether no voxel is NaN or infinite."""
        return bool(np.isfinite(self.array.sum(dtype=np.float64)))


def case_volume(case: Case, modality: str, box: Box) -> Volume:
    """Return one scan of a case in the number type of the file it was read from.

    ``box`` is the part that will be measured: where its values cannot be of the file's type, because they were
    changed since (resampled, rescaled), they are taken as they are.
    """
    array = case.volumes[modality]
    spacing = case.geometry.spacing[2], case.geometry.spacing[1], case.geometry.spacing[0]
    dtype = _stored_type(case, modality)
    if dtype is None or dtype == array.dtype:
        return Volume(array, spacing)
    if dtype.name in _EXACT_IN_FLOAT32:
        same = np.array_equal(array[box], array[box].astype(dtype))
        return Volume(array, spacing, dtype if same else None)
    stored = _stored_array(case, modality)
    if stored.shape == array.shape and np.array_equal(stored[box].astype(array.dtype), array[box]):
        return Volume(stored, spacing)
    return Volume(array, spacing)


def _stored_type(case: Case, modality: str) -> np.dtype | None:
    """Return the number type of a scan's file; None where there is none any more."""
    path = case.paths.get(modality)
    if path is None or not path.is_file():
        return None
    import SimpleITK as sitk  # noqa: N813

    from ..images import quiet_stderr

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        with quiet_stderr():
            reader.ReadImageInformation()
    except RuntimeError:  # it was fine when the case was read, and the case is what counts
        return None
    names = {
        sitk.sitkUInt8: "uint8",
        sitk.sitkInt8: "int8",
        sitk.sitkUInt16: "uint16",
        sitk.sitkInt16: "int16",
        sitk.sitkUInt32: "uint32",
        sitk.sitkInt32: "int32",
        sitk.sitkUInt64: "uint64",
        sitk.sitkInt64: "int64",
        sitk.sitkFloat64: "float64",
    }
    name = names.get(reader.GetPixelID())
    return None if name is None else np.dtype(name)


def _stored_array(case: Case, modality: str) -> np.ndarray:
    import SimpleITK as sitk  # noqa: N813

    from ..images import quiet_stderr

    with quiet_stderr():
        return sitk.GetArrayFromImage(sitk.ReadImage(str(case.paths[modality])))
