"""What `evaluate survival` prints."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..survival.categories import CATEGORIES
from ..survival.columns import some
from ..survival.table_evaluation.page import metric_row

if TYPE_CHECKING:
    from ..survival.table_evaluation import SurvivalEvaluation


def print_evaluation(evaluation: SurvivalEvaluation) -> None:
    """Print an evaluation, for reading."""
    from rich.console import Console
    from rich.table import Table

    # A pipe or a file has no width of its own; a table that is cut to 80 columns there would lose figures.
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    counts = evaluation.counts()
    print(
        f"{counts['cases']} patients: {counts['deaths']} died, {counts['censored']} censored, of whom "
        f"{counts['category_unknown']} within 450 days (category not known)"
    )
    columns = [("n", "n"), ("value", "value"), ("interval", "95 % interval"), ("uninformed", "without any input")]
    if evaluation.baseline is not None:
        columns += [("baseline", "baseline"), ("difference", "difference"), ("difference_interval", "95 % interval")]
    table = Table("Metric", box=None, pad_edge=False)
    for _, title in columns:
        table.add_column(title, justify="right")
    for record in evaluation.metrics.to_dict("records"):
        row = metric_row(record)
        table.add_row(row["title"], *(str(row[key]) for key, _ in columns))
    console.print(table)
    if evaluation.calibration is not None:
        band = evaluation.calibration["band"]
        print(f"\nCalibration error of a perfectly calibrated model here: {band['low']:.3f} to {band['high']:.3f}")
    covered = evaluation.coverage
    if covered is not None and covered["known"] < covered["cases"]:
        print(f"Coverage whatever became of the censored: {covered['least']:.3f} to {covered['most']:.3f}")
    print("\nTrue category (rows), predicted " + ", ".join(CATEGORIES))
    for name, line in zip(CATEGORIES, evaluation.confusion, strict=True):
        print(f"  {name:<8}" + "".join(f"{count:>8}" for count in line))
    if evaluation.groups is not None:
        medians = (
            f"{group.category} {'not reached' if group.median is None else f'{group.median:.0f} days'}"
            for group in evaluation.groups.groups
        )
        test = evaluation.groups.p_value
        print(f"Median survival by predicted category: {', '.join(medians)}", end="")
        print("" if test is None else f"; log-rank p = {test:.2g}")
    print()
    for note in evaluation.notes:
        print(f"Note: {note}")
    for names, why in (
        (evaluation.only_truth, "without a prediction"),
        (evaluation.only_prediction, "without observed survival"),
        (evaluation.withheld, "without a predicted category"),
    ):
        if names:
            print(f"Not judged, {len(names)} {why}: {some(names, 20)}")
