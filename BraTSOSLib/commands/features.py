"""The command ``bratsos features``: radiomic features of a segmented case."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..case import read_case, read_label_map
from ..console import print_json, progress_bar
from .options import CaseFolder, Json, Resample, ScanFile


def add_commands(app: typer.Typer) -> None:
    """Add the command of this file to the application."""
    app.command()(features)


def features(
    labels: Annotated[Path, typer.Option(help="Label map on the scans' grid.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Table to write, e.g. features.csv.")],
    case: CaseFolder = None,
    t1: ScanFile = None,
    t1ce: ScanFile = None,
    t2: ScanFile = None,
    flair: ScanFile = None,
    resample: Resample = False,
    engine: Annotated[str, typer.Option(help="auto, pyradiomics or bratsos.")] = "auto",
    as_json: Json = False,
) -> None:
    """Extract radiomic features of a segmented case."""
    from ..atomic import atomic_file
    from ..radiomics import extract_features

    scans = read_case(case, t1=t1, t1ce=t1ce, t2=t2, flair=flair, resample=resample)
    label_map = read_label_map(labels, scans.geometry)
    with atomic_file(output) as unfinished:
        with progress_bar(as_json) as progress:
            table = extract_features(scans, label_map, engine=engine, progress=progress)
        table.to_csv(unfinished, index=False, lineterminator="\n")
    if as_json:
        print_json(dict(zip(table["feature"], table["value"], strict=True)))
        return
    print(f"{len(table)} features: {output}")
