"""Labelled cases on disk, before anything is read: folders as BraTS has them, or one dataset list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...case import MODALITIES, Case, find_label_map, find_scans, read_case, read_label_map
from ...errors import InputError
from ...geometry import Geometry
from ...labels import canonical_labels


@dataclass(frozen=True)
class LabelledCase:
    """Where one training case lies.

    Attributes
    ----------
    name : str
    scans : dict
        Modality to file.
    labels : Path
        The label map.
    channels : dict
        Modality to volume of its file, for files that hold several volumes; empty where each has its own.
    values : dict
        The file's label values to 1 (NCR), 2 (ED), 4 (ET), for files that number them otherwise.
    """

    name: str
    scans: dict[str, Path]
    labels: Path
    channels: dict[str, int] = field(default_factory=dict)
    values: dict[int, int] = field(default_factory=dict)

    @property
    def files(self) -> list[Path]:
        """Every file of the case, once."""
        return sorted({*self.scans.values(), self.labels})

    def read(self) -> tuple[np.ndarray, np.ndarray, Geometry]:
        """The scans float32 (4, z, y, x) in the order of ``MODALITIES``, labels uint8 (z, y, x) and their grid.

        Raises
        ------
        InputError
            If a file cannot be used, the grids differ, or the label map holds values that are not known.
        """
        case = self._read_four() if self.channels else read_case(name=self.name, **self.scans)  # type: ignore[arg-type]
        image = np.stack([case.volumes[name] for name in MODALITIES])
        return image, self._read_labels(case.geometry), case.geometry

    def _read_four(self) -> Case:
        from .four_volumes import read_volumes

        volumes, geometry = read_volumes(self.scans["t1"], [self.channels[name] for name in MODALITIES])
        return Case(self.name, dict(zip(MODALITIES, volumes, strict=True)), geometry)

    def _read_labels(self, geometry: Geometry) -> np.ndarray:
        if not self.values:
            return read_label_map(self.labels, geometry)
        from ...geometry import grid_differences
        from ...images import read_labels

        image = read_labels(self.labels)
        differences = grid_differences(image.geometry, geometry)
        if differences:
            raise InputError(f"{self.labels} is not on the grid of the scans: {'; '.join(differences)}.")
        unknown = sorted({float(v) for v in np.unique(image.array)} - {0.0, *map(float, self.values)})
        if unknown:
            shown = ", ".join(f"{value:g}" for value in unknown[:5])
            known = ", ".join(str(value) for value in sorted({0, *self.values}))
            raise InputError(f"{self.labels} holds the values {shown}; its list names {known}: correct one of them.")
        result = np.zeros(image.array.shape, dtype=np.uint8)
        for value, label in self.values.items():
            result[image.array == value] = label
        return canonical_labels(result, str(self.labels))


def find_cases(data: Path) -> tuple[list[LabelledCase], list[str] | None, dict[str, str]]:
    """The labelled cases of a folder of case folders, or of a dataset list (``decathlon.read_list``).

    Returns
    -------
    cases : by name
    validation : the names that the list holds out; None for a folder or where it has none
    bad : name to the sentence that says what is missing, for cases that cannot be used

    Raises
    ------
    InputError
        If ``data`` does not exist or holds no case.
    """
    if data.is_file():
        from .decathlon import read_list

        return read_list(data)
    if not data.is_dir():
        raise InputError(f"The training folder {data} does not exist or is no folder.")
    folders = sorted(folder for folder in data.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    if not folders:
        raise InputError(f"The training folder {data} holds no case folder.")
    cases, bad = [], {}
    for folder in folders:
        try:
            cases.append(_from_folder(folder))
        except InputError as error:
            bad[folder.name] = str(error)
    return cases, None, bad


def _from_folder(folder: Path) -> LabelledCase:
    scans = find_scans(folder)
    missing = [name for name in MODALITIES if name not in scans]
    if missing:
        raise InputError(f"{folder} holds no file for {', '.join(missing)}: add it, or skip such cases.")
    return LabelledCase(folder.name, scans, find_label_map(folder))


def refuse_bad(bad: dict[str, str], choice: str) -> None:
    """Raise ``InputError`` with the first sentence of ``bad`` and the other names, unless ``choice`` is ``skip``."""
    if choice not in ("stop", "skip"):
        raise InputError(f"The choice for bad cases is {choice!r}: give stop or skip.")
    if not bad or choice == "skip":
        return
    first, *others = bad
    more = f" Also unusable: {_some(others)}." if others else ""
    raise InputError(f"The case {first} cannot be used: {bad[first]}{more} (--on-bad-case skip leaves them out.)")


def _some(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
