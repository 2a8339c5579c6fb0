"""The Laplacian of Gaussian as ITK computes it: recursive filters along the lines of the image, one axis at a time.

A recursive filter (Deriche 1993, INRIA research report 1893; Farnebäck and Westin 2006, Journal of Mathematical Imaging
and Vision 26:293-299) has endless support: to a value inside the tumour every voxel on a line through it adds
something. The first of the three passes therefore runs over whole lines of the whole image, but each pass keeps only
what the next one needs, and the last one only the box that is asked for. On a background of zeros a filter rests at
zero, so the lines' empty ends cost nothing. The order of every operation is ITK's
(``LaplacianRecursiveGaussianImageFilter``, ``RecursiveSeparableImageFilter``), hence the numbers are as well. Without
numba, or where they are not, ITK's own filter computes the whole image.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from .jit import compiled
from .kernels import kernel_name
from .volume import Box

# Fit of the Gaussian and its second derivative by two damped cosines (Farnebäck and Westin 2006, Table 1): amplitudes
# of cosine and sine of the first and the second, for order 0 and order 2; their frequencies and decays.
_ORDER_0 = (1.3530, 1.8151, -0.3531, 0.0902)
_ORDER_2 = (-1.3563, 5.2318, 0.3446, -2.2355)
_W1, _L1, _W2, _L2 = 0.6681, -1.3932, 2.0787, -1.3732

_LINES = 16
"""Lines that are filtered side by side."""

_TRIAL_VOXELS = 1_000_000
"""Larger images are not filtered just to try."""


def laplacian_of_gaussian(image: np.ndarray, spacing: tuple[float, float, float], sigma: float, box: Box) -> np.ndarray:
    """Return the scale-normalised Laplacian of Gaussian of ``image`` inside ``box``.

    Parameters
    ----------
    image : (z, y, x) real
        The whole image, no axis shorter than ``image_types.smallest_size``; beyond its border the last value goes on.
    spacing : three floats
        Voxel spacing in mm, (z, y, x).
    sigma : float
        Standard deviation of the Gaussian in mm.
    box : three slices
        The part that is wanted.

    Returns
    -------
    ndarray, float32
    """
    if kernel_name() != "numba" or not _rounds_as_itk(tuple(spacing), float(sigma)):
        return _by_itk(image, spacing, sigma)[box]
    return _by_lines(image, spacing, sigma, box)


@lru_cache(maxsize=32)
def _rounds_as_itk(spacing: tuple[float, float, float], sigma: float) -> bool:
    """Whether both ways give the same numbers on this machine, tried on noise.

    They do where ITK was compiled to round after each multiplication and addition, as for x86-64. Where the two are
    fused, as on ARM, or the mathematical library is another, ITK's own filter has the last word.
    """
    shape = [max(20, math.ceil(sigma / step) + 1) for step in spacing]
    if math.prod(shape) > _TRIAL_VOXELS:
        return True
    noise = np.random.default_rng(0).normal(300, 100, shape).astype(np.float32)
    z, y, x = shape
    whole = slice(0, z), slice(0, y), slice(0, x)
    return np.array_equal(_by_lines(noise, spacing, sigma, whole), _by_itk(noise, spacing, sigma))


def _by_lines(image: np.ndarray, spacing: tuple[float, float, float], sigma: float, box: Box) -> np.ndarray:
    values = image
    if image.dtype not in (np.float32, np.float64):
        values = image.astype(np.float32 if image.dtype.itemsize <= 2 else np.float64)
    total = np.zeros(tuple(part.stop - part.start for part in box), np.float32)
    for axis in (2, 1, 0):  # ITK counts its axes x, y, z
        part = values
        kept = [slice(0, n) for n in image.shape]
        for step, along in enumerate((axis, *(other for other in (2, 1, 0) if other != axis))):
            coefficients = _coefficients(sigma, spacing[along], order=2 if step == 0 else 0)
            kept[along] = box[along]
            part = _filter_axis(part, along, box[along], coefficients)
        _add_scaled(total, part, 1.0 / spacing[axis] ** 2)
    return total


def _by_itk(image: np.ndarray, spacing: tuple[float, float, float], sigma: float) -> np.ndarray:
    import SimpleITK as sitk  # noqa: N813

    whole = sitk.GetImageFromArray(image)
    whole.SetSpacing([float(step) for step in reversed(spacing)])
    laplacian = sitk.LaplacianRecursiveGaussianImageFilter()
    laplacian.SetNormalizeAcrossScale(True)
    laplacian.SetSigma(float(sigma))
    return sitk.GetArrayFromImage(laplacian.Execute(whole))


def _coefficients(sigma: float, spacing: float, order: int) -> np.ndarray:
    """Return N0..N3, D1..D4, M1..M4, and the boundary's BN1..BN4 and BM1..BM4, as (20,).

    With input x, the causal output is y[i] = Σ N_k x[i-k] - Σ D_k y[i-k], the anticausal one
    z[i] = Σ M_k x[i+k] - Σ D_k z[i+k]; the filter's output is y + z.
    """
    scale = sigma / spacing
    sin1, sin2 = math.sin(_W1 / scale), math.sin(_W2 / scale)
    cos1, cos2 = math.cos(_W1 / scale), math.cos(_W2 / scale)
    exp1, exp2 = math.exp(_L1 / scale), math.exp(_L2 / scale)

    def numerator(a1: float, b1: float, a2: float, b2: float) -> tuple[float, float, float, float]:
        n0 = a1 + a2
        n1 = exp2 * (b2 * sin2 - (a2 + 2 * a1) * cos2)
        n1 += exp1 * (b1 * sin1 - (a1 + 2 * a2) * cos1)
        n2 = (a1 + a2) * cos2 * cos1
        n2 -= b1 * cos2 * sin1 + b2 * cos1 * sin2
        n2 *= 2 * exp1 * exp2
        n2 += a2 * exp1 * exp1 + a1 * exp2 * exp2
        n3 = exp2 * exp1 * exp1 * (b2 * sin2 - a2 * cos2)
        n3 += exp1 * exp2 * exp2 * (b1 * sin1 - a1 * cos1)
        return n0, n1, n2, n3

    d4 = exp1 * exp1 * exp2 * exp2
    d3 = -2 * cos1 * exp1 * exp2 * exp2
    d3 += -2 * cos2 * exp2 * exp1 * exp1
    d2 = 4 * cos2 * cos1 * exp1 * exp2
    d2 += exp1 * exp1 + exp2 * exp2
    d1 = -2 * (exp2 * cos2 + exp1 * cos1)
    # Sums, first and second moments of the coefficients, with which the response to a constant, a ramp and a parabola
    # is made exact.
    sd = 1.0 + d1 + d2 + d3 + d4
    dd = d1 + 2 * d2 + 3 * d3 + 4 * d4
    ed = d1 + 4 * d2 + 9 * d3 + 16 * d4

    n = numerator(*_ORDER_0)
    if order == 0:
        gain = 1.0 / (2 * _moments(n)[0] / sd - n[0])
    else:
        n_0, n_2 = n, numerator(*_ORDER_2)
        moments_0, moments_2 = _moments(n_0), _moments(n_2)
        beta = -(2 * moments_2[0] - sd * n_2[0]) / (2 * moments_0[0] - sd * n_0[0])
        n = tuple(b + beta * a for a, b in zip(n_0, n_2, strict=True))  # type: ignore[assignment]
        sn, dn, en = (b + beta * a for a, b in zip(moments_0, moments_2, strict=True))
        alpha = en * sd * sd - ed * sn * sd - 2 * dn * dd * sd + 2 * dd * dd * sn
        alpha /= sd * sd * sd
        gain = sigma * sigma / alpha
    n0, n1, n2, n3 = (value * gain for value in n)
    m = (n1 - d1 * n0, n2 - d2 * n0, n3 - d3 * n0, -d4 * n0)
    d = (d1, d2, d3, d4)
    sn, sm, sd = n0 + n1 + n2 + n3, m[0] + m[1] + m[2] + m[3], 1.0 + d1 + d2 + d3 + d4
    return np.array([n0, n1, n2, n3, *d, *m, *(k * sn / sd for k in d), *(k * sm / sd for k in d)])


def _moments(n: tuple[float, float, float, float]) -> tuple[float, float, float]:
    n0, n1, n2, n3 = n
    return n0 + n1 + n2 + n3, n1 + 2 * n2 + 3 * n3, n1 + 4 * n2 + 9 * n3


def _filter_axis(image: np.ndarray, axis: int, kept: slice, coefficients: np.ndarray) -> np.ndarray:
    """Filter along ``axis`` and keep the positions ``kept`` of each line; float32, as ITK stores it between passes."""
    shape = list(image.shape)
    length = shape[axis]
    shape[axis] = kept.stop - kept.start
    result = np.zeros(shape, np.float32)
    # A line is where it starts in two other directions; those that start side by side in memory are filtered together.
    others = sorted((other for other in range(3) if other != axis), reverse=True)
    extent = (shape[others[1]], length, shape[others[0]])
    steps = [
        [array.strides[along] // array.itemsize for along in (others[1], axis, others[0])] for array in (image, result)
    ]
    _filter_lines(
        np.ascontiguousarray(image).reshape(-1),
        result.reshape(-1),
        np.array(extent),
        np.array(steps),
        kept.start,
        kept.stop,
        coefficients.reshape(5, 4),
    )
    return result


@compiled
def _add_scaled(total: np.ndarray, part: np.ndarray, factor: float) -> None:
    """Add ``factor * part`` to ``total``, computed in double precision and stored in single, as ITK does."""
    for z in range(total.shape[0]):
        for y in range(total.shape[1]):
            for x in range(total.shape[2]):
                total[z, y, x] = np.float32(np.float64(total[z, y, x]) + np.float64(part[z, y, x]) * factor)


@compiled
def _filter_lines(
    source: np.ndarray,
    target: np.ndarray,
    extent: np.ndarray,
    steps: np.ndarray,
    start: int,
    stop: int,
    coefficients: np.ndarray,
) -> None:
    """Filter lines of ``source`` into ``target``, which holds the positions start..stop of them.

    Both are flat; ``extent`` (outer, length, inner) and ``steps`` (one row for each of the two) say where lines lie.
    """
    n, d, m, bn, bm = coefficients[0], coefficients[1], coefficients[2], coefficients[3], coefficients[4]
    n0, n1, n2, n3 = n[0], n[1], n[2], n[3]
    d1, d2, d3, d4 = d[0], d[1], d[2], d[3]
    m1, m2, m3, m4 = m[0], m[1], m[2], m[3]
    outer, length, inner = extent[0], extent[1], extent[2]
    x = np.zeros((length, _LINES))
    y = np.zeros((length, _LINES))
    z = np.zeros((length, _LINES))
    for block in range(outer):
        for left in range(0, inner, _LINES):
            width = min(_LINES, inner - left)
            first, last = length, -1
            for i in range(length):
                begin = block * steps[0, 0] + i * steps[0, 1] + left * steps[0, 2]
                occupied = False
                for k in range(width):
                    value = np.float64(source[begin + k * steps[0, 2]])
                    x[i, k] = value
                    if value != 0:
                        occupied = True
                if occupied:
                    last = i
                    if first == length:
                        first = i
            if last < 0:
                continue  # zeros stay zeros, and the target is made of them

            # Causal pass. Before the first value that is not zero the output is exactly zero.
            begin = 4
            if first > 4:
                begin = first
                y[min(start, first - 4) : first] = 0.0
            else:
                # Beyond the border the line goes on with its first value, and the output with its multiple.
                for k in range(_LINES):
                    for i in range(4):
                        value = x[i, k] * n[0]
                        for tap in range(1, 4):
                            value += x[max(i - tap, 0), k] * n[tap]
                        past = x[0, k] * bn[0] if i == 0 else y[i - 1, k] * d[0]
                        for tap in range(1, 4):
                            past += x[0, k] * bn[tap] if i <= tap else y[i - 1 - tap, k] * d[tap]
                        y[i, k] = value - past
            for i in range(begin, stop):
                for k in range(_LINES):
                    value = x[i, k] * n0 + x[i - 1, k] * n1 + x[i - 2, k] * n2 + x[i - 3, k] * n3
                    value -= y[i - 1, k] * d1 + y[i - 2, k] * d2 + y[i - 3, k] * d3 + y[i - 4, k] * d4
                    y[i, k] = value

            # Anticausal pass, the other way round.
            end = length - 4
            if last < length - 5:
                end = last + 1
                z[end : max(stop, end + 4)] = 0.0
            else:
                for k in range(_LINES):
                    edge = x[length - 1, k]
                    for i in range(4):  # counted from the end
                        value = x[min(length - i, length - 1), k] * m[0]
                        for tap in range(1, 4):
                            value += x[min(length - i + tap, length - 1), k] * m[tap]
                        past = edge * bm[0] if i == 0 else z[length - i, k] * d[0]
                        for tap in range(1, 4):
                            past += edge * bm[tap] if i <= tap else z[length - i + tap, k] * d[tap]
                        z[length - 1 - i, k] = value - past
            for i in range(end - 1, start - 1, -1):
                for k in range(_LINES):
                    value = x[i + 1, k] * m1 + x[i + 2, k] * m2 + x[i + 3, k] * m3 + x[i + 4, k] * m4
                    value -= z[i + 1, k] * d1 + z[i + 2, k] * d2 + z[i + 3, k] * d3 + z[i + 4, k] * d4
                    z[i, k] = value

            for i in range(start, stop):
                begin = block * steps[1, 0] + (i - start) * steps[1, 1] + left * steps[1, 2]
                for k in range(width):
                    target[begin + k * steps[1, 2]] = np.float32(y[i, k] + z[i, k])
