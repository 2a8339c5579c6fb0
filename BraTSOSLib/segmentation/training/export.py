"""From a finished run to weights with a model card that ``bratsos segment`` understands."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...case import MODALITIES
from ...errors import InputError
from .loop import Trainer

COARSE_THRESHOLD = 0.4
"""Probability above which a voxel belongs to a region. At 2 mm networks learn shares of voxels, in which thin rims
never reach one half; on every second training case 0.4 gave the highest Dice of WT and ET (0.3 to 0.5 were close)."""
FINE_THRESHOLD = 0.5


def read_fields(path: Path | None) -> dict[str, Any]:
    """Fields for the model card from a JSON file; none where ``path`` is None."""
    if path is None:
        return {}
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"The model card's fields {path} cannot be read ({error}).") from error
    if not isinstance(fields, dict):
        raise InputError(f"The model card's fields {path} are no JSON object: write one field a line.")
    return fields


def model_card(trainer: Trainer, name: str, metrics: dict[str, float], skipped: Sequence[str] = ()) -> dict[str, Any]:
    """The card of what ``trainer`` has learned; the training data's terms are the user's to add.

    Parameters
    ----------
    metrics : of the weights that are kept, on the held-out cases
    skipped : names of cases that could not be used
    """
    import torch

    recipe = trainer.recipe
    coarse = recipe.spacing == 2.0
    scheme = "the brain, clipped to 5" if recipe.normalisation == "brain" else "each scan's nonzero voxels"
    data: dict[str, Any] = {"name": "the user's own cases", "cases": len(trainer.cases), "terms": "the user's own"}
    return {
        "name": name,
        "version": "1",
        "task": "segmentation",
        "architecture": trainer.architecture,
        "arguments": trainer.arguments,
        "inputs": list(MODALITIES),
        "outputs": list(recipe.channels),
        "spacing_mm": recipe.spacing,
        "window": _window(trainer),
        "overlap": 0.5,
        "field": recipe.field,
        "normalisation_scheme": recipe.normalisation,
        "orientation": "LPS",
        "label_convention": {"outputs": list(recipe.channels), "labels": {"NCR/NET": 1, "ED": 2, "ET": 4}},
        "normalisation": f"zero mean, unit standard deviation over {scheme}"
        + ("; 2 mm means of 1 mm voxels" if coarse else ""),
        "threshold": COARSE_THRESHOLD if coarse and recipe.outputs == "regions" else FINE_THRESHOLD,
        "training_data": [data | ({"left out as unusable": list(skipped)} if skipped else {})],
        "intended_use": "Research on adult diffuse glioma before treatment; not for clinical decisions.",
        "limits": "Known only for scans like those it was trained on.",
        "metrics": [
            {
                "evaluation": f"held-out cases at {recipe.spacing:g} mm, averaged weights, mean Dice",
                "cases": len(trainer.validation),
                **{f"Dice {region}": value for region, value in metrics.items()},
            }
        ]
        if metrics
        else [],
        "held_out": [case.name for case in trainer.validation],
        "recipe": recipe.to_dict(),
        "steps": trainer.step,
        "minutes": round(trainer.elapsed / 60, 1),
        "processes": trainer.processes.world,
        "seed": recipe.seed,
        "command": " ".join(["bratsos", *sys.argv[1:]]) if "bratsos" in sys.argv[0] else "train()",
        "versions": {"torch": torch.__version__.split("+")[0], "python": platform.python_version()},
    }


def _window(trainer: Trainer) -> list[int]:
    """What inference sees at once: as in training, and for whole brains the largest of them."""
    if trainer.recipe.sampling != "whole":
        return list(trainer.recipe.size)
    sizes = [trainer.sampler.size(case.image.shape[1:]) for case in trainer.cases]
    return [max(size[axis] for size in sizes) for axis in range(3)]
