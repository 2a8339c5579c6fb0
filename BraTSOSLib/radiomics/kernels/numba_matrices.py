"""The counting of texture matrices in loops compiled by numba; see ``kernels.Kernels``.

Compiled code is kept on disk, so only the first call on a machine waits for the compiler. The loops let other threads
run. Indices are unsigned 32-bit numbers, because numba looks after negative indices of signed ones, which takes most of
the time of loops as short as these; adding a negative step wraps around to the right place. Loops count without asking
whether to: what lies outside the region is counted in a row of its own, which is dropped.
"""

from __future__ import annotations

import numpy as np
from numba import int32, njit, uint8, uint32


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


def _unsigned(indices: np.ndarray) -> np.ndarray:
    return indices.astype(np.int64).astype(np.uint32)


@njit(cache=True, nogil=True)
def _pairs(volume: np.ndarray, positions: np.ndarray, steps: np.ndarray, rows: int, pairs: np.ndarray) -> None:
    for index in range(len(steps)):
        step = uint32(steps[index])
        counts = pairs[index]
        for position in positions:
            level, other = uint32(volume[position]), uint32(volume[uint32(position + step)])
            counts[uint32(level * uint32(rows) + other)] += 1


def pairs(volume: np.ndarray, positions: np.ndarray, steps: np.ndarray, levels: int) -> np.ndarray:
    rows = levels + 1
    counts = np.zeros((len(steps), rows * rows), dtype=np.int32)
    _pairs(volume, _unsigned(positions), _unsigned(steps), rows, counts)
    return counts.reshape(len(steps), rows, rows)[:, 1:, 1:]


@njit(cache=True, nogil=True)
def _neighbours(
    volume: np.ndarray,
    positions: np.ndarray,
    steps: np.ndarray,
    grey: np.ndarray,
    alpha: int,
    dependences: np.ndarray,
    differences: np.ndarray,
) -> None:
    for position in positions:
        level = uint32(volume[position])
        own = grey[level]
        neighbours, total, dependent = int32(0), int32(0), int32(0)
        for index in range(len(steps)):
            other = uint32(volume[uint32(position + steps[index])])
            value = grey[other]
            inside = int32(other > 0)
            neighbours = int32(neighbours + inside)
            total = int32(total + value)
            dependent = int32(dependent + (inside & int32(abs(own - value) <= alpha)))
        dependences[level, uint32(dependent)] += 1
        if neighbours > 0:
            differences[level] += abs(float(own) - float(total) / float(neighbours))


def neighbours(
    volume: np.ndarray, positions: np.ndarray, steps: np.ndarray, grey: np.ndarray, alpha: int
) -> tuple[np.ndarray, np.ndarray]:
    levels = np.append(0, grey).astype(np.int32)
    dependences = np.zeros((len(levels), len(steps) + 1), dtype=np.int32)
    differences = np.zeros(len(levels))
    _neighbours(volume, _unsigned(positions), _unsigned(steps), levels, alpha, dependences, differences)
    return dependences[1:], differences[1:]


@njit(cache=True, nogil=True)
def _runs(
    volume: np.ndarray,
    positions: np.ndarray,
    steps: np.ndarray,
    longest: int,
    lengths: np.ndarray,
    reached: np.ndarray,
) -> None:
    for index in range(len(steps)):
        step = uint32(steps[index])
        counts = reached[index]
        for position in positions:
            level = uint32(volume[position])
            before = uint32(position - step)
            same = uint32(uint32(volume[before]) == level)
            length = uint32(uint32(lengths[before] + uint32(1)) * same)
            lengths[position] = length
            counts[uint32(level * uint32(longest) + length)] += 1


def _ended(reached: np.ndarray, rows: int, longest: int) -> np.ndarray:
    """Return how many runs have a length, from how many reach it: those that do not reach the next."""
    counts = reached.reshape(len(reached), rows, longest)[:, 1:]
    counts[:, :, :-1] -= counts[:, :, 1:]
    return counts


