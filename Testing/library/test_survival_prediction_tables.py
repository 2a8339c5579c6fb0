"""Predictions for a table of patients, and features that SlicerRadiomics or pyradiomics wrote."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from BraTSOSLib.cli import main
from BraTSOSLib.errors import InputError
from BraTSOSLib.survival import predict_survival
from BraTSOSLib.survival.categories import CATEGORIES
from BraTSOSLib.survival.foreign_tables import read_features
from BraTSOSLib.survival.prediction_table import COLUMNS, SEPARATOR, predict_table, write_predictions

NCR, ED, ET, TC, WT = (f"{region}_original_shape_VoxelVolume" for region in ("NCR", "ED", "ET", "TC", "WT"))


def patients(count: int = 60, seed: int = 0) -> pd.DataFrame:
    """Patients of every kind: with little known, out of range, children, IDH-mutated, in mL."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "case": [f"{number:04d}" for number in range(count)],
            "age": np.where(random.random(count) < 0.1, np.nan, random.uniform(5, 100, count).round(1)),
            "resection": random.choice(["GTR", "str", "Biopsy", "unknown", ""], count),
            "mgmt": random.choice(["methylated", "Unmethylated", "indeterminate", "", "NA"], count),
            "idh": random.choice(["wildtype", "wild-type", "", "mutant"], count, p=[0.5, 0.2, 0.2, 0.1]),
            "kps": random.choice([np.nan, 60, 80, 100], count),
            "sex": random.choice(["F", "M"], count),
        }
    )
    for name, centre in ((NCR, 9), (ED, 10.5), (ET, 9.3)):
        scale = np.where(random.random(count) < 0.1, 1e-3, 1.0)  # in mL
        values = random.lognormal(centre, 1.2, count) * scale * (random.random(count) > 0.05)
        frame[name] = np.where(random.random(count) < 0.2, np.nan, values)
    frame[WT] = frame[[NCR, ED, ET]].sum(axis=1, min_count=3)
    frame["t1ce_ET_original_firstorder_Mean"] = random.normal(size=count)
    return frame


def alone(row: pd.Series):
    """What `predict_survival` says of one row: an empty cell is not known, or an empty region beside another one."""
    given = {name: row[name] for name in (NCR, ED, ET, TC, WT) if name in row.index and not pd.isna(row[name])}
    if given.keys() & {NCR, ED, ET}:
        given = {**{name: 0.0 for name in (NCR, ED, ET) if name in row.index}, **given}

    def value(name: str):
        return row[name] if name in row.index and row[name] not in ("", "NA") else None

    return predict_survival(
        given, value("age"), value("resection"), mgmt=value("mgmt"), idh=value("idh"), kps=value("kps")
    )


def test_each_row_is_what_one_patient_gets(tmp_path):
    frame = patients(150)
    frame.to_csv(tmp_path / "patients.csv", index=False)
    predictions = predict_table(tmp_path / "patients.csv")
    assert tuple(predictions.columns) == COLUMNS
    assert predictions["case"].tolist() == frame["case"].tolist()
    kinds = set()
    for (_, row), found in zip(frame.iterrows(), predictions.to_dict("records"), strict=True):
        expected = alone(row)
        assert found["category"] == expected.category
        assert found["reason"] == (expected.reason or "")
        assert found["flags"] == SEPARATOR.join(flag.message for flag in expected.flags)
        assert found["warnings"] == SEPARATOR.join(expected.warnings)
        assert found["missing"] == SEPARATOR.join(expected.missing)
        numbers = [*(expected.probabilities or dict.fromkeys(CATEGORIES)).values(), expected.days]
        numbers += [expected.days_low, expected.days_high, expected.risk]
        written = [found[name] for name in (*COLUMNS[2:9],)]
        assert written == pytest.approx([np.nan if n is None else n for n in numbers], rel=1e-9, abs=1e-9, nan_ok=True)
        kinds |= {expected.category, bool(expected.flags), bool(expected.reason), "mL" in found["flags"]}
    assert kinds >= {None, True, False, "short", "long"}


def test_in_memory_in_portions_and_in_any_order(monkeypatch):
    from BraTSOSLib.survival import prediction_table

    frame = patients(40)
    whole = predict_table(frame)
    monkeypatch.setattr(prediction_table, "_AT_ONCE", 7)
    told = []
    pd.testing.assert_frame_equal(predict_table(frame, None, lambda message, fraction: told.append(fraction)), whole)
    assert told == sorted(told)
    assert 0 <= told[0] <= told[-1] <= 1
    turned = predict_table(frame.iloc[::-1, ::-1].reset_index(drop=True))
    pd.testing.assert_frame_equal(turned.iloc[::-1].reset_index(drop=True), whole)


