"""What the matrices of grey level by size have in common: run lengths, zone sizes and numbers of dependent neighbours.

Symbols: P(i, j) how many runs (zones, voxels) have the level i and the length (size, number of dependent neighbours
plus 1) j, in one direction where there are several; N = Σ P; p = P / N; P(i) and P(j) the sums of P over j and over i;
ε = 2.2e-16. A feature is the mean over the directions.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from .angles import EPSILON, mean_over_directions, summed
from .registry import Registry


class LevelSizes:
    """A matrix of level by size and what several features need of it, computed once.

    Parameters
    ----------
    counts : (K, S, A) float
        P by level, size and direction; its memory order decides how sums round.
    per_level : (K, A) float
        P(i).
    per_size : (S, A) float
        P(j).
    levels : (K,) float
        The i.
    sizes : (S,) float
        The j.
    total : (A,) float
        N.
    """

    def __init__(
        self,
        counts: np.ndarray,
        per_level: np.ndarray,
        per_size: np.ndarray,
        levels: np.ndarray,
        sizes: np.ndarray,
        total: np.ndarray,
    ) -> None:
        self.counts, self.per_level, self.per_size = counts, per_level, per_size
        self.total = total
        self.i, self.j = levels[:, None], sizes[:, None]
        self.levels, self.sizes = levels[:, None, None], sizes[None, :, None]

    @cached_property
    def shares(self) -> np.ndarray:
        """p, (K, S, A)."""
        return self.counts / self.total

    def mean_of_sizes(self, terms: np.ndarray) -> float:
        """Return Σ terms / N for ``terms`` by level or by size, (K or S, A)."""
        return mean_over_directions(summed(terms, 0) / self.total)

    def mean_of_all(self, terms: np.ndarray) -> float:
        """Return Σ terms / N for ``terms`` by level and size, (K, S, A)."""
        return mean_over_directions(summed(terms, (0, 1)) / self.total)


def small_emphasis(m: LevelSizes) -> float:
    """Σ P(j) / j² / N."""
    return m.mean_of_sizes(m.per_size / m.j**2)


def large_emphasis(m: LevelSizes) -> float:
    """Σ P(j) j² / N."""
    return m.mean_of_sizes(m.per_size * m.j**2)


def level_non_uniformity(m: LevelSizes) -> float:
    """Σ P(i)² / N."""
    return m.mean_of_sizes(m.per_level**2)


def level_non_uniformity_normalized(m: LevelSizes) -> float:
    """Σ P(i)² / N²."""
    return mean_over_directions(summed(m.per_level**2, 0) / m.total**2)


def size_non_uniformity(m: LevelSizes) -> float:
    """Σ P(j)² / N."""
    return m.mean_of_sizes(m.per_size**2)


def size_non_uniformity_normalized(m: LevelSizes) -> float:
    """Σ P(j)² / N²."""
    return mean_over_directions(summed(m.per_size**2, 0) / m.total**2)


def percentage(m: LevelSizes) -> float:
    """N / Σ P(j) j."""
    return mean_over_directions(m.total / summed(m.per_size * m.j, 0))


def _variance(counts: np.ndarray, total: np.ndarray, values: np.ndarray) -> float:
    shares = counts / total
    mean = summed(shares * values, 0, keepdims=True)
    return mean_over_directions(summed(shares * (values - mean) ** 2, 0))


def level_variance(m: LevelSizes) -> float:
    """Σ p (i - μ)² with μ = Σ p i."""
    return _variance(m.per_level, m.total, m.i)


def size_variance(m: LevelSizes) -> float:
    """Σ p (j - μ)² with μ = Σ p j."""
    return _variance(m.per_size, m.total, m.j)


def entropy(m: LevelSizes) -> float:
    """-Σ p log2(p + ε)."""
    return mean_over_directions(-summed(m.shares * np.log2(m.shares + EPSILON), (0, 1)))


def low_level_emphasis(m: LevelSizes) -> float:
    """Σ P(i) / i² / N."""
    return m.mean_of_sizes(m.per_level / m.i**2)


def high_level_emphasis(m: LevelSizes) -> float:
    """Σ P(i) i² / N."""
    return m.mean_of_sizes(m.per_level * m.i**2)


def small_low_emphasis(m: LevelSizes) -> float:
    """Σ P / (i² j²) / N."""
    return m.mean_of_all(m.counts / (m.levels**2 * m.sizes**2))


def small_high_emphasis(m: LevelSizes) -> float:
    """Σ P i² / j² / N."""
    return m.mean_of_all(m.counts * m.levels**2 / m.sizes**2)


def large_low_emphasis(m: LevelSizes) -> float:
    """Σ P j² / i² / N."""
    return m.mean_of_all(m.counts * m.sizes**2 / m.levels**2)


def large_high_emphasis(m: LevelSizes) -> float:
    """Σ P i² j² / N."""
    return m.mean_of_all(m.counts * (m.sizes**2 * m.levels**2))


def high_large_emphasis(m: LevelSizes) -> float:
    """Σ P i² j² / N."""
    # For zones pyradiomics multiplies in this order, which rounds differently where the products exceed 2^53.
    return m.mean_of_all(m.counts * m.levels**2 * m.sizes**2)


def registry(features: dict[str, tuple[Callable[[LevelSizes], float], str]]) -> Registry[LevelSizes]:
    """Return the registry of a class: its features' names to the function that computes each and its IBSI code.

    A function's docstring is the feature's formula.
    """
    made: Registry[LevelSizes] = Registry()
    for name, (function, ibsi) in features.items():
        made.feature(name, ibsi=ibsi, formula=(function.__doc__ or "").rstrip("."))(function)
    return made
