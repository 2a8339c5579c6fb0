"""Reading a case: every naming scheme, format and orientation; every rule broken once."""

from __future__ import annotations

import gzip
import os
from dataclasses import replace
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from small_cases import GRID, IDENTITY, small_labels, small_volumes, write_case

from BraTSOSLib.case import (
    Clinical,
    Geometry,
    check_clinical,
    find_label_map,
    read_case,
    read_label_map,
    write_label_map,
)
from BraTSOSLib.errors import InputError
from BraTSOSLib.geometry import grid_differences
from BraTSOSLib.images import write_image
from BraTSOSLib.orientation import from_lps, to_lps

NATIVE = Path(__file__).resolve().parents[3] / "shared" / "data" / "native"
needs_native = pytest.mark.skipif(not NATIVE.is_dir(), reason="the real scans (../shared/data/native) are not here")
SCHEMES = {
    "brats": ("_t1", "_t1ce", "_t2", "_flair"),
    "brats2023": ("-t1n", "-t1c", "-t2w", "-t2f"),
    "upenn": ("_T1", "_T1GD", "_T2", "_FLAIR"),
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_naming_scheme_is_read_with_each_scan_in_its_place(tmp_path, scheme):
    case = read_case(write_case(tmp_path / "Patient_7", SCHEMES[scheme]))
    assert case.name == "Patient_7"
    assert case.geometry == GRID
    assert not case.synthetic
    for kind, volume in small_volumes().items():
        assert case.volumes[kind].dtype == np.float32
        np.testing.assert_array_equal(case.volumes[kind], volume)


@pytest.mark.parametrize("extension", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_each_format_is_read(tmp_path, extension):
    case = read_case(write_case(tmp_path / "p", extension=extension))
    np.testing.assert_array_equal(case.volumes["t2"], small_volumes()["t2"])
    assert grid_differences(case.geometry, GRID) == []


def test_four_paths_and_a_path_that_wins_over_the_folder(tmp_path):
    folder = write_case(tmp_path / "p")
    files = {kind: folder / f"p_{kind}.nii.gz" for kind in ("t1", "t1ce", "t2", "flair")}
    case = read_case(**files)
    assert case.name == "p"
    assert case.paths == files
    (folder / "p-t1n.nii.gz").write_bytes(files["t1"].read_bytes())
    with pytest.raises(InputError, match=r"2 files for t1 .*p-t1n\.nii\.gz and p_t1\.nii\.gz"):
        read_case(folder)
    assert read_case(folder, t1=files["t1"]).paths["t1"] == files["t1"]
    with pytest.raises(InputError, match="No file is given for t2, flair"):
        read_case(t1=files["t1"], t1ce=files["t1ce"])


def test_what_is_missing_is_named(tmp_path):
    folder = write_case(tmp_path / "p")
    (folder / "p_t2.nii.gz").unlink()
    (folder / "._p_t2.nii.gz").write_text("left by a file manager")
    (folder / "p_flair.nii.gz").rename(folder / "p_flair_old.nii.gz")
    with pytest.raises(InputError, match=r"holds no file for t2, flair"):
        read_case(folder)
    with pytest.raises(InputError, match="is a file where a case folder is expected"):
        read_case(folder / "p_t1.nii.gz")
    with pytest.raises(InputError, match="cannot be read"):
        read_case(tmp_path / "nowhere")


def _break(folder: Path, kind: str, how: str) -> Path:
    """Spoil one scan of the case in ``folder``."""
    path = folder / f"{folder.name}_{kind}.nii.gz"
    volume = small_volumes()[kind]
    if how == "nan":
        volume[5, 5, 5] = np.nan
        write_image(volume, GRID, path)
    elif how == "infinite":
        volume[5, 5, 5:7] = np.inf
        write_image(volume, GRID, path)
    elif how == "empty":
        write_image(np.zeros_like(volume), GRID, path)
    elif how == "constant":
        write_image(np.full_like(volume, 7), GRID, path)
    elif how == "2d":
        sitk.WriteImage(sitk.GetImageFromArray(volume[5]), str(path))
    elif how == "slice":
        sitk.WriteImage(sitk.GetImageFromArray(volume[5:6]), str(path))
    elif how == "4d":
        sitk.WriteImage(sitk.JoinSeries([sitk.GetImageFromArray(volume)] * 3), str(path))
    elif how == "vector":
        sitk.WriteImage(sitk.GetImageFromArray(np.stack([volume] * 3, -1), isVector=True), str(path))
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:-2000])
    elif how == "cut inside":
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:5000]))
    elif how == "text":
        path.write_text("scan date 2021-03-04\n" * 100)
    elif how == "zipped text":
        path.write_bytes(gzip.compress(b"scan date 2021-03-04\n" * 100))
    elif how == "no bytes":
        path.write_bytes(b"")
    elif how == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(4000))
    return path


