"""The images that features are measured on: against the tools that define them, whole image against cut-out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from BraTSOSLib.errors import InputError
from BraTSOSLib.radiomics import ImageType, Settings, log_filter
from BraTSOSLib.radiomics.box import bounding_box
from BraTSOSLib.radiomics.image_types import filtered, image_names
from BraTSOSLib.radiomics.lbp_filter import icosphere
from BraTSOSLib.radiomics.settings import IMAGE_TYPES
from BraTSOSLib.radiomics.volume import Volume

pywt = pytest.importorskip("pywt", reason="PyWavelets is not installed")

SPACING = (2.0, 1.5, 0.8)
TYPES = (np.int16, np.float32, np.float64)


def random_image(
    seed: int, shape: tuple[int, int, int], dtype: type = np.float32, background: float = 0.5
) -> np.ndarray:
    """Return an image with a background of zeros around and between its voxels."""
    random = np.random.default_rng(seed)
    image = random.normal(200, 120, shape)
    image[random.random(shape) < background / 2] = 0
    for axis in range(3):
        edge = [slice(None)] * 3
        edge[axis] = slice(0, int(random.integers(0, 6)))
        image[tuple(edge)] = 0
    return image.astype(dtype)


def random_box(random: np.random.Generator, shape: tuple[int, ...]) -> tuple[slice, slice, slice]:
    starts = [int(random.integers(0, n)) for n in shape]
    z, y, x = (slice(a, int(random.integers(a + 1, n + 1))) for a, n in zip(starts, shape, strict=True))
    return z, y, x


def images_of(
    name: str, image: np.ndarray, box: tuple[slice, slice, slice], **settings: object
) -> dict[str, np.ndarray]:
    chosen = Settings(**{"sigma": (1, 2.5), **settings})  # type: ignore[arg-type]
    mask = np.ones([part.stop - part.start for part in box], bool)
    found = dict(filtered(ImageType(name), Volume(image, SPACING), box, mask, chosen))
    assert list(found) == image_names(ImageType(name), chosen)
    return {key: value for key, value in found.items() if value is not None}


def everything(shape: tuple[int, int, int]) -> tuple[slice, slice, slice]:
    z, y, x = shape
    return slice(0, z), slice(0, y), slice(0, x)


def itk_log(image: np.ndarray, sigma: float) -> np.ndarray:
    whole = sitk.GetImageFromArray(image)
    whole.SetSpacing(SPACING[::-1])
    itk = sitk.LaplacianRecursiveGaussianImageFilter()
    itk.SetNormalizeAcrossScale(True)
    itk.SetSigma(sigma)
    return sitk.GetArrayFromImage(itk.Execute(whole))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("background", [0.0, 0.5, 1.0])
def test_log_is_itks_to_the_last_bit(dtype: type, background: float) -> None:
    random = np.random.default_rng(7)
    for seed in range(3):
        shape = tuple(int(n) for n in random.integers(12, 40, 3))
        image = random_image(seed, shape, dtype, background)  # type: ignore[arg-type]
        if background == 0:
            image += 1  # no zeros: the border's value goes on beyond it
        box = random_box(random, shape)
        for sigma in (0.8, 3.0):
            own = log_filter.laplacian_of_gaussian(image, SPACING, sigma, box)
            np.testing.assert_array_equal(own, itk_log(image, sigma)[box])


def test_log_without_numba_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    image = random_image(1, (20, 24, 22))
    box = (slice(3, 9), slice(10, 24), slice(0, 5))
    first = log_filter.laplacian_of_gaussian(image, SPACING, 2.0, box)
    monkeypatch.setenv("BRATSOS_NUMBA", "0")
    np.testing.assert_array_equal(log_filter.laplacian_of_gaussian(image, SPACING, 2.0, box), first)


def test_where_itk_rounds_otherwise_it_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    image = random_image(1, (20, 24, 22))
    monkeypatch.setattr(log_filter, "_by_lines", lambda image, spacing, sigma, box: np.float32(1e-3) + image[box])
    box = (slice(3, 9), slice(10, 24), slice(0, 5))
    log_filter._rounds_as_itk.cache_clear()
    np.testing.assert_array_equal(log_filter.laplacian_of_gaussian(image, SPACING, 2.0, box), itk_log(image, 2.0)[box])
    log_filter._rounds_as_itk.cache_clear()


def test_log_of_a_gaussian_is_known() -> None:
    """A Gaussian of width s, filtered with width t, has at its middle -3 t² / (s² + t²) of the smoothed peak."""
    s, t = 4.0, 3.0
    axes = np.arange(61) - 30.0
    gauss = np.exp(-(axes**2) / (2 * s**2))
    image = (1000 * gauss[:, None, None] * gauss[:, None] * gauss).astype(np.float32)
    middle = (slice(30, 31),) * 3
    found = log_filter.laplacian_of_gaussian(image, (1.0, 1.0, 1.0), t, middle).item()  # type: ignore[arg-type]
    peak = 1000 * (s**2 / (s**2 + t**2)) ** 1.5
    assert found == pytest.approx(-3 * t**2 / (s**2 + t**2) * peak, rel=0.01)


def test_log_of_a_small_image_is_left_out_but_named() -> None:
    small = random_image(0, (4, 20, 20))
    found = dict(
        filtered(
            ImageType("LoG", {"sigma": (1, 8.0)}),
            Volume(small, SPACING),
            everything((4, 20, 20)),
            small > 0,
            Settings(),
        )
    )
    assert found["log-sigma-8-0-mm-3D"] is None
    assert found["log-sigma-1-mm-3D"] is not None


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("wavelet", ["haar", "coif1", "db4", "bior3.5"])
def test_wavelets_are_those_of_the_whole_image(dtype: type, wavelet: str) -> None:
    random = np.random.default_rng(3)
    for seed in range(3):
        shape = tuple(int(n) for n in random.integers(10, 60, 3))
        image = random_image(seed, shape, dtype)  # type: ignore[arg-type]
        padded = np.pad(image, [(0, n % 2) for n in shape], "wrap")
        expected = pywt.swtn(padded, wavelet, level=1, axes=(2, 1, 0))[0]
        for _ in range(4):
            box = random_box(random, shape)
            found = images_of("Wavelet", image, box, wavelet=wavelet)
            assert len(found) == 8
            for name, band in found.items():
                key = name.removeprefix("wavelet-").replace("L", "a").replace("H", "d")
                np.testing.assert_array_equal(band, expected[key][box])
                assert band.dtype == (np.float32 if dtype == np.float32 else np.float64)


def test_wavelet_levels_and_planes() -> None:
    image = random_image(2, (26, 31, 40))
    box = (slice(2, 9), slice(25, 31), slice(10, 30))
    names = [*images_of("Wavelet", image, box, level=2)]
    assert len(names) == 15 and names[0] == "wavelet-LLH" and names[7] == "wavelet2-LLH" and names[-1] == "wavelet2-LLL"
    later = images_of("Wavelet", image, box, start_level=1)
    both = images_of("Wavelet", image, box, level=2)
    np.testing.assert_array_equal(later["wavelet-HLH"], both["wavelet2-HLH"])
    assert [*images_of("Wavelet", image, box, force_2d=True)] == [
        "wavelet-LH",
        "wavelet-HL",
        "wavelet-HH",
        "wavelet-LL",
    ]


def test_an_unknown_wavelet_is_named() -> None:
    with pytest.raises(InputError, match="coif99"):
        images_of("Wavelet", random_image(0, (10, 10, 10)), everything((10, 10, 10)), wavelet="coif99")


def test_pointwise_filters_by_hand() -> None:
    image = np.array([0, 4, -9, 16], np.int16).reshape(1, 2, 2)
    box = everything((1, 2, 2))

    def values(name: str) -> list[float]:
        return next(iter(images_of(name, image, box).values())).ravel().tolist()

    assert values("Original") == [0, 4, -9, 16]
    assert values("Square") == pytest.approx([0, 1, 81 / 16, 16])
    assert values("SquareRoot") == pytest.approx([0, 8, -12, 16])
    scale = 16 / math.log(17)
    assert values("Logarithm") == pytest.approx([0, math.log(5) * scale, -math.log(10) * scale, 16])
    rate = math.log(16) / 16
    assert values("Exponential") == pytest.approx([1, math.exp(4 * rate), math.exp(-9 * rate), 16])


@pytest.mark.parametrize("name", [name for name in IMAGE_TYPES if name != "LBP3D"])
@pytest.mark.parametrize("dtype", TYPES)
def test_a_part_of_the_image_is_filtered_as_the_whole(name: str, dtype: type) -> None:
    shape = (23, 30, 34)
    image = random_image(5, shape, dtype)
    whole = images_of(name, image, everything(shape))
    random = np.random.default_rng(11)
    for _ in range(4):
        box = random_box(random, shape)
        for key, part in images_of(name, image, box).items():
            np.testing.assert_array_equal(part, whole[key][box])


def test_the_gradient_knows_the_spacing() -> None:
    ramp = np.broadcast_to(np.arange(12, dtype=np.float32)[:, None, None] * 6, (12, 8, 8)).copy()
    box = (slice(2, 10), slice(1, 7), slice(1, 7))
    assert np.allclose(images_of("Gradient", ramp, box)["gradient"], 3)  # 6 in 2 mm
    assert np.allclose(images_of("Gradient", ramp, box, gradient_use_spacing=False)["gradient"], 6)


@pytest.mark.parametrize("name", [name for name in IMAGE_TYPES if name not in ("Original", "LBP3D")])
def test_filters_are_pyradiomics(name: str) -> None:
    operations = pytest.importorskip("radiomics.imageoperations", reason="pyradiomics is not installed")
    random = np.random.default_rng(13)
    for seed, dtype in enumerate(TYPES):
        shape = (15, 22, 19)
        image = random_image(seed, shape, dtype)
        box = random_box(random, shape)
        whole = sitk.GetImageFromArray(image)
        whole.SetSpacing(SPACING[::-1])
        expected = {key: made for made, key, _ in getattr(operations, f"get{name}Image")(whole, None, sigma=[1, 2.5])}
        found = images_of(name, image, box)
        assert list(found) == list(expected)
        for key, made in expected.items():
            np.testing.assert_array_equal(found[key], sitk.GetArrayFromImage(made)[box])


def test_local_binary_patterns_are_pyradiomics() -> None:
    """Values of pyradiomics 3.0.1 with SciPy 1.11 and trimesh 5; with newer SciPy it makes no such images."""
    z, y, x = np.indices((12, 14, 13))
    image = ((z * 37 + y * y * 11 + x * z * 5 + x * 17) % 101).astype(np.int16) * 4
    mask = (z - 6) ** 2 + (y - 7) ** 2 + (x - 5) ** 2 < 20
    box = bounding_box(mask)
    found = dict(filtered(ImageType("LBP3D"), Volume(image, SPACING), box, mask[box], Settings()))  # type: ignore[arg-type]
    expected = {
        "lbp-3D-m1": (3960.7369614659815, 3.6100467096695166, 11.345861087532766, 21.660280258017085),
        "lbp-3D-m2": (3557.6879627650524, 3.8239413585980184, 12.314677880514571, 18.569080748718157),
        "lbp-3D-k": (-212.3227548475286, -0.70480415623584, -1.1382077150926277, 1.0872292212478483),
    }
    assert list(found) == list(expected)
    for name, (total, first, later, largest) in expected.items():
        values = found[name][mask[box]]  # type: ignore[index]
        assert values.sum() == pytest.approx(total, rel=1e-14)
        assert (values[0], values[40], values.max()) == pytest.approx((first, later, largest), rel=1e-15)


@pytest.mark.parametrize("subdivisions", [0, 1, 2])
def test_the_icosphere_is_one(subdivisions: int) -> None:
    vertices = icosphere(subdivisions, 2.5)
    assert len(vertices) == 10 * 4**subdivisions + 2
    np.testing.assert_allclose(np.linalg.norm(vertices, axis=1), 2.5, rtol=1e-15)
    assert len(np.unique(vertices.round(9), axis=0)) == len(vertices)
    np.testing.assert_allclose(vertices.sum(axis=0), 0, atol=1e-12)
