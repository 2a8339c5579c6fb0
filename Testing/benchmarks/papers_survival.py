"""Reproduces the setting of the published survival tables and writes docs/survival-results.md.

    python Testing/benchmarks/papers_survival.py TABLES_FOLDER [-o PAGE.md] [--splits 50]
        [--results NUMBERS.json] [--only TABLE]

TABLES_FOLDER holds ``brats20_ibsi_wt.csv.gz``, ``brats19_regions.csv.gz`` and ``upenn_gbm_captk.csv.gz``. Each is split
80:20 by patient 50 times; features are chosen, values scaled and models fitted inside each split's training part. The
numbers go to ``--results`` after every table; what it holds already, for as many splits, is not computed again. About
20 minutes of one core.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from papers_survival_page import page

from BraTSOSLib.survival.metrics import concordance_of_features
from BraTSOSLib.survival.papers.comparison import FOREST, STUDENTS, compare_on_splits
from BraTSOSLib.survival.papers.distilled import WORDINGS, DistilledSettings, in_words, make_inputs
from BraTSOSLib.survival.papers.families import count_families
from BraTSOSLib.survival.papers.forest import ForestSettings
from BraTSOSLib.survival.papers.splits import METRICS, repeated_splits
from BraTSOSLib.survival.papers.table import FeatureTable, read_patient_features

PAGE = Path(__file__).resolve().parents[2] / "docs" / "survival-results.md"
TABLES = ("brats20_ibsi_wt", "brats19_regions", "upenn_gbm_captk")
PRIVILEGED = 8
"""Features that a teacher sees and its student does not, in the second experiment."""


def evaluate(table: FeatureTable, splits: int, seed: int) -> dict[str, Any]:
    """Every model's metrics on the splits of one table, and how the best feature fares on unseen patients."""
    train = repeated_splits(table, splits, seed=seed)
    one = DistilledSettings()
    wide = replace(one, best_features=PRIVILEGED, transferable=())
    metrics: dict[str, np.ndarray] = {}
    for say, chosen in (
        (
            "one feature",
            {
                "distilled": {STUDENTS[wording]: in_words(one, wording) for wording in WORDINGS},
                "forests": {FOREST: ForestSettings(), f"{FOREST}, + age, resection": ForestSettings(clinical=True)},
            },
        ),
        (
            "privileged features",
            {
                "teacher": f"teacher with {PRIVILEGED} privileged features",
                "distilled": {
                    "its student of age + resection": in_words(wide, "hinton"),
                    "student of age + resection alone": in_words(wide, "alone"),
                },
            },
        ),
    ):
        print(f"{table.name}: {say}", flush=True)
        metrics |= compare_on_splits(table, train, seed=seed, **chosen).metrics
    return {
        "patients": len(table),
        "train": int(train[0].sum()),
        "test": int((~train[0]).sum()),
        "features": len(table.feature_names),
        "families": count_families(table.feature_names),
        "notes": list(table.notes),
        "resections": dict(Counter(table.resections)),
        "choice": choice(table, train),
        "metrics": {
            model: {name: column.tolist() for name, column in zip(METRICS, values.T, strict=True)}
            for model, values in metrics.items()
        },
    }


def choice(table: FeatureTable, train: np.ndarray) -> dict[str, Any]:
    """Which feature each split chose, and its concordance on the training and the test patients."""
    inputs = make_inputs(table, train, DistilledSettings())
    seen, unseen, age = [], [], []
    for mask, (column,), (strength,) in zip(train, inputs.columns, inputs.concordance, strict=True):
        values = np.column_stack([table.features[~mask, column], -table.ages[~mask]])
        feature, years = concordance_of_features(table.days[~mask], values, table.events[~mask])[0]
        seen.append(max(strength, 1 - strength))
        unseen.append(feature if strength >= 0.5 else 1 - feature)
        age.append(years)
    names = Counter(table.feature_names[column] for (column,) in inputs.columns)
    return {"names": names.most_common(), "train": seen, "test": unseen, "age": age}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=PAGE)
    parser.add_argument("--splits", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--only", choices=TABLES)
    given = parser.parse_args()
    setting = {"splits": given.splits, "seed": given.seed}
    results: dict[str, Any] = {**setting, "tables": {}}
    if given.results is not None and given.results.is_file():
        known = json.loads(given.results.read_text(encoding="utf-8"))
        results = known if {name: known[name] for name in setting} == setting else results
    for name in TABLES if given.only is None else (given.only,):
        for resection in (None, "GTR"):
            key = f"{name}, {'all patients' if resection is None else 'gross total resection only'}"
            if key in results["tables"]:
                continue
            started = time.process_time()
            path = given.folder / f"{name}.csv.gz"
            table = read_patient_features(path, resection=resection, on_bad_value="skip")
            found = evaluate(table, given.splits, given.seed)
            results["tables"][key] = {"table": name, **found, "seconds": time.process_time() - started}
            print(f"{key}: {results['tables'][key]['seconds']:.0f} s of one core", flush=True)
            if given.results is not None:
                given.results.write_text(json.dumps(results), encoding="utf-8")
    given.output.write_text(page(results), encoding="utf-8")
    print(f"Written: {given.output}", file=sys.stderr)


if __name__ == "__main__":
    main()