def test_age_alone_is_enough_and_more_is_missed():
    lone = predict_table(pd.DataFrame({"case": ["a"], "age": [60.0]})).iloc[0]
    assert lone["category"] in CATEGORIES
    assert "resection" in lone["missing"].split(SEPARATOR)
    full = pd.DataFrame({"case": ["a"], "age": [60.0], "resection": ["GTR"], NCR: [9e3], ED: [5e4], ET: [7e3]})
    told = predict_table(full.assign(mgmt="methylated", kps=90)).iloc[0]
    assert told["missing"] == ""
    if not np.isnan(told["days_low"]):
        assert lone["days_high"] / lone["days_low"] > told["days_high"] / told["days_low"]


def test_a_row_without_age_has_a_reason_and_the_others_a_category():
    predictions = predict_table(pd.DataFrame({"case": ["a", "b"], "age": [np.nan, 50], "resection": ["GTR", "GTR"]}))
    assert predictions["category"].tolist()[0] is None
    assert "age is not known" in predictions["reason"][0]
    assert predictions.loc[0, "p_short":"risk"].isna().all()
    assert predictions["category"][1] in CATEGORIES
    assert predictions["reason"][1] == ""


def test_volumes_in_millilitres_are_flagged():
    frame = pd.DataFrame({"case": ["a"], "age": [60.0], NCR: [9.3], ED: [53.4], ET: [6.7]})
    assert "mL" in predict_table(frame)["flags"][0]


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])
def test_files_of_every_kind(tmp_path, ending, capsys):
    if ending == ".parquet":
        pytest.importorskip("pyarrow")
    frame = patients(12)
    source, output = tmp_path / f"patients{ending}", tmp_path / f"predictions{ending}"
    frame.to_parquet(source) if ending == ".parquet" else frame.to_csv(source, index=False)
    assert main(["predict", "--table", str(source), "-o", str(output)]) == 0
    shown = capsys.readouterr().out
    assert "12 patients" in shown
    assert "not used: sex\n" in shown
    options = {"dtype": {"case": str}, "keep_default_na": True}
    written = pd.read_parquet(output) if ending == ".parquet" else pd.read_csv(output, **options)
    expected = predict_table(source)
    assert written["case"].tolist() == expected["case"].tolist()
    assert written["days"].to_numpy() == pytest.approx(expected["days"].to_numpy(), rel=1e-9, nan_ok=True)
    first = output.read_bytes()
    assert main(["predict", "--table", str(source), "-o", str(output), "--json"]) == 0
    assert output.read_bytes() == first
    content = json.loads(capsys.readouterr().out)
    assert sum(content["categories"].values()) + content["without_category"] == content["cases"] == 12


def test_predictions_can_be_evaluated(tmp_path):
    from BraTSOSLib.survival.table_evaluation import read_forecasts

    frame = patients(50)
    predictions = predict_table(frame)
    write_predictions(predictions, tmp_path / "predictions.csv")
    forecasts = read_forecasts(tmp_path / "predictions.csv")
    assert len(forecasts.cases) == predictions["category"].notna().sum()
    assert len(forecasts.withheld) == predictions["category"].isna().sum()
    assert forecasts.notes == ()


