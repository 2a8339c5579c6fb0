"""A digital phantom: a procedural brain with a glioma, in the geometry of BraTS, for demonstrations and tests.

Every anatomical part is a simple shape in millimetres around the middle of the brain, bent by smooth noise: an
ellipsoidal cerebrum with a folded surface, cerebellum, brainstem, ventricles, deep grey nuclei. The tumour pushes
tissue aside, enhances in an irregular rim around its necrosis, and its oedema spreads through white matter. Four
contrasts follow from one table of relative intensities. It is no patient and no measure of segmentation quality.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .case import MODALITIES, SYNTHETIC_NOTE, Case
from .errors import InputError
from .geometry import Geometry
from .labels import ED, ET, NCR

GEOMETRY = Geometry((240, 240, 155), (1.0, 1.0, 1.0), (0.0, -239.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
"""The grid of the BraTS challenges."""

_BOX = ((4, 150), (28, 212), (46, 194))
"""First and last + 1 voxel (z, y, x) of the part of the grid that the brain can reach; the rest stays 0."""
_CENTRE = (72.0, 118.0, 120.0)
"""Voxel (z, y, x) of the brain's middle."""

_CSF, _GREY, _WHITE, _NECROSIS, _OEDEMA, _ENHANCING = range(6)
_INTENSITY = {
    "t1": (0.24, 0.56, 0.76, 0.36, 0.55, 0.52),
    "t1ce": (0.20, 0.46, 0.58, 0.30, 0.46, 0.88),
    "t2": (0.98, 0.46, 0.34, 0.95, 0.70, 0.72),
    "flair": (0.16, 0.46, 0.38, 0.64, 0.82, 0.78),
}
"""Relative intensities of the six tissues; orders and distances are those of the glioblastomas of BraTS."""
_FULL_SCALE = 1000.0
_NOISE = 0.022
_BIAS = 0.10


def make_phantom(seed: int = 0, name: str | None = None) -> tuple[Case, np.ndarray]:
    """Make one synthetic case with its true label map.

    Parameters
    ----------
    seed : int
        The same seed gives the same voxels.
    name : str, optional
        The case's name, by default ``Synthetic_<seed>``.

    Returns
    -------
    case : Case
        Skull-stripped t1, t1ce, t2 and flair, 240 x 240 x 155 at 1 mm, whole numbers up to about 1,000 as float32;
        ``synthetic`` is True.
    labels : ndarray (z, y, x) uint8, values 0, 1, 2, 4
    """
    if seed < 0:
        raise InputError(f"The seed is {seed}: give a whole number of 0 or more.")
    random = np.random.default_rng(seed)
    anatomy = _Anatomy.build(random)
    tissue, labels_in_box = _add_tumour(anatomy, random)
    volumes = {kind: _render(tissue, anatomy.brain, _INTENSITY[kind], random) for kind in MODALITIES}
    shape = GEOMETRY.size[::-1]
    box = tuple(slice(first, last) for first, last in _BOX)
    labels = np.zeros(shape, np.uint8)
    labels[box] = labels_in_box
    whole: dict[str, np.ndarray] = {}
    for kind, volume in volumes.items():
        whole[kind] = np.zeros(shape, np.float32)
        whole[kind][box] = volume
    return Case(name or f"Synthetic_{seed:04d}", whole, GEOMETRY, synthetic=True), labels


