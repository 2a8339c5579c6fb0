"""The patients of a table of clinical values and features, checked column by column."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .columns import (
    CASE_COLUMNS,
    case_names,
    find_column,
    is_blank,
    needed_column,
    numbers,
    place,
    refuse,
    refuse_infinite,
)
from .covariates import (
    IDH_STATES,
    MGMT_STATES,
    VOLUME_REGIONS,
    checked_age,
    checked_choice,
    checked_performance,
    checked_resection,
    encode,
    volume_feature,
)
from .explanation.ranges import COMPOSED
from .foreign_layouts import FEATURE
from .foreign_tables import is_foreign, library_rows

if TYPE_CHECKING:
    import pandas as pd

_IDH_VARIANT = re.compile(r"IDH[12] p\.|mutated ", re.IGNORECASE)
_FEATURES = {region: volume_feature(region) for region in (*VOLUME_REGIONS, *COMPOSED)}


@dataclass(frozen=True)
class Patients:
    """The rows of a table as they were understood.

    Attributes
    ----------
    names : list of str, length n
    ages, kps : ndarray, shape (n,)
        NaN where unknown.
    resections, mgmt, idh : list of str, length n
    volumes : dict of ndarray, shape (n,)
        mm3 by region; NaN where it was not given.
    """

    names: list[str]
    ages: np.ndarray
    resections: list[str]
    mgmt: list[str]
    idh: list[str]
    kps: np.ndarray
    volumes: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.names)

    def inputs(self, names: Sequence[str]) -> np.ndarray:
        """Return the student's inputs, shape (n, p); NaN where missing."""
        columns = encode(self.ages, self.resections, self.volumes, mgmt=self.mgmt, kps=self.kps)
        return np.column_stack([columns[name] for name in names])

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield each patient as `Prediction.inputs` has one, with the given volumes by region under ``volumes``."""
        ages, kps = (
            [
                None if unknown else value
                for value, unknown in zip(values.tolist(), np.isnan(values).tolist(), strict=True)
            ]
            for values in (self.ages, self.kps)
        )
        regions = list(self.volumes)
        measured = np.column_stack([self.volumes[region] for region in regions]).tolist()
        columns = zip(ages, self.resections, self.mgmt, self.idh, kps, measured, strict=True)
        for age, resection, mgmt, idh, performance, row in columns:
            volumes = {region: value for region, value in zip(regions, row, strict=True) if value == value}
            yield {
                "age": age,
                "resection": resection,
                "mgmt": mgmt,
                "idh": idh,
                "kps": performance,
                "volumes": volumes,
                **{_FEATURES[region]: value for region, value in volumes.items()},
            }


def read_patients(frame: pd.DataFrame, name: str, *, region: str | None = None) -> tuple[Patients, list[str]]:
    """Check a table's columns; return the patients and the names of the columns that are neither used nor features."""
    case_column = needed_column(frame, CASE_COLUMNS, name, "the patient's name")
    if is_foreign(frame):
        frame = library_rows(frame, case_column, name, region=region)
    elif region is not None:
        raise InputError(f"{name} names its regions itself: leave --region out.")
    cases = case_names(frame, case_column, name)
    age_column = needed_column(frame, ("age",), name, "years at surgery")
    columns = {
        "resection": find_column(frame, ("resection", "EOR")),
        "mgmt": find_column(frame, ("mgmt", "MGMT status")),
        "idh": find_column(frame, ("idh",)),
        "kps": find_column(frame, ("kps",)),
    }
    volumes, volume_columns = _volumes(frame, name, cases)
    patients = Patients(
        names=cases,
        ages=_checked_numbers(frame, age_column, name, cases, checked_age),
        resections=_choices(frame, columns["resection"], name, cases, checked_resection),
        mgmt=_choices(frame, columns["mgmt"], name, cases, _mgmt),
        idh=_choices(frame, columns["idh"], name, cases, _idh),
        kps=_checked_numbers(frame, columns["kps"], name, cases, checked_performance),
        volumes=volumes,
    )
    used = {case_column, age_column, *columns.values(), *volume_columns}
    refuse_infinite(frame, name, cases, {column for column in used if column is not None})
    return patients, [str(column) for column in frame.columns if column not in used and not FEATURE.search(str(column))]


def _mgmt(value: Any) -> str:
    """Check an MGMT status; a test of methylation is also called positive or negative."""
    words = {"positive": "methylated", "negative": "unmethylated"}
    return checked_choice(words.get(str(value).strip().lower(), value), "MGMT status", MGMT_STATES)


def _idh(value: Any) -> str:
    """Check an IDH status; a named variant (``IDH1 p.R132H``) is a mutation."""
    word = "mutated" if _IDH_VARIANT.match(str(value).strip()) else value
    return checked_choice(word, "IDH status", IDH_STATES)


def _checked_numbers(
    frame: pd.DataFrame, column: str | None, table: str, cases: Sequence[str], check: Callable[[Any], float | None]
) -> np.ndarray:
    """Return a column of numbers that ``check`` accepts; NaN throughout without the column."""
    if column is None:
        return np.full(len(frame), np.nan)
    values = numbers(frame, column, table, cases)
    different, rows = np.unique(values[~np.isnan(values)], return_index=True)
    for row in np.sort(np.flatnonzero(~np.isnan(values))[rows]) if len(different) else ():
        try:
            check(float(values[row]))
        except InputError as error:
            raise InputError(f"{place(table, column, int(row), cases)}: {_continued(error)}") from None
    return values


def _choices(
    frame: pd.DataFrame, column: str | None, table: str, cases: Sequence[str], check: Callable[[Any], str]
) -> list[str]:
    """Return a column's words as ``check`` spells them; each different one is looked at once."""
    if column is None:
        return ["unknown"] * len(frame)
    texts = frame[column].astype(object).where(~is_blank(frame[column]), None).tolist()
    known: dict[Any, str] = {}
    for row, text in enumerate(texts):
        if text not in known:
            try:
                known[text] = check(text)
            except InputError as error:
                raise InputError(f"{place(table, column, row, cases)}: {_continued(error)}") from None
    return [known[text] for text in texts]


def _continued(error: InputError) -> str:
    """Return an error's sentence as the second half of another one."""
    text = str(error)
    return text[:1].lower() + text[1:]


def _volumes(frame: pd.DataFrame, table: str, cases: Sequence[str]) -> tuple[dict[str, np.ndarray], list[str]]:
    volumes, columns, present = {}, [], []
    for region, feature in _FEATURES.items():
        column = find_column(frame, (feature,))
        if column is None:
            volumes[region] = np.full(len(frame), np.nan)
            continue
        values = numbers(frame, column, table, cases)
        refuse(values < 0, values, column, table, cases, "a volume in mm3, 0 or above")
        volumes[region] = values
        columns.append(column)
        present.append(region)
    some_known = np.any([~np.isnan(volumes[region]) for region in VOLUME_REGIONS], axis=0)
    for region in set(present) & set(VOLUME_REGIONS):
        volumes[region] = np.where(np.isnan(volumes[region]) & some_known, 0.0, volumes[region])
    return volumes, columns
