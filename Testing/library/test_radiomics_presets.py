"""Named sets of features, the tables made of them, the command line, and the two engines side by side."""

from __future__ import annotations

import csv
import json
import math
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk  # noqa: N813

from BraTSOSLib.case import MODALITIES, Case, Geometry, read_case
from BraTSOSLib.cli import main
from BraTSOSLib.errors import Cancelled, InputError
from BraTSOSLib.radiomics import PRESETS, ImageType, Settings, extract_features
from BraTSOSLib.radiomics.columns import column_name, table_keys
from BraTSOSLib.radiomics.compare import compare
from BraTSOSLib.radiomics.presets import describe_presets
from BraTSOSLib.radiomics.slicer_table import COLUMNS, slicer_table

SHAPE = (16, 18, 20)


def make_case(seed: int = 0) -> tuple[Case, np.ndarray]:
    random = np.random.default_rng(seed)
    volumes = {name: random.integers(1, 400, SHAPE).astype(np.float32) for name in MODALITIES}
    geometry = Geometry(SHAPE[::-1], (1.0, 1.0, 1.5), (0.0,) * 3, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))  # type: ignore[arg-type]
    labels = np.zeros(SHAPE, np.uint8)
    labels[3:12, 4:14, 4:15] = 2
    labels[4:11, 5:12, 5:12] = 4
    labels[6:9, 6:9, 6:10] = 1
    return Case("Case", volumes, geometry), labels


def write_case(folder: Path, dtype: type = np.int16) -> Path:
    case, labels = make_case()
    folder.mkdir()
    for name, array in (*case.volumes.items(), ("seg", labels)):
        image = sitk.GetImageFromArray(array.astype(np.uint8 if name == "seg" else dtype))
        image.SetSpacing(case.geometry.spacing)
        sitk.WriteImage(image, str(folder / f"{folder.name}_{name}.nii.gz"))
    return folder


@pytest.mark.parametrize(
    ("name", "columns"),
    [("default", 430), ("student", 3), ("brats-core", 1930), ("full", 22390), ("do2022", 2065), ("anand2020", 1022)],
)
def test_presets_have_their_columns(name: str, columns: int) -> None:
    preset = PRESETS[name]
    names = [column_name(key, preset.layout) for key in table_keys(preset.layout, preset.settings)]
    assert len(names) + preset.layout.with_name == columns == preset.columns
    assert len(set(names)) == len(names)


def test_the_arithmetic_gives_the_number() -> None:
    assert PRESETS["do2022"].columns == 4 * 4 * (22 + 14 + 93) + 1
    assert PRESETS["anand2020"].columns == 2 * 7 * (14 + 24 + 16 + 14 + 5)
    assert PRESETS["full"].columns == 5 * (14 + 4 * 12 * 93)
    text = describe_presets()
    for preset in PRESETS.values():
        assert f"{preset.columns:,} columns = {preset.arithmetic}" in text


def test_the_names_of_do2022_are_the_papers() -> None:
    case, labels = make_case()
    table = extract_features(case, labels, preset="do2022")
    values = dict(zip(table["feature"], table["value"], strict=True))
    assert len(table) == len(values) == 2065
    assert table["feature"][0] == "case" and values["case"] == "Case"
    core = extract_features(case, labels, preset="brats-core")
    same = dict(zip(core["feature"], core["value"], strict=True))
    assert values["t1_nec_original_glcm_MaximumProbability"] == same["t1_NCR_original_glcm_MaximumProbability"]
    assert values["flair_wt_original_shape_MeshVolume"] == same["WT_original_shape_MeshVolume"]
    assert values["t2_et_diagnostics_Mask-original_VoxelNum"] == (labels == 4).sum()
    numbers = [value for name, value in values.items() if name != "case" and "_diagnostics_" not in name]
    assert len(numbers) == 4 * 4 * 107 and np.isfinite(np.array(numbers, dtype=float)).all()


def test_all_label_combinations_of_anand2020_are_measured() -> None:
    case, labels = make_case()
    table = extract_features(case, labels, preset="anand2020").set_index("feature")["value"]
    assert len(table) == 1022 and np.isfinite(table).all()
    voxel = 1.5
    assert table["t1ce_ED+ET_original_shape_VoxelVolume"] == np.isin(labels, (2, 4)).sum() * voxel
    assert table["flair_NCR+ED_original_shape_VoxelVolume"] == np.isin(labels, (1, 2)).sum() * voxel