def write_phantoms(folder: str | os.PathLike[str], cases: int = 1, seed: int = 0) -> list[Path]:
    """Write synthetic cases ``Synthetic_<seed>``, ``Synthetic_<seed + 1>``, … as BraTS-style folders.

    Parameters
    ----------
    folder : path
        Made if it is not there; each case becomes a subfolder, whole or not at all.
    cases, seed : int
        Number of cases and seed of the first.

    Returns
    -------
    list of Path
        The case folders, each with ``<case>_{t1,t1ce,t2,flair,seg}.nii.gz`` whose headers say that it is synthetic.
    """
    from .atomic import staged_folder
    from .images import write_image

    if cases < 1:
        raise InputError(f"The number of cases is {cases}: give 1 or more.")
    written: list[Path] = []
    for number in range(seed, seed + cases):
        name = f"Synthetic_{number:04d}"
        target = Path(folder) / name
        files = [f"{name}_{kind}.nii.gz" for kind in (*MODALITIES, "seg")]
        with staged_folder(target, files) as staging:
            case, labels = make_phantom(number, name)
            arrays = [*(case.volumes[kind].astype(np.int16) for kind in MODALITIES), labels]
            for file, array in zip(files, arrays, strict=True):
                write_image(array, case.geometry, staging / file, SYNTHETIC_NOTE)
        written.append(target)
    return written


@dataclass(frozen=True)
class _Anatomy:
    """The brain without its tumour's tissues, on the box; arrays (z, y, x)."""

    tissue: np.ndarray
    brain: np.ndarray
    distance: np.ndarray
    """Distance from the tumour's middle in mm."""
    radius: float
    """Radius of the tumour core in mm."""
    side: int

    @classmethod
    def build(cls, random: np.random.Generator) -> _Anatomy:
        from scipy.ndimage import distance_transform_edt

        axes = [np.arange(first, last, dtype=np.float32) - c for (first, last), c in zip(_BOX, _CENTRE, strict=True)]
        shape = tuple(last - first for first, last in _BOX)
        z, y, x = (axis + 2.0 * _smooth_noise(shape, 28, random) for axis in np.meshgrid(*axes, indexing="ij"))

        brain = _cerebrum(x, y, z, shape, random) | _cerebellum(x, y, z) | _brainstem(x, y, z)
        side = int(random.choice((-1, 1)))
        radius = float(random.uniform(14, 22))
        middle = (random.uniform(0, 26), random.uniform(-32, 30), side * random.uniform(30, 36))
        offset = [axis - c for axis, c in zip((z, y, x), middle, strict=True)]
        distance = np.sqrt(offset[0] ** 2 + offset[1] ** 2 + offset[2] ** 2)

        # Tissue that was nearer to the tumour's middle is pushed out: anatomy is looked up nearer than it is drawn.
        push = 1 - 0.38 * np.exp(-((distance / (1.7 * radius)) ** 2))
        bent = [c + o * push for c, o in zip(middle, offset, strict=True)]
        del offset, push
        ventricles = _ventricles(bent[2], bent[1], bent[0])
        nuclei = _nuclei(bent[2], bent[1], bent[0])

        inside = distance_transform_edt(brain).astype(np.float32)
        fluid = brain & (_sulci(inside, bent, shape, random) | (inside <= 1))
        ribbon = distance_transform_edt(~fluid).astype(np.float32) + 0.7 * _smooth_noise(shape, 7, random)
        tissue = np.full(shape, _WHITE, np.uint8)
        tissue[ribbon < 3.1] = _GREY
        tissue[nuclei] = _GREY
        tissue[fluid | ventricles] = _CSF
        return cls(tissue, brain, distance, radius, side)


def _cerebrum(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, shape: tuple[int, ...], random: np.random.Generator
) -> np.ndarray:
    # Flat below, domed above, a little narrower in front and behind.
    width = 66 - 5 * np.clip(-y / 80, 0, 1) ** 2 - 3 * np.clip(y / 80, 0, 1) ** 2
    height = np.where(z > 0, 64.0, 46.0)
    size = (np.abs(x) / width) ** 2.3 + (np.abs(y) / 84) ** 2.3 + (np.abs(z) / height) ** 2.3
    surface = size + 0.035 * _smooth_noise(shape, 14, random) < 1
    frontal_floor = (y < -28) & (z < -20 + 0.15 * (y + 28))
    below_tentorium = (y > 12) & (z < _tentorium(x, y))
    between_temporal_lobes = (np.abs(x) < 17) & (z < -22)
    return surface & ~frontal_floor & ~below_tentorium & ~between_temporal_lobes