BROKEN = {
    "nan": "1 voxel that is NaN or infinite",
    "infinite": "2 voxels that are NaN or infinite",
    "empty": "is empty: every voxel is 0",
    "constant": "is empty: every voxel is 7",
    "2d": "is two-dimensional",
    "slice": "is two-dimensional",
    "4d": r"has 4 dimensions \(24 × 22 × 20 × 3\)",
    "vector": "holds 3 values per voxel",
    "truncated": "truncated",
    "cut inside": "is truncated",
    "text": "is not a NIfTI image",
    "zipped text": "it holds text",
    "no bytes": "is an empty file",
    "noise": "is not a NIfTI image",
}


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("kind", ["t1ce", "flair"])
def test_a_broken_scan_is_named_in_one_line_and_nothing_is_printed(tmp_path, capfd, how, kind):
    path = _break(write_case(tmp_path / "p"), kind, how)
    with pytest.raises(InputError, match=BROKEN[how]) as caught:
        read_case(tmp_path / "p")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("extension", [".nii", ".nrrd", ".mha"])
@pytest.mark.parametrize("how", ["truncated", "text"])
def test_other_formats_are_checked_too(tmp_path, capfd, extension, how):
    path = write_case(tmp_path / "p", extension=extension) / f"p_t2{extension}"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if how == "truncated" else b"just words\n" * 99)
    with pytest.raises(InputError) as caught:
        read_case(tmp_path / "p")
    assert str(path) in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_trailing_dimension_of_one_is_no_fourth_dimension(tmp_path):
    folder = write_case(tmp_path / "p")
    volume = small_volumes()["t2"]
    image = sitk.GetImageFromArray(volume)
    image.SetOrigin(GRID.origin)
    sitk.WriteImage(sitk.JoinSeries([image]), str(folder / "p_t2.nii.gz"))
    np.testing.assert_array_equal(read_case(folder).volumes["t2"], volume)


def test_the_same_scan_twice_is_refused(tmp_path):
    folder = write_case(tmp_path / "p")
    first, second = folder / "p_t1.nii.gz", folder / "p_t2.nii.gz"
    with pytest.raises(InputError, match="for both t1 and t2"):
        read_case(folder, t2=first)
    second.unlink()
    os.symlink(first, second)
    with pytest.raises(InputError, match="for both t1 and t2"):
        read_case(folder)
    second.unlink()
    write_image(small_volumes()["t1"], GRID, second)
    with pytest.raises(InputError, match="exactly the same image"):
        read_case(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spacing": (1.0, 1.0, 1.5)}, "spacing .* off by up to 0.5 mm"),
        ({"origin": (0.0, -21.0, 0.25)}, "origin .* off by up to 0.25 mm"),
        ({"direction": (0.96, -0.28, 0.0, 0.28, 0.96, 0.0, 0.0, 0.0, 1.0)}, "direction .* off by up to 0.28"),
        ({"size": (24, 22, 19)}, "size 24 × 22 × 19 against 24 × 22 × 20"),
    ],
)
def test_another_grid_is_refused_with_the_difference_and_the_way_out(tmp_path, change, message):
    folder = write_case(tmp_path / "p")
    grid = replace(GRID, **change)
    volume = small_volumes()["flair"][: grid.size[2]]
    write_image(volume, grid, folder / "p_flair.nii.gz")
    with pytest.raises(
        InputError, match=rf"p_flair\.nii\.gz is not on the grid of .*p_t1ce\.nii\.gz: {message}.*--resample"
    ):
        read_case(folder)
    case = read_case(folder, resample=True)
    assert case.geometry == GRID
    assert case.volumes["flair"].shape == GRID.size[::-1]
    assert "flair was resampled" in case.notes[0]


