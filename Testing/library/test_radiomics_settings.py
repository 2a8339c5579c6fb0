"""Settings and pyradiomics' parameter files: what is read, what is refused, and that each setting does the same."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from scipy.ndimage import gaussian_filter

from BraTSOSLib.errors import InputError
from BraTSOSLib.radiomics import ImageType, Settings, measure_image
from BraTSOSLib.radiomics.parameters import SETTING_NAMES, write_parameters

pytest.importorskip("pywt", reason="PyWavelets is not installed")

CLASSES = ("shape", "firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm")
PARAMETERS = """
setting:
  binWidth: 10
  resampledPixelSpacing: [1, 1, 0]
  interpolator: 3
  weightingNorm:
  label: 2
imageType:
  Original: {}
  LoG:
    sigma: [1.0, 3]
    binWidth: 2.5
  Wavelet:
featureClass:
  shape:
  glcm: [Contrast, Id]
  firstorder: []
"""


def test_a_parameter_file_is_read_as_it_is(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    path = tmp_path / "parameters.yaml"
    path.write_text(PARAMETERS)
    settings = Settings.from_parameters(path)
    assert (settings.bin_width, settings.label, settings.weighting_norm) == (10, 2, None)
    assert settings.resampled_pixel_spacing == (1, 1, 0) and settings.interpolator == "sitkBSpline"
    assert settings.classes == ("shape", "glcm", "firstorder")
    assert settings.features_of("glcm") == ("Contrast", "Id") and len(settings.features_of("firstorder")) == 18
    assert [kind.name for kind in settings.image_types] == ["Original", "LoG", "Wavelet"]
    log = settings.for_image_type(settings.image_types[1])
    assert (log.sigma, log.bin_width) == ((1.0, 3), 2.5) and settings.bin_width == 10

    as_json = tmp_path / "parameters.json"
    as_json.write_text(json.dumps(yaml.safe_load(PARAMETERS)))
    assert Settings.from_parameters(as_json) == settings
    assert Settings.from_parameters(write_parameters(settings)) == settings


def test_without_classes_and_images_all_classes_of_the_original_are_meant() -> None:
    settings = Settings.from_parameters({"setting": {"binCount": 32}})
    assert sorted(settings.classes) == sorted(CLASSES)
    assert settings.image_types == (ImageType("Original"),)
    assert "shape2D" in Settings.from_parameters({"setting": {"force2D": True}}).classes


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"settings": {}}, "'settings'"),
        ({"setting": {"binwidth": 5}}, "'binwidth'"),
        ({"setting": {"binWidth": -5}}, "binWidth is -5"),
        ({"setting": {"force2Ddimension": 3}}, "force2Ddimension"),
        ({"setting": {"interpolator": "sitkCubic"}}, "sitkCubic"),
        ({"setting": {"weightingNorm": "taxi"}}, "weightingNorm is 'taxi'"),
        ({"setting": {"resampledPixelSpacing": [1, 1]}}, "resampledPixelSpacing"),
        ({"setting": {"normalize": "yes"}}, "normalize"),
        ({"imageType": {"LBP2D": {}}}, "'LBP2D'"),
        ({"imageType": {"LoG": {"sigmas": [1]}}}, "'sigmas'"),
        ({"imageType": {"LoG": {"sigma": [-1]}}}, "sigma"),
        ({"imageType": {"LoG": {"normalize": True}}}, "'normalize'"),
        ({"featureClass": {"glcmm": None}}, "'glcmm'"),
        ({"featureClass": {"glcm": ["Contrasts"]}}, "'Contrasts'"),
        ({"voxelSetting": {"kernelRadius": 1}}, "voxelSetting"),
        ({}, "no parameters"),
    ],
)
def test_what_is_not_known_is_refused_by_name(parameters: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named.replace("[", r"\[")):
        Settings.from_parameters(parameters)


def test_files_that_are_no_parameters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.yaml"):
        Settings.from_parameters(tmp_path / "nowhere.yaml")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        Settings.from_parameters(tmp_path / "bad.json")
    pytest.importorskip("yaml")
    (tmp_path / "bad.yaml").write_text("setting: [")
    with pytest.raises(InputError, match="not YAML"):
        Settings.from_parameters(tmp_path / "bad.yaml")
    (tmp_path / "text.yaml").write_text("nothing")
    with pytest.raises(InputError, match="no parameters"):
        Settings.from_parameters(tmp_path / "text.yaml")


def image_and_mask(kind: int) -> tuple[sitk.Image, sitk.Image]:
    """Return a small image of another type, grid and orientation for each kind, and a ragged region with label 2."""
    random = np.random.default_rng(kind)
    shape = (22, 25, 24)
    array = gaussian_filter(random.normal(0, 1, shape), 1.2)
    array = (array / array.std() * 90 + 350).astype((np.int16, np.float32)[kind])
    z, y, x = np.indices(shape)
    region = ((z - 11) / 7) ** 2 + ((y - 12) / 8) ** 2 + ((x - 11) / 7) ** 2 + 0.3 * random.random(shape) < 1
    image, mask = sitk.GetImageFromArray(array), sitk.GetImageFromArray(region.astype(np.uint8) * 2)
    for one in (image, mask):
        one.SetSpacing(((1.0, 1.0, 1.0), (0.9, 1.1, 3.0))[kind])
        one.SetOrigin(((0.0, -239.0, 0.0), (-10.3, 4.4, 77.1))[kind])
        one.SetDirection(((1.0, 0, 0, 0, 1, 0, 0, 0, 1), (0.0, 1, 0, 1, 0, 0, 0, 0, -1))[kind])
    return image, mask


FILTERED = {"Original": {}, "LoG": {"sigma": [1.5]}, "Gradient": {}}
CASES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, FILTERED | {"Wavelet": {}, "Square": {}}),
    ({"binCount": 16}, {}),
    ({"binWidth": 7.5}, {"SquareRoot": {"binWidth": 4}}),
    ({"normalize": True, "normalizeScale": 100, "removeOutliers": 2, "binWidth": 9}, FILTERED),
    ({"resampledPixelSpacing": [1.5, 1.3, 0], "interpolator": "sitkBSpline"}, FILTERED),
    ({"resampledPixelSpacing": [0.8, 2, 1.1], "interpolator": "sitkLinear", "padDistance": 3}, {"Wavelet": {}}),
    ({"resampledPixelSpacing": [0, 0, 0], "padDistance": 4}, FILTERED),
    ({"resegmentRange": [300, 420]}, {}),
    ({"resegmentRange": [-1, 1], "resegmentMode": "sigma", "resegmentShape": True}, {}),
    ({"resegmentRange": [0.6], "resegmentMode": "relative"}, {}),
    ({"distances": [1, 2]}, {}),
    ({"symmetricalGLCM": False}, {}),
    *(({"weightingNorm": norm}, {}) for norm in ("euclidean", "manhattan", "infinity", "no_weighting")),
    ({"gldm_a": 2}, {}),
    ({"force2D": True}, {"Original": {}, "Wavelet": {}}),
    ({"force2D": True, "force2Ddimension": 1}, {}),
    ({"voxelArrayShift": 300}, {}),
    ({"preCrop": True, "padDistance": 6}, FILTERED),
    ({"gradientUseSpacing": False}, {"Gradient": {}}),
    ({}, {"Wavelet": {"wavelet": "db2", "start_level": 1}}),
]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_each_setting_does_what_pyradiomics_does(number: int) -> None:
    """Every value and diagnostic of pyradiomics' extractor, the values to the last bit."""
    extractors = pytest.importorskip("radiomics.featureextractor", reason="pyradiomics is not installed")
    logging.getLogger("radiomics").setLevel(logging.CRITICAL + 1)
    setting, image_types = CASES[number]
    parameters = {
        "setting": {"binWidth": 25, "label": 2, **setting},
        "imageType": image_types or {"Original": {}},
        "featureClass": dict.fromkeys(CLASSES),
    }
    image, mask = image_and_mask(number % 2)
    expected = extractors.RadiomicsFeatureExtractor(parameters).execute(image, mask)
    found = measure_image(image, mask, settings=Settings.from_parameters(parameters))
    assert set(found) == set(expected)
    for name, value in expected.items():
        if name.startswith("diagnostics"):
            if "Versions_PyRadiomics" not in name and "Settings" not in name:
                exact = tuple(map(float, value)) if isinstance(value, tuple) else value
                assert found[name] == exact, name
        else:
            same = found[name] == float(np.real(value)) or (math.isnan(found[name]) and np.isnan(value))
            assert same, (name, found[name], value)


