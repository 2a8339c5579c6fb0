"""The models at hand, bundled or imported by the user: their cards, where they lie, and how a name finds its card.

Reading and listing need no torch, so that the panel and the command line can show what there is without it. How
other people's models become models of ours is in ``segmentation/external``.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .errors import InputError, ModelError
from .resources import resource

FOLDER_VARIABLE = "BRATSOS_MODELS"
"""Environment variable that names the folder of imported models instead of the platform's own."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?")
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
"""File names that Windows keeps for devices."""


def models_folder() -> Path:
    """The folder of imported models, which need not exist yet.

    ``BRATSOS_MODELS`` where it is set, else the platform's place for a user's data: ``%LOCALAPPDATA%/BraTSOS/Models``,
    ``~/Library/Application Support/BraTSOS/Models`` or ``$XDG_DATA_HOME/bratsos/models`` (``~/.local/share`` where
    that is not set).
    """
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        return Path(given).expanduser()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "BraTSOS" / "Models"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "BraTSOS" / "Models"
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "bratsos" / "models"


def read_card(path: Path) -> dict[str, Any]:
    """Read a model card; raises ``ModelError`` where it is missing, unreadable or no JSON object."""
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"The model card {path} cannot be read ({error}): install the model again.") from error
    if not isinstance(card, dict):
        raise ModelError(f"The model card {path} holds no table of fields: install the model again.")
    return card


def model_cards(folder: Path | None = None) -> list[dict[str, Any]]:
    """Read every model card (``*.json`` with its weights beside it) of ``folder``, the bundled models by default.

    Returns
    -------
    list of dict
        In the order of the file names.

    Raises
    ------
    ModelError
        If a card cannot be read.
    """
    return [card for _, card in _cards(folder or resource("Models"))]


def segmentation_models() -> list[dict[str, Any]]:
    """Cards of the models that can segment, each with ``origin`` (``bundled`` or ``imported``), the default one first.

    An imported card that cannot be read becomes ``{"name", "task", "origin", "problem"}`` instead of an error, so
    that one damaged file hides no other model and can be removed by its name.
    """
    from .segmentation.segmenter import BUNDLED

    bundled = [{**card, "origin": "bundled"} for card in model_cards() if card.get("task") == "segmentation"]
    return sorted(bundled, key=lambda card: card.get("name") != BUNDLED) + imported_models()


def imported_models() -> list[dict[str, Any]]:
    """Cards of the imported models, each with ``origin``; see ``segmentation_models`` for damaged ones."""
    cards: list[dict[str, Any]] = []
    for path in sorted(models_folder().glob("*.json")):
        fields: dict[str, Any] = {"name": path.stem, "task": "segmentation"}
        try:
            card = read_card(path)
            missing = [name for name in _weights_names(card, path) if not path.with_name(name).is_file()]
            fields |= {"problem": f"its weights {missing[0]} are missing"} if missing else card
        except ModelError as error:
            fields["problem"] = str(error)
        cards.append({**fields, "name": path.stem, "origin": "imported"})
    return cards


def card_lines(card: Mapping[str, Any]) -> list[str]:
    """What a reader wants to know of a model before using it, a line each: use, channels, training data, limits."""
    if "problem" in card:
        return [f"unusable: {card['problem']}"]
    lines = [f"for: {_text(card.get('intended_use')) or 'not stated'}"]
    fields = {**card, **(card.get("stages") or [{}])[0]}
    inputs = fields.get("inputs")
    outputs = fields.get("outputs") or (card.get("label_convention") or {}).get("outputs")
    if card.get("task") == "segmentation" and inputs and outputs:
        lines.append(f"channels: {', '.join(inputs)} to {', '.join(outputs)}")
    for key in ("training_data", "limits"):
        if card.get(key):
            lines.append(f"{key.replace('_', ' ')}: {_text(card[key])}")
    imported = card.get("imported")
    if isinstance(imported, Mapping):
        lines.append(f"imported: {imported.get('date')} from a {imported.get('from')}, {imported.get('file')}")
    return lines


def _text(value: Any) -> str:
    """A card's field as a line: entries of lists one after another, of their fields name and number of cases."""
    if isinstance(value, Mapping):
        cases = f" ({value['cases']} cases)" if value.get("cases") else ""
        return f"{value.get('name', '')}{cases}"
    return "; ".join(map(_text, value)) if isinstance(value, list) else str(value or "")


def find_model(model: str | Path) -> Path:
    """The path of a segmentation model's card.

    Parameters
    ----------
    model : a bundled or imported model's name, or the path of a card

    Raises
    ------
    InputError
        If there is no such model; the message says which there are.
    """
    path = Path(model).expanduser()
    if isinstance(model, Path) or path.suffix == ".json" or len(path.parts) > 1:
        if path.is_file():
            return path
        advice = "import it with bratsos models add first" if path.is_dir() else "give a model's name or its card"
        raise InputError(f"{path} is no model card: {advice}.")
    for folder in (resource("Models"), models_folder()):
        if model in _names(folder):
            return folder / f"{model}.json"
    known = ", ".join(str(card["name"]) for card in segmentation_models())
    raise InputError(
        f"There is no model named {model!r}: choose one of {known}, or import one with bratsos models add."
    )


def check_new_name(name: str) -> str:
    """Return ``name`` if a model can be imported under it.

    Raises
    ------
    InputError
        If it is no plain file name on every platform, belongs to a bundled model, or is taken.
    """
    if not _NAME.fullmatch(name) or name.lower().split(".")[0] in _RESERVED:
        raise InputError(
            f"The name {name!r} cannot be given to a model: use up to 64 letters, digits, dots, dashes and underscores."
        )
    if name.lower() in {stem.lower() for stem in _names(resource("Models"))}:
        raise InputError(f"The name {name} belongs to a bundled model: choose another one.")
    if name.lower() in {stem.lower() for stem in _names(models_folder())}:
        raise InputError(f"There is an imported model named {name} already: bratsos models remove {name}, or rename.")
    return name


def remove_model(name: str) -> list[Path]:
    """Delete an imported model, its card first; return what was deleted.

    Raises
    ------
    InputError
        If no imported model has that name, or it is a bundled one.
    """
    folder = models_folder()
    if name not in _names(folder):
        if name in _names(resource("Models")):
            raise InputError(f"The model {name} is bundled and cannot be removed.")
        known = ", ".join(_names(folder)) or "none"
        raise InputError(f"There is no imported model named {name!r} to remove (imported: {known}).")
    card = folder / f"{name}.json"
    # Named by the files rather than by the card, which may be damaged, and may never name a file of another model.
    files = [card, *(folder / f"{name}{ending}" for ending in (".safetensors", ".ts"))]
    removed = [path for path in files if path.is_file()]
    try:
        for path in removed:
            path.unlink()
    except OSError as error:
        raise InputError(f"The model {name} cannot be removed ({error.strerror or error}).") from error
    return removed


def _names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.json"))


def _cards(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(folder.glob("*.json")):
        card = read_card(path)
        if all(path.with_name(name).is_file() for name in _weights_names(card, path)):
            yield path, card


def _weights_names(card: dict[str, Any], path: Path) -> list[str]:
    stages = card.get("stages")
    described = stages if isinstance(stages, list) and stages else [card]
    default = f"{path.stem}.safetensors"
    names = [str(fields.get("weights", default)) for fields in described if isinstance(fields, dict)]
    return [Path(name).name for name in names]
