"""What each part of the survival model is worth: across folds and cohorts, by inputs, censoring and training patients.

    python Testing/benchmarks/bench_survival.py FOLDER_OF_TABLES [--seed 0] [--quick]

FOLDER_OF_TABLES holds upenn_gbm_captk.csv.gz, ucsf_pdgm_pyradiomics_t1c_wt.csv.gz, brats19_regions.csv.gz and
overlap.csv. Prints Markdown tables as they stand in docs/survival.md. About ten minutes on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from BraTSOSLib.survival.ensemble import fit_groups
from BraTSOSLib.survival.evaluation import ALONE, LOGISTIC, RIDGE, STUDENT, TEACHER, read_brats_regions
from BraTSOSLib.survival.patient_table import SurvivalTable, pool_tables
from BraTSOSLib.survival.settings import SurvivalSettings
from BraTSOSLib.survival.tables import read_survival_table
from BraTSOSLib.survival.validation import evaluate_transfer, judge, outer_folds

SETTINGS = SurvivalSettings()
PLAIN = replace(SETTINGS, privileged_count=0)
TEXTURE = "T1GD_ET_GLCM_Bins-16_Radius-1_Contrast"
METRICS = ("accuracy", "mse", "spearman", "c_index")


def shown(result: dict[str, Any], metric: str) -> str:
    """A metric with its interval."""
    low, high = result[f"{metric}_interval"]
    if metric == "mse":
        return f"{result[metric]:,.0f}"
    return f"{result[metric]:.3f} [{low:.3f}, {high:.3f}]"


def print_models(frame: Any, models: tuple[str, ...]) -> None:
    """One row a model, and calibration and coverage of the student."""
    results = {result["model"]: result for result in frame.attrs["results"]}
    print("| model | accuracy | MSE (days²) | Spearman | C-index |\n| --- | --- | --- | --- | --- |")
    for model in (*models, f"{STUDENT} − {LOGISTIC}", f"{STUDENT} − {RIDGE}", f"{STUDENT} − {ALONE}"):
        if model in results:
            print(f"| {model} | " + " | ".join(shown(results[model], metric) for metric in METRICS) + " |")
    for entry, covered in zip(frame.attrs["reliability"], frame.attrs["coverage"], strict=True):
        band = entry["band"]
        print(
            f"\nCalibration error {entry['calibration_error']:.3f} (95 % band of a perfect model {band['low']:.3f} to "
            f"{band['high']:.3f}); the 80 % interval holds {100 * covered['value']:.0f} % "
            f"[{100 * covered['low']:.0f}, {100 * covered['high']:.0f}] of {covered['cases']} patients' survival.\n"
        )


def validated(
    tables: list[SurvivalTable], settings: SurvivalSettings, seed: int, repeats: int, share: float = 1.0
) -> list[Any]:
    """Cross-validate; one comparison for each table. ``share`` of the training patients are used."""
    data = pool_tables(tables) if len(tables) > 1 else tables[0]
    own, train = outer_folds(data, 5, repeats, seed)
    if share < 1.0:
        train &= np.random.default_rng(seed).random(train.shape) < share
    fits = fit_groups(data, train, settings, seed)
    return [judge(data, data.cohorts == cohort, own, train, fits, "", seed) for cohort in np.unique(data.cohorts)]


def print_ablation(rows: dict[str, Callable[[], list[Any]]]) -> None:
    """One row a setting: accuracy and C-index on each cohort."""
    print(
        "| setting | UPENN accuracy | UPENN C-index | UCSF accuracy | UCSF C-index |\n| --- | --- | --- | --- | --- |"
    )
    for name, run in rows.items():
        cells = []
        for frame in run():
            result = next(each for each in frame.attrs["results"] if each["model"] == STUDENT)
            cells += [f"{result['accuracy']:.3f}", f"{result['c_index']:.3f}"]
        print(f"| {name} | " + " | ".join(cells + ["–"] * (4 - len(cells))) + " |", flush=True)


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="one repeat and no privileged features")
    arguments = parser.parse_args()
    folder, seed = arguments.tables, arguments.seed
    repeats, settings = (1, PLAIN) if arguments.quick else (4, SETTINGS)
    every = read_survival_table(folder / "upenn_gbm_captk.csv.gz")
    upenn = read_survival_table(folder / "upenn_gbm_captk.csv.gz", adult_wildtype=True)
    ucsf = read_survival_table(folder / "ucsf_pdgm_pyradiomics_t1c_wt.csv.gz", adult_wildtype=True)
    brats = read_brats_regions(folder / "brats19_regions.csv.gz", folder / "overlap.csv")

    print(f"### Cross-validation, 5 folds, {repeats} repeats, seed {seed}, trained on both cohorts\n")
    for name, frame in zip(
        (f"UPENN, all {len(every)} rows", "UCSF"), validated([every, ucsf], settings, seed, repeats), strict=True
    ):
        print(f"{name}:\n")
        print_models(frame, (LOGISTIC, RIDGE, STUDENT, ALONE, TEACHER))
    for title, train, test in (
        (f"UPENN to UCSF, grade 4 wild-type ({len(ucsf)}, {ucsf.events.sum()} deaths)", upenn, ucsf),
        (f"UCSF to UPENN ({len(upenn)})", ucsf, upenn),
        (f"UPENN to the {len(brats)} BraTS 2019 patients of other sites", upenn, brats),
        (f"UPENN + UCSF to the {len(brats)} BraTS 2019 patients of other sites", pool_tables([upenn, ucsf]), brats),
    ):
        print(f"### {title}\n")
        print_models(
            evaluate_transfer(train, test, evaluation=title, seed=seed, settings=settings), (LOGISTIC, RIDGE, STUDENT)
        )

    inputs = SETTINGS.student_inputs
    fewer = 1 if arguments.quick else 2
    both = [upenn, ucsf]

    def with_inputs(*names: str) -> Callable[[], list[Any]]:
        return lambda: validated(both, replace(PLAIN, student_inputs=names), seed, fewer)

    def of(tables: list[SurvivalTable], **changed: Any) -> Callable[[], list[Any]]:
        return lambda: validated(tables, replace(PLAIN, **changed), seed, fewer)

    dead = replace(ucsf, events=np.ones(len(ucsf), dtype=bool))
    print(f"### What each part is worth (student, {fewer} repeats; teacher without radiomics)\n")
    print_ablation(
        {
            "as shipped": with_inputs(*inputs),
            "age alone": with_inputs("age"),
            "age and gross total resection": with_inputs("age", "gross_total_resection"),
            "without MGMT": with_inputs("age", "gross_total_resection", "biopsy"),
            "without biopsy as a level": with_inputs("age", "gross_total_resection", "mgmt_methylated"),
            "with KPS (56 known)": with_inputs(*inputs, "kps"),
            "with whole-tumour volume": with_inputs(*inputs, "log_WT"),
            "with ET volume (UPENN only)": with_inputs(*inputs, "log_ET"),
            "with NCR, ED, ET and shares (UPENN only)": with_inputs(
                *inputs, "log_NCR", "log_ED", "log_ET", "core_share", "enhancing_share"
            ),
            "with T1ce contrast of ET (UPENN only, CaPTk)": with_inputs(*inputs, TEXTURE),
            "UPENN alone": of([upenn]),
            "UCSF's deaths alone added": of([upenn, ucsf.select(ucsf.events)]),
            "UCSF's censored taken as dead": lambda: [
                *validated([upenn, dead], PLAIN, seed, fewer)[:1],
            ],
            "a UCSF patient counts 0.3": of(both, cohort_weights=(1.0, 0.3)),
            "nothing hidden while training": of(both, hide_probability=0.0),
        }
    )
    print("\n### Learning curve (student, as shipped)\n")
    print_ablation(
        {
            f"{round(100 * share)} % of the training patients": lambda share=share: validated(
                both, PLAIN, seed, fewer, share
            )
            for share in (0.125, 0.25, 0.5, 0.75, 1.0)
        }
    )


if __name__ == "__main__":
    main()
