"""The five texture classes: each computes its features of a prepared :class:`~.regions.Region`."""

from __future__ import annotations

from collections.abc import Callable

from . import glcm, gldm, glrlm, glszm, ngtdm
from .regions import Region

TEXTURE_CLASSES: dict[str, Callable[[Region], dict[str, float]]] = {
    "glcm": glcm.compute,
    "glrlm": glrlm.compute,
    "glszm": glszm.compute,
    "gldm": gldm.compute,
    "ngtdm": ngtdm.compute,
}
"""Class to the function that returns its features by name, sorted; those that are undefined are NaN."""
