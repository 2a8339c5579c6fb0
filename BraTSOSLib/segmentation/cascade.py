"""Joining separately trained models to one model of several stages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..atomic import staged_folder
from ..errors import InputError
from ..models import read_card
from .weights import read_weights

STAGE_FIELDS = (
    "sha256",
    "architecture",
    "arguments",
    "inputs",
    "outputs",
    "spacing_mm",
    "window",
    "overlap",
    "mirrored",
    "field",
    "normalisation_scheme",
    "orientation",
    "steps",
    "minutes",
    "seed",
    "command",
    "recipe",
)
"""What each stage keeps of its own card; everything else is taken from the first stage's."""


def join_stages(
    cards: Sequence[Path], output: Path, name: str, *, fine_share: float = 0.5, fields: Mapping[str, Any] | None = None
) -> Path:
    """Write one model whose stages are the given one-stage models, in their order.

    Parameters
    ----------
    cards : model cards; the first has the field ``brain``
    output : folder for the card ``<name>.json`` and the weights ``<name>-<number>.safetensors``
    fine_share : weight of the last stage's probabilities against the earlier ones' where both have looked
    fields : further fields of the new card, e.g. training data, limits and metrics

    Returns
    -------
    Path of the new card.

    Raises
    ------
    InputError
        If fewer than two cards are given, one has several stages, or the first is for tumour boxes.
    ModelError
        If a card or its weights cannot be read.
    """
    if len(cards) < 2:
        raise InputError("One model alone cannot be joined: give the cards of two or more.")
    if not 0 <= fine_share <= 1:
        raise InputError(f"The share of the last stage is {fine_share}: give a number from 0 to 1.")
    read = [read_card(path) for path in cards]
    for path, card in zip(cards, read, strict=True):
        if card.get("stages"):
            raise InputError(f"The model {path.stem} has several stages already: give models of one stage.")
    if read[0].get("field", "brain") != "brain":
        raise InputError(f"The model {cards[0].stem} is a stage for tumour boxes: give one for the brain first.")
    names = [f"{name}-{number}.safetensors" for number in range(1, len(cards) + 1)]
    stages = [
        {"weights": weights, **{key: card[key] for key in STAGE_FIELDS if key in card}}
        for weights, card in zip(names, read, strict=True)
    ]
    contents = [read_weights(path, card) for path, card in zip(cards, read, strict=True)]
    common = {key: value for key, value in read[0].items() if key not in STAGE_FIELDS}
    joined = {**common, "name": name, "fine_share": fine_share, "stages": stages, **(fields or {})}
    with staged_folder(output, (*names, f"{name}.json")) as staging:
        for weights, content in zip(names, contents, strict=True):
            (staging / weights).write_bytes(content)
        text = json.dumps(joined, indent=2, ensure_ascii=False)
        (staging / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    return output / f"{name}.json"
