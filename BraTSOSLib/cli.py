"""The command `bratsos`: a thin layer over the library's functions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from . import __version__
from .case import Case, Clinical, check_clinical, read_case, read_label_map
from .console import print_json, print_prediction, print_result, progress_bar, run_app
from .errors import InputError

app = typer.Typer(
    help="Brain-tumour segmentation, radiomics and overall survival for glioma MRI. For research only, not for "
    "clinical decisions.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
train_app = typer.Typer(help="Train a model.", rich_markup_mode=None)
evaluate_app = typer.Typer(help="Compare results with a reference.", rich_markup_mode=None)
app.add_typer(train_app, name="train")
app.add_typer(evaluate_app, name="evaluate")

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failed, 2 bad input, 130 interrupted."""
    return run_app(app, arguments)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Show the version and stop.")] = False) -> None:
    if version:
        print(f"bratsos {__version__}")
        raise typer.Exit


@app.command()
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
    resample: Resample = False,
    fast: Fast = False,
    labels: Annotated[Path | None, typer.Option(help="Use this label map instead of segmenting.")] = None,
    name: Annotated[str | None, typer.Option(help="The case's name in the results.")] = None,
    as_json: Json = False,
) -> None:
    """Segment a case, measure it, predict survival and write the report."""
    clinical = check_clinical(Clinical(age, resection, mgmt, idh, kps))
    scans = read_case(case, t1=t1, t1ce=t1ce, t2=t2, flair=flair, resample=resample, name=name)
    _run_main_job(scans, clinical, output, device=device, fast=fast, labels=labels, as_json=as_json)


@app.command()
def segment(
    output: Annotated[Path, typer.Option("--output", "-o", help="Label map to write, e.g. tumour.nii.gz.")],
    case: CaseFolder = None,
    t1: ScanFile = None,
    t1ce: ScanFile = None,
    t2: ScanFile = None,
    flair: ScanFile = None,
    device: Device = "auto",
    resample: Resample = False,
    fast: Fast = False,
    as_json: Json = False,
) -> None:
    """Segment a case only: a label map with 1 (NCR/NET), 2 (ED), 4 (ET) on the scans' own grid."""
    from .atomic import atomic_file
    from .images import image_extension, write_image
    from .segmentation import segment as segment_case
    from .volumes import volumes

    path = output if image_extension(output) else output / "segmentation.nii.gz"
    scans = read_case(case, t1=t1, t1ce=t1ce, t2=t2, flair=flair, resample=resample)
    with atomic_file(path) as unfinished:
        with progress_bar(as_json) as progress:
            labels = segment_case(scans, device=device, progress=progress, fast=fast)
        write_image(labels, scans.geometry, unfinished)
    measured = {region: values["ml"] for region, values in volumes(scans, labels).items()}
    if as_json:
        print_json({"case": scans.name, "synthetic": scans.synthetic, "volumes_ml": measured, "output": str(path)})
        return
    for region, millilitres in measured.items():
        print(f"{region:<4}{millilitres:>9.2f} mL")
    print(f"Label map: {path}")


@app.command()
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
    from .atomic import atomic_file
    from .radiomics import extract_features

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


@app.command()
def predict(
    table: Annotated[Path, typer.Argument(help="features.csv, with the columns feature and value.")],
    age: Age = None,
    resection: Resection = "unknown",
    mgmt: Mgmt = None,
    idh: Idh = None,
    kps: Kps = None,
    as_json: Json = False,
) -> None:
    """Predict survival from a feature table."""
    from .feature_table import read_feature_table
    from .survival import predict_survival

    clinical = check_clinical(Clinical(age, resection, mgmt, idh, kps))
    prediction = predict_survival(
        read_feature_table(table),
        clinical.age,
        clinical.resection,
        mgmt=clinical.mgmt,
        idh=clinical.idh,
        kps=clinical.kps,
    )
    if as_json:
        print_json(prediction.to_dict())
    else:
        print_prediction(prediction)