def test_empty_regions_keep_all_their_rows() -> None:
    pytest.importorskip("pywt", reason="PyWavelets is not installed")
    case, labels = make_case()
    labels[labels == 1] = 0
    table = extract_features(case, labels, preset="full")
    assert len(table) == 22390
    empty = table[table["feature"].str.contains("NCR_")]
    volumes = empty["feature"].isin(["NCR_original_shape_VoxelVolume", "NCR_original_shape_MeshVolume"])
    assert volumes.sum() == 2 and (empty["value"][volumes] == 0).all() and empty["value"][~volumes].isna().all()
    assert np.isfinite(table["value"][~table["feature"].str.contains("NCR_")]).all()
    assert "empty" in table.attrs["notes"]["NCR"]


def test_threads_do_not_change_the_table() -> None:
    case, labels = make_case()
    one = extract_features(case, labels, preset="brats-core", workers=1)
    pd.testing.assert_frame_equal(one, extract_features(case, labels, preset="brats-core", workers=4))


@pytest.mark.parametrize("workers", [1, 3])
def test_progress_and_cancel_are_asked_in_the_calling_thread(workers: int) -> None:
    case, labels = make_case()
    seen: list[float] = []
    threads = set()

    def progress(_: str, fraction: float) -> None:
        seen.append(fraction)
        threads.add(threading.get_ident())

    settings = Settings(classes=("firstorder",), image_types=(ImageType("Original"), ImageType("Square")))
    extract_features(case, labels, settings=settings, workers=workers, progress=progress)
    assert seen[0] == 0 and seen[-1] == 1 and seen == sorted(seen) and len(seen) == 4 * 2 + 2
    assert threads == {threading.get_ident()}
    calls = iter([False, False, True])
    with pytest.raises(Cancelled):
        extract_features(case, labels, settings=settings, workers=workers, cancel=lambda: next(calls))


def test_an_error_in_a_thread_arrives() -> None:
    case, labels = make_case()
    case.volumes["t2"][8, 8, 8] = 1e9
    with pytest.raises(InputError, match=r"t2 \(original\).*binWidth"):
        extract_features(case, labels, preset="brats-core", workers=4)
    case.volumes["t2"][8, 8, 8] = 1
    case.volumes["flair"][0, 0, 0] = np.nan
    with pytest.raises(InputError, match=r"flair.*filters"):
        extract_features(case, labels, settings=Settings(image_types=(ImageType("LoG", {"sigma": (1,)}),)))


def test_an_image_of_zeros_has_no_scale() -> None:
    case, labels = make_case()
    case.volumes["t1"][:] = 0
    settings = Settings(classes=("firstorder",), image_types=(ImageType("Square"),))
    table = extract_features(case, labels, settings=settings)
    missing = table["feature"].str.startswith("t1_")
    assert table["value"][missing].isna().all() and np.isfinite(table["value"][~missing]).all()
    assert any("not finite" in note for note in table.attrs["notes"].values())


def test_an_unknown_preset_or_device_is_refused() -> None:
    with pytest.raises(InputError, match=r"'tpu'.*cuda"):
        extract_features(*make_case(), device="tpu")
    with pytest.raises(InputError, match=r"'tiny'.*brats-core"):
        extract_features(*make_case(), preset="tiny")


def test_the_files_number_type_decides_about_the_last_digits(tmp_path: Path) -> None:
    """pyradiomics transforms whole numbers in double precision and floats in single precision: so does the case."""
    pywt = pytest.importorskip("pywt")
    settings = Settings(classes=("firstorder",), image_types=(ImageType("Wavelet"),))
    _, labels = make_case()
    for dtype, computed in ((np.int16, np.float64), (np.float32, np.float32)):
        case = read_case(write_case(tmp_path / np.dtype(dtype).name, dtype))
        table = extract_features(case, labels, settings=settings, regions=("WT",)).set_index("feature")["value"]
        expected = pywt.swtn(case.volumes["t1"].astype(computed), "coif1", level=1, axes=(2, 1, 0))[0]["ddd"]
        assert table["t1_WT_wavelet-HHH_firstorder_Maximum"] == expected[labels > 0].max()


