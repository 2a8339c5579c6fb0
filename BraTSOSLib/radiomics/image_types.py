"""The images that features are measured on: the scan as it is, and filtered, with pyradiomics' names and numbers.

Symbols: x a voxel's intensity, M the largest |x| of the whole image.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from .settings import ImageType, Settings
from .volume import Box, Volume
from .wavelet_filter import wavelet_images, wavelet_names


def smallest_size(sigma: float, spacing: float) -> int:
    """Return how many voxels of ``spacing`` mm an axis must have for a Gaussian of ``sigma`` mm; fewer are refused."""
    return max(4, math.ceil(sigma / spacing) + 1)


def image_names(image_type: ImageType, settings: Settings) -> list[str]:
    """Return the names of the images that :func:`filtered` gives, which feature names carry, in its order."""
    settings = settings.for_image_type(image_type)
    if image_type.name == "Wavelet":
        return wavelet_names(settings)
    if image_type.name == "LoG":
        return [_log_name(sigma) for sigma in settings.sigma]
    if image_type.name == "LBP3D":
        return [*(f"lbp-3D-m{level}" for level in range(1, settings.lbp_3d_levels + 1)), "lbp-3D-k"]
    return [image_type.name.lower()]


def filtered(
    image_type: ImageType, volume: Volume, box: Box, mask: np.ndarray, settings: Settings
) -> Iterator[tuple[str, np.ndarray | None]]:
    """Yield the images of one type inside ``box``, by name.

    Parameters
    ----------
    image_type : ImageType
    volume : Volume
        The whole image.
    box : three slices
        The part that is wanted; not empty.
    mask : bool, of the box's size
        The voxels that will be measured; filters that work voxel by voxel leave out the others.
    settings : Settings
        The extraction's; what ``image_type`` changes is applied here.

    Yields
    ------
    name : str
        As in a feature's name, e.g. ``wavelet-LLH`` or ``log-sigma-3-0-mm-3D``.
    image : ndarray of the box's size, or None
        None where the image is too small for the filter.
    """
    settings = settings.for_image_type(image_type)
    array = volume.array
    if image_type.name == "Original":
        yield "original", volume.crop(box)
    elif image_type.name == "Wavelet":
        yield from wavelet_images(volume, box, settings)
    elif image_type.name == "LoG":
        from .log_filter import laplacian_of_gaussian

        for sigma in settings.sigma:
            fits = all(n >= smallest_size(sigma, step) for n, step in zip(array.shape, volume.spacing, strict=True))
            yield _log_name(sigma), laplacian_of_gaussian(array, volume.spacing, sigma, box) if fits else None
    elif image_type.name == "Gradient":
        yield "gradient", _gradient(volume, box, settings)
    elif image_type.name == "LBP3D":
        from .lbp_filter import lbp_images

        yield from lbp_images(volume, box, mask, settings)
    else:
        with np.errstate(all="ignore"):  # an image of zeros has no scale
            yield image_type.name.lower(), _POINTWISE[image_type.name](array[box].astype(np.float64), volume)


def _log_name(sigma: float) -> str:
    return f"log-sigma-{str(sigma).replace('.', '-')}-mm-3D"


def _square(x: np.ndarray, volume: Volume) -> np.ndarray:
    """(x / √M)²"""
    return (1 / np.sqrt(volume.largest) * x) ** 2


def _square_root(x: np.ndarray, volume: Volume) -> np.ndarray:
    """sign(x) √(M |x|)"""
    above, below = x > 0, x < 0
    x[above] = np.sqrt(x[above] * volume.largest)
    x[below] = -np.sqrt(-x[below] * volume.largest)
    return x


def _logarithm(x: np.ndarray, volume: Volume) -> np.ndarray:
    """sign(x) log(|x| + 1) · M / log(M + 1)"""
    above, below = x > 0, x < 0
    x[above] = np.log(x[above] + 1)
    x[below] = -np.log(-(x[below] - 1))
    return x * (volume.largest / np.log(volume.largest + 1))


def _exponential(x: np.ndarray, volume: Volume) -> np.ndarray:
    """exp(x log(M) / M)"""
    return np.exp(np.log(volume.largest) / volume.largest * x)


_POINTWISE = {"Square": _square, "SquareRoot": _square_root, "Logarithm": _logarithm, "Exponential": _exponential}


def _gradient(volume: Volume, box: Box, settings: Settings) -> np.ndarray:
    """Return the gradient's magnitude by central differences; one voxel around the box is enough for it."""
    import SimpleITK as sitk  # noqa: N813

    sides = [
        slice(max(part.start - 1, 0), min(part.stop + 1, n)) for part, n in zip(box, volume.array.shape, strict=True)
    ]
    wide = sides[0], sides[1], sides[2]
    image = sitk.GetImageFromArray(volume.crop(wide))
    image.SetSpacing([float(step) for step in reversed(volume.spacing)])
    gradient = sitk.GradientMagnitudeImageFilter()
    gradient.SetUseImageSpacing(settings.gradient_use_spacing)
    inside = tuple(slice(part.start - w.start, part.stop - w.start) for part, w in zip(box, wide, strict=True))
    return sitk.GetArrayFromImage(gradient.Execute(image))[inside]
