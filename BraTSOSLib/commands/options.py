"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

CaseFolder = Annotated[Path | None, typer.Argument(help="Folder with one file for each of the four scans.")]
ScanFile = Annotated[Path | None, typer.Option(help="This scan's file; wins over what the folder holds.")]
Age = Annotated[float | None, typer.Option(help="Age at surgery in years.")]
Resection = Annotated[str, typer.Option(help="Extent of resection: GTR, STR, biopsy or unknown.")]
Mgmt = Annotated[str | None, typer.Option(help="MGMT promoter: methylated, unmethylated, indeterminate or unknown.")]
Idh = Annotated[str | None, typer.Option(help="IDH: mutated, wildtype or unknown.")]
Kps = Annotated[float | None, typer.Option(help="Karnofsky performance status, 0 to 100.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Fast = Annotated[bool, typer.Option("--fast", help="Trade some accuracy for speed.")]
Resample = Annotated[bool, typer.Option("--resample", help="Bring scans on other grids onto T1ce's grid.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Seed = Annotated[int, typer.Option(help="Random seed, 0 or more.")]
Model = Annotated[
    str | None, typer.Option(help="Segmentation model: its name (bratsos models lists them) or its card's path.")
]
Engine = Annotated[str, typer.Option(help="auto, torch or openvino.")]
