"""The offsets from a voxel to its neighbours, in pyradiomics' order.

A neighbour at distance d differs by d in at least one coordinate and by no more in any (Chebyshev distance). Offsets
that leave the region's bounding box everywhere do not exist: a region one slice thick has neighbours in its plane only.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice, product

import numpy as np


def neighbour_offsets(
    shape: Sequence[int], distances: Sequence[int] = (1,), flat_axis: int | None = None, both_ways: bool = False
) -> np.ndarray:
    """Return the offsets to all neighbours within a box.

    Parameters
    ----------
    shape : sequence of int
        The box's size.
    distances : sequence of int
        Distances in voxels, each at least 1. A distance given twice counts twice.
    flat_axis : int, optional
        Axis along which neighbours may not differ (pyradiomics: ``force2Ddimension``).
    both_ways : bool
        Whether to list an offset and its opposite, or only the first of the two.

    Returns
    -------
    (A, 3) int64
        The offsets from large to small, the last axis fastest; empty if the box has room for none.
    """
    # A distance that is given twice makes the list run through its offsets again.
    total = 0
    reach = [0 if axis == flat_axis else size - 1 for axis, size in enumerate(shape)]
    for distance in distances:
        within, inside = (
            np.prod([2 * min(limit, bound) + 1 for bound in reach], dtype=int) for limit in (distance, distance - 1)
        )
        total += int(within - inside)
    span = max(distances)
    ranges = [range(min(span, bound), -min(span, bound) - 1, -1) for bound in reach]
    allowed = [offset for offset in product(*ranges) if max(map(abs, offset)) in distances]
    chosen = list(islice(cycle(allowed), total if both_ways else total // 2))
    return np.array(chosen, dtype=np.int64).reshape(-1, len(reach))
