"""Random regions, and the library's features of them beside pyradiomics'."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from BraTSOSLib.radiomics import shape2d
from BraTSOSLib.radiomics.box import bounding_box
from BraTSOSLib.radiomics.firstorder import FIRSTORDER
from BraTSOSLib.radiomics.regions import Region
from BraTSOSLib.radiomics.settings import Settings
from BraTSOSLib.radiomics.shape import SHAPE, Shape
from BraTSOSLib.radiomics.textures import TEXTURE_CLASSES

PYRADIOMICS_NAMES = {
    "bin_width": "binWidth",
    "bin_count": "binCount",
    "distances": "distances",
    "symmetrical_glcm": "symmetricalGLCM",
    "weighting_norm": "weightingNorm",
    "gldm_a": "gldm_a",
    "force_2d": "force2D",
    "force_2d_dimension": "force2Ddimension",
    "voxel_array_shift": "voxelArrayShift",
}
KINDS = ("scattered", "full", "blocks", "single voxel", "one slice", "loose voxels", "line", "blob", "corner")
Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class Sample:
    """An image with a region in it."""

    image: np.ndarray
    mask: np.ndarray
    spacing: Spacing

    def cropped(self) -> Sample:
        box = bounding_box(self.mask)
        return Sample(np.ascontiguousarray(self.image[box]), np.ascontiguousarray(self.mask[box]), self.spacing)


@dataclass(frozen=True)
class Difference:
    """A feature on which the two engines do not agree to the last bit."""

    feature_class: str
    feature: str
    own: float
    pyradiomics: float

    @property
    def relative(self) -> float:
        return abs(self.own - self.pyradiomics) / abs(self.pyradiomics) if self.pyradiomics else float("inf")


def random_mask(random: np.random.Generator, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    anywhere = tuple(int(random.integers(0, n)) for n in shape)
    if kind == "scattered":
        mask = random.random(shape) < random.uniform(0.05, 0.9)
    elif kind == "full":
        mask[:] = True
    elif kind == "blocks":
        for _ in range(random.integers(1, 4)):
            low = [int(random.integers(0, n)) for n in shape]
            mask[tuple(slice(a, random.integers(a + 1, n + 1)) for a, n in zip(low, shape, strict=True))] = True
    elif kind == "one slice":
        axis = int(random.integers(0, 3))
        plane = tuple(anywhere[axis] if a == axis else slice(None) for a in range(3))
        mask[plane] = random.random(mask[plane].shape) < 0.7
    elif kind == "loose voxels":
        for _ in range(random.integers(2, 5)):
            mask[tuple(int(random.integers(0, n)) for n in shape)] = True
    elif kind == "line":
        axis = int(random.integers(0, 3))
        mask[tuple(slice(None) if a == axis else anywhere[a] for a in range(3))] = True
    elif kind == "blob":
        grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), -1)
        mask = np.linalg.norm(grid - np.array(anywhere), axis=-1) < random.uniform(1, 6)
    elif kind == "corner":
        mask[tuple(slice(0, random.integers(1, n + 1)) for n in shape)] = True
    if not mask.any():
        mask[anywhere] = True
    return mask


def random_sample(seed: int, largest: int = 12) -> Sample:
    """Return a small region of any kind: touching the border, in several parts, a slice thick, a single voxel."""
    from scipy.ndimage import gaussian_filter

    random = np.random.default_rng(seed)
    shape = tuple(int(n) for n in random.integers(1, largest + 1, 3))
    image = random.normal(random.uniform(-300, 800), random.choice([0, 3, 30, 100, 400]), shape)
    if random.random() < 0.5:
        image = 2 * gaussian_filter(image, 1)
    number_type = random.choice(["float32", "float64", "int16", "whole"])
    if number_type in ("int16", "whole"):
        image = np.round(image)
    image = image.astype("float32" if number_type == "whole" else number_type)
    spacing = tuple(random.uniform(0.3, 5, 3).tolist()) if random.random() < 0.7 else (1.0, 1.0, 1.0)
    return Sample(image, random_mask(random, KINDS[seed % len(KINDS)], shape), spacing)  # type: ignore[arg-type]


def random_settings(seed: int) -> Settings:
    """Return settings of which about a third each are not pyradiomics' own; every third seed has the default."""
    if seed % 3 == 0:
        return Settings()
    random = np.random.default_rng(seed + 1_000_000)
    chosen: dict[str, Any] = {"bin_width": random.choice([25, 5, 10.0, 0.7, 50]).item()}
    if random.random() < 0.3:
        chosen = {"bin_count": int(random.choice([1, 2, 8, 16, 64]))}
    if random.random() < 0.3:
        every = [(1,), (2,), (1, 2), (3,), (1, 3), (1, 1), (2, 1), (1, 2, 2)]
        chosen["distances"] = every[random.integers(0, len(every))]
    if random.random() < 0.3:
        chosen["symmetrical_glcm"] = False
    if random.random() < 0.4:
        chosen["weighting_norm"] = str(random.choice(["manhattan", "euclidean", "infinity", "no_weighting"]))
    if random.random() < 0.3:
        chosen["gldm_a"] = int(random.integers(0, 4))
    if random.random() < 0.3:
        chosen.update(force_2d=True, force_2d_dimension=int(random.integers(0, 3)))
    if random.random() < 0.2:
        chosen["voxel_array_shift"] = 300
    return Settings(**chosen)


