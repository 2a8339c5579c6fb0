"""Commands that train models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..console import progress_bar
from ..errors import InputError
from .options import Device, Seed

train_app = typer.Typer(help="Train a model.", rich_markup_mode=None)


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
    from ..segmentation.training import train

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
    from ..survival import training

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
