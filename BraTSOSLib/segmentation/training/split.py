"""Which cases train and which are held out."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from ...errors import InputError

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
"""The cases that the bundled weights never saw; held out where nothing else is asked for and they are there."""

_SAME_PATIENT = re.compile(r"(.*-\d{5})[-_]\d{2,3}")
"""Names of several scans of one patient: ``BraTS-GLI-00000-001``, ``UPENN-GBM-00006_11``."""


@dataclass(frozen=True)
class Split:
    """Names may hold wildcards (``Brats18_TCIA*``).

    Attributes
    ----------
    validation : cases to hold out
    exclude : cases that are neither trained on nor held out
    only : the cases to use at all; all where None
    folds, fold : hold out fold ``fold`` (0 ...) of ``folds`` instead
    """

    validation: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None
    folds: int | None = None
    fold: int = 0

    def divide(self, names: Sequence[str], listed: Sequence[str] | None, seed: int) -> tuple[list[str], list[str]]:
        """Training and validation names, in the order of ``names``.

        Parameters
        ----------
        names : of all cases
        listed : the names that the dataset list holds out, or None

        Raises
        ------
        InputError
            If a name fits no case, a fold does not exist, or nothing is left to train on.
        """
        used = list(names) if self.only is None else _matching(self.only, names, "to use")
        excluded = set(_matching(self.exclude, names, "to exclude"))
        used = [name for name in used if name not in excluded]
        if self.folds is not None:
            if self.validation is not None:
                raise InputError("Both folds and names to hold out are given: choose one of them.")
            held_out = set(self._fold(used, seed))
        elif self.validation is not None:
            held_out = set(_matching(self.validation, names, "to hold out"))
        else:
            held_out = set(VALIDATION if listed is None else listed)
        training = [name for name in used if name not in held_out]
        if not training:
            raise InputError("No training case is left: give a folder with labelled cases, or hold out fewer.")
        return training, [name for name in used if name in held_out]

    def _fold(self, names: Sequence[str], seed: int) -> list[str]:
        folds = self.folds or 0
        groups: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for name in sorted(names):
            groups[source_of(name)][patient_of(name)].append(name)
        patients = sum(len(group) for group in groups.values())
        if not 2 <= folds <= patients:
            raise InputError(f"The number of folds is {folds}: give 2 to {patients}, the number of patients.")
        if not 0 <= self.fold < folds:
            raise InputError(f"The fold is {self.fold}: give 0 to {folds - 1}.")
        rng = np.random.default_rng([seed, 3])
        dealt = 0
        result: list[str] = []
        for source in sorted(groups):
            members = sorted(groups[source])
            for index in rng.permutation(len(members)):
                # dealing goes on from source to source, so that the folds are equally large
                if dealt % folds == self.fold:
                    result += groups[source][members[index]]
                dealt += 1
        return result


def source_of(name: str) -> str:
    """The collection that a case's name speaks of: its first two parts (``Brats18_TCIA01``, ``UPENN-GBM``)."""
    return "_".join(re.split(r"[_-]", name)[:2])


def patient_of(name: str) -> str:
    """The patient that a case's name speaks of, so that no patient is on both sides of a split."""
    match = _SAME_PATIENT.fullmatch(name)
    return match[1] if match else name


def read_names(text: str | None) -> tuple[str, ...] | None:
    """Names with commas between them, or those of a text file with one a line (``#`` begins a comment)."""
    if text is None:
        return None
    path = Path(text)
    if path.suffix.lower() in (".txt", ".csv", ".lst"):
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"The list of cases {path} cannot be read ({error}).") from error
        items = [line.split("#")[0].strip() for line in lines]
    else:
        items = [item.strip() for item in text.split(",")]
    return tuple(item for item in items if item)


def _matching(patterns: Sequence[str], names: Sequence[str], purpose: str) -> list[str]:
    missing = [p for p in patterns if not any(fnmatchcase(name, p) for name in names)]
    if missing:
        raise InputError(f"No case is called {missing[0]}, which is named as one {purpose}: check the spelling.")
    return [name for name in names if any(fnmatchcase(name, p) for p in patterns)]
