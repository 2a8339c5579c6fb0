"""The five texture classes: each computes its features of a prepared :class:`~.regions.Region`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from . import glcm, gldm, glrlm, glszm, ngtdm
from .regions import Region


class Compute(Protocol):
    """Returns a class's features of a region by name, all or those of ``names``, sorted; undefined ones are NaN."""

    def __call__(self, region: Region, names: Iterable[str] | None = None) -> dict[str, float]: ...


TEXTURE_CLASSES: dict[str, Compute] = {
    "glcm": glcm.compute,
    "glrlm": glrlm.compute,
    "glszm": glszm.compute,
    "gldm": gldm.compute,
    "ngtdm": ngtdm.compute,
}
"""Class to the function that computes its features."""
