"""Commands that compare results with a reference."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..atomic import atomic_file
from ..console import print_json, progress_bar
from ..errors import InputError
from .options import Json, Seed

if TYPE_CHECKING:
    import pandas as pd

evaluate_app = typer.Typer(help="Compare results with a reference.", rich_markup_mode=None)

_MOST_ROWS = 40


@evaluate_app.command("segmentation")
def evaluate_segmentation(
    prediction: Annotated[Path, typer.Argument(help="Label map to judge, or a folder of them.")],
    truth: Annotated[Path, typer.Argument(help="Reference label map, or a folder of them; cases match by name.")],
    csv: Annotated[Path | None, typer.Option(help="Write one row for each case and region to this file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with box plots and the worst cases.")] = None,
    scans: Annotated[Path | None, typer.Option(help="Folder with the cases' scans, for the page's pictures.")] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Judge label maps as BraTS does: Dice, HD95, sensitivity, specificity, and lesion by lesion.

    Regions are whole tumour (WT), tumour core (TC) and enhancing tumour (ET). HD95 is in mm: the larger of the two
    directed 95th percentiles of the distances between the surfaces; 373.13 where only one map has the region.
    """
    from ..segmentation.evaluation.cases import evaluate_pairs
    from ..segmentation.evaluation.folders import match_cases
    from ..segmentation.evaluation.summary import summarise

    if scans is not None and html is None:
        raise InputError("--scans is for the pictures of the page: give --html FILE as well.")
    if scans is not None and not scans.is_dir():
        raise InputError(f"{scans} is no folder: give the folder that holds the cases' scans to --scans.")
    if seed < 0:
        raise InputError(f"The seed is {seed}: give 0 or more.")
    if csv is not None and html is not None and csv.resolve() == html.resolve():
        raise InputError(f"{csv} is given for both --csv and --html: give two files.")
    matched = match_cases(prediction, truth)
    with ExitStack() as files:
        # Opened first: that a file cannot be written is known before the work, and both appear only when all is done.
        table_file = files.enter_context(atomic_file(csv)) if csv is not None else None
        page_file = files.enter_context(atomic_file(html)) if html is not None else None
        with progress_bar(quiet=as_json) as progress:
            table = evaluate_pairs(matched.pairs, progress=progress)
        summary = summarise(table, seed=seed)
        if table_file is not None:
            table.to_csv(table_file, index=False, float_format="%.6g", lineterminator="\n")
        if page_file is not None:
            from ..segmentation.evaluation.page import write_page

            write_page(
                page_file,
                table,
                matched.pairs,
                scans=scans,
                only_prediction=matched.only_prediction,
                only_truth=matched.only_truth,
                seed=seed,
            )
    unmatched = {"only_prediction": list(matched.only_prediction), "only_truth": list(matched.only_truth)}
    if as_json:
        print_json({"cases": _nested(table, "case"), "summary": _nested_summary(summary), "unmatched": unmatched})
        return
    _print_scores(table, summary)
    for names, what in ((matched.only_truth, "prediction"), (matched.only_prediction, "reference")):
        if names:
            print(f"Not judged, {len(names)} without a {what}: {', '.join(names)}")
    for path in (csv, html):
        if path is not None:
            print(f"Written: {path}")


