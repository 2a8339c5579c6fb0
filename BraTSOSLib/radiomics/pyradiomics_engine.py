"""Features from pyradiomics itself.

Its feature classes are called directly on the region's bounding box, shape once per region: the same code and the same
values as its ``RadiomicsFeatureExtractor`` gives by default, without that one's repeated bookkeeping over the whole
volume. The extractor refuses regions that are a single voxel or a line; the classes do not, so they are computed.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DependencyError
from .settings import Settings

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
    """pyradiomics' feature classes behind the interface of ``engines.Engine``.

    Raises
    ------
    DependencyError
        If pyradiomics cannot be imported.
    """

    name = "pyradiomics"

    def __init__(self) -> None:
        try:
            with _silent_import():
                import radiomics
                from radiomics.firstorder import RadiomicsFirstOrder
                from radiomics.shape import RadiomicsShape
        except Exception as error:  # a broken build fails in many ways; all mean that it cannot be used
            raise DependencyError(
                f"pyradiomics cannot be imported ({type(error).__name__}: {error}); install pyradiomics 3.0.1 or use "
                "the engine 'bratsos', which gives the same values."
            ) from error
        self.version = str(radiomics.__version__).lstrip("v")
        self._shape = RadiomicsShape
        self._firstorder = RadiomicsFirstOrder

    def shape(self, mask: np.ndarray, spacing: tuple[float, float, float]) -> dict[str, float]:
        """Return the shape features of ``mask`` (bool) by name."""
        image = _image(mask.astype(np.uint8), spacing)
        return _values(self._shape, image, image)

    def firstorder(
        self, image: np.ndarray, mask: np.ndarray, spacing: tuple[float, float, float], settings: Settings
    ) -> dict[str, float]:
        """Return the first-order features of ``image`` inside ``mask`` (bool, same shape) by name."""
        width, shift = settings.bin_width, settings.voxel_array_shift
        return _values(
            self._firstorder,
            _image(image, spacing),
            _image(mask.astype(np.uint8), spacing),
            binWidth=width,
            voxelArrayShift=shift,
        )


def _image(array: np.ndarray, spacing: tuple[float, float, float]) -> sitk.Image:
    import SimpleITK as sitk  # noqa: N813

    image = sitk.GetImageFromArray(array)
    image.SetSpacing([float(step) for step in reversed(spacing)])
    return image


def _values(feature_class: Any, image: sitk.Image, mask: sitk.Image, **settings: float) -> dict[str, float]:
    with _silent_computation():
        values = feature_class(image, mask, label=1, **settings).execute()
    return {name: float(np.real(values[name])) for name in sorted(values)}