def own_features(sample: Sample, settings: Settings) -> dict[str, dict[str, float]]:
    """Return the library's features by class; shape2D only where it applies."""
    region = Region(sample.image, sample.mask, sample.spacing, settings)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = {name: compute(region) for name, compute in TEXTURE_CLASSES.items()}
        found["firstorder"] = FIRSTORDER.compute(region.intensities)
        found["shape"] = SHAPE.compute(Shape(sample.mask, sample.spacing))
        axis = settings.force_2d_dimension
        if settings.force_2d and sample.cropped().mask.shape[axis] == 1:
            found["shape2D"] = shape2d.compute(sample.mask, sample.spacing, axis)
    return found


def pyradiomics_features(sample: Sample, settings: Settings, feature_class: str) -> dict[str, float]:
    """Return pyradiomics' features of one class; it raises where there is no room for neighbours."""
    import SimpleITK as sitk  # noqa: N813
    from radiomics import getFeatureClasses

    logging.getLogger("radiomics").setLevel(logging.CRITICAL + 1)
    cropped = sample.cropped()
    image, mask = (sitk.GetImageFromArray(array) for array in (cropped.image, cropped.mask.astype(np.uint8)))
    for grid in (image, mask):
        grid.SetSpacing([float(step) for step in reversed(sample.spacing)])
    chosen = {theirs: getattr(settings, ours) for ours, theirs in PYRADIOMICS_NAMES.items()}
    chosen["distances"] = list(settings.distances)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        values = getFeatureClasses()[feature_class](image, mask, label=1, **chosen).execute()
    return {name: float(np.real(value)) for name, value in values.items()}


def compare(sample: Sample, settings: Settings, shape: bool = True) -> Iterator[Difference | None]:
    """Yield one item for each feature: None where both engines give the same bits, else the difference.

    pyradiomics' ``shape`` takes long for regions of more than some thousand voxels.
    """
    for feature_class, own in own_features(sample, settings).items():
        if feature_class == "shape" and not shape:
            continue
        try:
            reference = pyradiomics_features(sample, settings, feature_class)
        except RuntimeError:  # "Error getting angle count": no neighbours
            reference = dict.fromkeys(own, float("nan"))
        assert list(own) == sorted(reference), feature_class
        for name, value in own.items():
            other = reference[name]
            same = value == other or (np.isnan(value) and np.isnan(other))
            yield None if same else Difference(feature_class, name, value, other)
