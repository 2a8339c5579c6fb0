"""Random changes of position and appearance, so that weights from few scanners hold on others.

Every function takes a ``numpy.random.Generator``, so that a step's augmentation depends on its seed alone. Images are
torch tensors (channel, z, y, x), normalised over the brain, 0 outside it.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..preprocessing import CLIP


def random_affine_crop(
    image: Tensor, target: Tensor, size: tuple[int, int, int], centre: np.ndarray, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Cut a box of ``size`` around ``centre`` (z, y, x) out of both, rotated, scaled and mirrored at random.

    Rotation up to 15° about each axis and scaling up to 15 %, in half of the calls; mirroring left-right in half,
    along the other axes in a quarter of the calls each. Trilinear, zero outside.
    """
    matrix = np.eye(3)
    if rng.random() < 0.5:
        for axis in range(3):
            angle = math.radians(rng.uniform(-15, 15))
            a, b = [i for i in range(3) if i != axis]
            turn = np.eye(3)
            turn[a, a] = turn[b, b] = math.cos(angle)
            turn[a, b], turn[b, a] = -math.sin(angle), math.sin(angle)
            matrix = matrix @ turn
        matrix *= rng.uniform(1 / 1.15, 1.15)
    matrix = matrix @ np.diag([-1.0 if rng.random() < p else 1.0 for p in (0.25, 0.25, 0.5)])

    axes = [np.arange(n) - (n - 1) / 2 for n in size]
    if np.allclose(np.abs(matrix), np.eye(3)):
        return _mirrored_crop(image, target, size, centre, np.diag(matrix))
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1) @ matrix.T + centre
    shape = np.array(image.shape[1:])
    # grid_sample wants (x, y, z) in -1..1 between the corner voxels' centres
    normalised = (2 * grid / (shape - 1) - 1)[..., ::-1].astype(np.float32)
    both = torch.cat([image, target])[None]
    sampled = F.grid_sample(both, torch.from_numpy(normalised.copy())[None], align_corners=True)[0]
    return sampled[: image.shape[0]], sampled[image.shape[0] :]


def _mirrored_crop(
    image: Tensor, target: Tensor, size: tuple[int, int, int], centre: np.ndarray, signs: np.ndarray
) -> tuple[Tensor, Tensor]:
    """The crop without interpolation: whole voxels, zero-padded, axes with a negative sign mirrored."""
    both = torch.cat([image, target])
    result = both.new_zeros((both.shape[0], *size))
    source, destination = [slice(None)], [slice(None)]
    for axis, length in enumerate(size):
        start = round(float(centre[axis]) - (length - 1) / 2)
        first, last = max(start, 0), min(start + length, both.shape[axis + 1])
        source.append(slice(first, max(last, first)))
        destination.append(slice(first - start, max(last, first) - start))
    result[tuple(destination)] = both[tuple(source)]
    result = result.flip([axis + 1 for axis in range(3) if signs[axis] < 0])
    return result[: image.shape[0]], result[image.shape[0] :]


def random_appearance(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Make the scans look as if another scanner had made them.

    Per modality, each with its own probability: a random monotone intensity curve, the contrast above the median
    squeezed or stretched, a smooth bias field, blur or thick slices, noise; rarely a modality is dimmed or absent.
    The brain is then brought back to zero mean and unit deviation, as inference would.
    """
    brain = (image != 0).any(dim=0)
    if not bool(brain.any()):
        return image
    result = image.clone()
    for channel in range(image.shape[0]):
        x = result[channel]
        if rng.random() < 0.6:
            x = _monotone_curve(x, rng)
        if rng.random() < 0.5:
            x = _squeeze_bright(x, float(rng.uniform(0.3, 1.3)))
        if rng.random() < 0.3:
            x = _bias_field(x, rng)
        if rng.random() < 0.25:
            x = _blur(x, rng)
        x = _renormalise(x, brain)
        if rng.random() < 0.4:
            noise = rng.standard_normal(x.shape, dtype=np.float32) * np.float32(rng.uniform(0.02, 0.3))
            x = x + torch.from_numpy(noise)
        if rng.random() < 0.3:
            x = x * float(rng.uniform(0.7, 1.3)) + float(rng.uniform(-0.3, 0.3))
        if rng.random() < 0.04:
            x = x * float(rng.choice([0.0, 0.3]))
        result[channel] = x.clamp(-CLIP, CLIP)
    return result * brain


def _monotone_curve(x: Tensor, rng: np.random.Generator) -> Tensor:
    """A random increasing, piecewise linear curve through knots at -5, -2, -1, 0, 1, 2, 3, 5."""
    knots = torch.tensor([-CLIP, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, CLIP])
    slopes = np.exp(rng.normal(0.0, 0.4, len(knots) - 1)).astype(np.float32)
    values = torch.cat([torch.zeros(1), torch.cumsum(torch.from_numpy(slopes) * knots.diff(), 0)])
    values = values - values[3]
    index = torch.bucketize(x, knots[1:-1])
    slope = values.diff() / knots.diff()
    return values[index] + (x - knots[index]) * slope[index]


def _squeeze_bright(x: Tensor, factor: float) -> Tensor:
    """Scale what lies above 0.5 standard deviations: oedema's and enhancement's contrast to brain."""
    return torch.where(x > 0.5, 0.5 + (x - 0.5) * factor, x)


def _bias_field(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Multiply by a smooth field, around the darkest value so that dark stays dark."""
    coarse = rng.normal(0.0, 0.15, (1, 1, 3, 3, 3)).astype(np.float32)
    field = F.interpolate(torch.from_numpy(coarse), size=x.shape, mode="trilinear", align_corners=True)[0, 0]
    return (x + 3.0) * torch.exp(field) - 3.0


def _blur(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Thick slices along one axis (down and up again), as two-dimensional acquisitions have them."""
    axis = int(rng.integers(3))
    size = list(x.shape)
    size[axis] = max(int(size[axis] / rng.uniform(1.3, 2.5)), 2)
    small = F.interpolate(x[None, None], size=size, mode="trilinear", align_corners=False)
    return F.interpolate(small, size=x.shape, mode="trilinear", align_corners=False)[0, 0]


def _renormalise(x: Tensor, brain: Tensor) -> Tensor:
    inside = x[brain]
    return (x - inside.mean()) / inside.std().clamp_min(1e-3)
