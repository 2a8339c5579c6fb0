"""Grey levels, neighbours and texture matrices by hand; the compiled kernels beside those in numpy; limits."""

from __future__ import annotations

import numpy as np
import pytest
from radiomics_reference import KINDS, own_features, random_sample, random_settings

from BraTSOSLib.errors import InputError
from BraTSOSLib.radiomics import Settings, kernels, shape2d
from BraTSOSLib.radiomics.discretisation import MAXIMUM_LEVELS, discretise
from BraTSOSLib.radiomics.glcm import GLCM
from BraTSOSLib.radiomics.gldm import GLDM
from BraTSOSLib.radiomics.glrlm import GLRLM
from BraTSOSLib.radiomics.glszm import GLSZM
from BraTSOSLib.radiomics.layout import empty_as_after
from BraTSOSLib.radiomics.names import FEATURES
from BraTSOSLib.radiomics.ngtdm import NGTDM
from BraTSOSLib.radiomics.offsets import neighbour_offsets
from BraTSOSLib.radiomics.regions import Footprint, Region
from BraTSOSLib.radiomics.shape import SHAPE, Shape
from BraTSOSLib.radiomics.shape2d import SHAPE2D
from BraTSOSLib.radiomics.textures import TEXTURE_CLASSES

REGISTRIES = {"glcm": GLCM, "glrlm": GLRLM, "glszm": GLSZM, "gldm": GLDM, "ngtdm": NGTDM, "shape2D": SHAPE2D}
UNIT = (1.0, 1.0, 1.0)


def plane(rows: list[list[int]], settings: Settings | None = None) -> Region:
    """Return a region one slice thick whose grey levels are ``rows`` (0 is outside)."""
    levels = np.array([rows], dtype=float)
    return Region(levels, levels > 0, UNIT, settings or Settings(bin_width=1))