def _cerebellum(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    lobes = ((np.abs(x) - 22) / 30) ** 2 + ((y - 44) / 33) ** 2 + ((z + 34) / 27) ** 2 < 1
    vermis = (x / 20) ** 2 + ((y - 42) / 25) ** 2 + ((z + 34) / 24) ** 2 < 1
    return (lobes | vermis) & (z < _tentorium(x, y) + 1)


def _fissures(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Fluid between the hemispheres, above the temporal lobes (Sylvian fissure) and along the tentorium."""
    between = (np.abs(x) < 1.1) & ((z > 24) | (y < -46) | ((y > 46) & (z > -12)))
    sylvian = (np.abs(z + 7 - 0.22 * y) < 1.5) & (np.abs(x) > 40) & (y > -34) & (y < 26)
    tentorium = (np.abs(z - _tentorium(x, y)) < 1.5) & (y > 18)
    return between | sylvian | tentorium


def _tentorium(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Height z of the sheet between cerebrum and cerebellum."""
    return -16 - 0.2 * (y - 12) - 0.06 * np.abs(x)


def _brainstem(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    axis = 12 + 0.25 * (-z - 20)
    bulge = 4 * np.exp(-(((z + 34) / 9) ** 2))
    return ((x / (11 + bulge)) ** 2 + ((y - axis + bulge / 2) / (10 + bulge)) ** 2 < 1) & (z < -8) & (z > -66)


def _ventricles(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    side = np.abs(x)
    arch = 14 - 0.006 * (y + 4) ** 2
    body = ((side - 8 - 0.0035 * (y + 4) ** 2) / 5.0) ** 2 + ((z - arch) / 6.5) ** 2 + ((y + 2) / 40) ** 4 < 1
    occipital = ((side - 22) / 5) ** 2 + ((y - 40) / 19) ** 2 + ((z - 4) / 6) ** 2 < 1
    temporal = ((side - 31) / 3.5) ** 2 + ((y - 4) / 16) ** 2 + ((z + 19) / 3.5) ** 2 < 1
    third = (side / 2.2) ** 2 + (y / 15) ** 2 + ((z + 2) / 10) ** 2 < 1
    fourth = (side / 6) ** 2 + ((y - 30) / 6) ** 2 + ((z + 38) / 10) ** 2 < 1
    septum = (side < 1.1) & (z > 6)
    return ((body & ~septum) | occipital | temporal | third | fourth).astype(bool)


def _nuclei(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    side = np.abs(x)
    thalamus = ((side - 12) / 9) ** 2 + ((y - 8) / 14) ** 2 + ((z - 1) / 9) ** 2 < 1
    putamen = ((side - 27) / 5.5) ** 2 + ((y + 8) / 16) ** 2 + (z / 11) ** 2 < 1
    caudate = ((side - 15) / 4) ** 2 + ((y + 22) / 10) ** 2 + ((z - 8) / 9) ** 2 < 1
    return (thalamus | putamen | caudate).astype(bool)


def _sulci(
    inside: np.ndarray, bent: list[np.ndarray], shape: tuple[int, ...], random: np.random.Generator
) -> np.ndarray:
    """Thin fluid-filled sheets that reach from the surface 10 to 20 mm deep, and the cerebellum's fine leaves."""
    z, y, x = bent
    folds = _smooth_noise(shape, 7, random)
    depth = 17 + 5 * _smooth_noise(shape, 20, random)
    cerebral = (np.abs(folds) < 0.19 * np.clip(1.15 - inside / depth, 0, 1)) & (inside < depth)
    cerebellum = (y > 12) & (z < _tentorium(x, y))
    leaves = (np.cos((z + 0.35 * (y - 47) + 2 * folds) * 0.9) > 0.9) & (inside < 13)
    stem = (np.abs(x) < 17) & (y < 30) & (z < -14)
    return (np.where(cerebellum, leaves, cerebral) & ~stem) | _fissures(x, y, z)


def _add_tumour(anatomy: _Anatomy, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Put necrosis, rim and oedema into the anatomy; return tissues and BraTS labels on the box."""
    from scipy.ndimage import gaussian_filter

    shape = anatomy.tissue.shape
    coarse, fine = _smooth_noise(shape, 16, random), _smooth_noise(shape, 6, random)
    # Distance in units of the core's radius, with an uneven border: 1 is the outer face of the rim.
    border = anatomy.distance / anatomy.radius + 0.09 * coarse + 0.05 * fine
    thickness = random.uniform(0.2, 0.3) + 0.1 * _smooth_noise(shape, 9, random)
    core = (border < 1) & anatomy.brain
    rim = core & (border > 1 - np.clip(thickness, 0.1, None))

    # Oedema follows the white matter and stops at grey matter, fluid and the midline.
    white = gaussian_filter((anatomy.tissue == _WHITE).astype(np.float32), 1.5)
    x = np.arange(_BOX[2][0], _BOX[2][1], dtype=np.float32) - _CENTRE[2]
    other_side = np.clip((6 - anatomy.side * x) / 10, 0, 1)
    reach = random.uniform(0.5, 1.1)
    spread = border - reach * (1.25 * white - 0.3 + 0.45 * _smooth_noise(shape, 14, random)) + 2 * other_side
    oedema = (spread < 1) & anatomy.brain & (anatomy.tissue != _CSF) & ~core

    tissue = anatomy.tissue.copy()
    labels = np.zeros(shape, np.uint8)
    for mask, kind, label in ((oedema, _OEDEMA, ED), (core, _NECROSIS, NCR), (rim, _ENHANCING, ET)):
        tissue[mask] = kind
        labels[mask] = label
    return tissue, labels


def _render(
    tissue: np.ndarray, brain: np.ndarray, intensity: tuple[float, ...], random: np.random.Generator
) -> np.ndarray:
    """Give the tissues one contrast: partial volume, texture, bias field, Rician noise; whole numbers, 0 outside."""
    from scipy.ndimage import gaussian_filter

    shape = tissue.shape
    clean = np.asarray(intensity, np.float32)[tissue]
    # Beyond the brain's surface the last tissue goes on, so that smoothing does not darken the edge twice.
    image = gaussian_filter(clean, 0.75, truncate=3)
    # Healthy tissue is even, a tumour is not.
    texture = np.asarray((0.06, 0.035, 0.03, 0.10, 0.07, 0.14), np.float32)[tissue]
    image *= 1 + texture * _smooth_noise(shape, 5, random)
    image *= np.exp(_BIAS * _smooth_noise(shape, 90, random))
    real = image + _NOISE * random.standard_normal(shape, np.float32)
    imaginary = _NOISE * random.standard_normal(shape, np.float32)
    noisy = np.rint(_FULL_SCALE * np.hypot(real, imaginary))
    return np.where(brain, np.maximum(noisy, 1), 0).astype(np.float32)


def _smooth_noise(shape: tuple[int, ...], scale: float, random: np.random.Generator) -> np.ndarray:
    """Smooth random field (z, y, x) of zero mean and unit deviation that varies over ``scale`` mm.

    Independent normal numbers on a coarse grid are spread by a Gaussian, one axis at a time as a matrix product.
    """
    step = max(scale / 2, 1.0)
    nodes = [int(np.ceil(extent / step)) + 5 for extent in shape]
    field = random.standard_normal(nodes, np.float32)
    for axis, (extent, count) in enumerate(zip(shape, nodes, strict=True)):
        apart = np.arange(extent)[:, None] / step - (np.arange(count)[None, :] - 2)
        weights = np.exp(-(apart**2) / 2)
        weights /= np.sqrt((weights**2).sum(axis=1, keepdims=True))
        field = np.moveaxis(np.tensordot(weights.astype(np.float32), field, (1, axis)), 0, axis)
    return field
