"""From case folders and dataset lists to preprocessed cases and splits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from small_cases import GRID, small_labels, small_volumes  # noqa: E402
from training_cases import write_labelled_cases  # noqa: E402

from BraTSOSLib.case import Geometry  # noqa: E402
from BraTSOSLib.errors import InputError  # noqa: E402
from BraTSOSLib.images import write_image  # noqa: E402
from BraTSOSLib.segmentation.training import Recipe, Split, train  # noqa: E402
from BraTSOSLib.segmentation.training.cache import load_cases, preprocess  # noqa: E402
from BraTSOSLib.segmentation.training.cases import find_cases  # noqa: E402
from BraTSOSLib.segmentation.training.split import VALIDATION, patient_of, read_names, source_of  # noqa: E402

NAMES = [f"A_1_{n}" for n in range(6)] + [f"B_2_{n}" for n in range(3)]


def _write_four_volumes(path: Path, order: tuple[str, ...]) -> None:
    import SimpleITK as sitk  # noqa: N813

    volumes = small_volumes()
    images = [sitk.GetImageFromArray(volumes[kind]) for kind in order]
    sitk.WriteImage(sitk.JoinSeries(images), str(path))


def test_preprocessing_at_one_and_two_millimetres(tmp_path: Path):
    (case,), listed, bad = find_cases(write_labelled_cases(tmp_path, ("A_1_a",)))
    assert (case.name, listed, bad) == ("A_1_a", None, {})
    fine, coarse = preprocess(case, 1.0), preprocess(case, 2.0)
    assert fine.image.shape == (4, 14, 16, 18), "the brain's box"
    assert coarse.image.shape == (4, 7, 8, 9)
    assert abs(float(fine.image[0].astype(np.float32).mean())) < 1e-2
    labels = small_labels()
    voxels = [np.isin(labels, kinds).sum() for kinds in ((1, 2, 4), (1, 4), (4,))]
    assert fine.target.sum(axis=(1, 2, 3), dtype=float).tolist() == voxels
    assert coarse.target.astype(float).sum() * 8 == pytest.approx(fine.target.astype(float).sum())


def test_the_cache_is_used_again_and_notices_a_changed_file(tmp_path: Path):
    cases, _, _ = find_cases(write_labelled_cases(tmp_path / "data", ("A_1_a", "A_1_b")))
    first = load_cases(cases, tmp_path / "cache", spacing=1.0)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    again = load_cases(cases, tmp_path / "cache", spacing=1.0)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()} == files
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, again, strict=True))
    write_image(np.zeros_like(small_labels()), GRID, cases[0].labels)
    assert not load_cases(cases, tmp_path / "cache", spacing=1.0)[0].target.any()


@pytest.mark.parametrize("one_file", [True, False])
def test_a_decathlon_list_gives_the_same_cases_as_folders(tmp_path: Path, one_file: bool):
    (folder_case,), _, _ = find_cases(write_labelled_cases(tmp_path / "data", ("A_1_a",)))
    wanted = preprocess(folder_case, 1.0)
    order = ("flair", "t1", "t1ce", "t2")
    # the Decathlon's own numbers: 1 oedema, 2 non-enhancing, 3 enhancing
    labels = np.choose(small_labels(), [0, 2, 1, 0, 3]).astype(np.uint8)
    write_image(labels, GRID, tmp_path / "BRATS_001.nii.gz")
    image: str | list[str] = "images.nii.gz"
    if one_file:
        _write_four_volumes(tmp_path / "images.nii.gz", order)
        # the test's 4-D writer keeps no origin
        grid = Geometry(GRID.size, GRID.spacing, (0.0, 0.0, 0.0), GRID.direction)
        write_image(labels, grid, tmp_path / "BRATS_001.nii.gz")
    else:
        image = [str(folder_case.scans[kind]) for kind in order]
    content = {
        "modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"},
        "labels": {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"},
        "training": [{"image": image, "label": "./BRATS_001.nii.gz"}],
    }
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    (case,), listed, bad = find_cases(tmp_path / "dataset.json")
    assert (case.name, listed, bad) == ("BRATS_001", None, {})
    found = preprocess(case, 1.0)
    assert np.array_equal(found.target, wanted.target)
    assert np.array_equal(found.image, wanted.image)


def test_a_list_says_what_to_hold_out_and_its_faults_are_named(tmp_path: Path):
    data = write_labelled_cases(tmp_path / "data", ("A_1_a", "A_1_b"))

    def entry(name: str) -> dict[str, object]:
        images = [f"data/{name}/{name}_{kind}.nii.gz" for kind in ("t1", "t1ce", "t2", "flair")]
        return {"image": images, "label": f"data/{name}/{name}_seg.nii.gz"}

    def read(**content: object):
        (tmp_path / "list.json").write_text(json.dumps(content))
        return find_cases(tmp_path / "list.json")

    cases, listed, bad = read(training=[entry("A_1_a"), entry("gone")], validation=[entry("A_1_b")])
    assert ([case.name for case in cases], listed) == (["A_1_a", "A_1_b"], ["A_1_b"])
    assert "does not exist" in bad["gone"]
    for content, words in (
        ({"training": [entry("A_1_a")] * 2}, "twice"),
        ({"training": [entry("A_1_a")], "modality": {"0": "CT"}}, "CT"),
        ({"training": [entry("A_1_a")], "labels": {"1": "liver"}}, "liver"),
        ({"training": "A_1_a"}, "no dataset list"),
        ({}, "no case"),
    ):
        with pytest.raises(InputError, match=words):
            read(**content)
    assert data.is_dir()


def test_folds_hold_every_case_out_once_and_share_the_sources():
    held_out = []
    for fold in range(3):
        training, validation = Split(folds=3, fold=fold).divide(NAMES, None, seed=0)
        assert not set(training) & set(validation)
        assert len(training) + len(validation) == len(NAMES)
        assert sorted(source_of(name) for name in validation) == ["A_1", "A_1", "B_2"]
        held_out += validation
    assert sorted(held_out) == sorted(NAMES)
    two_scans = ["BraTS-GLI-00001-000", "BraTS-GLI-00001-001", "BraTS-GLI-00002-000"]
    training, validation = Split(folds=2).divide(two_scans, None, seed=0)
    assert {patient_of(name) for name in training}.isdisjoint(patient_of(name) for name in validation)


def test_names_wildcards_and_lists_say_who_is_held_out(tmp_path: Path):
    training, validation = Split(validation=("A_1_0", "B*"), exclude=("A_1_5",)).divide(NAMES, None, 0)
    assert validation == ["A_1_0", "B_2_0", "B_2_1", "B_2_2"]
    assert training == ["A_1_1", "A_1_2", "A_1_3", "A_1_4"]
    (tmp_path / "names.txt").write_text("A_1_0  # the first\n\nA_1_1\n")
    assert read_names(str(tmp_path / "names.txt")) == ("A_1_0", "A_1_1")
    assert Split(only=("A*",)).divide(NAMES, ["A_1_2"], 0)[1] == ["A_1_2"]
    assert Split().divide([*NAMES, VALIDATION[0]], None, 0)[1] == [VALIDATION[0]]
    for split, words in (
        (Split(validation=("C_1",)), "C_1"),
        (Split(exclude=("*",)), "No training case is left"),
        (Split(folds=1), "folds"),
        (Split(folds=3, fold=3), "fold is 3"),
    ):
        with pytest.raises(InputError, match=words):
            split.divide(NAMES, None, 0)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("label", "17"),
        ("grid", "not on the grid"),
        ("modality", "t2"),
        ("truncated", "t1ce"),
        ("no labels", "label map"),
    ],
)
def test_a_bad_case_stops_the_training_by_name_or_is_skipped(tmp_path: Path, damage: str, words: str):
    data = write_labelled_cases(tmp_path / "data", ("A_1_a", "A_1_b", "A_1_c"))
    folder = data / "A_1_b"
    if damage == "label":
        write_image(np.where(small_labels() == 2, 17, 0).astype(np.uint8), GRID, folder / "A_1_b_seg.nii.gz")
    elif damage == "grid":
        other = Geometry(GRID.size, (1.0, 1.0, 1.2), GRID.origin, GRID.direction)
        write_image(small_volumes()["t2"].astype(np.int16), other, folder / "A_1_b_t2.nii.gz")
    elif damage == "modality":
        (folder / "A_1_b_t2.nii.gz").unlink()
    elif damage == "truncated":
        file = folder / "A_1_b_t1ce.nii.gz"
        file.write_bytes(file.read_bytes()[:200])
    else:
        (folder / "A_1_b_seg.nii.gz").unlink()
    with pytest.raises(InputError, match=words) as caught:
        train(data, tmp_path / "out", Recipe(minutes=None, steps=1))
    assert "A_1_b" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out" / "checkpoint.pt").exists()
    assert not list((tmp_path / "out").glob("*.*"))
    told: list[str] = []
    with pytest.raises(InputError, match="does not fit"):  # the window: the cases have been gone through by then
        train(data, tmp_path / "out", Recipe(window=(20, 20, 20)), on_bad_case="skip", warn=told.append)
    assert len(told) == 1
    assert told[0].startswith("A_1_b is left out")


def test_label_maps_without_any_tumour_are_refused_before_anything_is_trained(tmp_path: Path):
    data = write_labelled_cases(tmp_path / "data", labels=np.zeros_like(small_labels()))
    with pytest.raises(InputError, match="All training label maps are empty"):
        train(data, tmp_path / "out", Recipe(minutes=None, steps=1))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["cache"]
