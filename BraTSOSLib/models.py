"""The cards of the bundled models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .errors import ModelError
from .resources import resource


def model_cards(folder: Path | None = None) -> list[dict[str, Any]]:
    """Read every model card (``*.json`` beside ``*.safetensors``) of ``folder``, the bundled models by default.

    Returns
    -------
    list of dict
        In the order of the file names.

    Raises
    ------
    ModelError
        If a card cannot be read.
    """
    cards: list[dict[str, Any]] = []
    for path in sorted((folder or resource("Models")).glob("*.json")):
        if not path.with_suffix(".safetensors").exists():
            continue
        try:
            card = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ModelError(f"The model card {path} cannot be read ({error}): install BraTSOS again.") from error
        if not isinstance(card, dict):
            raise ModelError(f"The model card {path} holds no table of fields: install BraTSOS again.")
        cards.append(card)
    return cards
