"""Commands that train models."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from ..console import progress_bar
from ..errors import InputError
from .options import Device, Seed

train_app = typer.Typer(help="Train a model.", rich_markup_mode=None)


@train_app.command("segmentation")
def train_segmentation(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for checkpoints and weights.")],
    folder: Annotated[Path | None, typer.Argument(help="The data, instead of --data.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of labelled case folders, or a Decathlon list.json.")
    ] = None,
    network: Annotated[str, typer.Option(help="Preset; `bratsos models --networks` lists them.")] = "bitrunet-compact",
    arguments: Annotated[str, typer.Option(help="JSON object of arguments that replace the preset's.")] = "{}",
    outputs: Annotated[str | None, typer.Option(help="regions, classes or tissues; else the preset's.")] = None,
    spacing: Annotated[float | None, typer.Option(help="1 or 2 mm; else the preset's.")] = None,
    window: Annotated[str | None, typer.Option(help="Voxels of a sample as z,y,x; else the preset's.")] = None,
    field: Annotated[str, typer.Option(help="brain, or tumour for a second stage.")] = "brain",
    normalisation: Annotated[str, typer.Option(help="brain or nonzero.")] = "brain",
    sampling: Annotated[str, typer.Option(help="tumour, balanced (over tissues) or whole.")] = "tumour",
    tumour_share: Annotated[float, typer.Option(help="Share of samples around the tumour.")] = 0.7,
    batch_size: Annotated[int, typer.Option(help="Samples a pass.")] = 1,
    accumulate: Annotated[int, typer.Option(help="Passes a step.")] = 1,
    augmentation: Annotated[
        str, typer.Option(help="none, or mirror, affine, appearance with +.")
    ] = "affine+appearance",
    transplant: Annotated[float, typer.Option(help="Probability of another case's tumour in the brain.")] = 0.0,
    fade: Annotated[float, typer.Option(help="Probability of a tumour that shows less.")] = 0.0,
    loss: Annotated[str | None, typer.Option(help="dice, bce, ce, generalised-dice, focal with +.")] = None,
    class_weights: Annotated[str, typer.Option(help="none or median (frequency).")] = "none",
    mining: Annotated[str, typer.Option(help="Hard mining: off, cases or patches.")] = "off",
    mining_threshold: Annotated[float, typer.Option(help="Dice under which one is hard.")] = 0.7,
    mining_threshold_end: Annotated[float | None, typer.Option(help="The same at the end of the run.")] = None,
    mining_rate: Annotated[float, typer.Option(help="Share of samples drawn from the hard ones.")] = 0.5,
    mining_every: Annotated[int, typer.Option(help="Steps in a round; 0 for 8 epochs.")] = 0,
    optimiser: Annotated[str, typer.Option(help="adamw, adam or sgd.")] = "adamw",
    learning_rate: Annotated[float | None, typer.Option(help="Peak rate; else the optimiser's usual one.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Else the optimiser's usual one.")] = None,
    schedule: Annotated[str, typer.Option(help="cosine, poly or constant.")] = "cosine",
    warm_up: Annotated[float, typer.Option(help="Share of the run in which the rate rises.")] = 0.03,
    clip: Annotated[float, typer.Option(help="Largest norm of the gradient.")] = 1.0,
    ema: Annotated[float, typer.Option(help="Decay of the averaged weights; 0 for none.")] = 0.995,
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")] = "auto",
    minutes: Annotated[float, typer.Option(help="Training time.")] = 60.0,
    steps: Annotated[int | None, typer.Option(help="Number of steps, instead of a time.")] = None,
    checkpoint_minutes: Annotated[float, typer.Option(help="Time between checkpoints.")] = 3.0,
    validation_minutes: Annotated[float, typer.Option(help="Time between validations.")] = 3.0,
    keep: Annotated[str, typer.Option(help="Weights of the last step, or of the best validation.")] = "last",
    validation: Annotated[
        str | None, typer.Option(help="Cases to hold out: names with commas, or a .txt file.")
    ] = None,
    folds: Annotated[int | None, typer.Option(help="Hold out one of so many folds instead.")] = None,
    fold: Annotated[int, typer.Option(help="Which fold, from 0.")] = 0,
    exclude: Annotated[str | None, typer.Option(help="Cases to leave out; wildcards like Brats18_TCIA*.")] = None,
    only: Annotated[str | None, typer.Option(help="The only cases to use: names or a .txt file.")] = None,
    on_bad_case: Annotated[str, typer.Option(help="stop at cases that cannot be used, or skip them.")] = "stop",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    start_from: Annotated[
        str | None, typer.Option(help="Checkpoint, model card or bundled model to begin with.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Begin anew where a checkpoint lies.")] = False,
    cache: Annotated[Path | None, typer.Option(help="Folder for prepared cases; else in the output.")] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Log for TensorBoard too.")] = False,
    name: Annotated[str, typer.Option(help="The model's name.")] = "segmenter",
    card: Annotated[Path | None, typer.Option(help="JSON file with fields for the model card.")] = None,
    device: Device = "auto",
    seed: Seed = 0,
) -> None:
    """Train a segmentation network on labelled cases (see docs/training.md)."""
    given = dict(locals())
    from dataclasses import fields

    from ..segmentation.training import Recipe, Split, train
    from ..segmentation.training.split import read_names

    source = data or folder
    if source is None or (data and folder):
        raise InputError("Give the training data once: as --data, a folder of labelled cases or a list.json.")
    chosen = {item.name: given[item.name] for item in fields(Recipe)}
    chosen |= {"arguments": _json_object(arguments), "window": None if window is None else _sizes(window)}
    split = Split(read_names(validation), read_names(exclude) or (), read_names(only), folds, fold)
    with progress_bar() as bar:
        written = train(
            source, output, Recipe(**chosen), split=split, resume=resume, start_from=start_from,
            overwrite=overwrite, device=device, on_bad_case=on_bad_case, name=name, card_fields=card, cache=cache,
            tensorboard=tensorboard, progress=bar or _lines(), warn=_note,
        )  # fmt: skip
    if os.environ.get("RANK", "0") == "0":  # of the processes of torchrun the first one speaks
        print(f"Model: {written}")


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InputError(f"The arguments {text!r} are no JSON ({error}).") from error
    if not isinstance(value, dict):
        raise InputError(f'The arguments {text!r} are no JSON object: write {{"name": value}}.')
    return value


def _sizes(text: str) -> tuple[int, int, int]:
    try:
        z, y, x = (int(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"The window {text!r} is no size: write it as z,y,x, for example 64,96,64.") from error
    return z, y, x


def _lines(seconds: float = 60.0) -> Callable[[str, float], None]:
    """Progress as a line a minute, for logs and machines without a terminal."""
    last = [-seconds]

    def told(message: str, fraction: float) -> None:
        now = time.monotonic()
        if now - last[0] >= seconds:
            last[0] = now
            print(f"{100 * fraction:3.0f} %  {message}", file=sys.stderr, flush=True)

    return told


@train_app.command("survival")
def train_survival_model(
    table: Annotated[Path, typer.Option(help="Table of patients with survival, age, resection and features.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder for weights and model card.")] = None,
    method: Annotated[
        str, typer.Option(help="student (BraTSOS's own), or a published one: distilled-mlp, forest.")
    ] = "student",
    pool: Annotated[
        list[Path] | None,
        typer.Option(help="student: a further hospital's table to train on as well; may be given several times."),
    ] = None,
    cross_validate: Annotated[
        bool, typer.Option("--cross-validate", help="Print accuracy, MSE, Spearman and C-index on unseen patients.")
    ] = False,
    ranking: Annotated[
        Path | None, typer.Option(help="Write every feature's concordance index to this CSV file.")
    ] = None,
    resection: Annotated[
        str | None, typer.Option(help="Published methods: only patients with this extent, e.g. GTR.")
    ] = None,
    splits: Annotated[int, typer.Option(help="Published methods: 80:20 splits of the cross-validation.")] = 50,
    features: Annotated[
        int | None, typer.Option(help="Features to choose: 1 by concordance, 32 by the forest's importance.")
    ] = None,
    transferable: Annotated[
        str | None,
        typer.Option(help="distilled-mlp: features that the student may see, e.g. '*_VoxelVolume', or none."),
    ] = None,
    distillation: Annotated[
        str, typer.Option(help="distilled-mlp: paper (teacher's weights), hinton (softened outputs), both, alone.")
    ] = "paper",
    temperature: Annotated[float, typer.Option(help="distilled-mlp: of the softened outputs.")] = 2.0,
    loss_weights: Annotated[
        str | None,
        typer.Option(help="distilled-mlp: hard,days,soft,imitation of the student's loss, e.g. 0.5,1,0.5,0."),
    ] = None,
    epochs: Annotated[int, typer.Option(help="distilled-mlp: epochs of each network.")] = 100,
    batch_size: Annotated[int, typer.Option(help="distilled-mlp: patients a step.")] = 4,
    clinical: Annotated[
        bool, typer.Option("--clinical", help="forest: let age and resection compete with the features.")
    ] = False,
    on_bad_value: Annotated[
        str, typer.Option(help="Published methods: stop at a value that cannot be used, or skip it.")
    ] = "stop",
    seed: Seed = 0,
) -> None:
    """Train a survival model on a table, or evaluate it beside age + resection (docs/survival-results.md)."""
    given = dict(locals())
    if output is None and not cross_validate and ranking is None:
        raise InputError("Nothing to do: give --output FOLDER to train, --cross-validate to evaluate, or both.")
    from . import published

    published.refuse_foreign_options(given)
    if method != "student" and pool:
        raise InputError(f"--pool does not belong to --method {method}: leave it out.")
    if method != "student":
        published.run(given)
        return
    if ranking is not None:
        published.write_ranking(table, ranking, on_bad_value)
    if output is not None or cross_validate:
        _train_student([table, *(pool or [])], output, cross_validate, seed)


def _train_student(tables: list[Path], output: Path | None, cross_validate: bool, seed: int) -> None:
    from ..survival import training

    comparison = None
    # One table is taken as it is; of several, only whom the model is for (adults without a known IDH mutation).
    table = tables if len(tables) > 1 else tables[0]
    if cross_validate:
        with progress_bar() as progress:
            comparison = training.cross_validate(table, seed=seed, progress=progress)
        print(comparison.to_string())
    if output is not None:
        with progress_bar() as progress:
            weights = training.train_survival(table, output, seed=seed, progress=progress, comparison=comparison)
        print(f"Weights: {weights}")
