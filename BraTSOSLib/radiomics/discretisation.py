"""Intensities to grey levels, with pyradiomics' bins.

Bins are half-open. With a fixed width they are aligned to multiples of it, level 1 being the bin of the smallest
intensity (IBSI aligns them to the smallest intensity itself); with a fixed count they divide the range evenly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .kernels import kernels
from .settings import Settings

MAXIMUM_LEVELS = 10_000
"""More grey levels than this are refused: texture matrices grow with their square."""


@dataclass(frozen=True)
class Discretised:
    """The grey levels of a region.

    Attributes
    ----------
    levels : (N,) int32
        Grey level of every voxel, from 1.
    present : (K,) int64
        The levels that occur, ascending.
    counts : (K,) int64
        How many voxels have each of them.
    edges : (B + 1,) real
        The edges of the bins.
    """

    levels: np.ndarray
    present: np.ndarray
    counts: np.ndarray
    edges: np.ndarray

    @property
    def highest(self) -> int:
        """The highest level that occurs, pyradiomics' Ng."""
        return int(self.present[-1])


def bin_edges(values: np.ndarray, bin_width: float = 25, bin_count: int | None = None) -> np.ndarray:
    """Return the edges of the bins of ``values`` (N,), finite; at least one.

    All arithmetic is done in the number type of ``values``, as in pyradiomics, because a value at an edge must fall on
    the same side.

    Raises
    ------
    InputError
        If there would be more than ``MAXIMUM_LEVELS`` bins.
    """
    minimum, maximum = values.min(), values.max()
    span = float(maximum) - float(minimum)
    if bin_count is not None:
        if bin_count > MAXIMUM_LEVELS:
            raise InputError(f"binCount is {bin_count}; give at most {MAXIMUM_LEVELS:,} bins.")
        edges = np.histogram(values, bin_count)[1]
        edges[-1] += 1  # the largest value belongs to the last bin
        return edges
    if not span / bin_width <= MAXIMUM_LEVELS:
        raise InputError(
            f"The region's intensities span {span:g} units, more than {MAXIMUM_LEVELS:,} grey levels of binWidth "
            f"{bin_width:g}: choose a larger binWidth or rescale the scan."
        )
    edges = np.arange(minimum - (minimum % bin_width), maximum + 2 * bin_width, bin_width)
    if len(edges) < 2:
        raise InputError(
            f"Intensities near {float(maximum):g} cannot be told apart at binWidth {bin_width:g} in {values.dtype}: "
            "choose a larger binWidth or rescale the scan."
        )
    return edges


def discretise(values: np.ndarray, settings: Settings) -> Discretised:
    """Return the grey levels of a region's intensities.

    Parameters
    ----------
    values : (N,) real
        The intensities in the order of the voxels, finite; at least one.
    settings : Settings
        Its ``bin_count``, or else its ``bin_width``, says which bins.

    Raises
    ------
    InputError
        If there would be more than ``MAXIMUM_LEVELS`` levels.
    """
    edges = bin_edges(values, settings.bin_width, settings.bin_count)
    levels = kernels().digitise(values, edges)
    counts = np.bincount(levels)
    present = np.flatnonzero(counts)
    return Discretised(levels, present, counts[present], edges)