def changed(column: str, value: object, row: int = 4):
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.astype({column: object})
        frame.loc[row, column] = value
        return frame

    return change


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: f.drop(columns="case"), ["'case'", "no column"]),
        (lambda f: f.rename(columns={"age": "Alter"}), ["'age'", "'Alter'"]),
        (changed("age", 300), ["'age'", "row 5", "'0004'", "300"]),
        (changed("age", -2), ["'age'", "row 5", "-2"]),
        (changed("age", "sixty"), ["'age'", "row 5", "'sixty'", "not a number"]),
        (changed("age", np.inf), ["'age'", "row 5", "infinite"]),
        (changed("resection", "most"), ["'resection'", "row 5", "'most'", "GTR, STR, biopsy"]),
        (changed("mgmt", "perhaps"), ["'mgmt'", "row 5", "'perhaps'"]),
        (changed("idh", "perhaps"), ["'idh'", "row 5", "'perhaps'"]),
        (changed("kps", 130), ["'kps'", "row 5", "130"]),
        (changed(ET, np.inf), [ET, "row 5", "infinite"]),
        (changed(ET, -1.0), [ET, "row 5", "-1", "mm3"]),
        (changed(ET, "large"), [ET, "row 5", "'large'"]),
        (
            changed("t1ce_ET_original_firstorder_Mean", np.inf),
            ["t1ce_ET_original_firstorder_Mean", "row 5", "infinite"],
        ),
        (changed("case", "0001"), ["'case'", "row 5", "'0001'", "row 2"]),
        (changed("case", None), ["'case'", "row 5", "no name"]),
        (lambda f: f.iloc[:0], ["no rows"]),
    ],
)
def test_bad_tables(spoil, words, tmp_path, capsys):
    source = tmp_path / "patients.csv"
    spoil(patients(8).assign(age=60.0)).to_csv(source, index=False)
    assert main(["predict", "--table", str(source), "-o", str(tmp_path / "out" / "predictions.csv")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err, err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("case,age,age\na,60,61\n", "'age' more than once"),
        ("case,age,Age \na,60,61\n", "more than once"),
        ("case;age\na;60\n", "semicolons"),
        ("", "no rows|no column|cannot be read"),
        ("case,age\na,60,7,8\n", "more cells"),
    ],
)
def test_bad_files(tmp_path, content, word):
    (tmp_path / "patients.csv").write_text(content)
    with pytest.raises(InputError, match=word):
        predict_table(tmp_path / "patients.csv")
    (tmp_path / "patients.csv").write_bytes(b"\xff\xfe\x00binary")
    with pytest.raises(InputError, match=r"patients\.csv"):
        predict_table(tmp_path / "patients.csv")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "--features"),
        (["features.csv", "--table", "t.csv"], "More than one"),
        (["--table", "t.csv"], "-o"),
        (["--table", "t.csv", "-o", "t.csv"], "the table itself"),
        (["--table", "t.csv", "-o", "t.xlsx"], "t.xlsx"),
        (["--table", "t.csv", "-o", "o.csv", "--age", "60"], "columns of the table"),
        (["--table", "none.csv", "-o", "o.csv"], "does not exist"),
        (["features.csv", "-o", "o.csv"], "--output"),
        (["features.csv", "--region", "ET"], "names its regions itself"),
    ],
)
def test_bad_wishes(tmp_path, monkeypatch, capsys, arguments, word):
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("case,age\na,60\n")
    Path("features.csv").write_text(f"feature,value\n{WT},60000\n")
    assert main(["predict", *arguments]) == 2
    assert word in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["features.csv", "t.csv"]
    assert Path("t.csv").read_text() == "case,age\na,60\n"


# Tables of other programs


def rows_of(*blocks: tuple[str, str, object, float]) -> list[dict[str, object]]:
    """Rows as the pyradiomics command line writes them: image, mask, label, volume."""
    return [
        {
            "Image": image,
            "Mask": mask,
            **({} if label is None else {"Label": label}),
            "diagnostics_Versions_PyRadiomics": "v3.0.1",
            "diagnostics_Configuration_Settings": "{'binWidth': 25, 'label': 1}",
            "original_shape_VoxelVolume": volume,
            "original_firstorder_Mean": 3.5,
        }
        for image, mask, label, volume in blocks
    ]


THREE = rows_of(("p_t1ce.nii.gz", "p_seg.nii.gz", 1, 9e3), ("p_t1ce.nii.gz", "p_seg.nii.gz", 2, 5e4),
                ("p_t1ce.nii.gz", "p_seg.nii.gz", 4, 7e3))  # fmt: skip


def slicer_rows(columns: dict[str, dict[str, float]]) -> list[list[object]]:
    """SlicerRadiomics' table: diagnostics first, then the features, a column for each segment."""
    names = list(next(iter(columns.values())))
    table: list[list[object]] = [["Image type", "Feature Class", "Feature Name", *columns]]
    table.append(["diagnostics", "Versions", "PyRadiomics", *["v3.0.1"] * len(columns)])
    return table + [[*name.split("_", 2), *(str(values[name]) for values in columns.values())] for name in names]


