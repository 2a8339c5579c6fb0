"""Every feature class of the library against pyradiomics, to the last bit.

``Testing/benchmarks/parity_radiomics.py`` does the same for a thousand regions.
"""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import pytest
from radiomics_reference import KINDS, Sample, compare, random_mask, random_sample, random_settings

from BraTSOSLib.case import read_case, read_label_map
from BraTSOSLib.labels import region_mask
from BraTSOSLib.radiomics import Settings

pytest.importorskip("radiomics", reason="pyradiomics is not installed (python Testing/install_pyradiomics.py)")

NATIVE = Path(__file__).resolve().parents[3] / "shared" / "data" / "native" / "Brats18_TCIA02_135_1"

# The compiler of pyradiomics' C code may fuse multiplications and additions, though not on x86-64; only the meshes of
# the shape classes are computed there in floating point.
MESH = 0.0 if platform.machine() in ("x86_64", "AMD64") else 1e-12


def assert_same(sample: Sample, settings: Settings, shape: bool = True) -> None:
    found = list(compare(sample, settings, shape))
    assert len(found) >= 93 + 14 * shape
    differences = [one for one in found if one is not None]
    unlike = [one for one in differences if not (one.feature_class.startswith("shape") and one.relative <= MESH)]
    assert not unlike, (settings, unlike)


@pytest.mark.parametrize("kind", KINDS)
def test_small_random_regions(kind: str) -> None:
    first = KINDS.index(kind)
    for number in range(5):
        seed = first + number * len(KINDS)
        assert_same(random_sample(seed, largest=9), random_settings(seed))


@pytest.mark.parametrize("numba", ["1", "0"])
@pytest.mark.parametrize("seed", [5087, 5256, 10085])
def test_shapes_that_are_hard_to_round(seed: int, numba: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRATSOS_NUMBA", numba)
    assert_same(random_sample(seed), Settings())


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(bin_width=3),
        Settings(bin_width=0.7),
        Settings(bin_count=16),
        Settings(bin_count=1),
        Settings(distances=(2,)),
        Settings(distances=(1, 3)),
        Settings(distances=(1, 1)),
        Settings(symmetrical_glcm=False),
        Settings(weighting_norm="manhattan"),
        Settings(weighting_norm="euclidean"),
        Settings(weighting_norm="infinity"),
        Settings(weighting_norm="no_weighting"),
        Settings(weighting_norm="euclidean", symmetrical_glcm=False, force_2d=True),
        Settings(gldm_a=2),
        Settings(force_2d=True, force_2d_dimension=0),
        Settings(force_2d=True, force_2d_dimension=1),
        Settings(force_2d=True, force_2d_dimension=2),
        Settings(voxel_array_shift=2000),
    ],
    ids=str,
)
def test_every_setting(settings: Settings) -> None:
    random = np.random.default_rng(7)
    image = random.normal(100, 60, (6, 8, 7)).astype(np.float32)
    sample = Sample(image, random_mask(random, "scattered", image.shape) | (image > 120), (2.5, 0.9, 1.1))
    assert_same(sample, settings)


@pytest.mark.parametrize("number_type", ["int16", "uint8", "int32", "float32", "float64"])
def test_every_number_type(number_type: str) -> None:
    random = np.random.default_rng(3)
    image = random.uniform(1, 250, (5, 6, 7)).astype(number_type)
    assert_same(Sample(image, image > 60, (1.0, 1.0, 3.0)), Settings(bin_width=25))


@pytest.mark.parametrize("step", [0.1, 0.3, 1 / 3, 1e-3])
@pytest.mark.parametrize("number_type", ["float32", "float64"])
def test_values_at_the_edges_of_bins(step: float, number_type: str) -> None:
    image = (np.arange(-40, 80).reshape(4, 5, 6) * step).astype(number_type)
    assert_same(Sample(image, np.ones(image.shape, bool), (1.0, 1.0, 1.0)), Settings(bin_width=step))


def test_real_scans() -> None:
    if not NATIVE.is_dir():
        pytest.skip(f"the real scans of {NATIVE.name} are not beside the repository")
    case = read_case(NATIVE)
    labels = read_label_map(next(NATIVE.glob("*_seg.nii*")), case.geometry)
    for modality, region in (("t1ce", "ET"), ("flair", "NCR")):
        sample = Sample(case.volumes[modality], region_mask(labels, region), case.geometry.spacing[::-1])
        assert_same(sample, Settings(), shape=False)
