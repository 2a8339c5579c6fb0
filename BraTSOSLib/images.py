"""Reading and writing one image file, with every doubt about it put into one clear sentence."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .errors import InputError
from .geometry import Geometry

EXTENSIONS = (".nii.gz", ".nii", ".nrrd", ".mha")
_FORMATS = "NIfTI (.nii, .nii.gz), NRRD (.nrrd) or MetaImage (.mha)"
_CHUNK = 1 << 22


@dataclass(frozen=True)
class Image:
    """One scan as read: float32 array (z, y, x), its grid, and the free text of its header."""

    path: Path
    array: np.ndarray
    geometry: Geometry
    description: str = ""


def image_extension(path: Path) -> str | None:
    """Return the supported extension that ``path`` ends in, or None."""
    return next((extension for extension in EXTENSIONS if path.name.lower().endswith(extension)), None)


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keep what C and C++ libraries print on standard error to themselves; errors still arrive as exceptions."""
    try:
        saved = os.dup(2)
    except OSError:  # a windowed application without a standard error has nothing to silence
        yield
        return
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)


def read_image(path: str | os.PathLike[str]) -> Image:
    """Read one three-dimensional, finite, non-empty scalar image.

    Parameters
    ----------
    path : path
        NIfTI, NRRD or MetaImage, any orientation, any scalar type. Values become float32 after the file's own slope
        and intercept; the axes stay in the file's order.

    Raises
    ------
    InputError
        If the file is missing, of another format, damaged, not three-dimensional, holds several values per voxel,
        NaN or infinite values, or one value only.
    """
    image = _read_any(Path(path))
    array = image.array
    bad = array.size - int(np.count_nonzero(np.isfinite(array)))
    if bad:
        raise _not_finite(image.path, bad)
    low, high = float(array.min()), float(array.max())
    if low == high:
        raise InputError(f"{path} is empty: every voxel is {low:g}. Export this scan again.")
    return image


def read_labels(path: str | os.PathLike[str]) -> Image:
    """Read a label image: like ``read_image``, but it may be empty; whole numbers stored inexactly are rounded."""
    image = _read_any(Path(path))
    rounded = np.rint(image.array)
    # A slope in the header can turn 4 into 3.9999998; anything further off is no label and is left for the caller.
    with np.errstate(invalid="ignore"):
        whole = bool(np.all(np.abs(image.array - rounded) < 1e-3))
    return Image(image.path, rounded if whole else image.array, image.geometry, image.description)


def write_image(array: np.ndarray, geometry: Geometry, path: str | os.PathLike[str], description: str = "") -> None:
    """Write a (z, y, x) array on the grid ``geometry``; the same input gives the same bytes.

    Raises
    ------
    InputError
        If the array does not fit the grid or the extension is not one of ``EXTENSIONS``.
    """
    import SimpleITK as sitk  # noqa: N813

    if image_extension(Path(path)) is None:
        raise InputError(f"{path} names no format that can be written: end it in one of {', '.join(EXTENSIONS)}.")
    if array.shape != geometry.size[::-1]:
        raise InputError(f"An array of {array.shape} (z, y, x) does not fit a grid of {geometry.size} (x, y, z).")
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    set_geometry(image, geometry)
    if description:
        image.SetMetaData("ITK_FileNotes", description)
    try:
        with quiet_stderr():
            sitk.WriteImage(image, str(path), useCompression=True)
    except RuntimeError as error:
        raise InputError(f"{path} could not be written ({_itk_reason(error)}): is there room on the disk?") from error


def set_geometry(image: Any, geometry: Geometry) -> None:
    """Give a SimpleITK image the spacing, origin and direction of ``geometry``."""
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)


def resample_image(image: Image, geometry: Geometry) -> np.ndarray:
    """Bring a scan onto another grid in the same physical space: linear interpolation, 0 outside; (z, y, x) float32.

    Raises
    ------
    InputError
        If nothing of the scan lies within the grid.
    """
    import SimpleITK as sitk  # noqa: N813

    moving = sitk.GetImageFromArray(image.array)
    set_geometry(moving, image.geometry)
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(geometry.size)
    resampler.SetOutputSpacing(geometry.spacing)
    resampler.SetOutputOrigin(geometry.origin)
    resampler.SetOutputDirection(geometry.direction)
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.SetDefaultPixelValue(0)
    array = sitk.GetArrayFromImage(resampler.Execute(moving))
    if float(array.min()) == float(array.max()):
        raise InputError(f"{image.path} does not overlap with T1ce in space: register the four scans first.")
    return array