def test_rounded_headers_are_the_same_grid(tmp_path):
    folder = write_case(tmp_path / "p")
    write_image(small_volumes()["t1"], replace(GRID, origin=(0.0005, -21.0, 0.0)), folder / "p_t1.nii.gz")
    assert read_case(folder).notes == ()


def test_resampling_puts_every_voxel_where_it_is_in_space(tmp_path):
    """A scan stored in another orientation is the same scan: resampling gives it back exactly."""
    folder = write_case(tmp_path / "p")
    image = sitk.GetImageFromArray(small_volumes()["t2"])
    image.SetOrigin(GRID.origin)
    sitk.WriteImage(sitk.DICOMOrient(image, "ASR"), str(folder / "p_t2.nii.gz"))
    np.testing.assert_allclose(read_case(folder, resample=True).volumes["t2"], small_volumes()["t2"], atol=1e-3)


def test_scans_that_lie_elsewhere_are_not_resampled_to_nothing(tmp_path):
    folder = write_case(tmp_path / "p")
    write_image(small_volumes()["t2"], replace(GRID, origin=(500.0, 0.0, 0.0)), folder / "p_t2.nii.gz")
    with pytest.raises(InputError, match=r"p_t2\.nii\.gz does not overlap with T1ce"):
        read_case(folder, resample=True)


def test_scans_with_a_skull_are_read_with_a_note(tmp_path):
    folder = write_case(tmp_path / "p")
    for kind, volume in small_volumes().items():
        write_image(volume + 1, GRID, folder / f"p_{kind}.nii.gz")
    assert "skull-stripped" in read_case(folder).notes[0]


def _all_directions() -> list[tuple[float, ...]]:
    found = []
    for order, signs in product(permutations(range(3)), product((1.0, -1.0), repeat=3)):
        matrix = np.zeros((3, 3))
        for column, (row, sign) in enumerate(zip(order, signs, strict=True)):
            matrix[row, column] = sign
        found.append(tuple(matrix.ravel()))
    return found


@pytest.mark.parametrize("direction", _all_directions())
def test_orientation_is_turned_to_lps_and_back_exactly(direction):
    """Each voxel holds its own position in space, so that the turned array can be checked against the axes."""
    size, spacing = (3, 4, 5), (1.0, 2.0, 3.0)
    grid = Geometry(size, spacing, (0.0, 0.0, 0.0), direction)
    index = np.indices(size[::-1])[::-1].reshape(3, -1).astype(float)
    position = (np.reshape(direction, (3, 3)) * spacing) @ index
    for world in range(3):
        array = position[world].reshape(size[::-1])
        turned, turned_spacing = to_lps(array, grid)
        steps = np.diff(turned, axis=2 - world)
        np.testing.assert_allclose(steps, turned_spacing[world])
        np.testing.assert_array_equal(from_lps(turned, grid), array)
    channels = np.stack([array, -array])
    np.testing.assert_array_equal(from_lps(to_lps(channels, grid)[0], grid), channels)