def runs(volume: np.ndarray, positions: np.ndarray, steps: np.ndarray, levels: int, longest: int) -> np.ndarray:
    reached = np.zeros((len(steps), (levels + 1) * longest), dtype=np.int32)
    lengths = np.zeros(len(volume), dtype=np.uint16)
    _runs(volume, _unsigned(positions), _unsigned(steps), longest, lengths, reached)
    return _ended(reached, levels + 1, longest)


@njit(cache=True, nogil=True)
def _lines(
    volume: np.ndarray,
    positions: np.ndarray,
    steps: np.ndarray,
    rows: int,
    longest: int,
    lengths: np.ndarray,
    alike: np.ndarray,
    pairs: np.ndarray,
    reached: np.ndarray,
) -> None:
    for index in range(len(steps)):
        step = uint32(steps[index])
        pair, reach = pairs[index], reached[index]
        for position in positions:
            level = uint32(volume[position])
            before = uint32(position - step)
            other = uint32(volume[before])
            same = uint32(other == level)
            length = uint32(uint32(lengths[before] + uint32(1)) * same)
            lengths[position] = length
            alike[position] += uint8(same)
            alike[before] += uint8(same)
            reach[uint32(level * uint32(longest) + length)] += 1
            pair[uint32(other * uint32(rows) + level)] += 1


@njit(cache=True, nogil=True)
def _means(
    volume: np.ndarray,
    positions: np.ndarray,
    steps: np.ndarray,
    grey: np.ndarray,
    around: np.ndarray,
    alike: np.ndarray,
    dependences: np.ndarray,
    differences: np.ndarray,
) -> None:
    for voxel in range(len(positions)):
        position = positions[voxel]
        total = int32(0)
        for index in range(len(steps)):
            step = uint32(steps[index])
            after, before = uint32(volume[uint32(position + step)]), uint32(volume[uint32(position - step)])
            total = int32(total + grey[after] + grey[before])
        level = uint32(volume[position])
        dependences[level, uint32(alike[position])] += 1
        if around[voxel] > 0:
            differences[level] += abs(float(grey[level]) - float(total) / float(around[voxel]))


def nearest(
    volume: np.ndarray, positions: np.ndarray, steps: np.ndarray, grey: np.ndarray, longest: int, around: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    positions, steps = _unsigned(positions), _unsigned(steps)
    rows, count = len(grey) + 1, len(steps)
    pairs, reached = np.zeros((count, rows * rows), np.int32), np.zeros((count, rows * longest), np.int32)
    lengths, alike = np.zeros(len(volume), np.uint16), np.zeros(len(volume), np.uint8)
    _lines(volume, positions, steps, rows, longest, lengths, alike, pairs, reached)
    dependences, differences = np.zeros((rows, 2 * count + 1), np.int32), np.zeros(rows)
    levels = np.append(0, grey).astype(np.int32)
    _means(volume, positions, steps, levels, around, alike, dependences, differences)
    return pairs.reshape(count, rows, rows)[:, 1:, 1:], dependences[1:], differences[1:], _ended(reached, rows, longest)


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
                other = uint32(current + step)
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
    stack = np.empty(len(positions), dtype=np.uint32)
    found = _zones(volume.copy(), _unsigned(positions), _unsigned(steps), stack, levels, sizes)
    return levels[:found].copy(), sizes[:found].copy()


@njit(cache=True, nogil=True)
def _joint_products(columns: np.ndarray, px: np.ndarray, py: np.ndarray, epsilon: float, sums: np.ndarray) -> None:
    directions, levels = px.shape
    for direction in range(directions):
        for k in range(levels):
            column = columns[direction, k]
            for i in range(levels):
                divisor = px[direction, i] * py[direction, k] + epsilon
                row = sums[direction, i]
                for j in range(levels):
                    row[j] += (column[i] * column[j]) / divisor


def joint_products(p: np.ndarray, px: np.ndarray, py: np.ndarray, epsilon: float) -> np.ndarray:
    columns = np.ascontiguousarray(p.transpose(2, 1, 0))
    sums = np.zeros_like(columns)
    _joint_products(columns, np.ascontiguousarray(px.T), np.ascontiguousarray(py.T), epsilon, sums)
    return sums
