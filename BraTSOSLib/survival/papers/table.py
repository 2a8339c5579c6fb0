"""Reading any table of patients with features and survival: columns are discovered, none of the features is asked for.

Understood are the library's own layout (`case, days, age, resection` and features), the CaPTk table of UPENN-GBM, the
pyradiomics and first-order tables of UCSF-PDGM, and the BraTS 2019 and 2020 tables of published survival models.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError
from ..categories import CATEGORIES, DEFINITIONS, class_indices
from ..columns import find_column, needed_column, read_frame
from ..covariates import MAXIMUM_AGE, checked_resection, is_missing
from ..tables import MAXIMUM_DAYS, MINIMUM_PATIENTS, MINIMUM_PER_CLASS
from .columns import (
    AGE_COLUMNS,
    DAYS_COLUMNS,
    ID_COLUMNS,
    numbers,
    read_events,
    read_features,
    read_resections,
)

if TYPE_CHECKING:
    import pandas as pd

CLINICAL_INPUTS = ("age", "gross_total_resection")


@dataclass(frozen=True)
class FeatureTable:
    """Patients with survival, age, resection and whatever features their table holds.

    Attributes
    ----------
    name : str
        File name or what a message calls the table.
    ids : list of str, length n
    days : ndarray, shape (n,)
        Days from surgery to death or to the last contact; NaN throughout where the table was read without survival.
    events : ndarray of bool, shape (n,)
        True where the patient died.
    ages : ndarray, shape (n,)
        Years.
    resections : list of str, length n
        GTR, STR, biopsy, ``covariates.NOT_GROSS_TOTAL`` or unknown.
    features : ndarray, shape (n, p)
        NaN where a value is missing.
    feature_names : list of str, length p
    notes : tuple of str
        What was left out of the table, and why.
    """

    name: str
    ids: list[str]
    days: np.ndarray
    events: np.ndarray
    ages: np.ndarray
    resections: list[str]
    features: np.ndarray
    feature_names: list[str]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def clinical(self) -> np.ndarray:
        """Return ``CLINICAL_INPUTS``, shape (n, 2): years, and +1 gross total, -1 any other extent, 0 unknown."""
        codes = {"GTR": 1.0, "unknown": 0.0}
        return np.column_stack([self.ages, [codes.get(value, -1.0) for value in self.resections]])

    def rows(self, chosen: np.ndarray) -> FeatureTable:
        """Return the table of the patients ``chosen`` (bool, shape (n,))."""
        kept = np.flatnonzero(chosen)
        return replace(
            self,
            ids=[self.ids[row] for row in kept],
            days=self.days[kept],
            events=self.events[kept],
            ages=self.ages[kept],
            resections=[self.resections[row] for row in kept],
            features=self.features[kept],
        )

    def inputs(self, names: list[str]) -> np.ndarray:
        """Return ``names``, of ``CLINICAL_INPUTS`` and features, shape (n, len(names)), not standardised.

        Raises
        ------
        InputError
            Naming a feature that is not there.
        """
        places = {name: column for column, name in enumerate((*CLINICAL_INPUTS, *self.feature_names))}
        absent = [name for name in names if name not in places]
        if absent:
            raise InputError(f"{self.name} has no column {absent[0]!r}, which the model was fitted on: add it.")
        clinical, first = self.clinical(), len(CLINICAL_INPUTS)
        columns = [places[name] for name in names]
        return np.column_stack(
            [clinical[:, place] if place < first else self.features[:, place - first] for place in columns]
        )


def read_patient_features(
    source: Any, *, resection: str | None = None, on_bad_value: str = "stop", survival: bool = True
) -> FeatureTable:
    """Read and check a table of patients; every column of numbers that is not clinical counts as a feature.

    Parameters
    ----------
    source : path, pandas.DataFrame or FeatureTable
        A ``.csv``, ``.csv.gz`` or ``.parquet`` file, or such a table in memory; one row a patient.
    resection : str, optional
        Keep only patients with this extent of resection, for example ``"GTR"``.
    on_bad_value : str
        ``"stop"``, or ``"skip"``: an infinite feature counts as missing, a patient without survival or age and every
        row of a patient but the first are left out; `FeatureTable.notes` says so.
    survival : bool
        Ask for survival, and for enough deaths of every category to fit a model; else days may be absent.

    Raises
    ------
    InputError
        Naming the column and the row (1 = first patient) that cannot be used.

    Notes
    -----
    Left out are identifiers (names that end in ``ID``), ``diagnostics…`` columns, text, and what the clinic knows but
    is no feature of the scans (sex, grade, IDH, MGMT, 1p/19q, KPS).
    """
    if on_bad_value not in ("stop", "skip"):
        raise InputError(f"What to do at a bad value is {on_bad_value!r}: give 'stop' or 'skip'.")
    table = (
        source if isinstance(source, FeatureTable) else _parse(*read_frame(source), on_bad_value == "skip", survival)
    )
    if resection is not None:
        level = checked_resection(resection)
        table = table.rows(np.array([value == level for value in table.resections], dtype=bool))
        table = replace(table, name=f"{table.name} ({level} only)")
    if survival:
        _check_enough(table)
    return table


def _parse(frame: pd.DataFrame, name: str, skip: bool, survival: bool) -> FeatureTable:
    frame = frame.set_axis(np.arange(1, len(frame) + 1), axis=0)  # the row numbers of the messages
    id_column = needed_column(frame, ID_COLUMNS, name, "the patient's name")
    age_column = needed_column(frame, AGE_COLUMNS, name, "age in years")
    days_column = find_column(frame, DAYS_COLUMNS)
    if survival:
        days_column = needed_column(frame, DAYS_COLUMNS, name, "survival in days")
    notes: list[str] = []
    if skip:
        frame = _without_bad_rows(frame, id_column, age_column, days_column if survival else None, notes)
    _check_ids(frame, id_column, name)
    ages = numbers(frame, age_column, name, 0.0, MAXIMUM_AGE)
    days, events = np.full(len(frame), np.nan), np.zeros(len(frame), dtype=bool)
    if survival and days_column is not None:
        days, events = numbers(frame, days_column, name, 0.0, MAXIMUM_DAYS), read_events(frame, name)
    resections = read_resections(frame, name)
    features, names = read_features(frame, name, skip, notes)
    return FeatureTable(
        name, [str(each) for each in frame[id_column]], days, events, ages, resections, features, names, tuple(notes)
    )


def _without_bad_rows(
    frame: pd.DataFrame, id_column: str, age_column: str, days_column: str | None, notes: list[str]
) -> pd.DataFrame:
    bad = {
        "rows of a patient who has an earlier one": frame[id_column].astype(str).duplicated().to_numpy(),
        "patients without age": np.array([is_missing(value) for value in frame[age_column]], dtype=bool),
    }
    if days_column is not None:
        bad["patients without survival"] = np.array([is_missing(value) for value in frame[days_column]], dtype=bool)
    notes += [f"{what}, left out: {mask.sum()}" for what, mask in bad.items() if mask.any()]
    return frame[~np.logical_or.reduce(list(bad.values()))]


def _check_ids(frame: pd.DataFrame, column: str, table: str) -> None:
    ids = frame[column].astype(str)
    for mask, what in (
        (np.array([is_missing(value) for value in frame[column]], dtype=bool), "the patient's name is missing"),
        (ids.duplicated().to_numpy(), "the patient {} occurs twice, keep one row"),
    ):
        if mask.any():
            row = int(np.argmax(mask))
            raise InputError(f"{table}, column {column!r}, row {frame.index[row]}: {what.format(repr(ids.iloc[row]))}.")


def _check_enough(table: FeatureTable) -> None:
    deaths = int(table.events.sum())
    if deaths < MINIMUM_PATIENTS:
        raise InputError(
            f"{table.name} holds {deaths} patients with an observed death: at least {MINIMUM_PATIENTS} are needed."
        )
    counts = np.bincount(class_indices(table.days[table.events]), minlength=len(CATEGORIES))
    for category, count in zip(CATEGORIES, counts, strict=True):
        if count < MINIMUM_PER_CLASS:
            raise InputError(
                f"{table.name} holds {count} deaths with {category} survival ({DEFINITIONS[category]}): at least "
                f"{MINIMUM_PER_CLASS} of each category are needed."
            )
