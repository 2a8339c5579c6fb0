"""From scan to survival: patients predicted by models that never saw them, on experts' and on the network's own labels.

    python Testing/benchmarks/bench_survival_scans.py SCANS TABLES [--seed 0]

SCANS holds cases.csv and BraTS-style case folders with label maps; TABLES the tables of bench_survival.py. Every scan
is predicted by a student fitted without that patient: scans from UPenn are UPENN-GBM patients, whose row is found in
overlap.csv, or, where that names none, every row is left out that could be the patient's by age and survival. The
network's labels are made for the scans that the bundled weights never saw.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from BraTSOSLib import read_case
from BraTSOSLib.case import find_label_map, read_label_map
from BraTSOSLib.labels import region_mask
from BraTSOSLib.segmentation import Segmenter
from BraTSOSLib.segmentation.training.split import VALIDATION
from BraTSOSLib.survival.categories import CATEGORIES, class_indices
from BraTSOSLib.survival.covariates import volume_feature
from BraTSOSLib.survival.ensemble import Predictions, fit_groups
from BraTSOSLib.survival.evaluation import LOGISTIC, STUDENT, ModelOutput, baselines, compare
from BraTSOSLib.survival.patient_table import SurvivalTable, pool_tables
from BraTSOSLib.survival.settings import SurvivalSettings
from BraTSOSLib.survival.tables import read_survival_table

VOLUMES = ("log_NCR", "log_ED", "log_ET")
AGE_TOLERANCE, DAYS_BEFORE, DAYS_AFTER = 0.02, 15.0, 15.0


def measured(labels: np.ndarray, voxel: float) -> dict[str, float]:
    """Region volumes in mm3 by feature name."""
    return {volume_feature(name): np.count_nonzero(region_mask(labels, name)) * voxel for name in ("NCR", "ED", "ET")}


def left_out(scan: pd.Series, overlap: pd.DataFrame, table: SurvivalTable) -> np.ndarray:
    """Return which patients of ``table`` are or could be the patient of ``scan``."""
    known = overlap.loc[overlap["scan"] == scan["case"], "upenn_id"].dropna()
    named = np.isin(table.ids, list(known))
    if named.any() or "UPenn" not in scan["terms"]:
        return named
    days = table.days - scan["OS_days"]
    close = np.abs(table.ages / scan["age"] - 1.0) < AGE_TOLERANCE
    return close & (days > -DAYS_BEFORE) & (days < DAYS_AFTER) & (table.cohorts == 0)


def main() -> None:
    """Print one table for all scans and one for those that the network segmented unseen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scans", type=Path)
    parser.add_argument("tables", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    listed = pd.read_csv(arguments.scans / "cases.csv").dropna(subset=["OS_days", "age"])
    overlap = pd.read_csv(arguments.tables / "overlap.csv")
    segmenter = Segmenter(device="cpu")
    rows, sources = [], {"expert": [], "network": []}
    for _, scan in listed.iterrows():
        folder = arguments.scans / scan["case"]
        case = read_case(folder)
        voxel = case.geometry.voxel_volume
        row = {"case": scan["case"], "days": scan["OS_days"], "age": scan["age"], "resection": scan["resection"]}
        rows.append(row)
        expert = measured(read_label_map(find_label_map(folder), case.geometry), voxel)
        own = measured(segmenter(case), voxel) if scan["case"] in VALIDATION else dict.fromkeys(expert, np.nan)
        sources["expert"].append({**row, **expert})
        sources["network"].append({**row, **own})
    unseen = np.array([row["case"] in VALIDATION for row in rows])
    trained = pool_tables(
        [
            read_survival_table(arguments.tables / name, adult_wildtype=True)
            for name in ("upenn_gbm_captk.csv.gz", "ucsf_pdgm_pyradiomics_t1c_wt.csv.gz")
        ]
    )
    excluded = np.stack([left_out(scan, overlap, trained) for _, scan in listed.iterrows()])
    print(f"{len(rows)} scans; {excluded.any(axis=1).sum()} with rows left out, {excluded.sum()} rows in all\n")
    models: dict[str, ModelOutput] = {}
    settings = replace(SurvivalSettings(), privileged_count=0)
    truth = None
    for title, inputs in ((STUDENT, settings.student_inputs), ("with volumes", (*settings.student_inputs, *VOLUMES))):
        for source, found in sources.items():
            if source == "network" and title == STUDENT:
                continue  # it uses no volumes: the same prediction
            test = read_survival_table(pd.DataFrame(found), training=False)
            truth = truth or test
            everyone = pool_tables([trained, replace(test, ids=[f"scan {name}" for name in test.ids])])
            train = np.concatenate([~excluded, np.zeros((len(rows), len(rows)), dtype=bool)], axis=1)
            fits: Predictions = fit_groups(
                everyone, train, replace(settings, student_inputs=inputs), arguments.seed
            ).student
            own = np.arange(len(rows)), len(trained) + np.arange(len(rows))
            name = title if title == STUDENT else f"student {title}, {source} labels"
            models[name] = ModelOutput(fits.days[own][None], fits.probabilities[own][None])
    assert truth is not None
    plain = [
        baselines(trained, ~mask & (trained.cohorts == 0), truth.select(np.array([index])))[LOGISTIC]
        for index, mask in enumerate(excluded)
    ]
    models[LOGISTIC] = ModelOutput(
        np.array([[days[0] for days, _ in plain]]),
        np.array([[chances[0] for _, chances in plain if chances is not None]]),
    )
    for name, chosen in (("all scans, expert labels", np.ones(len(rows), dtype=bool)), ("segmented unseen", unseen)):
        kept = {
            title: ModelOutput(
                model.days[:, chosen], None if model.probabilities is None else model.probabilities[:, chosen]
            )
            for title, model in models.items()
            if name == "segmented unseen" or "network" not in title
        }
        print(f"### {name}, {chosen.sum()} patients\n")
        frame = compare(truth.days[chosen], kept, [(STUDENT, LOGISTIC)], evaluation=name, seed=arguments.seed)
        print(frame.to_string(), "\n")
    first, second = (models[f"student with volumes, {source} labels"] for source in ("expert", "network"))
    for index in np.flatnonzero(unseen):
        chances = [each.probabilities[0, index] for each in (first, second) if each.probabilities is not None]
        volumes = [
            " / ".join(f"{found[index][volume_feature(region)] / 1000:.1f}" for region in ("NCR", "ED", "ET"))
            for found in sources.values()
        ]
        print(
            f"{rows[index]['case']}: {rows[index]['days']:.0f} days "
            f"({CATEGORIES[class_indices(np.array([rows[index]['days']]))[0]]}); NCR / ED / ET mL expert {volumes[0]}, "
            f"network {volumes[1]}; with volumes {first.days[0, index]:.0f} and {second.days[0, index]:.0f} days, "
            f"greatest change of a probability {np.abs(chances[0] - chances[1]).max():.3f}"
        )


if __name__ == "__main__":
    main()
