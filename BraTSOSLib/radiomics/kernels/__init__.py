"""The counting behind texture matrices, compiled by numba where it is installed and in numpy and scipy where it is not.

Both count the same whole numbers and add the same terms in the same order, so that it makes no difference to a feature
which of them ran. Each module offers the functions of :class:`Kernels`.
"""

from __future__ import annotations

import importlib
import os
from functools import lru_cache
from typing import Protocol, cast

import numpy as np


class Kernels(Protocol):
    """What the feature classes need counted.

    ``volume`` is a region's grey levels as a flat padded array: 0 outside the region, and inside it 1 to K for the K
    levels that occur. ``positions`` are the indices of its voxels, ascending; ``steps`` lead from a voxel's index to
    its neighbours', (A,).
    """

    def digitise(self, values: np.ndarray, edges: np.ndarray) -> np.ndarray:
        """Return how many of the ascending ``edges`` are at or below each of ``values``, (N,) int32."""

    def neighbourhoods(
        self, volume: np.ndarray, positions: np.ndarray, steps: np.ndarray, one_way: int, grey: np.ndarray, alpha: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Compare all voxels with their neighbours; ``grey`` (K,) are the levels themselves.

        Returns
        -------
        pairs : (one_way, K, K) int64
            How often a voxel of one level has, by each of the first ``one_way`` steps, a neighbour of another.
        dependences : (K, A + 1) int64
            How many voxels of a level have how many neighbours that differ from them by ``alpha`` levels at most.
        differences : (K,) float64
            Sum over the voxels of a level of their difference from their neighbours' mean.
        """

    def runs(
        self, volume: np.ndarray, positions: np.ndarray, steps: np.ndarray, levels: int, longest: int
    ) -> np.ndarray:
        """Return how many runs of equal level and of which length lie along each step, (A, levels, longest) int64."""

    def zones(self, volume: np.ndarray, positions: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the level (1 to K) and the size of every connected zone of equal level, two (Z,) int64."""

    def joint_products(self, p: np.ndarray, px: np.ndarray, py: np.ndarray, epsilon: float) -> np.ndarray:
        """Return Σ_k p(i, k) p(j, k) / (px(i) py(k) + ε) of ``p`` (K, K, A), ``px`` and ``py`` (K, A), as (A, K, K)."""


@lru_cache(maxsize=1)
def _numba_works() -> bool:
    try:
        importlib.import_module("numba")
    except Exception:  # also when it is there but does not fit the installed numpy
        return False
    return True


def kernel_name() -> str:
    """Return "numba" where it can be imported and the environment variable BRATSOS_NUMBA is not 0, else "numpy"."""
    return "numba" if os.environ.get("BRATSOS_NUMBA", "1") != "0" and _numba_works() else "numpy"


def kernels(name: str | None = None) -> Kernels:
    """Return the kernels called ``name``, by default those of :func:`kernel_name`."""
    return cast(Kernels, importlib.import_module(f".{name or kernel_name()}_matrices", __name__))
