"""Whom the model is not meant for: thresholds fixed on training patients, warnings, ranges and mixed-up units."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from BraTSOSLib.survival.explanation.ranges import range_flags
from BraTSOSLib.survival.explanation.reference import mahalanobis, reference_statistics, training_distance
from BraTSOSLib.survival.explanation.suitability import UNRELIABLE, reasons_against, warnings_for

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
REGIONS = ("NCR", "ED", "ET")


def training(patients: int = 400, seed: int = 4) -> SimpleNamespace:
    """Made-up patients in whom volumes hang together and a few regions are empty."""
    rng = np.random.default_rng(seed)
    size = rng.normal(0, 0.5, patients)
    logs = np.column_stack([8.6 + 1.3 * size, 10.6 + 0.6 * size, 9.5 + size]) + rng.normal(0, 0.5, (patients, 3))
    volumes = np.exp(logs)
    volumes[:3, 0] = 0.0
    volumes[5:9, 2] = np.nan  # not measured
    return SimpleNamespace(ages=rng.normal(63, 11, patients), volumes=dict(zip(REGIONS, volumes.T, strict=True)))


REFERENCE = reference_statistics(training())
USUAL = {"NCR": 6000.0, "ED": 42000.0, "ET": 14000.0}


def warned(age=60.0, idh="unknown", reference=REFERENCE, **volumes):
    return warnings_for(age, idh, {**USUAL, **volumes}, reference)


def test_thresholds_are_percentiles_of_the_training_patients():
    table = training()
    measured = np.isfinite(np.column_stack(list(table.volumes.values()))).all(axis=1)
    ncr, ed, et = (table.volumes[region][measured] for region in REGIONS)
    assert REFERENCE["patients"] == measured.sum() == 396
    assert REFERENCE["enhancing_share_low"] == pytest.approx(np.quantile(et / (ncr + ed + et), 0.01))
    assert REFERENCE["enhancing_share_of_core_low"] == pytest.approx(np.quantile(et / (ncr + et), 0.01))
    assert REFERENCE["plain_core_share_high"] == pytest.approx(np.quantile(ncr / (ncr + ed + et), 0.99))
    flagged = []
    for age, *volumes in zip(table.ages[measured], ncr, ed, et, strict=True):
        distance, threshold = training_distance(REFERENCE, age, dict(zip(REGIONS, volumes, strict=True)))
        flagged.append(distance > threshold)
    assert np.mean(flagged) == pytest.approx(0.01, abs=0.006)


def test_too_few_patients_give_no_thresholds():
    assert reference_statistics(training(32)) == {}
    assert warned(reference={}) == ()


def test_distance_is_that_of_mahalanobis():
    spatial = pytest.importorskip("scipy.spatial.distance")
    rng = np.random.default_rng(0)
    points, covariance = rng.normal(size=(5, 3)), np.cov(rng.normal(size=(50, 3)).T)
    expected = [spatial.mahalanobis(point, np.ones(3), np.linalg.inv(covariance)) for point in points]
    assert mahalanobis(points, np.ones(3), covariance) == pytest.approx(expected)


def test_an_ordinary_patient_gives_no_warning():
    assert warned() == ()
    assert warned(NCR=0.0) == ()


def test_children_and_idh_mutated_tumours():
    assert "17 years old" in warned(age=17.0)[0]
    assert "IDH-mutated" in warned(idh="mutated")[0]
    assert warned(idh="wildtype") == ()
    assert len(reasons_against(17.0, "mutated", USUAL)) == 2
    assert reasons_against(18.0, "wildtype", USUAL) == []


@pytest.mark.parametrize("enhancing", [0.0, 150.0])
def test_a_tumour_that_hardly_enhances_may_be_low_grade(enhancing):
    (warning, *_) = warned(ET=enhancing)
    assert "low-grade" in warning
    assert warning.endswith(f"{UNRELIABLE}.")
    assert ("No part" in warning) == (enhancing == 0)


def test_the_share_that_is_unusual_is_named():
    thresholds = {"enhancing_share_low": 0.01, "enhancing_share_of_core_low": 0.17}
    assert "Only 0.3 % of the tumour enhances" in warned(reference=thresholds, ET=150.0)[0]
    assert "Only 6.0 % of the tumour core enhances" in warned(reference=thresholds, NCR=22000.0, ET=1400.0)[0]


def test_without_reference_only_a_tumour_without_any_enhancement_is_noticed():
    assert warned(reference={}, ET=150.0) == ()
    assert "No part of the tumour" in warned(reference={}, ET=0.0)[0]


def test_a_large_core_without_enhancement_may_be_a_cavity():
    warnings = warned(NCR=90000.0)
    assert any("resection cavity" in warning for warning in warnings)
    assert not any("resection cavity" in warning for warning in warned(NCR=14000.0))


def test_a_patient_far_from_the_training_patients():
    (warning,) = warned(age=19.0, NCR=200.0)
    assert "unlike those of the training patients" in warning
    assert warning.endswith(f"{UNRELIABLE}.")
    assert "mL" not in warning


def test_volumes_in_millilitres_are_recognised():
    warnings = warned(**{region: value / 1000 for region, value in USUAL.items()})
    assert any("given in mL?" in warning for warning in warnings)
    only_one = warned(NCR=USUAL["NCR"] / 1000)
    assert any("unlike those" in warning for warning in only_one)


def test_volumes_that_are_not_known_are_left_out_of_the_distance():
    assert warnings_for(60.0, "unknown", {"ET": 14000.0}, REFERENCE) == ()
    assert "unlike" in warnings_for(60.0, "unknown", {"ET": 14.0}, REFERENCE)[0]
    assert warnings_for(60.0, "unknown", {"WT": 62000.0}, REFERENCE) == ()
    assert warnings_for(60.0, "unknown", {}, REFERENCE) == ()
    assert warnings_for(None, "unknown", USUAL, REFERENCE) == ()


ENTRIES = [
    {"name": "age", "unit": "years", "low": 20.0, "high": 88.0},
    {"name": "kps", "unit": "", "low": 40.0, "high": 100.0},
    {"name": "WT_original_shape_VoxelVolume", "unit": "mm3", "low": 3000.0, "high": 240000.0, "empty_seen": False},
    {"name": "ET_original_shape_VoxelVolume", "unit": "mm3", "low": 100.0, "high": 78000.0, "empty_seen": True},
]


def test_flags_end_with_what_they_mean():
    flags = range_flags(ENTRIES, {"age": 95.0, "kps": 20.0}, {"NCR": 1.0, "ED": 1.0, "ET": 90000.0})
    assert [flag.name for flag in flags] == ["age", "kps", "ET_original_shape_VoxelVolume"]
    assert all(flag.message.endswith(f"{UNRELIABLE}.") for flag in flags)
    assert "20, outside the 40 to 100 of the training" in flags[1].message


def test_a_whole_that_was_not_given_is_the_sum_of_its_parts():
    flags = range_flags(ENTRIES, {"age": 60.0}, {region: value / 1000 for region, value in USUAL.items()})
    assert [flag.name for flag in flags] == ["WT_original_shape_VoxelVolume", "ET_original_shape_VoxelVolume"]
    assert flags[0].value == pytest.approx(62.0)
    assert all("was it given in mL?" in flag.message for flag in flags)
    assert range_flags(ENTRIES, {"age": 60.0}, USUAL) == ()


def test_parts_that_do_not_add_up():
    flags = range_flags(ENTRIES, {"age": 60.0}, {**USUAL, "WT": 90000.0})
    assert "add up to 62,000" in flags[0].message
    assert flags[0].low is flags[0].high is None


@pytest.mark.skipif(not (DATA / "survival").is_dir(), reason="the survival tables and scans are not here")
def test_low_grade_gliomas_are_noticed_and_glioblastomas_of_other_sites_hardly_ever():
    import pandas as pd
    import SimpleITK

    from BraTSOSLib.survival.tables import read_survival_table

    reference = reference_statistics(read_survival_table(DATA / "survival" / "upenn_gbm_captk.csv.gz"))
    cases = pd.read_csv(DATA / "glioma" / "cases.csv")
    for case in cases.loc[cases["grade"] == "LGG", "case"]:
        labels = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(DATA / "glioma" / case / f"{case}_seg.nii.gz"))
        volumes = {region: float((labels == value).sum()) for region, value in zip(REGIONS, (1, 2, 4), strict=True)}
        assert any("low-grade" in warning for warning in warnings_for(45.0, "unknown", volumes, reference))
    others = pd.read_csv(DATA / "survival" / "brats19_regions.csv.gz")
    warned_of = [
        bool(warnings_for(age, "unknown", dict(zip(REGIONS, volumes, strict=True)), reference))
        for age, *volumes in others[["Age", "Necrotic", "Edema", "Enhance"]].to_numpy(dtype=float)
    ]
    assert np.mean(warned_of) < 0.06
