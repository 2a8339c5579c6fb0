"""The counting behind texture matrices, compiled by numba where it is installed and in numpy and scipy where it is not.

In a process that works on a CUDA device, torch may count instead. All count the same whole numbers and add the same
terms in the same order, so that it makes no difference to a feature which of them ran. Each module offers the functions
of :class:`Kernels`.
"""

from __future__ import annotations

import importlib
import itertools
import os
import sys
import time
from functools import lru_cache
from typing import Protocol, cast

import numpy as np

from ...errors import InputError
from ..jit import find_cache_folder


class Kernels(Protocol):
    """What the feature classes need counted.

    ``volume`` is a region's grey levels as a flat padded array: 0 outside the region, and inside it 1 to K for the K
    levels that occur. ``positions`` are the indices of its voxels, ascending; ``steps`` lead from a voxel's index to
    its neighbours', (A,).
    """

    def digitise(self, values: np.ndarray, edges: np.ndarray) -> np.ndarray:
        """Return how many of the ascending ``edges`` are at or below each of ``values``, (N,) int32."""

    def pairs(self, volume: np.ndarray, positions: np.ndarray, steps: np.ndarray, levels: int) -> np.ndarray:
        """Return how often a voxel of one level has, by each step, a neighbour of another, (A, levels, levels) int."""

    def neighbours(
        self, volume: np.ndarray, positions: np.ndarray, steps: np.ndarray, grey: np.ndarray, alpha: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compare every voxel with its neighbours; ``grey`` (K,) are the levels themselves.

        Returns
        -------
        dependences : (K, A + 1) int
            How many voxels of a level have how many neighbours that differ from them by ``alpha`` levels at most.
        differences : (K,) float64
            Sum over the voxels of a level of their difference from their neighbours' mean.
        """

    def runs(
        self, volume: np.ndarray, positions: np.ndarray, steps: np.ndarray, levels: int, longest: int
    ) -> np.ndarray:
        """Return how many runs of equal level and of which length lie along each step, (A, levels, longest) int."""

    def nearest(
        self,
        volume: np.ndarray,
        positions: np.ndarray,
        steps: np.ndarray,
        grey: np.ndarray,
        longest: int,
        around: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return pairs, dependences, differences and runs at once, for neighbours alike only if of equal level.

        ``steps`` are one way, (A,); neighbours both ways make dependences (K, 2 A + 1). ``around`` (N,) says how many
        neighbours each voxel has inside the region.
        """

    def zones(self, volume: np.ndarray, positions: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the level (1 to K) and the size of every connected zone of equal level, two (Z,) int."""

    def joint_products(self, p: np.ndarray, px: np.ndarray, py: np.ndarray, epsilon: float) -> np.ndarray:
        """Return Σ_k p(i, k) p(j, k) / (px(i) py(k) + ε) of ``p`` (K, K, A), ``px`` and ``py`` (K, A), as (A, K, K)."""


DEVICES = ("auto", "cpu", "cuda")


@lru_cache(maxsize=1)
def _numba_works() -> bool:
    find_cache_folder()
    try:
        importlib.import_module("numba")
    except Exception:  # also when it is there but does not fit the installed numpy
        return False
    return True


def kernel_name() -> str:
    """Return "numba" where it can be imported and the environment variable BRATSOS_NUMBA is not 0, else "numpy"."""
    return "numba" if os.environ.get("BRATSOS_NUMBA", "1") != "0" and _numba_works() else "numpy"


def kernels(device: str = "cpu") -> Kernels:
    """Return the kernels for a device.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda"}
        ``"cuda"`` is torch, which falls back on the processor where there is no such device. ``"auto"`` is ``"cuda"``
        only in a process that uses torch on such a device already, and only if counting is faster there: loading torch
        takes longer than counting a case's matrices on the processor.

    Raises
    ------
    InputError
        If there is no such device.
    """
    if device not in DEVICES:
        raise InputError(f"Unknown device {device!r}; choose from {', '.join(DEVICES)}.")
    if device == "cuda" or (device == "auto" and _cuda_is_loaded() and _cuda_is_faster()):
        return _module("torch")
    return _module(kernel_name())


def _module(name: str) -> Kernels:
    return cast(Kernels, importlib.import_module(f".{name}_matrices", __name__))


def _cuda_is_loaded() -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized()


@lru_cache(maxsize=1)
def _cuda_is_faster() -> bool:
    """Count a cube of 60 voxels a side both ways, after once to warm up, and compare."""
    side, levels = 62, 30
    volume = np.zeros((side,) * 3, dtype=np.int16)
    inner = (slice(1, -1),) * 3
    volume[inner] = np.random.default_rng(0).integers(1, levels + 1, volume[inner].shape)
    positions = np.flatnonzero(volume)
    half = np.array([x * side * side + y * side + z for x, y, z in _HALF])
    steps, grey = np.concatenate([half, -half]), np.arange(1, levels + 1)
    around = sum((volume.ravel()[positions + step] > 0).astype(np.uint8) for step in steps)

    def seconds(counting: Kernels) -> float:
        for _ in range(2):
            started = time.perf_counter()
            counting.nearest(volume.ravel(), positions, half, grey, side, around)
            counting.zones(volume.ravel(), positions, steps)
        return time.perf_counter() - started

    return seconds(_module("torch")) < seconds(_module(kernel_name()))


_HALF = [step for step in itertools.product((1, 0, -1), repeat=3) if any(step)][:13]