@app.command()
def phantom(
    folder: Annotated[Path, typer.Argument(help="Folder for the case folders.")],
    cases: Annotated[int, typer.Option(help="Number of cases.")] = 1,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Write synthetic cases: a procedural brain with a glioma, in the geometry of BraTS, with its true label map."""
    from .phantom import write_phantoms

    written = write_phantoms(folder, cases=cases, seed=seed)
    if as_json:
        print_json({"synthetic": True, "cases": [str(path) for path in written]})
        return
    for path in written:
        print(f"{path}  (SYNTHETIC)")


@app.command()
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
    from .phantom import write_phantoms

    synthetic = case is None
    clinical = check_clinical(
        Clinical(60.0 if age is None and synthetic else age, resection or ("GTR" if synthetic else "unknown"))
    )
    folder = case if case is not None else write_phantoms(output / "phantom", cases=1, seed=seed)[0]
    _run_main_job(read_case(folder), clinical, output, device=device, as_json=as_json)


@app.command()
def models(as_json: Json = False) -> None:
    """List the bundled models with their cards."""
    from .models import model_cards

    cards = model_cards()
    if as_json:
        print_json(cards)
        return
    for card in cards:
        print(f"{card.get('name')} {card.get('version', '')}  {card.get('task', '')}")
        print(f"  for: {card.get('intended_use', 'not stated')}")
        print(f"  sha256: {card.get('sha256')}")


@train_app.command("segmentation")
def train_segmentation(
    data: Annotated[Path, typer.Argument(help="Folder of case folders with label maps.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for checkpoints and weights.")],
    network: Annotated[str, typer.Option(help="The network's preset.")] = "bitrunet-compact",
    minutes: Annotated[float, typer.Option(help="Training time.")] = 60.0,
    steps: Annotated[int | None, typer.Option(help="Number of steps, instead of a time.")] = None,
    validation: Annotated[
        str | None, typer.Option(help="Names of the cases to hold out, with commas; else the suggested eight.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    name: Annotated[str, typer.Option(help="The model's name.")] = "segmenter",
    card: Annotated[Path | None, typer.Option(help="JSON file with fields for the model card.")] = None,
    device: Device = "auto",
    seed: Seed = 0,
) -> None:
    """Train a segmentation network."""
    from .segmentation.training import train

    names = None if validation is None else [item.strip() for item in validation.split(",") if item.strip()]
    with progress_bar() as progress:
        written = train(
            data, output, network=network, minutes=minutes, steps=steps, validation=names, resume=resume,
            name=name, card_fields=card, device=device, seed=seed, progress=progress,
        )  # fmt: skip
    print(f"Model: {written}")


@train_app.command("survival")
def train_survival_model(
    table: Annotated[Path, typer.Option(help="Table of patients with survival, age, resection and region volumes.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder for weights and model card.")] = None,
    cross_validate: Annotated[
        bool, typer.Option("--cross-validate", help="Print accuracy, MSE, Spearman and C-index on unseen folds.")
    ] = False,
    seed: Seed = 0,
) -> None:
    """Train the survival model, or cross-validate it beside the age + resection baseline."""
    from .survival import training

    if output is None and not cross_validate:
        raise InputError("Nothing to do: give --output FOLDER to train, --cross-validate to evaluate, or both.")
    comparison = None
    if cross_validate:
        with progress_bar() as progress:
            comparison = training.cross_validate(table, seed=seed, progress=progress)
        print(comparison.to_string())
    if output is not None:
        with progress_bar() as progress:
            weights = training.train_survival(table, output, seed=seed, progress=progress, comparison=comparison)
        print(f"Weights: {weights}")


@evaluate_app.command("segmentation")
def evaluate_segmentation(
    prediction: Annotated[Path, typer.Argument(help="Label map to judge.")],
    truth: Annotated[Path, typer.Argument(help="Reference label map on the same grid.")],
    as_json: Json = False,
) -> None:
    """Dice coefficient of whole tumour, tumour core and enhancing tumour."""
    from .images import read_labels
    from .segmentation.metrics import region_dice

    reference = read_labels(truth)
    scores = region_dice(read_label_map(prediction, reference.geometry), read_label_map(truth))
    if as_json:
        print_json(scores)
        return
    for region, score in scores.items():
        print(f"{region}  {score:.4f}")


def _run_main_job(
    scans: Case,
    clinical: Clinical,
    output: Path,
    *,
    device: str,
    as_json: bool,
    fast: bool = False,
    labels: Path | None = None,
) -> None:
    from .pipeline import run_case

    label_map: Any = None if labels is None else read_label_map(labels, scans.geometry)
    with progress_bar(as_json) as progress:
        result = run_case(scans, clinical, output=output, device=device, fast=fast, labels=label_map, progress=progress)
    if as_json:
        print_json(result.to_dict())
    else:
        print_result(result)