@pytest.fixture(params=["numba", "numpy"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "numba":
        pytest.importorskip("numba", reason="numba is not installed")
    monkeypatch.setenv("BRATSOS_NUMBA", "1" if request.param == "numba" else "0")
    assert kernels.kernel_name() == request.param
    return str(request.param)


def test_every_feature_is_defined_once() -> None:
    for feature_class, registry in REGISTRIES.items():
        assert tuple(sorted(registry.features)) == FEATURES[feature_class]
        assert all(feature.formula for feature in registry.features.values())
    codes = [f.ibsi for registry in REGISTRIES.values() for f in registry.features.values() if f.ibsi]
    assert len(codes) == len(set(codes)) == 23 + 16 + 16 + 14 + 5
    assert all(len(code) == 4 for code in codes)


def test_bins_of_a_width_are_aligned_to_its_multiples() -> None:
    found = discretise(np.array([-1.0, 0, 24, 25, 60]), Settings(bin_width=25))
    assert found.levels.tolist() == [1, 2, 2, 3, 4]
    assert found.present.tolist() == [1, 2, 3, 4]
    assert found.counts.tolist() == [1, 2, 1, 1]
    assert found.edges[:3].tolist() == [-25, 0, 25]


def test_bins_of_a_count_span_the_range() -> None:
    found = discretise(np.array([10.0, 12, 15, 20]), Settings(bin_count=4))
    assert found.levels.tolist() == [1, 1, 3, 4]
    assert found.highest == 4


def test_levels_are_those_of_numpys_digitize(kernel: str) -> None:
    random = np.random.default_rng(0)
    for number_type in (np.float32, np.float64, np.int16):
        values = random.normal(0, 300, 5000).astype(number_type)
        for settings in (Settings(bin_width=0.7), Settings(bin_width=25), Settings(bin_count=64)):
            found = discretise(values, settings)
            np.testing.assert_array_equal(found.levels, np.digitize(values, found.edges))


@pytest.mark.parametrize("settings", [Settings(bin_width=0.01), Settings(bin_count=20_000)])
def test_too_many_grey_levels_stop_before_memory_goes(settings: Settings) -> None:
    with pytest.raises(InputError, match=r"(binWidth|binCount).*10,000|10,000.*binWidth"):
        discretise(np.array([0.0, 0.01 * MAXIMUM_LEVELS + 1]), settings)


def test_many_levels_of_few_voxels_are_fine() -> None:
    region = Region(np.arange(60.0).reshape(3, 4, 5) * 150, np.ones((3, 4, 5), bool), UNIT, Settings(bin_width=1))
    assert region.discretised.highest == 8851
    assert np.isfinite(list(TEXTURE_CLASSES["glszm"](region).values())).all()


def test_many_levels_of_many_voxels_are_refused_by_name() -> None:
    region = Region(np.arange(9000.0).reshape(9, 10, 100), np.ones((9, 10, 100), bool), UNIT, Settings(bin_width=1))
    with pytest.raises(InputError, match=r"9,000 different grey levels.*binWidth"):
        TEXTURE_CLASSES["glcm"](region)


def test_neighbours_are_listed_from_large_to_small() -> None:
    half = neighbour_offsets((5, 5, 5))
    assert half.tolist()[:4] == [[1, 1, 1], [1, 1, 0], [1, 1, -1], [1, 0, 1]]
    both = neighbour_offsets((5, 5, 5), both_ways=True)
    assert len(half) == 13 and len(both) == 26
    np.testing.assert_array_equal(both[13:], -both[12::-1])
    assert len(neighbour_offsets((5, 5, 5), (2,))) == 49
    assert neighbour_offsets((1, 5, 5)).tolist() == [[0, 1, 1], [0, 1, 0], [0, 1, -1], [0, 0, 1]]
    assert neighbour_offsets((5, 5, 5), flat_axis=1)[:, 1].tolist() == [0] * 4
    assert len(neighbour_offsets((1, 1, 1))) == len(neighbour_offsets((2, 2, 2), (3,))) == 0
    assert neighbour_offsets((2, 9, 9), (3,))[:, 0].max() == 1


def test_pairs_of_neighbours_by_hand(kernel: str) -> None:
    region = plane([[1, 2, 2], [0, 1, 2]])
    offsets = region.offsets().tolist()
    assert region.pairs is not None
    along_x = region.pairs[offsets.index([0, 0, 1])]
    assert along_x.tolist() == [[0, 2], [0, 1]]
    down = region.pairs[offsets.index([0, 1, 0])]
    assert down.tolist() == [[0, 0], [1, 1]]


def test_runs_by_hand(kernel: str) -> None:
    region = plane([[2, 2, 2, 1, 0, 1], [1, 1, 0, 1, 2, 2]])
    assert region.runs is not None
    along_x = region.runs[region.offsets().tolist().index([0, 0, 1])]
    assert along_x[0].tolist() == [3, 1, 0, 0, 0, 0]
    assert along_x[1].tolist() == [0, 1, 1, 0, 0, 0]


def test_directions_without_a_line_of_two_voxels_have_no_runs(kernel: str) -> None:
    region = plane([[1, 0, 2], [0, 0, 0]])
    assert region.runs is not None
    runs = dict(zip(map(tuple, region.offsets().tolist()), region.runs.sum((1, 2)).tolist(), strict=True))
    # The two voxels are no neighbours, but they share a line along x.
    assert runs == {(0, 0, 1): 2}


def test_zones_by_hand(kernel: str) -> None:
    region = plane([[1, 1, 2, 2], [3, 1, 3, 2], [3, 3, 1, 1]])
    assert region.zones is not None
    assert sorted(zip(*(part.tolist() for part in region.zones), strict=True)) == [(1, 5), (2, 3), (3, 4)]


def test_dependences_by_hand(kernel: str) -> None:
    rows = [[1, 1, 3], [2, 1, 3]]
    exact, loose = (plane(rows, Settings(bin_width=1, gldm_a=alpha)) for alpha in (0, 1))
    assert exact.dependences is not None and loose.dependences is not None
    assert [row[:6].tolist() for row in exact.dependences] == [
        [0, 0, 3, 0, 0, 0],
        [1, 0, 0, 0, 0, 0],
        [0, 2, 0, 0, 0, 0],
    ]
    assert [row[:6].tolist() for row in loose.dependences] == [
        [0, 0, 0, 3, 0, 0],
        [0, 0, 0, 1, 0, 0],
        [0, 2, 0, 0, 0, 0],
    ]


def test_tone_differences_by_hand(kernel: str) -> None:
    # The example of pyradiomics' documentation, after Amadasun and King; level 4 does not occur.
    region = plane([[1, 2, 5, 2], [3, 5, 1, 3], [1, 3, 5, 5], [3, 1, 1, 1]])
    assert region.differences is not None
    assert region.discretised.counts.tolist() == [6, 2, 4, 4]
    np.testing.assert_allclose(region.differences, [13.35, 2, 91 / 30, 10.075], rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_kernels_and_numpy_agree_to_the_last_bit(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba", reason="numba is not installed")
    for number in range(6):
        seed = KINDS.index(kind) + len(KINDS) * (100 + number)
        sample, settings = random_sample(seed), random_settings(seed)
        found = []
        for switch in "10":
            monkeypatch.setenv("BRATSOS_NUMBA", switch)
            found.append(own_features(sample, settings))
        for feature_class in (*TEXTURE_CLASSES, "shape"):
            one, other = (list(features[feature_class].values()) for features in found)
            np.testing.assert_array_equal(one, other, err_msg=f"{seed} {feature_class}")


@pytest.mark.parametrize("kind", KINDS)
def test_torch_counts_the_same(kind: str) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    for number in range(2):
        seed = KINDS.index(kind) + len(KINDS) * (200 + number)
        sample, settings = random_sample(seed), random_settings(seed)
        one, other = (Region(sample.image, sample.mask, sample.spacing, settings, device) for device in ("cpu", "cuda"))
        for compute in TEXTURE_CLASSES.values():
            np.testing.assert_array_equal(list(compute(one).values()), list(compute(other).values()), err_msg=str(seed))


def test_levels_are_the_same_in_torch() -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    values = np.random.default_rng(5).normal(0, 300, 500).astype(np.float32)
    edges = np.arange(-2000, 2000, 7.5, dtype=np.float32)
    found = kernels.kernels("cuda").digitise(values, edges)
    np.testing.assert_array_equal(found, np.digitize(values, edges))


def test_the_processor_counts_unless_a_device_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kernels.kernels("auto") is kernels.kernels("cpu")
    monkeypatch.setattr(kernels, "_cuda_is_loaded", lambda: True)
    for faster in (False, True):
        monkeypatch.setattr(kernels, "_cuda_is_faster", lambda faster=faster: faster)
        assert (kernels.kernels("auto") is kernels.kernels("cuda")) == faster
    with pytest.raises(InputError, match=r"'tpu'.*cuda"):
        kernels.kernels("tpu")


def test_devices_are_measured_before_one_is_chosen() -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    assert kernels._cuda_is_faster() in (True, False)


def test_large_regions_agree_between_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba", reason="numba is not installed")
    from scipy.ndimage import gaussian_filter

    random = np.random.default_rng(1)
    image = gaussian_filter(random.normal(0, 400, (24, 30, 36)), 1.5)
    mask = gaussian_filter(random.normal(size=image.shape), 3) > 0
    found = []
    for switch in "10":
        monkeypatch.setenv("BRATSOS_NUMBA", switch)
        region = Region(image, mask, (1.0, 1.0, 2.0), Settings(bin_width=10))
        found.append({name: compute(region) for name, compute in TEXTURE_CLASSES.items()})
        found[-1]["shape"] = SHAPE.compute(Shape(mask, (1.0, 1.0, 2.0)))
    assert found[0] == found[1]


def test_a_single_voxel_has_no_texture() -> None:
    region = Region(np.full((3, 3, 3), 7.0), np.pad(np.ones((1, 1, 1), bool), 1), UNIT)
    for feature_class, compute in TEXTURE_CLASSES.items():
        values = compute(region)
        assert tuple(values) == FEATURES[feature_class]
        assert np.isnan(list(values.values())).all()


def test_some_features_of_a_class() -> None:
    for shape in ((1, 1, 1), (3, 4, 5)):
        region = Region(np.arange(np.prod(shape), dtype=float).reshape(shape) * 20, np.ones(shape, bool), UNIT)
        for feature_class, compute in TEXTURE_CLASSES.items():
            names = FEATURES[feature_class][3:0:-2]
            everything = compute(region)
            np.testing.assert_equal(compute(region, names), {name: everything[name] for name in sorted(names)})


def test_a_footprint_serves_many_images() -> None:
    sample = random_sample(2)
    footprint = Footprint(sample.mask, sample.spacing)
    for image in (sample.image, -3.0 * sample.image):
        shared, alone = Region(image, footprint), Region(image, sample.mask, sample.spacing)
        cropped = Region(image[footprint.box], footprint)
        for compute in TEXTURE_CLASSES.values():
            np.testing.assert_array_equal(list(compute(shared).values()), list(compute(alone).values()))
            np.testing.assert_array_equal(list(compute(cropped).values()), list(compute(alone).values()))


def test_a_mask_needs_its_spacing() -> None:
    with pytest.raises(TypeError, match="spacing"):
        Region(np.zeros((2, 2, 2)), np.ones((2, 2, 2), bool))


@pytest.mark.parametrize("deleted", [(0, 0), (1, 0), (0, 1), (2, 2), (3, 1), (1, 2)])
def test_memory_order_is_that_of_deletion(deleted: tuple[int, int]) -> None:
    full = np.zeros((6, 7, 8))
    expected = np.delete(np.delete(full, np.arange(deleted[0]), 0), np.arange(deleted[1]), 1)
    made = empty_as_after(expected.shape, (0, deleted[0]), (1, deleted[1]))
    assert made.shape == expected.shape and made.strides == expected.strides


def test_a_square_in_its_plane() -> None:
    mask = np.zeros((5, 6, 3), bool)
    mask[1:4, 2:5, 1] = True
    values = shape2d.compute(mask, (1.0, 2.0, 9.0), axis=2)
    assert tuple(values) == FEATURES["shape2D"]
    assert values["PixelSurface"] == 18
    assert values["MeshSurface"] == pytest.approx(18 - 4 * 0.5 * 0.5 * 1.0)  # corners are cut off
    assert values["Perimeter"] == pytest.approx(2 * 2 + 2 * 4 + 4 * np.hypot(0.5, 1))
    assert values["MajorAxisLength"] == pytest.approx(4 * np.sqrt(8 / 3))
    assert values["Elongation"] == pytest.approx(0.5)
    assert values["MaximumDiameter"] == pytest.approx(np.hypot(2, 6))


def test_a_thick_region_is_in_no_plane() -> None:
    with pytest.raises(InputError, match="2 voxels thick along axis 0"):
        shape2d.compute(np.ones((2, 3, 3), bool), UNIT, axis=0)
