"""Gaussian filtering in a space of many dimensions, on the permutohedral lattice.

A Gaussian over position and intensities has too many dimensions for a grid: a lattice whose cells are simplices needs
d + 1 corners a point instead of 2^d, and only the corners that points touch exist.

References
----------
.. [1] Adams A, Baek J, Davis MA, Fast high-dimensional filtering using the permutohedral lattice, Computer Graphics
   Forum 29 (2010) 753-762, sections 3 and 4.
"""

from __future__ import annotations

import numpy as np


class PermutohedralFilter:
    """Sums over all points with the weights exp(-|f_i - f_j|² / 2), approximately, up to one common factor.

    Parameters
    ----------
    features : float ndarray (points, dimensions), each dimension divided by its standard deviation

    Examples
    --------
    >>> kernel = PermutohedralFilter(np.zeros((3, 2)))
    >>> sums = kernel(np.array([[1.0], [2.0], [3.0]]))
    >>> bool(np.allclose(sums, sums[0]))
    True
    """

    def __init__(self, features: np.ndarray) -> None:
        from scipy import sparse

        points, dimensions = features.shape
        corners = dimensions + 1
        elevated = (features.astype(np.float64) @ _basis(dimensions).T).astype(np.float32)
        nearest, rank = _enclosing_simplex(elevated)
        weights = _barycentric(elevated, nearest, rank)
        # A lattice point is known by one linear function of its coordinates, modulo 2^64: two of a million points
        # share a value with a probability under 1e-7, and a neighbour is a constant away.
        factors = np.random.default_rng(0).integers(1, 2**63, corners, dtype=np.uint64) | np.uint64(1)
        codes = np.empty((points, corners), dtype=np.uint64)
        base = (nearest.astype(np.int64).view(np.uint64) * factors).sum(axis=1)
        per_rank = factors[np.argsort(rank, axis=1)]  # column k: the factor of the axis that has rank k
        highest_ranks = np.cumsum(per_rank[:, ::-1], axis=1)
        for remainder in range(corners):
            # the corner adds the remainder to every coordinate and takes d + 1 from those of the highest ranks
            codes[:, remainder] = base + (np.uint64(remainder) * factors).sum()
            if remainder:
                codes[:, remainder] -= np.uint64(corners) * highest_ranks[:, remainder - 1]
        unique, index = np.unique(codes.ravel(), return_inverse=True)
        self._count = len(unique)
        self._neighbours = [_neighbours(unique, step) for step in factors.sum() - np.uint64(corners) * factors]
        starts = np.arange(0, points * corners + 1, corners, dtype=np.int32)
        parts = (weights.ravel(), index.astype(np.int32).ravel(), starts)
        self._corners = sparse.csr_matrix(parts, shape=(points, self._count))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Filter float ``values`` (points, channels): onto the lattice, blur along its d + 1 directions, and back."""
        lattice = np.zeros((self._count + 1, values.shape[1]), dtype=np.float32)  # the last row stands for no neighbour
        lattice[:-1] = self._corners.T @ values.astype(np.float32)
        for before, after in self._neighbours:
            blurred = np.take(lattice, before, axis=0)
            blurred += np.take(lattice, after, axis=0)
            blurred *= 0.5
            lattice[:-1] += blurred
        return self._corners @ lattice[:-1]


def _basis(dimensions: int) -> np.ndarray:
    """(d + 1, d) matrix onto the hyperplane of coordinates that sum to 0, scaled for a blur of unit deviation."""
    basis = np.zeros((dimensions + 1, dimensions))
    for column in range(dimensions):
        basis[: column + 1, column] = 1
        basis[column + 1, column] = -(column + 1)
        basis[:, column] /= np.sqrt((column + 1) * (column + 2))
    # splatting, blurring and slicing together have this deviation in lattice units ([1], section 4)
    return basis * (dimensions + 1) * np.sqrt(2 / 3)


def _enclosing_simplex(elevated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest lattice point of remainder 0, int32, and each coordinate's rank by its distance from it."""
    corners = elevated.shape[1]
    nearest = np.rint(elevated / corners).astype(np.int32)
    excess = nearest.sum(axis=1, keepdims=True)
    nearest *= corners
    order = np.argsort(nearest - elevated, axis=1, kind="stable")
    rank = np.empty_like(nearest)
    np.put_along_axis(rank, order, np.arange(corners, dtype=np.int32)[None], axis=1)
    rank += excess  # rounding left the hyperplane where the excess is not 0: move the furthest coordinates back
    low, high = rank < 0, rank >= corners
    nearest += corners * (low.astype(np.int32) - high)
    rank += corners * (low.astype(np.int32) - high)
    return nearest, rank


def _barycentric(elevated: np.ndarray, nearest: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """Weights float32 (points, d + 1) of a point's corners, in the order of their remainders; they sum to 1."""
    corners = elevated.shape[1]
    by_rank = np.empty_like(elevated)
    np.put_along_axis(by_rank, rank, (elevated - nearest) / np.float32(corners), axis=1)
    weights = np.empty_like(elevated)
    weights[:, 1:] = (by_rank[:, :-1] - by_rank[:, 1:])[:, ::-1]
    weights[:, 0] = 1 - weights[:, 1:].sum(axis=1)
    return weights


def _neighbours(unique: np.ndarray, step: np.uint64) -> tuple[np.ndarray, np.ndarray]:
    """For each lattice point the index of those one ``step`` before and after it; the number of points where none."""
    count = len(unique)
    position = np.searchsorted(unique, unique + step)
    position[position == count] = 0
    there = np.flatnonzero(unique[position] == unique + step)
    after = np.full(count, count, dtype=np.int32)
    before = after.copy()
    after[there] = position[there]
    before[position[there]] = there
    return before, after
