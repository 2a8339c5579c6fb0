"""The counting of texture matrices in torch, on a CUDA device where there is one; see ``kernels.Kernels``.

The same whole numbers as on the processor; sums whose order matters are added there, in the same order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def _tensor(array: np.ndarray) -> torch.Tensor:
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)


def digitise(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    import torch

    found = torch.bucketize(_tensor(values.astype(np.float64)), _tensor(edges.astype(np.float64)), right=True)
    return found.to(torch.int32).cpu().numpy()


def pairs(volume: np.ndarray, positions: np.ndarray, steps: np.ndarray, levels: int) -> np.ndarray:
    import torch

    rows = levels + 1
    inside, at = _tensor(volume.astype(np.int64)), _tensor(positions)
    own = inside[at] * rows
    counts = [torch.bincount(own + inside[at + step], minlength=rows * rows) for step in steps.tolist()]
    return torch.stack(counts).reshape(len(steps), rows, rows)[:, 1:, 1:].cpu().numpy()


def neighbours(
    volume: np.ndarray, positions: np.ndarray, steps: np.ndarray, grey: np.ndarray, alpha: int
) -> tuple[np.ndarray, np.ndarray]:
    import torch

    levels, size = len(grey), len(steps) + 1
    inside, at = _tensor(volume.astype(np.int64)), _tensor(positions)
    values = _tensor(np.append(0, grey).astype(np.int64))
    level = inside[at]
    own = values[level]
    count, total, dependent = (torch.zeros_like(own) for _ in range(3))
    for step in steps.tolist():
        other = inside[at + step]
        value = values[other]
        count += other > 0
        total += value
        dependent += (other > 0) & ((own - value).abs() <= alpha)
    dependences = torch.bincount((level - 1) * size + dependent, minlength=levels * size).reshape(levels, size)
    row = volume[positions].astype(np.int64) - 1
    sums, counts = total.cpu().numpy(), count.cpu().numpy()
    means = np.divide(sums, counts, out=grey[row].astype(float), where=counts > 0)
    return dependences.cpu().numpy(), np.bincount(row, weights=np.abs(grey[row] - means), minlength=levels)


def runs(volume: np.ndarray, positions: np.ndarray, steps: np.ndarray, levels: int, longest: int) -> np.ndarray:
    import torch

    inside, at = _tensor(volume.astype(np.int64)), _tensor(positions)
    counts = []
    for step in steps.tolist():
        # Voxels of one line stand together in this order, one step from each to the next.
        ordered = at[torch.argsort((at % step) * (len(volume) // step + 1) + at // step)]
        level = inside[ordered]
        first = torch.ones_like(ordered, dtype=torch.bool)
        first[1:] = (ordered.diff() != step) | (level.diff() != 0)
        starts = torch.nonzero(first).ravel()
        lengths = torch.diff(starts, append=starts.new_tensor([len(ordered)]))
        counts.append(torch.bincount((level[starts] - 1) * longest + lengths - 1, minlength=levels * longest))
    return torch.stack(counts).reshape(len(steps), levels, longest).cpu().numpy()


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
    import torch

    inside, at = _tensor(volume.astype(np.int64)), _tensor(positions)
    level = inside[at]
    number = torch.zeros_like(inside)
    number[at] = torch.arange(len(at), device=at.device)
    starts, ends = [], []
    for step in steps[steps > 0].tolist():
        same = torch.nonzero(inside[at + step] == level).ravel()
        starts.append(same)
        ends.append(number[at[same] + step])
    start, end = torch.cat(starts), torch.cat(ends)
    # Every voxel takes the lowest number that it or a neighbour of its zone has, until nothing changes any more.
    lowest = torch.arange(len(at), device=at.device)
    while True:
        before = lowest.clone()
        least = torch.minimum(lowest[start], lowest[end])
        lowest.scatter_reduce_(0, start, least, "amin")
        lowest.scatter_reduce_(0, end, least, "amin")
        lowest = lowest[lowest]
        if torch.equal(before, lowest):
            break
    roots, sizes = torch.unique(lowest, return_counts=True)
    return level[roots].cpu().numpy(), sizes.cpu().numpy()


def joint_products(p: np.ndarray, px: np.ndarray, py: np.ndarray, epsilon: float) -> np.ndarray:
    from . import kernels

    return kernels("cpu").joint_products(p, px, py, epsilon)
