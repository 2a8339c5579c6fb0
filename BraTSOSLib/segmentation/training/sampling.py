"""What a network is shown: which case, which part of it, and how it is changed.

Every sample draws from generators that are seeded with (seed, number of the sample) alone, so that a resumed run sees
the samples that the interrupted one would have seen, whoever computes them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .augmentation import random_affine_crop, random_appearance
from .cache import TrainingCase
from .lesions import fade_tumour, transplant_tumour
from .mining import HardSet
from .recipe import Recipe

_SLOPE = 0.35
"""Bound on how far a crop turned by 15° about each axis reaches along an axis, per voxel of the other half sizes."""


class Sampler:
    """Draws the samples of a recipe from preprocessed cases.

    Parameters
    ----------
    multiples : (z, y, x), of which the sides of a sample of a whole brain are made multiples
    """

    def __init__(self, recipe: Recipe, cases: Sequence[TrainingCase], multiples: tuple[int, int, int]) -> None:
        self.recipe, self.cases, self.multiples = recipe, cases, multiples
        self._augmentation = set(recipe.augmentation.split("+"))

    def batch(self, numbers: Sequence[int], hard: HardSet | None = None) -> tuple[Tensor, Tensor]:
        """Image (len(numbers), 4, z, y, x) and region target (len(numbers), 3, z, y, x) of the samples ``numbers``."""
        samples = [self.sample(number, hard) for number in numbers]
        return torch.stack([image for image, _ in samples]), torch.stack([target for _, target in samples])

    def sample(self, number: int, hard: HardSet | None = None) -> tuple[Tensor, Tensor]:
        """Image (4, z, y, x) and region target (3, z, y, x) of one sample."""
        recipe = self.recipe
        rng = np.random.default_rng([recipe.seed, number])
        index, centre = self._case_of(number, hard)
        case = self.cases[index]
        image, target = np.asarray(case.image, np.float32), np.asarray(case.target, np.float32)
        if recipe.transplant > 0 and rng.random() < recipe.transplant:
            donor = self.cases[int(rng.integers(len(self.cases)))]
            donated = np.asarray(donor.image, np.float32), np.asarray(donor.target, np.float32)
            image, target = transplant_tumour(image, target, *donated, rng)
        if recipe.fade > 0 and rng.random() < recipe.fade:
            image, target = fade_tumour(image, target, rng)
        shape = image.shape[1:]
        size = self.size(shape)
        point = self._point(image, target, rng) if centre is None else _jittered(centre, size, rng)
        crop, wanted = self._cut(image, target, size, _inside(point, size, shape), rng)
        if "appearance" in self._augmentation:
            crop = random_appearance(crop, rng)
        return crop, wanted.clamp(0, 1)

    def size(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """Size (z, y, x) of a sample of a brain of ``shape``."""
        if self.recipe.sampling != "whole":
            return self.recipe.size
        z, y, x = (-(-n // m) * m for n, m in zip(shape, self.multiples, strict=True))
        return z, y, x

    def _case_of(self, number: int, hard: HardSet | None) -> tuple[int, tuple[int, int, int] | None]:
        if hard is not None and hard.items:
            chance = np.random.default_rng([self.recipe.seed, 2, number])
            if chance.random() < self.recipe.mining_rate:
                return hard.items[int(chance.integers(len(hard.items)))]
        count = len(self.cases)
        order = np.random.default_rng([self.recipe.seed, 1, number // count]).permutation(count)
        return int(order[number % count]), None

    def _point(self, image: np.ndarray, target: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The voxel that the sample is centred on."""
        if self.recipe.sampling == "whole":
            return np.array(image.shape[1:]) / 2
        if self.recipe.sampling == "balanced":
            where = _tissue(image, target, int(rng.integers(4)))
        else:
            tumour = target[0] > 0.5
            around = rng.random() < self.recipe.tumour_share and tumour.any()
            where = tumour if around else image[0] != 0
        candidates = np.flatnonzero(where)
        if not candidates.size:
            return np.array(image.shape[1:]) / 2
        return np.array(np.unravel_index(candidates[rng.integers(candidates.size)], where.shape))

    def _cut(
        self, image: np.ndarray, target: np.ndarray, size: tuple[int, int, int], centre: np.ndarray,
        rng: np.random.Generator,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        # only the surroundings that a turned crop can reach: copying a whole brain at 1 mm takes longer than a step
        half = np.array(size) / 2
        reach = 1.15 * (half + _SLOPE * (half.sum() - half)) + 2
        first = np.maximum(np.floor(centre - reach), 0).astype(int)
        last = np.minimum(np.ceil(centre + reach) + 1, image.shape[1:]).astype(int)
        part = (slice(None), *(slice(a, b) for a, b in zip(first, last, strict=True)))
        tensors = (torch.from_numpy(np.ascontiguousarray(array[part])) for array in (image, target))
        nearby, wanted = tensors
        if "affine" in self._augmentation:
            return random_affine_crop(nearby, wanted, size, centre - first, rng)
        mirrored = [axis + 1 for axis in range(3) if "mirror" in self._augmentation and rng.random() < 0.5]
        both = crop(torch.cat([nearby, wanted]), size, centre - first).flip(mirrored)
        return both[: image.shape[0]], both[image.shape[0] :]


def crop(volume: Tensor, size: tuple[int, int, int], centre: np.ndarray) -> Tensor:
    """Cut a box of ``size`` around ``centre`` (z, y, x) out of (channel, z, y, x); zero outside."""
    result = volume.new_zeros((volume.shape[0], *size))
    source, destination = [slice(None)], [slice(None)]
    for axis, length in enumerate(size):
        start = round(float(centre[axis]) - length / 2)
        first, last = max(start, 0), min(start + length, volume.shape[axis + 1])
        source.append(slice(first, max(last, first)))
        destination.append(slice(first - start, max(last, first) - start))
    result[tuple(destination)] = volume[tuple(source)]
    return result


def _inside(point: np.ndarray, size: tuple[int, int, int], shape: tuple[int, ...]) -> np.ndarray:
    """Keep the crop inside the brain's box where it fits: half of an empty crop teaches nothing."""
    half, whole = np.array(size) / 2, np.array(shape)
    return np.where(whole > size, np.clip(point, half, np.maximum(whole - half, half)), whole / 2)


def _jittered(centre: tuple[int, int, int], size: tuple[int, int, int], rng: np.random.Generator) -> np.ndarray:
    return np.array(centre) + rng.uniform(-0.125, 0.125, 3) * np.array(size)


def _tissue(image: np.ndarray, target: np.ndarray, first: int) -> np.ndarray:
    """Mask of NCR, ED, ET or healthy brain, whichever ``first`` says; the next one where the case has none of it."""
    whole, core, enhancing = target
    for number in range(4):
        kind = (first + number) % 4
        if kind == 0:
            mask = core - enhancing > 0.5
        elif kind == 1:
            mask = whole - core > 0.5
        elif kind == 2:
            mask = enhancing > 0.5
        else:
            mask = (image != 0).any(axis=0) & (whole < 0.5)
        if mask.any():
            break
    return mask
