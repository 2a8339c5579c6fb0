"""Reading tables of patients: both layouts, and a clear error for each thing that can be wrong with one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from survival_synthetic import synthetic_table

from BraTSOSLib.errors import InputError
from BraTSOSLib.survival.covariates import NOT_GROSS_TOTAL
from BraTSOSLib.survival.patient_table import pool_tables
from BraTSOSLib.survival.tables import read_survival_table


def test_own_layout_from_file_and_from_memory(tmp_path: Path) -> None:
    frame = synthetic_table()
    frame.to_csv(tmp_path / "patients.csv.gz", index=False)
    table = read_survival_table(tmp_path / "patients.csv.gz")
    assert len(table) == 120
    assert table.privileged_names == [f"feature_{index}" for index in range(12)]
    np.testing.assert_array_equal(table.volumes["ET"], frame["ET_original_shape_VoxelVolume"])
    assert table.resections == read_survival_table(frame).resections
    assert set(table.resections) == {"GTR", "STR", "unknown"}


def test_captk_layout() -> None:
    frame = synthetic_table().rename(
        columns={
            "case": "SubjectID",
            "days": "OS_days",
            "resection": "GTR_over90",
            "NCR_original_shape_VoxelVolume": "T1GD_NC_Volumetric_Volume",
            "ED_original_shape_VoxelVolume": "T1GD_ED_Volumetric_Volume",
            "ET_original_shape_VoxelVolume": "T1GD_ET_Volumetric_Volume",
        }
    )
    frame["GTR_over90"] = frame["GTR_over90"].map({"GTR": "Y", "STR": "N", "unknown": "Not Available"})
    frame["Gender"], frame["KPS"] = "F", 80.0
    frame.loc[3, "T1GD_NC_Volumetric_Volume"] = np.nan
    table = read_survival_table(frame)
    plain = read_survival_table(synthetic_table()).resections
    assert table.resections == [NOT_GROSS_TOTAL if value == "STR" else value for value in plain]
    assert np.isnan(table.inputs(("biopsy",))[table.resections.index(NOT_GROSS_TOTAL)])
    assert table.volumes["NCR"][3] == 0.0  # a blank volume is an empty region
    assert "KPS" not in table.privileged_names


def ucsf_table(patients: int = 60) -> pd.DataFrame:
    """Return a table in UCSF-PDGM's layout; every third patient is censored."""
    random = np.random.default_rng(4)
    return pd.DataFrame(
        {
            "ID": [f"UCSF-PDGM-{index:03d}" for index in range(patients)],
            "age": random.integers(30, 85, patients),
            "WHO CNS Grade": 4,
            "MGMT status": ["positive", "positive", "negative", None] * (patients // 4),
            "MGMT index": [15.0, 2.0, 0.0, np.nan] * (patients // 4),
            "IDH": "wildtype",
            "event": [1, 1, 0] * (patients // 3),
            "OS_days": random.integers(20, 1500, patients).astype(float),
            "EOR": ["GTR", "STR", "biopsy"] * (patients // 3),
            "original_shape_VoxelVolume": random.uniform(1e4, 1e5, patients),
            "original_glcm_Contrast": random.normal(size=patients),
        }
    )


def test_ucsf_layout_keeps_censored_patients_and_leaves_out_whom_the_model_is_not_for() -> None:
    frame = ucsf_table()
    frame.loc[0, "IDH"], frame.loc[1, "WHO CNS Grade"] = "IDH1 p.R132H", 2
    frame.loc[2, "OS_days"], frame.loc[3, "age"] = np.nan, 17
    table = read_survival_table(frame, training=False, adult_wildtype=True)
    assert len(table) == 56
    assert table.ids[0] == "UCSF-PDGM-004"
    assert table.events.sum() == 40 - 3  # of the four who left, one was censored
    assert table.mgmt[:4] == ["methylated", "indeterminate", "unmethylated", "unknown"]
    assert set(table.resections) == {"GTR", "STR", "biopsy"}
    np.testing.assert_allclose(table.volumes["WT"], frame["original_shape_VoxelVolume"][4:])
    assert np.isnan(table.volumes["ET"]).all()
    early = ~table.events & (table.days <= 450)
    assert early.any()
    np.testing.assert_array_equal(table.class_known(), ~early)


def test_pooling_keeps_every_patient_and_never_one_twice() -> None:
    own, other = read_survival_table(synthetic_table()), read_survival_table(ucsf_table(), training=False)
    pooled = pool_tables([own, other])
    assert pooled.ids == own.ids + other.ids
    np.testing.assert_array_equal(pooled.cohorts, [0] * len(own) + [1] * len(other))
    assert pooled.privileged_names == [*own.privileged_names, "original_glcm_Contrast"]
    assert np.isnan(pooled.privileged[len(own) :, :-1]).all()
    np.testing.assert_array_equal(pooled.select(pooled.cohorts == 1).days, other.days)
    with pytest.raises(InputError, match=r"Synthetic_0000.*twice"):
        pool_tables([own, own])


def _set(row: int, column: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        usual = {"event": 1, "kps": 90, "mgmt": "unknown"}
        frame[column] = pd.Series(frame.get(column, usual.get(column)), index=frame.index, dtype=object)
        frame.loc[row, column] = value
        return frame

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="days"), "survival in days"),
        (lambda frame: frame.drop(columns="age"), "age in years"),
        (lambda frame: frame.drop(columns="resection"), "extent of resection"),
        (lambda frame: pd.concat([frame, frame[["age"]]], axis=1), "'age' more than once"),
        (_set(4, "case", "Synthetic_0001"), "row 5.*already in row 2"),
        (_set(4, "age", -3), "'age', row 5.*expected more than 0"),
        (_set(4, "age", 300), "'age', row 5.*expected more than 0"),
        (_set(4, "age", "old"), "'age', row 5.*not a number"),
        (_set(4, "age", None), "'age', row 5.*missing"),
        (_set(4, "days", 0), "'days', row 5.*expected more than 0"),
        (_set(4, "resection", "most"), "'resection', row 5.*GTR"),
        (_set(4, "ED_original_shape_VoxelVolume", -1), "ED_original_shape_VoxelVolume', row 5.*0 or more"),
        (_set(4, "ED_original_shape_VoxelVolume", np.inf), "ED_original_shape_VoxelVolume', row 5.*infinite"),
        (lambda frame: frame.assign(feature_3=np.inf), "'feature_3', row 1.*infinite"),
        (_set(1, "event", 2), "'event', row 2.*is 2; expected 1"),
        (_set(1, "kps", 170), "'kps', row 2.*170"),
        (_set(1, "mgmt", "perhaps"), "'mgmt', row 2.*perhaps"),
        (lambda frame: frame.head(20), "20 patients"),
        (lambda frame: frame.assign(days=100.0), "0 patients with medium survival"),
    ],
)
def test_what_is_wrong_is_named(change: Callable[[pd.DataFrame], pd.DataFrame], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_survival_table(change(synthetic_table()))


def test_duplicated_column_in_a_file(tmp_path: Path) -> None:
    lines = synthetic_table().to_csv(index=False).splitlines()
    doubled = [f"{line},{line.split(',')[1]}" for line in lines]
    (tmp_path / "doubled.csv").write_text("\n".join(doubled))
    with pytest.raises(InputError, match=r"doubled\.csv has the column 'age' more than once"):
        read_survival_table(tmp_path / "doubled.csv")


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b\x08\x00broken", b"\xff\xfe\x00\x01"])
def test_unreadable_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"table\.csv\.gz"):
        read_survival_table(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_survival_table(tmp_path / "nothing.csv")
