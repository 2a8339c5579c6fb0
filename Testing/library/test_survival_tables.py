"""Reading tables of patients: both layouts, and a clear error for each thing that can be wrong with one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from survival_synthetic import synthetic_table

from BraTSOSLib.errors import InputError
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
    assert table.resections == read_survival_table(synthetic_table()).resections
    assert table.volumes["NCR"][3] == 0.0  # a blank volume is an empty region
    assert "KPS" not in table.privileged_names


def _set(row: int, column: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame[column] = frame[column].astype(object)
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
        (_set(4, "case", "Synthetic_0001"), "row 5.*twice"),
        (_set(4, "age", -3), "'age', row 5.*impossible"),
        (_set(4, "age", 300), "'age', row 5.*impossible"),
        (_set(4, "age", "old"), "'age', row 5.*not a number"),
        (_set(4, "age", None), "'age', row 5.*missing"),
        (_set(4, "days", 0), "'days', row 5.*impossible"),
        (_set(4, "resection", "most"), "'resection', row 5.*GTR"),
        (_set(4, "ED_original_shape_VoxelVolume", -1), "ED_original_shape_VoxelVolume', row 5.*negative"),
        (_set(4, "ED_original_shape_VoxelVolume", np.inf), "ED_original_shape_VoxelVolume', row 5.*infinite"),
        (lambda frame: frame.assign(feature_3=np.inf), "'feature_3', row 1.*infinite"),
        (lambda frame: frame.assign(event=[1, 0] * 60), "'event', row 2.*censored"),
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