@evaluate_app.command("survival")
def evaluate_survival(
    predictions: Annotated[Path, typer.Argument(help="Table as predict --table writes it: .csv, .csv.gz, .parquet.")],
    truth: Annotated[Path, typer.Argument(help="Table with the columns case, days and event (1 died, 0 censored).")],
    baseline: Annotated[
        Path | None, typer.Option(help="Other predictions to compare with on the same patients.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write one row for each metric to this file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with the figures.")] = None,
    resamples: Annotated[int, typer.Option(help="Bootstrap samples of the patients.")] = 1000,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Judge survival predictions: every metric with its 95 % bootstrap interval, censored patients respected.

    Categories are short (fewer than 300 days), medium (300 to 450) and long (more than 450).
    """
    from ..survival.table_evaluation import evaluate_table

    if csv is not None and html is not None and csv.resolve() == html.resolve():
        raise InputError(f"{csv} is given for both --csv and --html: give two files.")
    taken = {path.resolve() for path in (predictions, truth, baseline) if path is not None}
    for path in (csv, html):
        if path is not None and path.resolve() in taken:
            raise InputError(f"{path} is one of the tables to be judged: write to another file.")
    with ExitStack() as files:
        table_file = files.enter_context(atomic_file(csv)) if csv is not None else None
        page_file = files.enter_context(atomic_file(html)) if html is not None else None
        with progress_bar(quiet=as_json) as progress:
            evaluation = evaluate_table(
                predictions, truth, baseline=baseline, resamples=resamples, seed=seed, progress=progress
            )
        if table_file is not None:
            evaluation.metrics.to_csv(table_file, index=False, float_format="%.8g", lineterminator="\n")
        if page_file is not None:
            from ..survival.table_evaluation.page import write_page

            write_page(page_file, evaluation)
    if as_json:
        print_json(evaluation.to_dict())
        return
    from .survival_scores import print_evaluation

    print_evaluation(evaluation)
    for path in (csv, html):
        if path is not None:
            print(f"Written: {path}")


def _nested(table: pd.DataFrame, first: str) -> dict[str, Any]:
    """Case to region to scores."""
    result: dict[str, Any] = {}
    for row in table.to_dict("records"):
        result.setdefault(row.pop(first), {})[row.pop("region")] = row
    return result


def _nested_summary(summary: pd.DataFrame) -> dict[str, Any]:
    """Region to metric to statistics."""
    result: dict[str, Any] = {}
    for row in summary.to_dict("records"):
        result.setdefault(row.pop("region"), {})[row.pop("metric")] = row
    return result


def _print_scores(table: pd.DataFrame, summary: pd.DataFrame) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # A pipe or a file has no width of its own; a table that is cut to 80 columns there would lose figures.
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    regions = list(dict.fromkeys(table["region"]))
    order = table.groupby("case", sort=False)["dice"].mean().sort_values(kind="stable")
    shown = list(order.index[:_MOST_ROWS])
    cases = Table("Case, lowest mean Dice first", box=None, pad_edge=False)
    columns = [("dice", "Dice", ".3f"), ("hd95_mm", "HD95 mm", ".1f"), ("lesion_dice", "lesion", ".3f")]
    for _, title, _ in columns:
        for region in regions:
            cases.add_column(f"{title}\n{region}", justify="right")
    for name in shown:
        rows = table[table["case"] == name].set_index("region")
        scores = [format(rows.loc[region, column], style) for column, _, style in columns for region in regions]
        cases.add_row(Text(str(name)), *scores)
    console.print(cases)
    if len(order) > len(shown):
        print(f"... and {len(order) - len(shown)} more: --csv FILE has all of them")
    if len(order) > 1:
        print()
        console.print(_summary_table(summary, Table, Text))
    one_empty = table[(table["truth_ml"] == 0) != (table["predicted_ml"] == 0)]
    print("\nHD95: distance between the outlines in mm, 0 is best. lesion: lesion-wise Dice of BraTS 2023.")
    for _, row in one_empty.iterrows():
        why = "not in the reference" if row["truth_ml"] == 0 else "nothing predicted"
        print(f"{row['case']}, {row['region']}: {why}, so Dice is 0 and HD95 set to {row['hd95_mm']:.2f} mm")


def _summary_table(summary: pd.DataFrame, table_class: Any, text: Any) -> Any:
    titles = {
        "dice": ("Dice", ".3f"),
        "hd95_mm": ("HD95 mm", ".1f"),
        "lesion_dice": ("Lesion-wise Dice", ".3f"),
        "lesion_hd95_mm": ("Lesion-wise HD95 mm", ".1f"),
        "sensitivity": ("Sensitivity", ".3f"),
        "specificity": ("Specificity", ".4f"),
        "volume_error_ml": ("Volume error mL", ".1f"),
    }
    result = table_class(f"n = {int(summary['n'].iloc[0])} cases", "Region", box=None, pad_edge=False)
    for title in ("median", "mean", "95 % interval", "SD", "worst"):
        result.add_column(title, justify="right")
    result.add_column("worst case")
    for metric, (title, style) in titles.items():
        for _, row in summary[summary["metric"] == metric].iterrows():
            result.add_row(
                title,
                row["region"],
                format(row["median"], style),
                format(row["mean"], style),
                f"{row['low']:{style}} to {row['high']:{style}}",
                format(row["sd"], style),
                format(row["worst"], style),
                text(str(row["worst_case"])),
            )
    return result