def _read_any(path: Path) -> Image:
    _check_file(path)
    import SimpleITK as sitk  # noqa: N813

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        with quiet_stderr():
            reader.ReadImageInformation()
            _check_shape(path, reader)
            reader.SetOutputPixelType(sitk.sitkFloat32)
            image = reader.Execute()
    except RuntimeError as error:
        raise InputError(
            f"{path} cannot be read as an image ({_itk_reason(error)}): is it whole, and the scan it is meant to be?"
        ) from error
    keys = image.GetMetaDataKeys()
    description = next((image.GetMetaData(key) for key in ("ITK_FileNotes", "descrip") if key in keys), "")
    while image.GetDimension() > 3:
        image = image[(slice(None),) * (image.GetDimension() - 1) + (0,)]
    geometry = Geometry(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    numbers = (*geometry.spacing, *geometry.origin, *geometry.direction)
    if not all(math.isfinite(number) for number in numbers) or min(geometry.spacing) <= 0:
        raise InputError(f"{path} has a header without a usable voxel size or position: convert the scan again.")
    return Image(path, sitk.GetArrayFromImage(image), geometry, description)


def _check_file(path: Path) -> None:
    """Refuse what is no image file at all; ITK alone reads past the end of some truncated ones."""
    if path.is_dir():
        raise InputError(f"{path} is a folder where an image file is expected: give the file.")
    if not path.exists():
        raise InputError(f"{path} does not exist: check the path.")
    extension = image_extension(path)
    if extension is None:
        raise InputError(f"{path} is not of a format that is read: convert it to {_FORMATS}.")
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise InputError(f"{path} cannot be opened ({error.strerror}): check its permissions.") from error
    if not start:
        raise InputError(f"{path} is an empty file (0 bytes): copy or export it again.")
    if extension.startswith(".nii"):
        _check_nifti(path, zipped=start[:2] == b"\x1f\x8b")
    elif not start.startswith((b"NRRD",) if extension == ".nrrd" else (b"ObjectType", b"Comment", b"NDims")):
        raise InputError(f"{path} is not what its name says: no {extension} header at its start. Export it again.")


def _check_nifti(path: Path, *, zipped: bool) -> None:
    """Check what ITK does not tell of: the magic number, missing bytes, and NaN, which it quietly replaces by 0."""
    length, bad = 0, 0
    try:
        with gzip.open(path, "rb") if zipped else path.open("rb") as file:
            start = file.read(540)
            header = _nifti_header(start)
            if header is not None:
                length = min(len(start), header.offset)
                pending = start[header.offset :] if len(start) > header.offset else b""
                length += len(file.read(header.offset - len(start))) if header.offset > len(start) else 0
                while chunk := pending + file.read(_CHUNK - len(pending)):
                    pending = b""
                    values = chunk[: max(header.data_length - (length - header.offset), 0)]
                    if header.floats is not None:
                        whole = len(values) // header.floats.itemsize * header.floats.itemsize
                        numbers = np.frombuffer(values[:whole], header.floats)
                        bad += numbers.size - int(np.count_nonzero(np.isfinite(numbers)))
                    length += len(chunk)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is truncated or damaged ({error}): copy it again.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}): copy it again.") from error
    if header is None:
        kind = "it holds text" if _looks_like_text(start) else "no NIfTI header at its start"
        raise InputError(f"{path} is not a NIfTI image ({kind}): export the scan again.")
    promised = header.offset + header.data_length
    if length < promised:
        raise InputError(f"{path} is truncated ({length} of {promised} bytes are there): copy it again.")
    if bad:
        raise _not_finite(path, bad)


@dataclass(frozen=True)
class _NiftiHeader:
    offset: int
    """Where the voxels begin, in bytes."""
    data_length: int
    """How many bytes of voxels follow."""
    floats: np.dtype | None
    """The voxels' type where it can hold NaN."""


def _nifti_header(start: bytes) -> _NiftiHeader | None:
    """Understand the first bytes of a NIfTI-1 or NIfTI-2 file; None if they are no such header."""
    for order in ("<", ">"):
        if len(start) >= 352 and start[344:347] == b"n+1" and struct.unpack(order + "i", start[:4])[0] == 348:
            dim = struct.unpack(order + "8h", start[40:56])
            kind, bits = struct.unpack(order + "2h", start[70:74])
            offset = struct.unpack(order + "f", start[108:112])[0]
        elif len(start) >= 540 and start[4:7] == b"n+2" and struct.unpack(order + "i", start[:4])[0] == 540:
            dim = struct.unpack(order + "8q", start[16:80])
            kind, bits = struct.unpack(order + "2h", start[12:16])
            offset = struct.unpack(order + "q", start[168:176])[0]
        else:
            continue
        if not 1 <= dim[0] <= 7 or not math.isfinite(offset) or offset < 0 or bits < 0:
            return None
        length = math.prod(max(extent, 1) for extent in dim[1 : dim[0] + 1]) * bits // 8
        floats = {16: "f4", 64: "f8"}.get(kind)
        return _NiftiHeader(int(offset), length, np.dtype(order + floats) if floats else None)
    return None


def _not_finite(path: Path, count: int) -> InputError:
    voxels = "voxel that is" if count == 1 else "voxels that are"
    return InputError(f"{path} holds {count} {voxels} NaN or infinite: replace them (with 0 outside the brain) first.")


def _looks_like_text(data: bytes) -> bool:
    with suppress(UnicodeDecodeError):
        # The cut may fall into a character of several bytes.
        return all(c.isprintable() or c.isspace() for c in data.decode("utf-8", errors="ignore")) and b"\0" not in data
    return False


def _check_shape(path: Path, reader: Any) -> None:
    size = reader.GetSize()
    shown = " × ".join(str(extent) for extent in size)
    components = reader.GetNumberOfComponents()
    if components > 1:
        raise InputError(f"{path} holds {components} values per voxel (colour, vector or complex): give a scalar scan.")
    if len(size) < 3 or min(size[:3]) < 2:
        raise InputError(f"{path} is two-dimensional ({shown}): a whole three-dimensional scan is needed.")
    if math.prod(size[3:]) > 1:
        raise InputError(f"{path} has {len(size)} dimensions ({shown}): extract the one 3-D volume that is meant.")


def _itk_reason(error: RuntimeError) -> str:
    """Return the last line of an ITK message without its class names and addresses."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[-1] if lines else "unknown reason"
    return reason.rsplit("ERROR: ", 1)[-1].split("): ", 1)[-1].rstrip(".")[:200]
