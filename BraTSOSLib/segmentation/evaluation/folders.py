"""Finding label maps in a folder, and which of two folders belong to the same case."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from ...images import image_extension

_ENDINGS = re.compile(r"[_-](?:seg|segm|segmentation|labels?|pred|prediction)$", re.IGNORECASE)
_SCANS = re.compile(r"[_-](?:t1|t1n|t1w|t1ce|t1c|t1gd|t2|t2w|flair|t2f)$", re.IGNORECASE)
_PLAIN = ("seg", "segmentation", "labels")
"""File names without the case's name in them; the folder they lie in names the case."""
_UNDERSTOOD = "<case>.nii.gz, <case>_seg.nii.gz, <case>/<case>_seg.nii.gz or <case>/segmentation.nii.gz"


@dataclass(frozen=True)
class Pair:
    """The files of a predicted label map and of its reference."""

    prediction: Path
    truth: Path


@dataclass(frozen=True)
class Matched:
    """Which cases two folders have in common, by name, and the names of those that only one has."""

    pairs: dict[str, Pair]
    only_prediction: tuple[str, ...] = ()
    only_truth: tuple[str, ...] = ()


def label_maps(folder: Path) -> dict[str, Path]:
    """Find the label maps in ``folder`` and in its subfolders (not deeper).

    Parameters
    ----------
    folder : Path
        Holds ``<case>.nii.gz`` or ``<case>_seg.nii.gz`` (also ``-seg``, ``_segm``, ``_pred`` ...), or a subfolder for
        each case with such a file or ``segmentation.nii.gz``; also .nii, .nrrd and .mha. Scans (``_t1``, ``-t2f`` ...)
        and files that begin with a dot are passed over.

    Returns
    -------
    dict
        Name of the case to its label map, in the order of the names.

    Raises
    ------
    InputError
        If ``folder`` cannot be read or holds two label maps of one case.
    """
    found: dict[str, Path] = {}
    for path in _entries(folder):
        for name, file in _of_subfolder(path) if path.is_dir() else _of_file(path, folder):
            if name in found:
                raise InputError(f"{found[name]} and {file} are both label maps of {name}: keep one of them.")
            found[name] = file
    return dict(sorted(found.items()))


def match_cases(prediction: Path, truth: Path) -> Matched:
    """Match two label maps, or the label maps of two folders by the name of the case.

    Parameters
    ----------
    prediction, truth : Path
        Two files, two folders, or a file and a folder that holds one label map.

    Raises
    ------
    InputError
        If a path does not exist, a folder holds no label map, or the two have no case in common.
    """
    for path in (truth, prediction):
        if not path.exists():
            raise InputError(f"{path} does not exist: check the path.")
    if prediction.is_dir() and truth.is_dir():
        return _match_folders(prediction, truth)
    files = Pair(_single(prediction, truth), _single(truth, prediction))
    return Matched({case_name(files.truth): files})


def case_name(path: Path) -> str:
    """Return the name of the case that a label map belongs to: its file name's beginning, else its folder's name."""
    stem = path.name[: -len(image_extension(path) or "")] or path.name
    if stem.lower() in _PLAIN:
        return path.resolve().parent.name or stem
    return _ENDINGS.sub("", stem) or stem


def _match_folders(prediction: Path, truth: Path) -> Matched:
    predicted, true = label_maps(prediction), label_maps(truth)
    for folder, maps in ((prediction, predicted), (truth, true)):
        if not maps:
            raise InputError(f"{folder} holds no label map: name them {_UNDERSTOOD}.")
    common = [name for name in true if name in predicted]
    if not common:
        raise InputError(
            f"{prediction} and {truth} have no case in common (the first holds {_some(predicted)}, the second "
            f"{_some(true)}): name the files {_UNDERSTOOD}."
        )
    return Matched(
        {name: Pair(predicted[name], true[name]) for name in common},
        tuple(name for name in predicted if name not in true),
        tuple(name for name in true if name not in predicted),
    )


def _single(path: Path, other: Path) -> Path:
    if not path.is_dir():
        return path
    maps = list(label_maps(path).values())
    if len(maps) != 1:
        raise InputError(
            f"{other} is a file and {path} a folder with {len(maps)} label maps: give two files, or two folders."
        )
    return maps[0]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be read ({error.strerror}): check the path.") from error


def _of_file(path: Path, folder: Path) -> list[tuple[str, Path]]:
    extension = image_extension(path)
    if extension is None or _SCANS.search(path.name[: -len(extension)]):
        return []
    return [(case_name(path), path)]


def _of_subfolder(folder: Path) -> list[tuple[str, Path]]:
    """Return the label maps of a case folder; other images than ``<case>`` and those ending like one are no maps."""
    found = []
    for path in _entries(folder):
        extension = image_extension(path)
        if extension is None or not path.is_file():
            continue
        stem = path.name[: -len(extension)]
        if stem.lower() in _PLAIN or stem == folder.name or _ENDINGS.search(stem):
            found.append((folder.name, path))
    return found


def _some(names: dict[str, Path]) -> str:
    shown = ", ".join(list(names)[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
