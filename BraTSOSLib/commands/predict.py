"""The command `predict`: survival of one case, or of every patient of a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..case import Clinical, check_clinical
from ..console import print_json, print_prediction, progress_bar
from ..errors import InputError
from .options import Age, Idh, Json, Kps, Mgmt, Resection


def predict(
    measured: Annotated[
        Path | None, typer.Argument(metavar="[FEATURES]", help="features.csv of one case; the same as --features.")
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(help="One case's features: features.csv, or a table of SlicerRadiomics or of pyradiomics."),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            help="Table with a row for each patient (case, age, resection, volumes): .csv, .csv.gz, .parquet."
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="With --table: the predictions.")] = None,
    region: Annotated[
        str | None, typer.Option(help="What a table of another program measured: NCR, ED, ET, TC or WT.")
    ] = None,
    age: Age = None,
    resection: Resection = "unknown",
    mgmt: Mgmt = None,
    idh: Idh = None,
    kps: Kps = None,
    model: Annotated[Path | None, typer.Option(help="Another survival model: .safetensors with its card.")] = None,
    as_json: Json = False,
) -> None:
    """Predict survival from the features of one case, or for every patient of a table."""
    given = [path for path in (measured, features, table) if path is not None]
    if len(given) != 1:
        raise InputError(
            f"{'Nothing' if not given else 'More than one table'} was given to predict from: give --features FILE for "
            "one case, or --table FILE for many."
        )
    clinical = Clinical(age, resection, mgmt, idh, kps)
    if table is not None:
        if clinical != Clinical():
            raise InputError("Age, resection, MGMT, IDH and KPS are columns of the table: leave the options out.")
        _predict_table(table, output, region, model, as_json)
        return
    if output is not None:
        raise InputError("--output is for the predictions of --table: leave it out, or print with --json.")
    from ..survival import predict_survival
    from ..survival.foreign_tables import read_features

    clinical = check_clinical(clinical)
    prediction = predict_survival(
        read_features(given[0], region=region),
        clinical.age,
        clinical.resection,
        mgmt=clinical.mgmt,
        idh=clinical.idh,
        kps=clinical.kps,
        model=model,
    )
    if as_json:
        print_json(prediction.to_dict())
    else:
        print_prediction(prediction)


def _predict_table(table: Path, output: Path | None, region: str | None, model: Path | None, as_json: bool) -> None:
    from ..survival.categories import CATEGORIES
    from ..survival.columns import some
    from ..survival.prediction_table import check_output, predict_table, write_predictions

    if output is None:
        raise InputError("--table needs a file for the predictions: give -o predictions.csv.")
    check_output(output)
    if output.resolve() == table.resolve():
        raise InputError(f"{output} is the table itself: give another file to -o.")
    with progress_bar(as_json) as progress:
        predictions = predict_table(table, model, progress, region=region)
    write_predictions(predictions, output)
    counts = {name: int((predictions["category"] == name).sum()) for name in CATEGORIES}
    without = int(predictions["category"].isna().sum())
    flagged = int(((predictions["flags"] != "") | (predictions["warnings"] != "")).sum())
    unused = predictions.attrs["unused"]
    if as_json:
        print_json(
            {
                "cases": len(predictions),
                "categories": counts,
                "without_category": without,
                "flagged": flagged,
                "unused_columns": unused,
                "output": str(output),
            }
        )
        return
    print("Overall survival (for research only, not for clinical decisions)")
    print(f"{len(predictions)} patients: {', '.join(f'{count} {name}' for name, count in counts.items())}", end="")
    print(f", {without} without a category (the column reason says why)" if without else "")
    if flagged:
        print(f"{flagged} with flags or warnings: their estimates may not be reliable")
    if unused:
        print(f"Columns that were not used: {some(unused)}")
    print(f"Written: {output}")
