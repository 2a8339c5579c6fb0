"""The counting of texture matrices in numpy and scipy; see ``kernels.Kernels``."""

from __future__ import annotations

import numpy as np


def digitise(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.digitize(values, edges).astype(np.int32)


def pairs(volume: np.ndarray, positions: np.ndarray, steps: np.ndarray, levels: int) -> np.ndarray:
    own = (volume[positions].astype(np.int64) - 1) * levels
    counts = np.zeros((len(steps), levels * levels), dtype=np.int64)
    for index, step in enumerate(steps):
        other = volume[positions + step]
        inside = other > 0
        counts[index] = np.bincount(own[inside] + other[inside] - 1, minlength=levels * levels)
    return counts.reshape(len(steps), levels, levels)


def neighbours(
    volume: np.ndarray, positions: np.ndarray, steps: np.ndarray, grey: np.ndarray, alpha: int
) -> tuple[np.ndarray, np.ndarray]:
    levels, size = len(grey), len(steps) + 1
    row = volume[positions].astype(np.int64) - 1
    own, values = grey[row], np.append(0, grey)
    count, total, dependent = (np.zeros(len(positions), dtype=np.int64) for _ in range(3))
    for step in steps:
        other = volume[positions + step]
        value = values[other]
        count += other > 0
        total += value
        dependent += (other > 0) & (np.abs(own - value) <= alpha)
    dependences = np.bincount(row * size + dependent, minlength=levels * size).reshape(levels, size)
    difference = np.abs(own - np.divide(total, count, out=own.astype(float), where=count > 0))
    # bincount adds its weights one after the other, in the order of the voxels.
    return dependences, np.bincount(row, weights=difference, minlength=levels)


def runs(volume: np.ndarray, positions: np.ndarray, steps: np.ndarray, levels: int, longest: int) -> np.ndarray:
    counts = np.zeros((len(steps), levels, longest), dtype=np.int64)
    for index, step in enumerate(steps):
        # Voxels of one line stand together in this order, one step from each to the next.
        ordered = positions[np.lexsort((positions, positions % step))]
        level = volume[ordered].astype(np.int64)
        first = np.append(True, (np.diff(ordered) != step) | (np.diff(level) != 0))
        starts = np.flatnonzero(first)
        lengths = np.diff(np.append(starts, len(ordered)))
        both = (level[starts] - 1) * longest + lengths - 1
        counts[index] = np.bincount(both, minlength=levels * longest).reshape(levels, longest)
    return counts


def nearest(
    volume: np.ndarray, positions: np.ndarray, steps: np.ndarray, grey: np.ndarray, longest: int, around: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    both_ways = np.concatenate([steps, -steps])
    found = neighbours(volume, positions, both_ways, grey, 0)
    return (
        pairs(volume, positions, steps, len(grey)),
        *found,
        runs(volume, positions, steps, len(grey), longest),
    )


def zones(volume: np.ndarray, positions: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    level = volume[positions]
    number = np.zeros(len(volume), dtype=np.int64)
    number[positions] = np.arange(len(positions))
    starts, ends = [], []
    for step in steps[steps > 0]:
        same = np.flatnonzero(volume[positions + step] == level)
        starts.append(same)
        ends.append(number[positions[same] + step])
    start, end = np.concatenate(starts), np.concatenate(ends)
    graph = coo_array((np.ones(len(start), dtype=np.int8), (start, end)), shape=(len(positions),) * 2)
    count, component = connected_components(graph, directed=False)
    _, first = np.unique(component, return_index=True)
    return level[first].astype(np.int64), np.bincount(component, minlength=count)


def joint_products(p: np.ndarray, px: np.ndarray, py: np.ndarray, epsilon: float) -> np.ndarray:
    sums = (p[:, None, 0] * p[None, :, 0]) / (px[:, None] * py[0] + epsilon)
    for k in range(1, p.shape[1]):
        sums += (p[:, None, k] * p[None, :, k]) / (px[:, None] * py[k] + epsilon)
    return sums.transpose(2, 0, 1)
