"""The command ``bratsos features``: radiomic features of a segmented case, or of one image and one mask."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..case import Case, find_label_map, read_case, read_label_map
from ..console import DONE, FAILED, print_json, progress_bar
from ..errors import InputError
from .options import CaseFolder, Json, Resample, ScanFile

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from ..radiomics import Settings


def add_commands(app: typer.Typer) -> None:
    """Add the command of this file to the application."""
    app.command()(features)


def features(
    case: CaseFolder = None,
    labels: Annotated[
        Path | None, typer.Option(help="Label map on the scans' grid; by default the case folder's own.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Table to write, e.g. features.csv.")] = None,
    t1: ScanFile = None,
    t1ce: ScanFile = None,
    t2: ScanFile = None,
    flair: ScanFile = None,
    resample: Resample = False,
    image: Annotated[
        Path | None, typer.Option(help="One image instead of a case, with --mask: pyradiomics' names.")
    ] = None,
    mask: Annotated[Path | None, typer.Option(help="The image's mask.")] = None,
    label: Annotated[int | None, typer.Option(help="The region's value in the mask.")] = None,
    preset: Annotated[str | None, typer.Option(help="Named set of features; --list shows them.")] = None,
    parameters: Annotated[
        Path | None, typer.Option(help="pyradiomics parameter file (YAML or JSON), instead of the preset's settings.")
    ] = None,
    diagnostics: Annotated[bool, typer.Option("--diagnostics", help="Also pyradiomics' diagnostics.")] = False,
    engine: Annotated[str, typer.Option(help="auto, bratsos (the same) or pyradiomics.")] = "auto",
    compare: Annotated[
        bool, typer.Option("--compare", help="Run both engines and show how far they are apart; exit code 1 if so.")
    ] = False,
    slicer_table: Annotated[
        Path | None, typer.Option(help="Also write SlicerRadiomics' tables, one for each modality: NAME_t1.csv, ...")
    ] = None,
    device: Annotated[str, typer.Option(help="Where texture matrices are counted: auto, cpu or cuda.")] = "auto",
    workers: Annotated[int | None, typer.Option(help="Threads, by default one for each modality.")] = None,
    show_list: Annotated[bool, typer.Option("--list", help="Show the presets and their arithmetic, and stop.")] = False,
    as_json: Json = False,
) -> None:
    """Extract radiomic features of a segmented case."""
    from ..radiomics import Settings

    if show_list:
        _print_presets(as_json)
        return
    settings = None if parameters is None else Settings.from_parameters(parameters)
    if image is not None or mask is not None:
        _measure_one(image, mask, label, settings, engine, output, as_json)
        return
    if output is None and not compare and slicer_table is None:
        raise InputError("There is nothing to write to: give --output with the table's path, such as features.csv.")
    scans = read_case(case, t1=t1, t1ce=t1ce, t2=t2, flair=flair, resample=resample)
    label_map = _label_map(labels, case, scans)
    options: dict[str, Any] = {"preset": preset, "settings": settings, "device": device, "workers": workers}
    if diagnostics or slicer_table is not None:
        options["diagnostics"] = True
    table = _extract(scans, label_map, engine, options, output, as_json)
    if slicer_table is not None:
        _write_slicer_tables(table, scans, slicer_table)
    if compare:
        raise typer.Exit(_compare(table, scans, label_map, options, as_json))
    if as_json:
        print_json(dict(zip(table["feature"], table["value"], strict=True)))
        return
    for place, note in table.attrs["notes"].items():
        print(f"{place}: {note}")
    if output is not None:
        print(f"{len(table)} features: {output}")


def _label_map(labels: Path | None, case: Path | None, scans: Case) -> np.ndarray:
    if labels is None and case is None:
        raise InputError("No label map is given: give --labels, or a case folder that holds one (named ..._seg).")
    return read_label_map(labels or find_label_map(case), scans.geometry)  # type: ignore[arg-type]


def _extract(
    scans: Case, label_map: np.ndarray, engine: str, options: dict[str, Any], output: Path | None, quiet: bool
) -> pd.DataFrame:
    from ..atomic import atomic_file
    from ..radiomics import extract_features

    if output is None:
        with progress_bar(quiet) as progress:
            return extract_features(scans, label_map, engine=engine, progress=progress, **options)
    with atomic_file(output) as unfinished:
        with progress_bar(quiet) as progress:
            table = extract_features(scans, label_map, engine=engine, progress=progress, **options)
        table.to_csv(unfinished, index=False, lineterminator="\n")
    return table


def _print_presets(as_json: bool) -> None:
    from ..radiomics.presets import PRESETS, describe_presets

    if as_json:
        print_json(
            {name: {"columns": preset.columns, "arithmetic": preset.arithmetic} for name, preset in PRESETS.items()}
        )
    else:
        print(describe_presets())


def _measure_one(
    image: Path | None,
    mask: Path | None,
    label: int | None,
    settings: Settings | None,
    engine: str,
    output: Path | None,
    as_json: bool,
) -> None:
    import csv

    from ..atomic import atomic_file
    from ..radiomics import measure_image

    if image is None or mask is None:
        raise InputError(f"--{'mask' if mask is None else 'image'} is missing: one image needs one mask.")
    with progress_bar(as_json) as progress:
        found = measure_image(image, mask, settings=settings, label=label, engine=engine, progress=progress)
    if output is not None:
        with atomic_file(output) as unfinished, open(unfinished, "w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerows([("feature", "value"), *found.items()])
    if as_json:
        print_json({name: value if isinstance(value, float | int) else str(value) for name, value in found.items()})
    elif output is not None:
        print(f"{len(found)} values: {output}")
    else:
        for name, value in found.items():
            print(f"{name}: {value}")


def _write_slicer_tables(table: pd.DataFrame, scans: Case, path: Path) -> None:
    from ..atomic import atomic_file
    from ..case import MODALITIES
    from ..radiomics.slicer_table import slicer_table

    for modality in MODALITIES:
        with atomic_file(path.with_name(f"{path.stem}_{modality}{path.suffix or '.csv'}")) as unfinished:
            slicer_table(table, modality, segmentation=scans.name).to_csv(unfinished, index=False, lineterminator="\n")


def _compare(table: pd.DataFrame, scans: Case, label_map: np.ndarray, options: dict[str, Any], as_json: bool) -> int:
    """Compare with the engine that did not make ``table``; return the exit code."""
    from ..radiomics import extract_features
    from ..radiomics.compare import TOLERANCE, compare

    other = "bratsos" if table.attrs["engine"] == "pyradiomics" else "pyradiomics"
    with progress_bar(as_json) as progress:
        second = extract_features(scans, label_map, engine=other, progress=progress, **options)
    own, reference = (second, table) if other == "bratsos" else (table, second)
    result = compare(own, reference)
    largest = float(result["largest"].max()) if len(result) else 0.0
    agree = largest <= TOLERANCE
    if as_json:
        print_json({"agree": agree, "tolerance": TOLERANCE, "classes": result.to_dict("records")})
        return DONE if agree else FAILED
    print(f"{'class':<12}{'features':>9}{'identical':>11}{'largest relative difference':>30}")
    for row in result.itertuples(index=False):
        print(f"{row[0]:<12}{row[1]:>9}{row[2]:>11}{row[3]:>30.1e}  {row[4]}".rstrip())
    for place, note in {**own.attrs["notes"], **reference.attrs["notes"]}.items():
        print(f"{place}: {note}")
    versions = " and ".join(f"{one.attrs['engine']} {one.attrs['engine_version']}" for one in (own, reference))
    verdict = "agree" if agree else "DISAGREE"
    print(f"{versions} {verdict}: the largest relative difference is {largest:.1e} (tolerance {TOLERANCE:.0e})")
    return DONE if agree else FAILED
