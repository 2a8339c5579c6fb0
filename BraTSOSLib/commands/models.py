"""Commands on models: what is there, and importing, showing and removing other people's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..console import print_json
from ..errors import InputError
from ..models import card_lines
from .options import Json

models_app = typer.Typer(help="List, import, show and remove models.", rich_markup_mode=None)

_SHORT = ("for:", "channels:", "unusable:")
"""Lines of a card that the list shows."""

Name = Annotated[str, typer.Argument(help="The model's name.")]


@models_app.callback(invoke_without_command=True)
def models(
    context: typer.Context,
    networks: Annotated[
        bool, typer.Option("--networks", help="List the networks that can be trained instead.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the bundled and imported models, or import, show and remove one."""
    if context.invoked_subcommand is not None:
        if networks or as_json:
            raise InputError(f"Give the options after the command: bratsos models {context.invoked_subcommand} --help.")
        return
    if networks:
        _list_networks(as_json)
        return
    from ..models import imported_models, model_cards

    cards = [{**card, "origin": "bundled"} for card in model_cards()] + imported_models()
    if as_json:
        print_json(cards)
        return
    for card in cards:
        _print_short(card)


@models_app.command("add")
def add(
    path: Annotated[Path, typer.Argument(help="A MONAI bundle's folder, a TorchScript file, or an nnU-Net v2 folder.")],
    name: Annotated[str, typer.Option(help="The name under which the model will be known.")],
    inputs: Annotated[
        str | None, typer.Option(help="Order of the input channels, e.g. t1ce,t1,t2,flair, if the model does not say.")
    ] = None,
    outputs: Annotated[
        str | None, typer.Option(help="Order of the outputs, e.g. TC,WT,ET or background,NCR,ED,ET, likewise.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="nnU-Net's labels, if not recognised: NAME=ED,NAME=NCR,NAME=ET.")
    ] = None,
    fold: Annotated[str | None, typer.Option(help="Fold of an nnU-Net model: 0 to 4, or all.")] = None,
    as_json: Json = False,
) -> None:
    """Import someone else's model; nothing in it is executed."""
    from ..segmentation.external import import_model

    card = import_model(path, name, inputs=_items(inputs), outputs=_items(outputs), labels=_pairs(labels), fold=fold)
    if as_json:
        print_json(_card(card))
        return
    print(f"Imported: {card}\n")
    _print_long(_card(card))


@models_app.command("join")
def join(
    cards: Annotated[list[Path], typer.Argument(help="Cards of trained models, the one for the whole brain first.")],
    name: Annotated[str, typer.Option(help="The new model's name.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for its card and weights.")],
    fine_share: Annotated[float, typer.Option(help="Weight of a later stage against the earlier ones, 0 to 1.")] = 0.5,
) -> None:
    """Make one model of several stages, as the bundled one is: the brain first, then the tumour's box."""
    from ..segmentation.cascade import join_stages

    print(f"Model: {join_stages(cards, output, name, fine_share=fine_share)}")


@models_app.command("show")
def show(name: Name, as_json: Json = False) -> None:
    """Show a segmentation model's card."""
    from ..models import find_model

    card = _card(find_model(name))
    if as_json:
        print_json(card)
    else:
        _print_long(card)


@models_app.command("remove")
def remove(name: Name, as_json: Json = False) -> None:
    """Delete an imported model."""
    from ..models import remove_model

    removed = remove_model(name)
    if as_json:
        print_json({"removed": [str(path) for path in removed]})
        return
    print(f"Removed {name}")


def _list_networks(as_json: bool) -> None:
    from ..segmentation.networks.cost import describe

    rows: list[dict[str, Any]] = [
        {
            "preset": row.name,
            "title": row.preset.title,
            "parameters": row.cost.parameters,
            "gmac": row.cost.gmac,
            "memory_mb": row.cost.inference_mb,
            "training_mb": row.cost.training_mb,
            "window": list(row.preset.window),
            "spacing_mm": row.preset.spacing,
            "outputs": row.preset.outputs,
            "source": row.preset.source,
        }
        for row in describe()
    ]
    if as_json:
        print_json(rows)
        return
    print("A batch of one window; MB of running it and of training it without the optimiser's state.")
    heading = ("preset", "parameters", "GMAC", "MB", "MB train", "window", "title", "source")
    lines = [
        (
            row["preset"],
            f"{row['parameters']:,}",
            f"{row['gmac']:.1f}",
            f"{row['memory_mb']:,}",
            f"{row['training_mb']:,}",
            f"{'x'.join(map(str, row['window']))} at {row['spacing_mm']:g} mm",
            row["title"],
            row["source"],
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in (heading, *lines)) for column in range(len(heading))]
    for line in (heading, *lines):
        cells = [
            cell.rjust(width) if 1 <= column <= 4 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def _print_short(card: dict[str, Any]) -> None:
    imported = "  (imported)" if card.get("origin") == "imported" else ""
    print(f"{card.get('name')} {card.get('version', '')}  {card.get('task', '')}{imported}")
    for line in card_lines(card):
        if line.startswith(_SHORT):
            print(f"  {line}")


def _print_long(card: dict[str, Any]) -> None:
    print(f"{card.get('name')} {card.get('version', '')}  {card.get('task', '')}")
    for line in card_lines(card):
        print(f"  {line}")
    for key in ("architecture", "normalisation", "spacing_mm", "window", "threshold"):
        if card.get(key):
            print(f"  {key.replace('_', ' ')}: {_plain(card[key])}")
    for evaluation in card.get("metrics") or []:
        print(f"  measured: {_plain(evaluation)}")
    for item, value in (card.get("stated_by_source") or {}).items():
        print(f"  stated by its source, {item}: {_plain(value)}")
    described = card.get("stages")
    for stage in described if isinstance(described, list) and described else [card]:
        print(f"  sha256: {stage.get('sha256')}")


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_plain(item)}" for key, item in value.items())
    return "; ".join(_plain(item) for item in value) if isinstance(value, list) else str(value)


def _card(path: Path) -> dict[str, Any]:
    from ..models import read_card

    return read_card(path)


def _items(text: str | None) -> list[str] | None:
    return None if text is None else [item.strip() for item in text.split(",") if item.strip()]


def _pairs(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    pairs = [item.partition("=") for item in text.split(",") if item.strip()]
    if not pairs or not all(name.strip() and equals and meaning.strip() for name, equals, meaning in pairs):
        raise InputError(
            f"The labels {text!r} cannot be read: give NAME=CLASS pairs with commas, e.g. edema=ED,core=NCR."
        )
    return {name.strip(): meaning.strip() for name, _, meaning in pairs}
