"""The counting of texture matrices in loops compiled by numba; see ``kernels.Kernels``.

Compiled code is kept on disk, so only the first call on a machine waits for the compiler. The loops let other threads
run.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _digitise(values: np.ndarray, edges: np.ndarray, levels: np.ndarray) -> None:
    first, last = edges[0], edges[-1]
    count = len(edges)
    scale = (count - 1) / (last - first)
    for index in range(len(values)):
        value = values[index]
        # The even spacing gives the bin to within rounding; the edges themselves decide.
        level = min(max(int((value - first) * scale) + 1, 0), count)
        while level < count and edges[level] <= value:
            level += 1
        while level > 0 and edges[level - 1] > value:
            level -= 1
        levels[index] = level


def digitise(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    levels = np.empty(len(values), dtype=np.int32)
    _digitise(np.ascontiguousarray(values, dtype=np.float64), edges.astype(np.float64), levels)
    return levels


@njit(cache=True, nogil=True)
def _neighbourhoods(
    volume: np.ndarray,
    positions: np.ndarray,
    steps: np.ndarray,
    one_way: int,
    grey: np.ndarray,
    alpha: int,
    pairs: np.ndarray,
    dependences: np.ndarray,
    differences: np.ndarray,
) -> None:
    for position in positions:
        level = volume[position] - 1
        own = grey[level]
        neighbours = 0
        total = 0
        dependent = 0
        for index in range(len(steps)):
            other = volume[position + steps[index]]
            if other > 0:
                value = grey[other - 1]
                neighbours += 1
                total += value
                if abs(own - value) <= alpha:
                    dependent += 1
                if index < one_way:
                    pairs[index, level, other - 1] += 1
        dependences[level, dependent] += 1
        if neighbours > 0:
            differences[level] += abs(float(own) - float(total) / float(neighbours))


def neighbourhoods(
    volume: np.ndarray, positions: np.ndarray, steps: np.ndarray, one_way: int, grey: np.ndarray, alpha: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    levels = len(grey)
    pairs = np.zeros((one_way, levels, levels), dtype=np.int32)
    dependences = np.zeros((levels, len(steps) + 1), dtype=np.int64)
    differences = np.zeros(levels)
    _neighbourhoods(volume, positions, steps, one_way, grey, alpha, pairs, dependences, differences)
    return pairs, dependences, differences


@njit(cache=True, nogil=True)
def _runs(volume: np.ndarray, positions: np.ndarray, steps: np.ndarray, counts: np.ndarray) -> None:
    for position in positions:
        level = volume[position]
        for index in range(len(steps)):
            step = steps[index]
            if volume[position - step] == level:
                continue  # not the first of its run
            length = 0
            at = position + step
            while volume[at] == level:
                length += 1
                at += step
            counts[index, level - 1, length] += 1


def runs(volume: np.ndarray, positions: np.ndarray, steps: np.ndarray, levels: int, longest: int) -> np.ndarray:
    counts = np.zeros((len(steps), levels, longest), dtype=np.int32)
    _runs(volume, positions, steps, counts)
    return counts


@njit(cache=True, nogil=True)
def _zones(
    volume: np.ndarray,
    positions: np.ndarray,
    steps: np.ndarray,
    stack: np.ndarray,
    levels: np.ndarray,
    sizes: np.ndarray,
) -> int:
    found = 0
    for position in positions:
        level = volume[position]
        if level == 0:
            continue  # it belongs to a zone already
        volume[position] = 0
        stack[0] = position
        top = 1
        size = 0
        while top > 0:
            top -= 1
            current = stack[top]
            size += 1
            for step in steps:
                other = current + step
                if volume[other] == level:
                    volume[other] = 0
                    stack[top] = other
                    top += 1
        levels[found] = level
        sizes[found] = size
        found += 1
    return found


def zones(volume: np.ndarray, positions: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    levels, sizes = (np.empty(len(positions), dtype=np.int64) for _ in range(2))
    found = _zones(volume.copy(), positions, steps, np.empty_like(positions), levels, sizes)
    return levels[:found].copy(), sizes[:found].copy()
