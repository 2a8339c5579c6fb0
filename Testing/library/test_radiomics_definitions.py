"""The library's own engine against values worked out by hand or by geometry, independent of pyradiomics."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from BraTSOSLib.radiomics import mesh
from BraTSOSLib.radiomics.diameters import maximum_diameter, maximum_planar_diameter
from BraTSOSLib.radiomics.engines import OwnEngine
from BraTSOSLib.radiomics.mesh_table import triangle_table
from BraTSOSLib.radiomics.settings import Settings

UNIT = (1.0, 1.0, 1.0)


def shape_of(mask: np.ndarray, spacing: tuple[float, float, float] = UNIT) -> dict[str, float]:
    return OwnEngine().shape(mask, spacing)


def firstorder_of(values: list[float], **settings: float) -> dict[str, float]:
    image = np.array(values, dtype=np.float32).reshape(1, 1, -1)
    return OwnEngine().firstorder(image, np.ones(image.shape, bool), (2.0, 1.0, 1.5), Settings(**settings))


def test_one_voxel_is_an_octahedron() -> None:
    values = shape_of(np.ones((1, 1, 1), bool), (3.0, 2.0, 1.0))
    assert values["VoxelVolume"] == 6
    assert values["MeshVolume"] == pytest.approx(6 / 6)  # semi-axes are half the spacing: 4/3 · 3/2 · 2/2 · 1/2
    assert values["Maximum3DDiameter"] == 3
    assert values["Maximum2DDiameterSlice"] == 2  # y and x
    assert values["Maximum2DDiameterColumn"] == 3  # z and x
    assert values["Maximum2DDiameterRow"] == 3  # z and y
    assert shape_of(np.ones((1, 1, 1), bool))["SurfaceArea"] == pytest.approx(math.sqrt(3))


@pytest.mark.parametrize("size", [(1, 1, 4), (1, 3, 5), (2, 2, 2), (4, 3, 6)])
def test_a_block_is_a_box_with_bevelled_edges(size: tuple[int, int, int]) -> None:
    values = shape_of(np.ones(size, bool))
    a, b, c = (n - 1 for n in size)
    faces, edges = a * b + b * c + c * a, a + b + c
    assert values["MeshVolume"] == pytest.approx(a * b * c + faces + edges / 2 + 1 / 6)
    assert values["SurfaceArea"] == pytest.approx(2 * faces + 2 * math.sqrt(2) * edges + math.sqrt(3))
    assert values["SurfaceVolumeRatio"] == pytest.approx(values["SurfaceArea"] / values["MeshVolume"])
    longest = max(a * a + b * b + c * c + 2 * n + 1 for n in (a, b, c))  # one end moves half a voxel out on each side
    assert values["Maximum3DDiameter"] == pytest.approx(math.sqrt(longest))
    lengths = sorted(4 * math.sqrt((n * n - 1) / 12) for n in size)
    found = [values[f"{name}AxisLength"] for name in ("Least", "Minor", "Major")]
    assert found == pytest.approx(lengths, abs=1e-12)
    assert values["Elongation"] == pytest.approx(lengths[1] / lengths[2], abs=1e-12)
    assert values["Flatness"] == pytest.approx(lengths[0] / lengths[2], abs=1e-12)


def test_a_ball_has_a_balls_measures() -> None:
    spacing, radius = (2.0, 1.0, 0.5), 14.0
    z, y, x = (np.arange(-16, 16 + step / 2, step) for step in spacing)
    values = shape_of(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 <= radius**2, spacing)
    assert values["MeshVolume"] == pytest.approx(4 / 3 * math.pi * radius**3, rel=0.01)
    assert values["VoxelVolume"] == pytest.approx(4 / 3 * math.pi * radius**3, rel=0.01)
    for name in ("Least", "Minor", "Major"):
        assert values[f"{name}AxisLength"] == pytest.approx(4 * radius / math.sqrt(5), rel=0.02)
    for name in ("2DDiameterSlice", "2DDiameterColumn", "2DDiameterRow", "3DDiameter"):
        assert values[f"Maximum{name}"] == pytest.approx(2 * radius, abs=2)
    ball = (36 * math.pi * values["MeshVolume"] ** 2) ** (1 / 3)
    assert values["Sphericity"] == pytest.approx(ball / values["SurfaceArea"])
    assert 0.8 < values["Sphericity"] < 1  # voxel steps make the surface larger than a ball's, never smaller


def test_diameters_are_those_of_all_pairs() -> None:
    random = np.random.default_rng(5)
    for _ in range(20):
        padded = np.pad(random.random(random.integers(1, 10, 3)) < 0.4, 1)
        padded[1, 1, 1] = True
        spacing = random.uniform(0.5, 4, 3)
        points = mesh.vertices(padded)
        assert maximum_diameter(points, spacing) == pytest.approx(pdist(points / 2 * spacing).max(), rel=1e-14)
        for axis in range(3):
            planes = [points[points[:, axis] == value] for value in np.unique(points[:, axis])]
            expected = max((pdist(plane / 2 * spacing).max() for plane in planes if len(plane) > 1), default=0)
            assert maximum_planar_diameter(points, spacing, axis) == pytest.approx(expected, rel=1e-14)


def test_triangles_have_their_corners_on_edges_that_cross_the_surface() -> None:
    from BraTSOSLib.radiomics.mesh_table import EDGES

    edges, counts = triangle_table()
    for cube in range(128):
        inside = [bool(cube >> corner & 1) for corner in range(8)]
        crossing = {edge for edge, (start, end) in enumerate(EDGES) if inside[start] != inside[end]}
        assert set(edges[cube, : counts[cube]].ravel().tolist()) == crossing, cube


def test_first_order_by_hand() -> None:
    values = firstorder_of([0, 25, 50, 74, 101])
    expected = {
        "10Percentile": 10,
        "90Percentile": 90.2,
        "Energy": 18802,
        "Entropy": -(0.6 * math.log2(0.2) + 0.4 * math.log2(0.4)),  # bins of 25: 1, 1, 2, 0 and 1 voxels
        "InterquartileRange": 49,
        "Kurtosis": 13737602 / 5 / 1260.4**2,
        "Maximum": 101,
        "Mean": 50,
        "MeanAbsoluteDeviation": 30,
        "Median": 50,
        "Minimum": 0,
        "Range": 101,
        "RobustMeanAbsoluteDeviation": 148 / 9,  # of 25, 50 and 74
        "RootMeanSquared": math.sqrt(18802 / 5),
        "Skewness": 5850 / 5 / 1260.4**1.5,
        "TotalEnergy": 18802 * 3,
        "Uniformity": 0.28,
        "Variance": 1260.4,
    }
    assert values == pytest.approx(expected, rel=1e-12)


def test_bins_are_aligned_to_multiples_of_their_width() -> None:
    assert firstorder_of([-1, 1])["Uniformity"] == 0.5
    assert firstorder_of([1, 24])["Uniformity"] == 1
    assert firstorder_of([24, 25])["Uniformity"] == 0.5
    assert firstorder_of([24, 25], bin_width=10)["Uniformity"] == 1
    assert firstorder_of([25, 25])["Uniformity"] == 1


def test_equal_intensities_have_no_spread() -> None:
    values = firstorder_of([7, 7, 7])
    flat = ("Entropy", "InterquartileRange", "Kurtosis", "Skewness", "Variance", "Range", "MeanAbsoluteDeviation")
    assert [values[name] for name in flat] == pytest.approx([0] * len(flat), abs=1e-15)


def test_the_shift_moves_energy_only() -> None:
    assert firstorder_of([-2, 1], voxel_array_shift=2)["Energy"] == 9
    assert firstorder_of([-2, 1], voxel_array_shift=2)["Mean"] == -0.5