def write(path: Path, rows: list[list[object]], delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


def written(tmp_path: Path, layout: str) -> Path:
    if layout.startswith("Slicer"):
        volumes = {"NCR": 9e3, "ED": 5e4, "ET": 7e3}
        columns = {f"tumour_segment_{region}": {"original_shape_VoxelVolume": v} for region, v in volumes.items()}
        return write(tmp_path / "slicer", slicer_rows(columns), "\t" if layout.endswith("tsv") else ",")
    path = tmp_path / f"features.{layout}"
    if layout == "csv":
        pd.DataFrame(THREE).to_csv(path, index=False)
    elif layout == "json":
        path.write_text(json.dumps(THREE))
    else:
        path.write_text("".join(f"Case-{n}_{k}: {v}\n" for n, row in enumerate(THREE, 1) for k, v in row.items()))
    return path


@pytest.mark.parametrize("layout", ["csv", "json", "txt", "Slicer csv", "Slicer tsv"])
def test_other_programs_tables_give_the_same_prediction(tmp_path, layout, capsys):
    path = written(tmp_path, layout)
    features = read_features(path)
    assert {name: value for name, value in features.items() if "shape" in name} == {NCR: 9e3, ED: 5e4, ET: 7e3}
    assert main(["predict", "--features", str(path), "--age", "60", "--resection", "GTR", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    expected = predict_survival({NCR: 9e3, ED: 5e4, ET: 7e3}, 60, "GTR")
    assert content["probabilities"] == expected.probabilities
    assert content["inputs"][ED] == 5e4


def test_the_modality_comes_from_the_image():
    from BraTSOSLib.survival.foreign_tables import _library_name, _modality

    assert _modality("/data/BraTS20_Training_001_t1ce.nii.gz") == "t1ce"
    assert _modality("C:\\x\\UPENN-GBM-00006_11_T1GD.nii.gz") == "t1ce"
    assert _modality("case-t2f.nii.gz") == "flair"
    assert _modality("scan.nii.gz") is None
    assert _library_name("original_shape_Sphericity", "ET", "t1") == "ET_original_shape_Sphericity"
    assert _library_name("wavelet-LLH_glcm_Idm", "ET", "t1") == "t1_ET_wavelet-LLH_glcm_Idm"
    assert _library_name("original_glcm_Idm", "ET", None) is None


@pytest.mark.parametrize(
    ("segment", "region"),
    [
        ("tumour_segment_ET", "ET"),
        ("s_segment_Peritumoural oedema (ED)", "ED"),
        ("s_segment_Whole tumor", "WT"),
        ("s_segment_Necrosis", "NCR"),
        ("s_segment_Tumor core", "TC"),
        ("s_segment_Enhancing Lesion", "ET"),
        ("labels_label_4", "ET"),
        ("labels_label_2", "ED"),
    ],
)
def test_regions_of_slicers_segments(tmp_path, segment, region):
    path = write(tmp_path / "slicer.csv", slicer_rows({segment: {"original_shape_VoxelVolume": 5.0}}))
    assert read_features(path) == {f"{region}_original_shape_VoxelVolume": 5.0}


@pytest.mark.parametrize("segment", ["tumour_segment_Segment_1", "labels_label_1", "labels_label_7"])
def test_a_region_in_doubt_is_asked_for(tmp_path, segment):
    path = write(tmp_path / "slicer.csv", slicer_rows({segment: {"original_shape_VoxelVolume": 5.0}}))
    with pytest.raises(InputError, match=r"which region.*--region"):
        read_features(path)
    assert read_features(path, region="wt") == {WT: 5.0}
    with pytest.raises(InputError, match="'liver'"):
        read_features(path, region="liver")


def test_a_mask_of_one_region_is_not_taken_for_necrosis(tmp_path):
    path = tmp_path / "features.csv"
    pd.DataFrame(rows_of(("p_t1ce.nii.gz", "p_mask.nii.gz", 1, 9e3))).to_csv(path, index=False)
    with pytest.raises(InputError, match=r"row 1 \(label 1 of 'p_mask.nii.gz'\)"):
        read_features(path)
    pd.DataFrame(rows_of(("p_t1ce.nii.gz", "p_wt.nii.gz", 1, 9e3))).to_csv(path, index=False)
    assert read_features(path)[WT] == 9e3


def test_a_feature_table_with_pyradiomics_names(tmp_path):
    path = tmp_path / "features.csv"
    path.write_text("feature,value\noriginal_shape_VoxelVolume,7000\noriginal_firstorder_Mean,3\n")
    with pytest.raises(InputError, match=r"features\.csv: which region"):
        read_features(path)
    assert read_features(path, region="ET") == {ET: 7e3}


def test_the_librarys_own_slicer_table(tmp_path):
    slicer_table = pytest.importorskip("BraTSOSLib.radiomics.slicer_table").slicer_table
    volumes = {NCR: 9e3, ED: 5e4, ET: 7e3}
    names = [*volumes, *(f"t1_{region}_original_firstorder_Mean" for region in ("NCR", "ED", "ET"))]
    frame = pd.DataFrame({"feature": names, "value": [*volumes.values(), 1.0, 2.0, 3.0]})
    slicer_table(frame, "t1", dict.fromkeys(("NCR",), "NCR") | {"ED": "ED", "ET": "ET"}).to_csv(
        tmp_path / "slicer.csv", index=False
    )
    assert read_features(tmp_path / "slicer.csv") == volumes


def test_rows_of_two_cases_are_not_one(tmp_path):
    path = tmp_path / "features.csv"
    pd.DataFrame([*THREE, *rows_of(("q_t1ce.nii.gz", "q_et.nii.gz", 1, 1.0))]).to_csv(path, index=False)
    with pytest.raises(InputError, match=r"row 4.*--table"):
        read_features(path)
    failed = [{"Image": "p_t1ce.nii.gz", "Mask": "p_wt.nii.gz"}]
    (tmp_path / "failed.json").write_text(json.dumps(failed))
    with pytest.raises(InputError, match="pyradiomics failed"):
        read_features(tmp_path / "failed.json")


def test_a_pyradiomics_table_of_many_cases():
    frame = pd.DataFrame([*THREE, *rows_of(("q_t1ce.nii.gz", "q_wt.nii.gz", 1, 4e4))])
    frame.insert(0, "ID", ["p", "p", "p", "q"])
    frame["age"], frame["resection"] = [60, 60, 60, 70], ["GTR", "GTR", "GTR", "STR"]
    found = predict_table(frame)
    own = pd.DataFrame({"case": ["p", "q"], "age": [60, 70], "resection": ["GTR", "STR"], NCR: [9e3, np.nan],
                        ED: [5e4, np.nan], ET: [7e3, np.nan], WT: [np.nan, 4e4]})  # fmt: skip
    pd.testing.assert_frame_equal(found, predict_table(own))
    assert found.attrs["unused"] == []


def test_bad_pyradiomics_tables_of_many_cases():
    frame = pd.DataFrame(rows_of(("p_t1ce.nii.gz", "p_et.nii", None, 7e3), ("p_t1ce.nii.gz", "p_wt.nii", None, 6e4)))
    frame.insert(0, "case", "p")
    with pytest.raises(InputError, match=r"case 'p' differ in the column 'age'"):
        predict_table(frame.assign(age=[60, 61]))
    with pytest.raises(InputError, match=r"two rows about the region ET of the case 'p'"):
        predict_table(frame.assign(age=60), region="ET")
    with pytest.raises(InputError, match=r"row 1 .*which region"):
        predict_table(frame.assign(age=60, Mask="mask.nii"))
    assert predict_table(frame.assign(age=60))["category"][0] in CATEGORIES


def test_the_pyradiomics_command_line_itself(tmp_path):
    script = pytest.importorskip("radiomics.scripts")
    sitk = pytest.importorskip("SimpleITK")
    mask = np.zeros((12, 14, 16), np.uint8)
    mask[3:9, 3:10, 4:12], mask[5:8, 5:8, 6:9] = 2, 1
    image = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=mask.shape).astype(np.float32))
    sitk.WriteImage(image, str(tmp_path / "p_t1ce.nii.gz"))
    sitk.WriteImage(sitk.GetImageFromArray(mask), str(tmp_path / "p_seg.nii.gz"))
    batch = pd.DataFrame({"ID": "p", "Image": str(tmp_path / "p_t1ce.nii.gz"), "Mask": str(tmp_path / "p_seg.nii.gz"),
                          "Label": [1, 2]})  # fmt: skip
    batch.to_csv(tmp_path / "batch.csv", index=False)
    parameters = tmp_path / "shape.yaml"
    parameters.write_text("featureClass:\n  shape:\n  firstorder: [Mean]\nimageType:\n  Original: {}\n")
    out = tmp_path / "out.csv"
    script.PyRadiomicsCommandLine(
        [str(tmp_path / "batch.csv"), "--param", str(parameters), "--format", "csv", "--out", str(out)]
    ).run()
    features = read_features(out)
    assert features[NCR] == (mask == 1).sum()
    assert features[ED] == (mask == 2).sum()
    assert "t1ce_ED_original_firstorder_Mean" in features
