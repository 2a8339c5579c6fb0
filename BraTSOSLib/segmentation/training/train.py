"""``bratsos train segmentation``: from a folder of cases to weights with a card."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...case import find_label_map
from ...errors import InputError
from ..networks import PRESETS
from ..weights import save_network
from .cache import TARGET_REGIONS, load_cases
from .loop import Schedule, Trainer

VALIDATION = (
    "Brats18_TCIA01_201_1",
    "Brats18_TCIA02_135_1",
    "BraTS20_Training_002",
    "Brats18_TCIA01_425_1",
    "Brats18_TCIA13_623_1",
    "BraTS20_Training_009",
    "Brats18_CBICA_AQO_1",
    "Brats18_CBICA_AQQ_1",
)
"""The cases that the bundled weights never saw; used where ``validation`` is not given."""

THRESHOLD = 0.4
"""Probability above which a voxel belongs to a region. The networks learn shares of 2 mm voxels, in which thin rims
never reach one half; on every second training case 0.4 gave the highest Dice of WT and ET (0.3 to 0.5 were close)."""


def train(
    data: Path,
    output: Path,
    *,
    network: str = "bitrunet-compact",
    minutes: float | None = 60.0,
    steps: int | None = None,
    resume: bool = False,
    seed: int = 0,
    device: str = "auto",
    validation: Sequence[str] | None = None,
    cache: Path | None = None,
    name: str = "segmenter",
    card_fields: Path | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Path:
    """Train a network on 2 mm volumes and write its averaged weights with a model card.

    Parameters
    ----------
    data : folder of case folders, each with four scans and a label map
    output : folder for the checkpoint, the log, ``<name>.safetensors`` and ``<name>.json``
    network : a key of ``networks.PRESETS`` whose output is the three regions
    minutes, steps : length of the run; steps where both are given
    resume : continue from the checkpoint in ``output``
    validation : names of the cases to hold out; ``VALIDATION`` where None
    card_fields : JSON file whose fields go into the model card (training data and their terms, limits, ...)
    cache : folder for the preprocessed cases, ``output/cache`` where None

    Returns
    -------
    Path of the model card.

    Raises
    ------
    InputError
        If a case cannot be read, nothing is left to train on, or a value is out of range.
    ModelError
        If the checkpoint to resume from is damaged or of another run.
    """
    from ..segmenter import choose_device

    config = PRESETS.get(network)
    if config is None or config.out_channels != len(TARGET_REGIONS):
        usable = ", ".join(key for key, value in PRESETS.items() if value.out_channels == len(TARGET_REGIONS))
        raise InputError(f"The network {network!r} cannot be trained here: choose one of {usable}.")
    if steps is None and (minutes is None or minutes <= 0):
        raise InputError(f"The training time is {minutes} minutes: give a positive one.")
    data, output = Path(data), Path(output)
    fields = {} if card_fields is None else _read_fields(card_fields)
    if not data.is_dir():
        raise InputError(f"The training folder {data} does not exist or is no folder.")
    folders = sorted(folder for folder in data.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    if not folders:
        raise InputError(f"The training folder {data} holds no case folder.")
    for folder in folders:
        find_label_map(folder)
    held_out = set(VALIDATION if validation is None else validation)
    cases = load_cases(folders, cache or output / "cache", progress)
    trainer = Trainer(
        config,
        [case for case in cases if case.name not in held_out],
        [case for case in cases if case.name in held_out],
        output,
        schedule=Schedule(minutes=minutes, steps=steps),
        seed=seed,
        device=str(choose_device(device)),
    )
    checkpoint = output / "checkpoint.pt"
    if resume and checkpoint.exists():
        trainer.resume(checkpoint)
    trainer.run(progress)
    metrics = trainer.validate()
    return save_network(trainer.average, {**_card(trainer, name, metrics), **fields}, output)


def _read_fields(path: Path) -> dict[str, Any]:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"The model card's fields {path} cannot be read ({error}).") from error
    if not isinstance(fields, dict):
        raise InputError(f"The model card's fields {path} are no JSON object: write one field a line.")
    return fields


def _card(trainer: Trainer, name: str, metrics: dict[str, float]) -> dict[str, Any]:
    """The model card of what ``trainer`` has learned; training data's terms are the user's to add."""
    import torch

    return {
        "name": name,
        "version": "1",
        "task": "segmentation",
        "architecture": "BiTrUNet",
        "arguments": trainer.config.to_dict(),
        "inputs": ["t1", "t1ce", "t2", "flair"],
        "label_convention": {"outputs": list(TARGET_REGIONS), "labels": {"NCR/NET": 1, "ED": 2, "ET": 4}},
        "normalisation": "zero mean, unit standard deviation over the brain, clipped to 5; 2 mm means of 1 mm voxels",
        "threshold": THRESHOLD,
        "training_data": [{"name": "the user's own cases", "cases": len(trainer.cases), "terms": "the user's own"}],
        "intended_use": "Research on adult diffuse glioma before treatment; not for clinical decisions.",
        "limits": "Known only for scans like those it was trained on.",
        "metrics": [
            {
                "evaluation": "held-out cases at 2 mm, averaged weights, mean Dice",
                "cases": len(trainer.validation),
                **{f"Dice {region}": value for region, value in metrics.items()},
            }
        ]
        if metrics
        else [],
        "steps": trainer.step,
        "minutes": round(trainer.elapsed / 60, 1),
        "seed": trainer.seed,
        "command": " ".join(["bratsos", *sys.argv[1:]]) if "bratsos" in sys.argv[0] else "train()",
        "versions": {"torch": torch.__version__.split("+")[0], "python": platform.python_version()},
    }