def test_deprecated_features_are_there_when_named() -> None:
    extractors = pytest.importorskip("radiomics.featureextractor", reason="pyradiomics is not installed")
    wanted = {
        "shape": ["SphericalDisproportion", "Compactness1", "Compactness2", "MeshVolume"],
        "firstorder": ["StandardDeviation"],
        "glcm": ["Homogeneity1"],
    }
    parameters = {"setting": {"label": 2, "additionalInfo": False}, "featureClass": wanted}
    settings = Settings.from_parameters(parameters)
    assert settings.classes == ("shape", "firstorder")  # pyradiomics, too, has no value for Homogeneity1
    image, mask = image_and_mask(0)
    logging.getLogger("radiomics").setLevel(logging.CRITICAL + 1)
    expected = extractors.RadiomicsFeatureExtractor(parameters).execute(image, mask)
    found = measure_image(image, mask, settings=settings, diagnostics=False)
    assert found == {name: float(value) for name, value in expected.items()} and len(found) == 5


def test_every_setting_is_written_and_read() -> None:
    names = {field for field in Settings.__dataclass_fields__ if field not in ("classes", "features", "image_types")}
    assert set(SETTING_NAMES.values()) == names


def test_one_image_and_its_mask_must_fit() -> None:
    image, mask = image_and_mask(0)
    with pytest.raises(InputError, match=r"no voxel of the label 1 .*labels there: 2"):
        measure_image(image, mask)
    mask.SetSpacing((1, 1, 1.5))
    with pytest.raises(InputError, match=r"grid of the image.*spacing"):
        measure_image(image, mask, label=2)
    with pytest.raises(InputError, match=r"nowhere\.nrrd"):
        measure_image("nowhere.nrrd", mask)


