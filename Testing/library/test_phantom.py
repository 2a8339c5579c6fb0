"""The digital phantom: geometry, contrasts, labels, repeatability."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import label

from BraTSOSLib.case import MODALITIES, Geometry, find_label_map, read_case, read_label_map
from BraTSOSLib.errors import InputError
from BraTSOSLib.geometry import grid_differences
from BraTSOSLib.labels import region_mask
from BraTSOSLib.phantom import make_phantom, write_phantoms

BRATS = Geometry((240, 240, 155), (1.0, 1.0, 1.0), (0.0, -239.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms") / "new"
    return folder, write_phantoms(folder, cases=1, seed=3)


@pytest.fixture(scope="module")
def phantom(written):
    case = read_case(written[1][0])
    return case, read_label_map(find_label_map(written[1][0]), case.geometry)


def test_files_are_a_brats_case_that_is_known_as_synthetic(written, phantom):
    folder, paths = written
    assert [path.name for path in paths] == ["Synthetic_0003"]
    assert [path.name for path in folder.iterdir()] == ["Synthetic_0003"]
    assert sorted(path.name for path in paths[0].iterdir()) == [
        f"Synthetic_0003_{kind}.nii.gz" for kind in ("flair", "seg", "t1", "t1ce", "t2")
    ]
    case, _ = phantom
    assert case.synthetic
    assert case.name == "Synthetic_0003"
    assert grid_differences(case.geometry, BRATS) == []
    assert case.notes == ()


def test_a_seed_gives_the_same_voxels_in_memory_and_on_disk(phantom):
    read, read_labels = phantom
    made, labels = make_phantom(3, name="mine")
    assert made.synthetic
    assert made.name == "mine"
    np.testing.assert_array_equal(labels, read_labels)
    for kind in MODALITIES:
        np.testing.assert_array_equal(made.volumes[kind], read.volumes[kind])


def test_another_seed_gives_another_patient(phantom):
    other, _ = make_phantom(4)
    assert other.name == "Synthetic_0004"
    assert not np.array_equal(other.brain, phantom[0].brain)


def test_brain_and_tumour_have_plausible_sizes(phantom):
    case, labels = phantom
    assert 1100 < case.brain.sum() / 1000 < 1800
    assert 20 < region_mask(labels, "WT").sum() / 1000 < 250
    assert 3 < region_mask(labels, "TC").sum() / 1000 < 90
    assert not labels[~case.brain].any()
    assert all((volume[case.brain] > 0).all() for volume in case.volumes.values())
    assert all((volume[~case.brain] == 0).all() for volume in case.volumes.values())


def test_the_brain_is_one_piece_within_the_grid(phantom):
    pieces, _ = label(phantom[0].brain)
    sizes = np.bincount(pieces.ravel())[1:]
    assert sizes.max() / sizes.sum() > 0.99
    for axis in range(3):
        used = phantom[0].brain.any(axis=tuple(a for a in range(3) if a != axis))
        assert not used[-1]


def test_contrasts_are_those_of_a_glioblastoma(phantom):
    case, labels = phantom
    healthy = case.brain & (labels == 0)
    middle = {kind: np.median(case.volumes[kind][healthy]) for kind in MODALITIES}
    tissue = {
        name: {kind: np.median(case.volumes[kind][labels == value]) for kind in MODALITIES}
        for name, value in {"NCR": 1, "ED": 2, "ET": 4}.items()
    }
    assert tissue["ET"]["t1ce"] > 1.4 * middle["t1ce"]
    assert tissue["NCR"]["t1ce"] < 0.8 * middle["t1ce"]
    assert tissue["NCR"]["t1"] < 0.8 * middle["t1"]
    assert tissue["ED"]["t1"] < middle["t1"] * 1.05
    assert tissue["ED"]["flair"] > 1.5 * middle["flair"]
    assert tissue["ED"]["t2"] > 1.3 * middle["t2"]
    fluid = case.volumes["t2"] > np.percentile(case.volumes["t2"][healthy], 97)
    assert np.median(case.volumes["flair"][fluid & healthy]) < 0.7 * middle["flair"]


def test_the_rim_surrounds_the_necrosis(phantom):
    _, labels = phantom
    necrosis = labels == 1
    neighbours = np.zeros_like(necrosis)
    for axis in range(3):
        for step in (1, -1):
            neighbours |= np.roll(necrosis, step, axis)
    touching = labels[neighbours & ~necrosis]
    assert (touching == 4).mean() > 0.9


@pytest.mark.parametrize("arguments", [{"cases": 0}, {"seed": -1}])
def test_impossible_wishes_are_refused_and_leave_nothing(tmp_path, arguments):
    with pytest.raises(InputError):
        write_phantoms(tmp_path / "out", **arguments)
    assert list(tmp_path.iterdir()) == []