def test_slicer_radiomics_table() -> None:
    case, labels = make_case()
    table = extract_features(case, labels, preset="brats-core", diagnostics=True)
    found = slicer_table(table, "t2", segmentation="Tumour", regions={"ET": "enhancing", "WT": "whole"})
    assert list(found.columns) == [*COLUMNS, "Tumour_segment_enhancing", "Tumour_segment_whole"]
    assert len(found) == 22 + 14 + 93
    assert found.map(lambda cell: isinstance(cell, str)).all().all()
    assert found.iloc[0, :4].tolist()[:3] == ["diagnostics", "Versions", "PyRadiomics"]
    assert found.iloc[0, 3].startswith("BraTSOS ")
    assert found.iloc[22, :3].tolist() == ["original", "shape", "Elongation"]
    assert found["Feature Class"].drop_duplicates().tolist()[-7:] == [
        "shape", "firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm"
    ]  # fmt: skip
    row = found[(found["Feature Class"] == "glcm") & (found["Feature Name"] == "Contrast")]
    value = table.set_index("feature")["value"]["t2_ET_original_glcm_Contrast"]
    assert float(row["Tumour_segment_enhancing"].item()) == value
    plain = slicer_table(extract_features(case, labels), "t1")
    assert len(plain.columns) == 3 + 5 and len(plain) == 14 + 18
    with pytest.raises(InputError, match="t1"):
        slicer_table(extract_features(case, labels, preset="student"), "t1", regions={})


def test_compare_finds_what_differs() -> None:
    table = extract_features(*make_case())
    other = table.copy()
    row = int(np.flatnonzero(table["feature"] == "t1_ET_original_firstorder_Mean")[0])
    other.loc[row, "value"] *= 1 + 1e-6
    other.loc[0, "value"] = math.nan
    result = compare(table, other).set_index("class")
    assert result.loc["firstorder", "largest"] == pytest.approx(1e-6, rel=1e-3)
    assert result.loc["firstorder", "where"] == "t1_ET_original_firstorder_Mean"
    assert result.loc["shape", "largest"] == math.inf
    assert result["identical"].sum() == len(table) - 2
    assert compare(table, table)["largest"].max() == 0


def test_the_command_lists_presets_and_writes_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features", "--list"]) == 0
    assert "22,390 columns" in capsys.readouterr().out
    folder = write_case(tmp_path / "Case")
    parameters = tmp_path / "parameters.json"
    parameters.write_text(json.dumps({"setting": {"binWidth": 50}, "featureClass": {"glcm": ["Contrast"]}}))
    output, slicer = tmp_path / "features.csv", tmp_path / "slicer.csv"
    command = ["features", str(folder), "-o", str(output), "--parameters", str(parameters)]
    assert main([*command, "--slicer-table", str(slicer)]) == 0
    with output.open() as file:
        rows = {row["feature"]: row["value"] for row in csv.DictReader(file)}
    assert len([name for name in rows if "_diagnostics_" not in name]) == 5 * 4
    assert "t1_WT_original_glcm_Contrast" in rows
    with (tmp_path / "slicer_flair.csv").open() as file:
        assert next(csv.reader(file))[:4] == [*COLUMNS, "Case_segment_NCR"]
    assert {path.name for path in tmp_path.glob("slicer_*.csv")} == {f"slicer_{name}.csv" for name in MODALITIES}

    image, mask = (str(folder / f"Case_{kind}.nii.gz") for kind in ("t1", "seg"))
    capsys.readouterr()
    assert main(["features", "--image", image, "--mask", mask, "--label", "4", "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert len(measured) == 129 and next(iter(measured)) == "diagnostics_Versions_PyRadiomics"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "x.csv", "--preset", "tiny"], "Unknown preset"),
        ([], "--output"),
        (["--image", "a.nii"], "--mask is missing"),
        (["-o", "x.csv", "--parameters", "none.yaml"], r"none.yaml"),
    ],
)
def test_the_command_refuses_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    folder = write_case(tmp_path / "Case")
    assert main(["features", str(folder), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_the_command_compares_the_engines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("radiomics", reason="pyradiomics is not installed")
    folder = write_case(tmp_path / "Case")
    parameters = tmp_path / "parameters.json"
    parameters.write_text(
        json.dumps({"imageType": {"LoG": {"sigma": [1.0]}}, "featureClass": {"shape": [], "glszm": []}})
    )
    assert main(["features", str(folder), "--compare", "--parameters", str(parameters)]) == 0
    said = capsys.readouterr().out
    assert "pyradiomics 3.0.1 agree" in said and "glszm" in said
    from BraTSOSLib.radiomics import firstorder

    monkeypatch.setattr(firstorder.Intensities, "energy", 1.0)
    assert main(["features", str(folder), "--compare"]) == 1
    assert "DISAGREE" in capsys.readouterr().out
