"""The two ways to compute features: the library's own code, and pyradiomics where it is installed."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..errors import DependencyError, InputError
from .settings import Settings

ENGINES = ("auto", "bratsos", "pyradiomics")


class Engine(Protocol):
    """Computes the features of one region with at least one voxel, given in its bounding box.

    Spacing is in mm; all axes are (z, y, x).
    """

    name: str
    version: str

    def shape(self, mask: np.ndarray, spacing: tuple[float, float, float]) -> dict[str, float]:
        """Return the shape features of ``mask`` (bool) by name."""

    def firstorder(
        self, image: np.ndarray, mask: np.ndarray, spacing: tuple[float, float, float], settings: Settings
    ) -> dict[str, float]:
        """Return the first-order features of ``image`` inside ``mask`` (bool, same shape) by name."""


class OwnEngine:
    """The library's own code; needs numpy and scipy."""

    name = "bratsos"

    def __init__(self) -> None:
        from .. import __version__

        self.version = __version__

    def shape(self, mask: np.ndarray, spacing: tuple[float, float, float]) -> dict[str, float]:
        """Return the shape features of ``mask`` (bool) by name."""
        from .shape import SHAPE, Shape

        return SHAPE.compute(Shape(mask, spacing))

    def firstorder(
        self, image: np.ndarray, mask: np.ndarray, spacing: tuple[float, float, float], settings: Settings
    ) -> dict[str, float]:
        """Return the first-order features of ``image`` inside ``mask`` (bool, same shape) by name."""
        from .firstorder import FIRSTORDER, Intensities

        return FIRSTORDER.compute(Intensities(image[mask], float(np.prod(spacing)), settings))


def choose_engine(name: str = "auto") -> Engine:
    """Return the engine called ``name``; ``"auto"`` is pyradiomics where it can be imported, else the own code.

    Raises
    ------
    InputError
        If there is no such engine.
    DependencyError
        If pyradiomics is asked for and cannot be imported.
    """
    if name not in ENGINES:
        raise InputError(f"Unknown radiomics engine {name!r}; choose from {', '.join(ENGINES)}.")
    if name == "bratsos":
        return OwnEngine()
    from .pyradiomics_engine import PyradiomicsEngine

    try:
        return PyradiomicsEngine()
    except DependencyError:
        if name == "pyradiomics":
            raise
        return OwnEngine()
