"""The library's own engine against pyradiomics, on small random regions and on real scans."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import pytest

from BraTSOSLib.case import MODALITIES, Case, Geometry, read_case, read_label_map
from BraTSOSLib.labels import REGIONS
from BraTSOSLib.radiomics import ImageType, Settings, extract_features

pytest.importorskip("radiomics", reason="pyradiomics is not installed (python Testing/install_pyradiomics.py)")

NATIVE = Path(__file__).resolve().parents[3] / "shared" / "data" / "native"
NATIVE_CASES = ("Brats18_TCIA01_201_1", "Brats18_TCIA02_135_1")
# Rounding of 1e-16 mm² in an eigenvalue that should be 0 is 1e-8 mm in an axis length: no size of interest.
ZERO = 1e-6


def assert_agree(
    case: Case,
    labels: np.ndarray,
    relative: float,
    settings: Settings | None = None,
    regions: tuple[str, ...] = tuple(REGIONS),
) -> None:
    own, reference = (
        extract_features(case, labels, engine=engine, settings=settings or Settings(), regions=regions)
        for engine in ("bratsos", "pyradiomics")
    )
    assert reference.attrs["engine"] == "pyradiomics"
    assert list(own["feature"]) == list(reference["feature"])
    a, b = own["value"].to_numpy(), reference["value"].to_numpy()
    equal = (np.isnan(a) & np.isnan(b)) | (np.abs(a - b) <= relative * np.abs(b))
    axis = own["feature"].str.contains("AxisLength|Elongation|Flatness").to_numpy()
    equal |= axis & (np.abs(a) < ZERO) & (np.abs(b) < ZERO)
    assert equal.all(), own[~equal].assign(pyradiomics=b[~equal])


def random_case(random: np.random.Generator, shape: tuple[int, ...], kind: int) -> Case:
    spacing = tuple(random.uniform(0.3, 5, 3)) if kind % 3 else (1.0, 1.0, 1.0)
    spread = random.choice([0, 0.1, 30, 300])
    volumes = {name: random.normal(random.uniform(-200, 500), spread, shape).astype(np.float32) for name in MODALITIES}
    if kind % 2:
        volumes = {name: np.round(volume) for name, volume in volumes.items()}
    geometry = Geometry(shape[::-1], spacing, (0.0,) * 3, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))  # type: ignore[arg-type]
    return Case(f"Random {kind}", volumes, geometry)


def box(random: np.random.Generator, shape: tuple[int, ...], thickness: int | None = None) -> tuple[slice, ...]:
    start = [random.integers(0, n) for n in shape]
    stop = [random.integers(a + 1, n + 1) for a, n in zip(start, shape, strict=True)]
    if thickness:
        stop[0] = min(start[0] + thickness, shape[0])
    return tuple(slice(a, b) for a, b in zip(start, stop, strict=True))


@pytest.mark.parametrize("kind", ["scattered", "several blocks", "one slice", "full", "single voxels", "two voxels"])
def test_small_random_regions_agree(kind: str) -> None:
    random = np.random.default_rng(len(kind))
    for number in range(10):
        shape = tuple(int(n) for n in random.integers(2, 13, 3))
        labels = np.zeros(shape, np.uint8)
        if kind == "scattered":
            labels = random.choice([0, 1, 2, 4], shape, p=[0.6, 0.1, 0.2, 0.1]).astype(np.uint8)
        elif kind == "several blocks":
            for label in (2, 2, 4, 4, 1):
                labels[box(random, shape)] = label
        elif kind == "one slice":
            labels[box(random, shape, thickness=1)] = 4
        elif kind == "full":
            labels[:] = 2
        elif kind == "single voxels":
            for label in (1, 2, 4):
                labels[tuple(random.integers(0, n) for n in shape)] = label
        else:
            for _ in range(2):
                labels[tuple(random.integers(0, n) for n in shape)] = 1
        assert_agree(random_case(random, shape, number), labels, relative=1e-10)


def test_settings_agree() -> None:
    random = np.random.default_rng(11)
    case = random_case(random, (8, 9, 10), 1)
    case = Case(case.name, {name: case.volumes[name] for name in ("t1", "flair")}, case.geometry)
    labels = random.choice([0, 1, 2, 4], (8, 9, 10)).astype(np.uint8)
    both = ("shape", "firstorder")
    for settings in (
        Settings(bin_width=5),
        Settings(bin_width=0.3),
        Settings(voxel_array_shift=2000),
        Settings(classes=(*both, "glcm", "glszm"), normalize=True, normalize_scale=100, distances=(1, 2)),
        Settings(
            classes=(*both, "ngtdm"), resampled_pixel_spacing=(1.0, 1.0, 1.0), image_types=(ImageType("Gradient"),)
        ),
        Settings(classes=(*both, "gldm"), resegment_range=(-1.0, 1.0), resegment_mode="sigma"),
        Settings(classes=(*both, "glrlm"), resegment_range=(0.5,), resegment_mode="relative", resegment_shape=True),
        Settings(pre_crop=True, pad_distance=3, image_types=(ImageType("Square"), ImageType("LoG", {"sigma": (1.0,)}))),
    ):
        assert_agree(case, labels, relative=1e-10, settings=settings, regions=("ET", "WT"))


def test_pyradiomics_keeps_quiet(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(3)
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[2, 2, 2] = 4
    with caplog.at_level(logging.DEBUG, logger="radiomics"), warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")  # pyradiomics divides 0 by 0 in a single voxel
        extract_features(random_case(random, (4, 4, 4), 1), labels, engine="pyradiomics")
    assert not caplog.records
    assert not shown
    assert capfd.readouterr() == ("", "")


def native(name: str) -> tuple[Case, np.ndarray]:
    folder = NATIVE / name
    if not folder.is_dir():
        pytest.skip(f"the real scans of {name} are not beside the repository")
    case = read_case(folder)
    return case, read_label_map(next(folder.glob("*_seg.nii*")), case.geometry)


@pytest.mark.parametrize(("name", "regions"), [(NATIVE_CASES[0], ("ET",)), (NATIVE_CASES[1], ("NCR", "TC"))])
def test_real_scans_agree(name: str, regions: tuple[str, ...]) -> None:
    assert_agree(*native(name), relative=1e-10, regions=regions)


def test_values_are_those_of_pyradiomics_default_call() -> None:
    """The engine calls pyradiomics' feature classes; its extractor, given whole volumes, must say the same."""
    import SimpleITK as sitk  # noqa: N813
    from radiomics import featureextractor, setVerbosity

    case, labels = native(NATIVE_CASES[1])
    setVerbosity(logging.ERROR)
    extractor = featureextractor.RadiomicsFeatureExtractor()
    extractor.disableAllFeatures()
    extractor.enableFeatureClassByName("shape")
    extractor.enableFeatureClassByName("firstorder")
    image, mask = (sitk.GetImageFromArray(a) for a in (case.volumes["t1ce"], (labels == 1).astype(np.uint8)))
    image.SetSpacing(case.geometry.spacing)
    mask.SetSpacing(case.geometry.spacing)
    result = extractor.execute(image, mask)
    expected = {k: float(v) for k, v in result.items() if k.startswith("original")}
    assert len(expected) == 32

    table = extract_features(case, labels, engine="bratsos", regions=("NCR",))
    own = dict(zip(table["feature"], table["value"], strict=True))
    for name, value in expected.items():
        prefix = "NCR_" if "_shape_" in name else "t1ce_NCR_"
        assert own[prefix + name] == pytest.approx(value, rel=1e-10), name
