"""Reading tables of any layout for the published methods, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from survival_synthetic import synthetic_table

from BraTSOSLib.errors import InputError
from BraTSOSLib.radiomics.names import feature_names
from BraTSOSLib.survival.papers.families import TEXTURES, count_families, family_of, region_of
from BraTSOSLib.survival.papers.splits import (
    METRICS,
    difference_interval,
    repeated_splits,
    split_metrics,
)
from BraTSOSLib.survival.papers.table import read_patient_features

TABLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "survival"


def test_own_layout() -> None:
    table = read_patient_features(synthetic_table())
    assert len(table) == 120 and table.events.all()
    assert "ET_original_shape_VoxelVolume" in table.feature_names and "feature_3" in table.feature_names
    assert not {"age", "days", "case", "resection"} & set(table.feature_names)
    codes = dict(zip(table.resections, table.clinical()[:, 1], strict=True))
    assert codes == {"GTR": 1.0, "STR": -1.0, "unknown": 0.0}


def test_brats_2019_layout() -> None:
    own = synthetic_table()
    frame = own.drop(columns="resection").rename(columns={"case": "ID", "age": "Age", "days": "Survival"})
    frame = frame.assign(RS0=(own["resection"] == "GTR") * 1, RS1=(own["resection"] == "STR") * 1, Whole_ID=7)
    table = read_patient_features(frame)
    assert table.resections == own["resection"].tolist()
    assert not {"RS0", "RS1", "Whole_ID"} & set(table.feature_names)
    with pytest.raises(InputError, match="'RS0' and 'RS1', row 2"):
        read_patient_features(frame.assign(RS0=1, RS1=[0, 1] * 60))


def test_what_is_no_feature_is_left_out_and_censoring_kept() -> None:
    event = np.where(np.arange(120) % 3 == 0, 0, 1)
    frame = synthetic_table().assign(
        event=event, Sex="M", MGMT="NA", KPS=90, diagnostics_Versions=1.0, Note="large", VolumeID=range(120)
    )
    table = read_patient_features(frame)
    assert (table.events == (event == 1)).all()
    assert len(table.feature_names) == 15


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.rename(columns={"age": "years"}), "no column 'age' .age in years., only 'case'"),
        (lambda frame: frame.rename(columns={"days": "Tage"}), "no column 'days' .survival in days"),
        (lambda frame: frame.rename(columns={"resection": "op"}), "no column 'resection' .the extent of resection"),
        (lambda frame: frame.rename(columns={"feature_3": "age"}), "column 'age' more than once"),
        (lambda frame: frame.assign(case=["A", "A", *map(str, range(118))]), "row 2: the patient 'A' occurs twice"),
        (lambda frame: frame.assign(days=[np.nan, *frame["days"][1:]]), "'days', row 1: the value is missing"),
        (lambda frame: frame.assign(age=[*frame["age"][:-1], -3]), "'age', row 120: the value is -3"),
        (lambda frame: frame.assign(days=[*frame["days"][:-1], np.inf]), "'days', row 120: the value is inf"),
        (lambda frame: frame.assign(feature_3=[1.0, np.inf] * 60), "'feature_3', row 2: the value is infinite"),
        (lambda frame: frame.assign(feature_3=["1", "2", "3?"] * 40), "'feature_3', row 3: '3\\?' is not a number"),
        (lambda frame: frame.assign(event=[1, 2] * 60), "'event', row 2: the value is 2"),
        (lambda frame: frame.assign(resection="all of it"), "'resection', row 1"),
        (lambda frame: frame.head(20), "20 patients with an observed death"),
        (lambda frame: frame.assign(days=100.0), "0 deaths with medium survival"),
        (lambda frame: frame.head(0), "holds no rows"),
    ],
)
def test_what_is_wrong_is_named(change: Callable[[pd.DataFrame], pd.DataFrame], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_patient_features(change(synthetic_table()))


def test_duplicated_column_in_a_file(tmp_path: Path) -> None:
    lines = synthetic_table().to_csv(index=False).splitlines()
    (tmp_path / "doubled.csv").write_text("\n".join(f"{line},{line.split(',')[-1]}" for line in lines))
    with pytest.raises(InputError, match=r"doubled\.csv has the column 'feature_11' more than once"):
        read_patient_features(tmp_path / "doubled.csv")


def test_bad_values_can_be_skipped_and_are_noted() -> None:
    frame = synthetic_table()
    frame.loc[3, "feature_2"] = np.inf
    frame.loc[5, "days"] = np.nan
    frame.loc[8, "case"] = frame.loc[7, "case"]
    table = read_patient_features(frame, on_bad_value="skip")
    assert len(table) == 118
    assert np.isnan(table.features[3, table.feature_names.index("feature_2")])
    assert len(table.notes) == 3 and table.notes[2] == "infinite values of feature_2, counted as missing: 1"
    with pytest.raises(InputError, match="'stop' or 'skip'"):
        read_patient_features(frame, on_bad_value="guess")


def test_one_extent_of_resection_alone() -> None:
    frame = synthetic_table(240)
    table = read_patient_features(frame, resection="gtr")
    assert table.ids == frame.loc[frame["resection"] == "GTR", "case"].tolist()
    assert "GTR only" in table.name


def test_survival_is_not_needed_to_predict() -> None:
    table = read_patient_features(synthetic_table().head(3).drop(columns="days"), survival=False)
    assert len(table) == 3 and np.isnan(table.days).all()


@pytest.mark.parametrize(
    ("name", "patients", "deaths", "features"),
    [
        ("upenn_gbm_captk", 369, 369, 1728),
        ("brats19_regions", 210, 210, 31),
        ("brats20_ibsi_wt", 236, 236, 206),
        ("ucsf_pdgm_pyradiomics_t1c_wt", 403, 202, 100),
        ("ucsf_pdgm_firstorder", 254, 125, 104),
    ],
)
def test_published_tables_are_read(name: str, patients: int, deaths: int, features: int) -> None:
    path = TABLES / f"{name}.csv.gz"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    table = read_patient_features(path, on_bad_value="skip")
    assert (len(table), int(table.events.sum()), len(table.feature_names)) == (patients, deaths, features)
    assert {"GTR"} < set(table.resections) <= {"GTR", "STR", "biopsy", "not GTR", "unknown"}


def test_families_of_the_librarys_own_names() -> None:
    classes = ("firstorder", "shape", "shape2D", *TEXTURES)
    names = feature_names(regions=("ET", "WT"), modalities=("t1ce",), classes=classes)
    counts = count_families(names)
    assert set(counts) == {"ET", "WT"} and "other" not in counts["ET"]
    assert sum(counts["ET"][family] for family in TEXTURES) == 75  # as Anand et al. 2020 count
    assert all(f"_{family_of(name)}_" in name for name in names)


@pytest.mark.parametrize(
    ("name", "family", "region"),
    [
        ("T1GD_NC_GLCM_Bins-16_Radius-1_Energy", "glcm", "NCR"),
        ("FLAIR_ED_Morphologic_Flatness", "shape", "ED"),
        ("T2_ET_LBP_Radius-1_Bins-16_LBP", "other", "ET"),
        ("Whole_SVRatio", "shape", "WT"),
        ("Brain_enh_core_X", "other", ""),
        ("GrayLevelNonUniformity3D", "glszm", ""),
        ("GrayLevelNonUniformityMerged3D", "glrlm", ""),
        ("GrayLevelDependenceNonUniformity3D", "gldm", ""),
        ("GrayLevelDistanceNonUniformity3D", "other", ""),
        ("JointEntropyAveraged3D", "glcm", ""),
        ("DiscretisedIntensityEntropy3D", "firstorder", ""),
        ("Sphericity3D", "shape", ""),
    ],
)
def test_families_of_other_softwares_names(name: str, family: str, region: str) -> None:
    assert (family_of(name), region_of(name)) == (family, region)


def test_splits_are_stratified_and_repeatable() -> None:
    frame = synthetic_table(150).assign(event=[0, 1, 1, 1, 1] * 30)
    table = read_patient_features(frame)
    train = repeated_splits(table, 6, seed=3)
    assert (train[:4] == repeated_splits(table, 4, seed=3)).all()
    assert (train != repeated_splits(table, 6, seed=4)).any()
    assert len({int(mask.sum()) for mask in train}) == 1 and (~train).mean() == pytest.approx(0.2, abs=0.01)
    assert len({int((mask & table.events).sum()) for mask in train}) == 1
    with pytest.raises(InputError, match="0 splits"):
        repeated_splits(table, 0)


def test_metrics_of_a_split_are_those_of_its_test_patients() -> None:
    table = read_patient_features(synthetic_table())
    train = repeated_splits(table, 2)
    guess = np.where(train, 1.0, table.days + 10.0)
    perfect = dict(zip(METRICS, split_metrics(table, train, guess).T, strict=True))
    assert perfect["mse"] == pytest.approx([100.0, 100.0]) and perfect["median_se"] == pytest.approx([100.0, 100.0])
    assert perfect["sd_se"] == pytest.approx([0.0, 0.0], abs=1e-9)
    assert perfect["spearman"] == pytest.approx([1.0, 1.0]) and perfect["c_index"] == pytest.approx([1.0, 1.0])
    assert np.isnan(perfect["class_accuracy"]).all()


def test_overlapping_splits_widen_an_interval() -> None:
    random = np.random.default_rng(0).normal(0.1, 1.0, 50)
    mean, low, high = difference_interval(random)
    plain = 2 * 2.01 * random.std(ddof=1) / np.sqrt(50)
    assert low < mean < high
    assert (high - low) / plain == pytest.approx(np.sqrt(1 + 50 / 4), rel=0.01)  # Nadeau and Bengio 2003
