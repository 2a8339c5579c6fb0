"""Commands on one case: run, segment, predict, phantom and demo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..case import Case, Clinical, check_clinical, read_case, read_label_map
from ..console import print_json, print_result, progress_bar
from .options import (
    Age,
    CaseFolder,
    Device,
    Engine,
    Fast,
    Idh,
    Json,
    Kps,
    Mgmt,
    Model,
    Resample,
    Resection,
    ScanFile,
    Seed,
)
from .predict import predict

if TYPE_CHECKING:
    import numpy as np

    from ..segmentation import SegmentationResult


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this file to the application."""
    for command in (run, segment, predict, phantom, demo):
        app.command()(command)


def run(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")],
    case: CaseFolder = None,
    t1: ScanFile = None,
    t1ce: ScanFile = None,
    t2: ScanFile = None,
    flair: ScanFile = None,
    age: Age = None,
    resection: Resection = "unknown",
    mgmt: Mgmt = None,
    idh: Idh = None,
    kps: Kps = None,
    device: Device = "auto",
    engine: Engine = "auto",
    model: Model = None,
    resample: Resample = False,
    fast: Fast = False,
    labels: Annotated[Path | None, typer.Option(help="Use this label map instead of segmenting.")] = None,
    name: Annotated[str | None, typer.Option(help="The case's name in the results.")] = None,
    as_json: Json = False,
) -> None:
    """Segment a case, measure it, predict survival and write the report."""
    clinical = check_clinical(Clinical(age, resection, mgmt, idh, kps))
    scans = read_case(case, t1=t1, t1ce=t1ce, t2=t2, flair=flair, resample=resample, name=name)
    _run_main_job(
        scans, clinical, output, device=device, engine=engine, model=model, fast=fast, labels=labels, as_json=as_json
    )


def segment(
    output: Annotated[Path, typer.Option("--output", "-o", help="Label map to write, e.g. tumour.nii.gz.")],
    case: CaseFolder = None,
    t1: ScanFile = None,
    t1ce: ScanFile = None,
    t2: ScanFile = None,
    flair: ScanFile = None,
    device: Device = "auto",
    engine: Engine = "auto",
    model: Model = None,
    resample: Resample = False,
    fast: Fast = False,
    maps: Annotated[
        bool, typer.Option("--maps", help="Also write the probabilities of WT, TC, ET and the entropy beside it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Segment a case only: a label map with 1 (NCR/NET), 2 (ED), 4 (ET) on the scans' own grid."""
    from ..atomic import staged_folder
    from ..images import image_extension, write_image
    from ..segmentation import segment_case
    from ..volumes import volumes

    path = output if image_extension(output) else output / "segmentation.nii.gz"
    scans = read_case(case, t1=t1, t1ce=t1ce, t2=t2, flair=flair, resample=resample)
    stem = path.name.removesuffix(image_extension(path) or "")
    extra = [f"{stem}_{kind}.nii.gz" for kind in ("WT", "TC", "ET", "entropy")] if maps else []
    with staged_folder(path.parent, (path.name, *extra)) as staging:
        with progress_bar(as_json) as progress:
            result = segment_case(
                scans, device=device, engine=engine, model=model, progress=progress, fast=fast, maps=maps
            )
        write_image(result.labels, scans.geometry, staging / path.name)
        for name, array in zip(extra, _maps(result), strict=False):
            write_image(array, scans.geometry, staging / name)
    measured = {region: values["ml"] for region, values in volumes(scans, result.labels).items()}
    if as_json:
        print_json(
            {
                "case": scans.name,
                "synthetic": scans.synthetic,
                "volumes_ml": measured,
                "quality": result.quality,
                "warnings": list(result.warnings),
                "engine": result.engine,
                "output": str(path),
            }
        )
        return
    for warning in result.warnings:
        print(f"Warning: {warning}")
    for region, millilitres in measured.items():
        print(f"{region:<4}{millilitres:>9.2f} mL{_expected(result, region)}")
    print(f"Label map: {path}")


def _maps(result: SegmentationResult) -> list[np.ndarray]:
    """Probability maps of WT, TC and ET and the entropy map, where they were asked for."""
    if result.probabilities is None or result.entropy is None:
        return []
    return [*result.probabilities, result.entropy]


def _expected(result: SegmentationResult, region: str) -> str:
    """What ``quality`` says of a region, in words."""
    values = (result.quality or {}).get(region)
    if values is None:
        return ""
    return f"   expected Dice against an expert {values['dice']:.2f} ({values['low']:.2f} to {values['high']:.2f})"


def phantom(
    folder: Annotated[Path, typer.Argument(help="Folder for the case folders.")],
    cases: Annotated[int, typer.Option(help="Number of cases.")] = 1,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Write synthetic cases: a procedural brain with a glioma, in the geometry of BraTS, with its true label map."""
    from ..phantom import write_phantoms

    written = write_phantoms(folder, cases=cases, seed=seed)
    if as_json:
        print_json({"synthetic": True, "cases": [str(path) for path in written]})
        return
    for path in written:
        print(f"{path}  (SYNTHETIC)")


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path("out/demo"),
    case: Annotated[Path | None, typer.Option(help="A real case's folder instead of a phantom.")] = None,
    age: Age = None,
    resection: Annotated[str | None, typer.Option(help="GTR, STR, biopsy or unknown.")] = None,
    device: Device = "auto",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Run the main job on a synthetic phantom (age 60, GTR, unless said otherwise), or on a case of your own."""
    from ..phantom import write_phantoms

    synthetic = case is None
    clinical = check_clinical(
        Clinical(60.0 if age is None and synthetic else age, resection or ("GTR" if synthetic else "unknown"))
    )
    folder = case if case is not None else write_phantoms(output / "phantom", cases=1, seed=seed)[0]
    _run_main_job(read_case(folder), clinical, output, device=device, as_json=as_json)


def _run_main_job(
    scans: Case,
    clinical: Clinical,
    output: Path,
    *,
    device: str,
    as_json: bool,
    engine: str = "auto",
    model: str | None = None,
    fast: bool = False,
    labels: Path | None = None,
) -> None:
    from ..pipeline import run_case

    label_map: Any = None if labels is None else read_label_map(labels, scans.geometry)
    with progress_bar(as_json) as progress:
        result = run_case(
            scans,
            clinical,
            output=output,
            device=device,
            engine=engine,
            model=model,
            fast=fast,
            labels=label_map,
            progress=progress,
        )
    if as_json:
        print_json(result.to_dict())
    else:
        print_result(result)