def test_an_oblique_grid_keeps_three_different_axes():
    turn = sitk.Euler3DTransform((0, 0, 0), 0.5, -0.4, 0.75)
    array = np.arange(60.0).reshape(5, 4, 3)
    grid = Geometry((3, 4, 5), (1.0, 2.0, 3.0), (0.0, 0.0, 0.0), tuple(turn.GetMatrix()))
    turned, spacing = to_lps(array, grid)
    assert sorted(spacing) == [1.0, 2.0, 3.0]
    np.testing.assert_array_equal(from_lps(turned, grid), array)


@pytest.mark.parametrize("code", ["LPS", "RAS", "AIR", "SPL"])
def test_a_label_map_comes_back_on_the_inputs_own_grid(tmp_path, code):
    image = sitk.GetImageFromArray(small_volumes()["t1"])
    image.SetSpacing((1.0, 1.5, 2.0))
    turned = sitk.DICOMOrient(image, code)
    sitk.WriteImage(turned, str(tmp_path / "scan.nii.gz"))
    scan = sitk.ReadImage(str(tmp_path / "scan.nii.gz"))
    grid = Geometry(scan.GetSize(), scan.GetSpacing(), scan.GetOrigin(), scan.GetDirection())
    labels = (sitk.GetArrayFromImage(scan) > 250).astype(np.uint8) * 4
    path = tmp_path / "labels.nii.gz"
    write_label_map(labels, grid, path)
    written = sitk.ReadImage(str(path))
    assert written.GetPixelID() == sitk.sitkUInt8
    assert (
        grid_differences(
            Geometry(written.GetSize(), written.GetSpacing(), written.GetOrigin(), written.GetDirection()), grid
        )
        == []
    )
    np.testing.assert_array_equal(read_label_map(path, grid), labels)
    first = path.read_bytes()
    write_label_map(labels, grid, path)
    assert path.read_bytes() == first
    assert sorted(p.name for p in tmp_path.iterdir()) == ["labels.nii.gz", "scan.nii.gz"]


def test_label_maps_are_found_read_and_refused(tmp_path):
    with pytest.raises(InputError, match="no label map"):
        find_label_map(write_case(tmp_path / "p"))
    path = tmp_path / "p" / "p-seg.nii.gz"
    labels = small_labels()
    write_image(np.where(labels == 4, 3, labels).astype(np.float32), GRID, path)
    assert find_label_map(tmp_path / "p") == path
    np.testing.assert_array_equal(read_label_map(path, GRID), labels)
    with pytest.raises(InputError, match="not on the grid"):
        read_label_map(path, replace(GRID, spacing=(1.0, 1.0, 1.01)))
    write_image(labels * 2, GRID, path)
    with pytest.raises(InputError, match=r"p-seg\.nii\.gz holds the values 8"):
        read_label_map(path)
    write_image(labels, GRID, tmp_path / "p" / "p_segm.mha")
    with pytest.raises(InputError, match="2 label maps"):
        find_label_map(tmp_path / "p")


def test_clinical_values_are_checked():
    assert check_clinical(Clinical(60.7, " gtr ")).resection == "GTR"
    assert check_clinical(Clinical(120, "BIOPSY")).age == 120
    assert check_clinical(Clinical()).age is None
    for age in (-3, 0, 300, 120.5):
        with pytest.raises(InputError, match="age"):
            check_clinical(Clinical(age))
    with pytest.raises(InputError, match=r"'partial'.*GTR, STR, biopsy, unknown"):
        check_clinical(Clinical(60, "partial"))
    with pytest.raises(InputError):
        check_clinical(Clinical(60, kps=170))


@needs_native
@pytest.mark.parametrize("name", ["Brats18_TCIA01_201_1", "UPENN-GBM-00006_11"])
def test_real_scans_are_read_on_the_brats_grid(name):
    case = read_case(NATIVE / name)
    assert case.volumes["flair"].shape == (155, 240, 240)
    assert (
        grid_differences(case.geometry, Geometry((240, 240, 155), (1.0, 1.0, 1.0), (0.0, -239.0, 0.0), IDENTITY)) == []
    )
    assert 1.0 < case.brain.sum() / 1e6 < 1.9
    assert case.notes == ()