def test_a_resegmented_region_may_be_empty() -> None:
    image, mask = image_and_mask(0)
    found = measure_image(image, mask, label=2, settings=Settings(resegment_range=(9000.0,)), diagnostics=False)
    assert found["original_shape_VoxelVolume"] > 0
    assert all(math.isnan(value) for name, value in found.items() if "firstorder" in name)


def test_images_of_8_bits_do_not_overflow() -> None:
    random = np.random.default_rng(2)
    array = random.integers(0, 256, (8, 9, 10))
    mask = sitk.GetImageFromArray((random.random(array.shape) < 0.7).astype(np.uint8))
    settings = Settings(classes=CLASSES, bin_width=25)
    small, large = (
        measure_image(sitk.GetImageFromArray(array.astype(kind)), mask, settings=settings, diagnostics=False)
        for kind in (np.uint8, np.int16)
    )
    assert small == large


def test_compiled_code_finds_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    from BraTSOSLib.radiomics import jit

    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    jit.find_cache_folder()
    assert jit.os.environ["NUMBA_CACHE_DIR"] == ""  # the usual places can be written to
    monkeypatch.setattr(jit.os, "access", lambda *_: False)
    jit.find_cache_folder()
    assert "bratsos-numba" in jit.os.environ["NUMBA_CACHE_DIR"]
