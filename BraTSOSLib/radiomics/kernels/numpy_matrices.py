"""The counting of texture matrices in numpy and scipy; see ``kernels.Kernels``."""

from __future__ import annotations

import numpy as np


def digitise(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.digitize(values, edges).astype(np.int32)


def neighbourhoods(
    volume: np.ndarray, positions: np.ndarray, steps: np.ndarray, one_way: int, grey: np.ndarray, alpha: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    levels = len(grey)
    own = volume[positions].astype(np.int64) - 1
    values = np.append(0, grey).astype(np.int64)  # by 1 to K, as in the volume
    pairs = np.zeros((one_way, levels, levels), dtype=np.int64)
    neighbours, total, dependent = (np.zeros(len(positions), dtype=np.int64) for _ in range(3))
    for index, step in enumerate(steps):
        other = volume[positions + step].astype(np.int64)
        inside = other > 0
        value = values[other]
        neighbours += inside
        total += value
        dependent += inside & (np.abs(grey[own] - value) <= alpha)
        if index < one_way:
            both = own[inside] * levels + other[inside] - 1
            pairs[index] = np.bincount(both, minlength=levels * levels).reshape(levels, levels)
    size = len(steps) + 1
    dependences = np.bincount(own * size + dependent, minlength=levels * size).reshape(levels, size)
    difference = np.abs(grey[own] - np.divide(total, neighbours, out=grey[own].astype(float), where=neighbours > 0))
    # bincount adds its weights one after the other, in the order of the voxels.
    return pairs, dependences, np.bincount(own, weights=difference, minlength=levels)


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
