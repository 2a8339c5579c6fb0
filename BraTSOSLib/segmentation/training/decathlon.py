"""Dataset lists as MONAI and the Medical Segmentation Decathlon have them: one JSON file that names images and labels.

The list holds ``training`` and, where it has any, ``validation`` entries, each ``{"image": ..., "label": ...}`` with
paths relative to the list; ``image`` is one four-dimensional file or a list of four. ``modality`` (or
``channel_names``) gives the order of the scans, ``labels`` the meaning of the label values.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...case import MODALITIES
from ...errors import InputError
from ...images import EXTENSIONS
from ...labels import ED, ET, NCR
from .cases import LabelledCase

_SPELLINGS = {
    "t1": ("t1", "t1w", "t1n"),
    "t1ce": ("t1ce", "t1c", "t1gd", "t1gdw", "t1wce", "t1post"),
    "t2": ("t2", "t2w"),
    "flair": ("flair", "t2f", "t2flair", "fla"),
}
_LABELS = {
    NCR: ("ncr", "net", "ncrnet", "necro", "nonenhanc"),
    ED: ("ed", "edema", "oedema"),
    ET: ("et", "enhanc"),
}


def read_list(path: Path) -> tuple[list[LabelledCase], list[str] | None, dict[str, str]]:
    """The cases of a dataset list; see ``cases.find_cases`` for what is returned.

    Raises
    ------
    InputError
        If the file is no such list, or names a modality or a label that is not known.
    """
    content = _load(path)
    order = _order(content, path)
    values = _label_values(content, path)
    cases: list[LabelledCase] = []
    bad: dict[str, str] = {}
    held_out: list[str] = []
    for part in ("training", "validation"):
        for entry in content.get(part) or []:
            name = _name(entry, path)
            try:
                cases.append(_case(name, entry, path.parent, order, values))
            except InputError as error:
                bad[name] = str(error)
                continue
            if part == "validation":
                held_out.append(name)
    names = [case.name for case in cases]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{path} names the case {twice[0]} twice: name each once, in training or in validation.")
    if not names and not bad:
        raise InputError(f"{path} lists no case: put them under 'training'.")
    return cases, held_out or None, bad


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"The dataset list {path} cannot be read as JSON ({error}).") from error
    parts = [content.get(part) or [] for part in ("training", "validation")] if isinstance(content, dict) else [None]
    if not all(isinstance(part, list) and all(isinstance(entry, dict) for entry in part) for part in parts):
        raise InputError(f"{path} is no dataset list: it needs 'training', a list of entries with image and label.")
    return content


def _order(content: dict[str, Any], path: Path) -> dict[str, int]:
    """Modality to its place among the images."""
    names = content.get("modality") or content.get("channel_names") or dict(enumerate(MODALITIES))
    found: dict[str, int] = {}
    for place, name in names.items() if isinstance(names, dict) else enumerate(names):
        plain = "".join(c for c in str(name).lower() if c.isalnum())
        kind = next((kind for kind, ends in _SPELLINGS.items() if plain in ends), None)
        if kind is None or kind in found:
            raise InputError(
                f"{path} has the modality {name!r}, which is not known or there twice: name t1, t1ce, t2, flair."
            )
        found[kind] = int(place)
    missing = [kind for kind in MODALITIES if kind not in found]
    if missing:
        raise InputError(f"{path} has no modality {', '.join(missing)}: all four scans are needed.")
    return found


def _label_values(content: dict[str, Any], path: Path) -> dict[int, int]:
    """The file's values to 1, 2, 4 by the names in ``labels``; empty where the list does not name them."""
    named = content.get("labels")
    if not isinstance(named, dict) or not named:
        return {}
    values: dict[int, int] = {}
    for key, item in named.items():
        # the Decathlon writes {"1": "edema"}, nnU-Net {"edema": 1}
        value, name = (int(key), str(item)) if str(key).isdecimal() else (item, str(key))
        plain = "".join(c for c in name.lower() if c.isalpha())
        if plain in ("background", "bg", "healthy", "brain", "everythingelse") or value == 0:
            continue
        label = next((label for label, words in _LABELS.items() if _means(plain, words)), None)
        if label is None or not isinstance(value, int):
            raise InputError(f"{path} has the label {name!r}, which is not known: name them NCR, ED and ET.")
        values[value] = label
    return values


def _means(plain: str, words: tuple[str, ...]) -> bool:
    """Whether a label's name is one of the short words, or contains one of the long ones."""
    if words[0] == "et" and any(word in plain for word in ("nonenhanc", "necro")):
        return False
    return any(plain == word or (len(word) > 3 and word in plain) for word in words)


def _name(entry: dict[str, Any], path: Path) -> str:
    label = entry.get("label")
    if not isinstance(label, str):
        raise InputError(f"{path} has an entry without a label: give each an image and a label.")
    name = Path(label).name
    extension = next((e for e in EXTENSIONS if name.lower().endswith(e)), "")
    stem = name[: len(name) - len(extension)]
    for ending in ("_seg", "-seg", "_segm", "_label"):
        stem = stem.removesuffix(ending)
    return stem


def _case(
    name: str, entry: dict[str, Any], folder: Path, order: dict[str, int], values: dict[int, int]
) -> LabelledCase:
    image = entry.get("image")
    labels = folder / entry["label"]
    if isinstance(image, str) or (isinstance(image, list) and len(image) == 1):
        file = folder / (image if isinstance(image, str) else image[0])
        case = LabelledCase(name, dict.fromkeys(MODALITIES, file), labels, channels=order, values=values)
    elif isinstance(image, list) and all(place < len(image) for place in order.values()):
        case = LabelledCase(name, {kind: folder / image[order[kind]] for kind in MODALITIES}, labels, values=values)
    else:
        raise InputError(f"the list gives {len(image or [])} images for it, four scans or one 4-D file are needed.")
    for file in case.files:
        if not file.is_file():
            raise InputError(f"{file} does not exist.")
    return case
