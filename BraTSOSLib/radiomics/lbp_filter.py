"""Local binary patterns in three dimensions, rotation-invariant by spherical harmonics, as pyradiomics computes them.

Around each voxel the image is sampled at the vertices v of a sphere (cubic spline). b(v) is 1 where the sample is at
least the voxel's own intensity and 0 elsewhere; c_nm = Σ_v b(v) Y_nm(v) are its coefficients in spherical harmonics of
degree n and order m, f_n(v) = Σ_m c_nm Y_nm(v) its part of degree n, and √(Σ_v f_n(v)²) is the voxel's value in the
image ``lbp-3D-m<n + 1>``. The image ``lbp-3D-k`` is the (excess) kurtosis of the samples. Voxels that are not measured
stay 0.

Banerjee, Moelker, Niessen and van Walsum 2013, Lecture Notes in Computer Science 7728:26-37.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .settings import Settings
from .volume import Box, Volume

_CHUNK = 4096
"""Voxels that are sampled at a time."""


def lbp_images(volume: Volume, box: Box, mask: np.ndarray, settings: Settings) -> Iterator[tuple[str, np.ndarray]]:
    """Yield ``lbp-3D-m1``, ... and ``lbp-3D-k`` inside ``box``, float64.

    Parameters
    ----------
    volume : Volume
        The whole image.
    box : three slices
    mask : bool, of the box's size
        The voxels to compute.
    settings : Settings
        ``lbp_3d_levels``, ``lbp_3d_icosphere_radius`` and ``lbp_3d_icosphere_subdivision``.
    """
    from scipy.ndimage import map_coordinates
    from scipy.stats import kurtosis

    radius, levels = float(settings.lbp_3d_icosphere_radius), settings.lbp_3d_levels
    vertices = icosphere(settings.lbp_3d_icosphere_subdivision, radius)
    harmonics = [_harmonics(degree, vertices, radius) for degree in range(levels)]
    together = np.concatenate(harmonics, axis=1)
    ends = np.cumsum([y.shape[1] for y in harmonics])[:-1]
    splines, corner = _spline_coefficients(volume, box, int(np.ceil(radius)) + 3)
    image = volume.crop(box)
    voxels = np.argwhere(mask)
    values = np.zeros((levels + 1, *mask.shape))
    for first in range(0, len(voxels), _CHUNK):
        chunk = voxels[first : first + _CHUNK]
        where = tuple(chunk.T)
        # Added in the whole image's coordinates, in which pyradiomics rounds.
        centres = chunk + [part.start for part in box]
        points = (centres[:, None, :] + vertices[None, :, :]) - corner
        samples = map_coordinates(splines, points.transpose(2, 0, 1), image.dtype, order=3, prefilter=False)
        with np.errstate(all="ignore"):
            values[levels][where] = kurtosis(samples, axis=1)
        pattern = (samples >= image[where][:, None]).astype(int)
        # Sums run over all degrees side by side, as in pyradiomics: numpy adds a single column in another order.
        coefficients = np.split((pattern[:, :, None] * together).sum(axis=1), ends, axis=1)
        parts = np.concatenate(
            [np.sum(c[:, None, :] * y, axis=2, keepdims=True) for c, y in zip(coefficients, harmonics, strict=True)],
            axis=2,
        )
        for degree, column in enumerate(np.real(np.sqrt(np.sum(parts**2, axis=1))).T):
            values[degree][where] = column
    for degree in range(levels):
        yield f"lbp-3D-m{degree + 1}", values[degree]
    yield "lbp-3D-k", values[levels]


def icosphere(subdivisions: int, radius: float) -> np.ndarray:
    """Return the vertices of an icosahedron, refined by halving its edges, on a sphere; (n, 3).

    They come in the order of the package trimesh, which pyradiomics uses: those of an edge's middle are sorted by the
    edge's two ends.
    """
    golden = (1 + np.sqrt(5)) / 2
    short, long = 1 / np.sqrt(1 + golden**2), golden / np.sqrt(1 + golden**2)
    plane = [(-1, 1), (1, 1), (-1, -1), (1, -1)]
    vertices = np.array(
        [(a * short, b * long, 0) for a, b in plane]
        + [(0, a * short, b * long) for b, a in ((1, -1), (1, 1), (-1, -1), (-1, 1))]
        + [(b * long, 0, a * short) for b, a in ((1, -1), (1, 1), (-1, -1), (-1, 1))]
    )
    distances = np.linalg.norm(vertices[:, None] - vertices, axis=2)
    near = np.isclose(distances, 2 * short)
    count = len(vertices)
    faces = [
        (a, b, c)
        for a in range(count)
        for b in range(a + 1, count)
        for c in range(b + 1, count)
        if near[a, b] and near[b, c] and near[a, c]
    ]
    for _ in range(subdivisions):
        edges = {edge for a, b, c in faces for edge in (_edge(a, b), _edge(b, c), _edge(a, c))}
        ordered = sorted(edges, key=lambda edge: (edge[1], edge[0]))
        middle = {edge: len(vertices) + number for number, edge in enumerate(ordered)}
        vertices = _on_sphere(np.vstack([vertices, vertices[np.array(ordered)].mean(axis=1)]), radius)
        finer = []
        for a, b, c in faces:
            ab, bc, ac = middle[_edge(a, b)], middle[_edge(b, c)], middle[_edge(a, c)]
            finer += [(a, ab, ac), (b, ab, bc), (c, bc, ac), (ab, bc, ac)]
        faces = finer
    return vertices if subdivisions else _on_sphere(vertices, radius)


def _edge(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a < b else (b, a)


def _on_sphere(vertices: np.ndarray, radius: float) -> np.ndarray:
    length = np.sqrt(np.dot(vertices**2, [1, 1, 1]))[:, None]
    return vertices + vertices / length * (radius - length)


def _harmonics(degree: int, vertices: np.ndarray, radius: float) -> np.ndarray:
    """Return Y_nm of all orders m from -n to n at the vertices, (vertices, 2 n + 1) complex.

    pyradiomics gives SciPy the polar angle for the azimuth and the azimuth for the polar angle, and so do we.
    """
    from scipy.special import lpmv, poch

    polar = np.arccos(vertices[:, 2] / radius)
    azimuth = np.arctan2(vertices[:, 1], vertices[:, 0])
    columns = []
    for order in range(-degree, degree + 1):
        size = abs(order)
        legendre = lpmv(size, degree, np.cos(azimuth))
        if order < 0:
            legendre = legendre * ((-1) ** size * poch(degree + size + 1, -2 * size))
        legendre = legendre * np.sqrt((2 * degree + 1) / 4.0 / np.pi)
        legendre = legendre * np.sqrt(poch(degree + order + 1, -2 * order))
        columns.append(legendre * np.exp(1j * order * polar))
    return np.stack(columns, axis=1)


def _spline_coefficients(volume: Volume, box: Box, margin: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the image's cubic spline coefficients around ``box``, and where in the image they begin.

    A recursive filter finds them along whole lines; each axis is cut as soon as it is done.
    """
    from scipy.ndimage import spline_filter1d

    found = volume.typed(volume.array)
    corner = []
    for axis, (part, size) in enumerate(zip(box, volume.array.shape, strict=True)):
        found = spline_filter1d(found, 3, axis, np.float64, "mirror")
        first, last = max(part.start - margin, 0), min(part.stop + margin, size)
        found = found[(slice(None),) * axis + (slice(first, last),)]
        corner.append(first)
    return np.ascontiguousarray(found), np.array(corner)
