"""Commands that compare results with a reference."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..case import read_label_map
from ..console import print_json
from .options import Json

evaluate_app = typer.Typer(help="Compare results with a reference.", rich_markup_mode=None)


@evaluate_app.command("segmentation")
def evaluate_segmentation(
    prediction: Annotated[Path, typer.Argument(help="Label map to judge.")],
    truth: Annotated[Path, typer.Argument(help="Reference label map on the same grid.")],
    as_json: Json = False,
) -> None:
    """Dice coefficient of whole tumour, tumour core and enhancing tumour."""
    from ..images import read_labels
    from ..segmentation.metrics import region_dice

    reference = read_labels(truth)
    scores = region_dice(read_label_map(prediction, reference.geometry), read_label_map(truth))
    if as_json:
        print_json(scores)
        return
    for region, score in scores.items():
        print(f"{region}  {score:.4f}")
