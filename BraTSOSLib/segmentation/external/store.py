"""From converted weights to a model in the user's folder: checked by building and running it, then written whole."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...atomic import staged_folder
from ...errors import ModelError
from ...models import check_new_name, models_folder
from ..model import load_stages

if TYPE_CHECKING:
    import torch

NOT_STATED = "not stated by the importer"
_NORMALISATION_TEXT = {
    "brain": "zero mean, unit standard deviation over the brain, clipped to 5",
    "nonzero": "zero mean, unit standard deviation over each scan's own nonzero voxels",
}
_TRIED = 64
"""Voxels along an axis, at most, with which a TorchScript network is tried before its own window."""


@dataclass(frozen=True)
class Converted:
    """Another's model in the terms of our cards, not yet written.

    Attributes
    ----------
    kind : what it was, e.g. "MONAI bundle"
    file, content_hash : name and sha256 of the file that the weights come from
    stage : the card's fields of the one stage: ``architecture``, ``arguments``, ``inputs``, ``outputs``, ``window``,
        ``overlap``, ``spacing_mm``, ``normalisation_scheme``, ``orientation``
    state : weights by name; None for TorchScript
    script : the TorchScript archive; None otherwise
    threshold : of the probabilities
    stated : what the source says about itself (``version``, ``training_data``, ``intended_use``, ``eval_metrics``, ...)
    notes : sentences on what had to be assumed or differs from where the model comes from
    """

    kind: str
    file: str
    content_hash: str
    stage: dict[str, Any]
    state: dict[str, torch.Tensor] | None = None
    script: bytes | None = None
    threshold: float = 0.5
    stated: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def save(converted: Converted, name: str) -> Path:
    """Write weights and card into ``models_folder()`` under ``name``, both whole or neither; return the card's path.

    Raises
    ------
    InputError
        If the name cannot be given, or the folder not be written to.
    ModelError
        If the network cannot be built, the weights do not fit it, or its outputs are not those that it should have.
    """
    check_new_name(name)
    weights = f"{name}.safetensors" if converted.script is None else f"{name}.ts"
    content = _content(converted)
    fields = {**card_of(converted, name), "weights": weights, "sha256": hashlib.sha256(content).hexdigest()}
    with staged_folder(models_folder(), (weights, f"{name}.json")) as staging:
        (staging / weights).write_bytes(content)
        card = staging / f"{name}.json"
        _write(card, fields)
        fields["window"] = _tried(card)
        _write(card, fields)
    return models_folder() / f"{name}.json"


def card_of(converted: Converted, name: str) -> dict[str, Any]:
    """The model card, but for the names and hashes of the files."""
    stage, stated = converted.stage, converted.stated
    origin = f"Imported from a {converted.kind} ({converted.file}); not checked on cases here."
    card = {
        "name": name,
        "version": str(stated.get("version") or "1"),
        "task": "segmentation",
        **stage,
        "label_convention": {"outputs": stage["outputs"], "labels": {"NCR/NET": 1, "ED": 2, "ET": 4}},
        "normalisation": _NORMALISATION_TEXT[stage["normalisation_scheme"]],
        "threshold": converted.threshold,
        "training_data": stated.get("training_data") or NOT_STATED,
        "intended_use": stated.get("intended_use") or f"{NOT_STATED}. Not for clinical decisions.",
        "limits": " ".join([origin, *converted.notes, "Check every segmentation by eye."]),
        "metrics": [],
        "imported": {
            "from": converted.kind,
            "file": converted.file,
            "sha256": converted.content_hash,
            "date": datetime.now(timezone.utc).date().isoformat(),
        },
    }
    rest = {key: value for key, value in stated.items() if key not in ("version", "training_data", "intended_use")}
    return {**card, "stated_by_source": rest} if rest else card


def _content(converted: Converted) -> bytes:
    if converted.script is not None:
        return converted.script
    from safetensors.torch import save as to_bytes

    return to_bytes({key: value.contiguous().clone() for key, value in (converted.state or {}).items()})


def _write(card: Path, fields: dict[str, Any]) -> None:
    card.write_text(json.dumps(fields, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _tried(card: Path) -> list[int]:
    """Build the staged model and run it once on zeros; return its window, made to fit the network's strides."""
    import torch

    stage = load_stages(card)[0][0]
    network, window = stage.network, list(stage.window)
    multiples = getattr(network, "multiples", None)
    if multiples is None:
        sizes = [[min(n, _TRIED) for n in window], window]
    else:
        window = [max(-(-n // m) * m, 2 * m) for n, m in zip(window, multiples, strict=True)]
        sizes = [[2 * m for m in multiples]]
    found: Any = None
    for attempt, size in enumerate(sizes, start=1):
        try:
            with torch.inference_mode():
                found = network(torch.zeros((1, len(stage.inputs), *size)))
            break
        except Exception as error:  # TorchScript code raises whatever its author chose
            if attempt == len(sizes):
                reason = str(error).strip().splitlines()[-1][:160]
                raise ModelError(
                    f"The network of {card.stem} does not run on {len(stage.inputs)} channels of {size} voxels "
                    f"({reason})."
                ) from error
    expected = (1, len(stage.outputs), *size)
    if not isinstance(found, torch.Tensor) or tuple(found.shape) != expected:
        given = tuple(found.shape) if isinstance(found, torch.Tensor) else f"a {type(found).__name__}"
        raise ModelError(
            f"The network of {card.stem} gives {given} where {expected} was expected for the outputs "
            f"{', '.join(stage.outputs)}: name its outputs in their order with --outputs."
        )
    return window
