"""Weights of the directions when their matrices are merged (pyradiomics: ``weightingNorm``)."""

from __future__ import annotations

import numpy as np

NORMS = ("manhattan", "euclidean", "infinity", "no_weighting")
"""Norms by which the distance between neighbours is measured; the last weighs all alike."""


def lengths(offsets: np.ndarray, spacing: tuple[float, ...], norm: str) -> np.ndarray:
    """Return the distance in mm that each of ``offsets`` (A, 3) spans; 1 for "no_weighting"."""
    steps = np.abs(offsets) * np.array(spacing)
    if norm == "infinity":
        return np.array([max(step) for step in steps])
    if norm == "euclidean":
        return np.array([np.sqrt(np.sum(step**2)) for step in steps])
    if norm == "manhattan":
        return np.array([np.sum(step) for step in steps])
    return np.ones(len(offsets))


def decays(offsets: np.ndarray, spacing: tuple[float, ...], norm: str) -> np.ndarray:
    """Return exp(-d²) with d the distance of :func:`lengths`; 1 for "no_weighting"."""
    steps = np.abs(offsets) * np.array(spacing)
    if norm == "infinity":
        return np.array([np.exp(-(max(step) ** 2)) for step in steps])
    if norm == "euclidean":
        return np.array([np.exp(-np.sum(step**2)) for step in steps])
    if norm == "manhattan":
        return np.array([np.exp(-(np.sum(step) ** 2)) for step in steps])
    return np.ones(len(offsets))
