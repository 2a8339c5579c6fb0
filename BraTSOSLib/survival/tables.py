"""Tables of patients with survival, clinical values, volumes and further features.

Three layouts are understood: the CaPTk table of UPENN-GBM (`SubjectID`, `OS_days`, `GTR_over90`, CaPTk feature names),
the pyradiomics table of UCSF-PDGM (`ID`, `OS_days`, `event`, `EOR`, whole-tumour features) and the library's own
(`case`, `days`, `event`, `age`, `resection`, `mgmt`, `idh`, `kps`, feature names such as
`ET_original_shape_VoxelVolume`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .categories import CATEGORIES, DEFINITIONS, LONG_ABOVE, class_indices
from .covariates import (
    MAXIMUM_AGE,
    MGMT_STATES,
    NOT_GROSS_TOTAL,
    VOLUME_REGIONS,
    checked_choice,
    checked_resection,
    encode,
    is_missing,
    volume_feature,
)
from .table_columns import check_ids, check_range, choices, find_column, numbers, read_frame

if TYPE_CHECKING:
    import pandas as pd

MINIMUM_PATIENTS = 50
MINIMUM_PER_CLASS = 10
_ID_COLUMNS = ("case", "SubjectID", "ID")
_DAYS_COLUMNS = ("days", "OS_days", "Survival", "Survival_days")
_RESECTION_COLUMNS = ("resection", "GTR_over90", "EOR", "Extent_of_Resection")
_MGMT_COLUMNS = ("mgmt", "MGMT status", "MGMT")
_IDH_COLUMNS = ("idh", "IDH", "IDH1")
_KPS_COLUMNS = ("kps", "KPS")
_CAPTK_REGIONS = {"NCR": "NC", "ED": "ED", "ET": "ET"}
_UCSF_WHOLE_TUMOUR = "original_shape_VoxelVolume"
_NOT_FEATURES = {"event", "Gender", "Sex", "OS_class", "missing", "WHO CNS Grade", "MGMT index", "EGFR", "1p/19q"}
_RESECTION_WORDS = {"y": "GTR", "n": NOT_GROSS_TOTAL, "not available": "unknown", "na": "unknown"}
_MGMT_WORDS = {"positive": "methylated", "negative": "unmethylated", "not available": "unknown"}
_NO_IDH = {"unknown", "nos/nec", "not available", "na"}
LOW_METHYLATION = 4
"""UCSF-PDGM counts methylated CpG sites out of 17 and calls one a positive test; below this many it is indeterminate
here, because UPENN-GBM's laboratory reports such tumours as indeterminate or unmethylated."""


@dataclass(frozen=True)
class SurvivalTable:
    """Patients with their survival.

    Attributes
    ----------
    name : str
        File name or what a message calls the table.
    ids : list of str, length n
    days : ndarray, shape (n,)
        Days from surgery to death, or to the last contact of a censored patient.
    events : ndarray of bool, shape (n,)
        True where the patient died.
    ages : ndarray, shape (n,)
        Years.
    resections : list of str, length n
        GTR, STR, biopsy, ``covariates.NOT_GROSS_TOTAL`` or unknown.
    mgmt : list of str, length n
        Members of ``covariates.MGMT_STATES``.
    idh : list of str, length n
        mutated, wildtype or unknown.
    kps : ndarray, shape (n,)
        Karnofsky performance score; NaN where unknown.
    volumes : dict of ndarray, shape (n,)
        mm3 of NCR, ED, ET and WT; 0 where the region is empty, NaN where the table does not have it.
    privileged : ndarray, shape (n, p)
        Every other numeric feature, for the teacher alone; NaN where missing.
    privileged_names : list of str, length p
    cohorts : ndarray of int, shape (n,)
        Which of the pooled tables a patient is from; 0 for a single table.
    """

    name: str
    ids: list[str]
    days: np.ndarray
    events: np.ndarray
    ages: np.ndarray
    resections: list[str]
    mgmt: list[str]
    idh: list[str]
    kps: np.ndarray
    volumes: dict[str, np.ndarray]
    privileged: np.ndarray
    privileged_names: list[str]
    cohorts: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def inputs(self, names: Sequence[str]) -> np.ndarray:
        """Return the inputs ``names`` of every patient, shape (n, p), not standardised.

        A name is one of `covariates.encode`, or of a privileged feature (to find out what it would be worth).
        """
        columns = encode(self.ages, self.resections, self.volumes, mgmt=self.mgmt, kps=self.kps)
        place = {name: index for index, name in enumerate(self.privileged_names)}
        return np.column_stack(
            [columns[name] if name in columns else self.privileged[:, place[name]] for name in names]
        )

    def class_known(self) -> np.ndarray:
        """Return whose category is known, shape (n,): deaths, and who outlived the last boundary."""
        return self.events | (self.days > LONG_ABOVE)

    def select(self, rows: np.ndarray) -> SurvivalTable:
        """Return the patients ``rows`` (indices, or bool of shape (n,))."""
        rows = np.arange(len(self))[rows]

        def pick(values: list[str]) -> list[str]:
            return [values[row] for row in rows]

        return SurvivalTable(
            name=self.name,
            ids=pick(self.ids),
            days=self.days[rows],
            events=self.events[rows],
            ages=self.ages[rows],
            resections=pick(self.resections),
            mgmt=pick(self.mgmt),
            idh=pick(self.idh),
            kps=self.kps[rows],
            volumes={region: values[rows] for region, values in self.volumes.items()},
            privileged=self.privileged[rows],
            privileged_names=self.privileged_names,
            cohorts=self.cohorts[rows],
        )


def pool_tables(tables: Sequence[SurvivalTable]) -> SurvivalTable:
    """Return the patients of several tables as one; a feature that a table lacks is missing for its patients.

    Raises
    ------
    InputError
        If a patient is in two of the tables.
    """
    ids = [patient for table in tables for patient in table.ids]
    check_ids(ids, " + ".join(table.name for table in tables), "case")
    names = list(dict.fromkeys(name for table in tables for name in table.privileged_names))
    privileged = np.full((len(ids), len(names)), np.nan)
    place = {name: index for index, name in enumerate(names)}
    start = 0
    for table in tables:
        columns = [place[name] for name in table.privileged_names]
        privileged[start : start + len(table), columns] = table.privileged
        start += len(table)
    return SurvivalTable(
        name=" + ".join(table.name for table in tables),
        ids=ids,
        days=np.concatenate([table.days for table in tables]),
        events=np.concatenate([table.events for table in tables]),
        ages=np.concatenate([table.ages for table in tables]),
        resections=[value for table in tables for value in table.resections],
        mgmt=[value for table in tables for value in table.mgmt],
        idh=[value for table in tables for value in table.idh],
        kps=np.concatenate([table.kps for table in tables]),
        volumes={
            region: np.concatenate([table.volumes[region] for table in tables]) for region in (*VOLUME_REGIONS, "WT")
        },
        privileged=privileged,
        privileged_names=names,
        cohorts=np.repeat(np.arange(len(tables)), [len(table) for table in tables]),
    )


def read_survival_table(source: Any, *, training: bool = True, adult_wildtype: bool = False) -> SurvivalTable:
    """Read and check a table of patients.

    Parameters
    ----------
    source : path, pandas.DataFrame or SurvivalTable
        A ``.csv`` or ``.csv.gz`` file in one of the layouts above, or such a table in memory.
    training : bool
        Also ask for enough patients of every category to fit a model.
    adult_wildtype : bool
        Keep only whom the survival model is for: adults, grade 4 where the table has a `WHO CNS Grade`, no known IDH
        mutation, and a known survival time.

    Raises
    ------
    InputError
        Naming the column and the row (1 = first patient) that cannot be used.
    """
    if isinstance(source, SurvivalTable):
        return source
    frame, name = read_frame(source)
    if adult_wildtype:
        frame = _adult_wildtype(frame)
    id_column = find_column(frame, _ID_COLUMNS, name, "the patient's name")
    days_column = find_column(frame, _DAYS_COLUMNS, name, "survival in days")
    age_column = find_column(frame, ("age", "Age"), name, "age in years")
    resection_column = find_column(frame, _RESECTION_COLUMNS, name, "the extent of resection")
    ids = [str(value) for value in frame[id_column]]
    check_ids(ids, name, id_column)
    days = numbers(frame, days_column, name)
    ages = numbers(frame, age_column, name)
    check_range(days, days_column, name, 0.0, 20000.0, "days")
    check_range(ages, age_column, name, 0.0, MAXIMUM_AGE, "years")
    volumes, volume_columns = _volumes(frame, name)
    used = {id_column, days_column, age_column, resection_column, *volume_columns, *_NOT_FEATURES}
    used |= {*_MGMT_COLUMNS, *_IDH_COLUMNS, *_KPS_COLUMNS}
    privileged, privileged_names = _features(frame, used, name)
    table = SurvivalTable(
        name=name,
        ids=ids,
        days=days,
        events=_events(frame, name),
        ages=ages,
        resections=choices(frame, resection_column, name, _resection),
        mgmt=_mgmt(frame, name),
        idh=_idh(frame),
        kps=_kps(frame, name),
        volumes=volumes,
        privileged=privileged,
        privileged_names=privileged_names,
        cohorts=np.zeros(len(ids), dtype=np.int64),
    )
    if training:
        _check_enough(table)
    return table


def _adult_wildtype(frame: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    keep = np.array([state != "mutated" for state in _idh(frame)])
    for columns, low in ((("WHO CNS Grade",), 4.0), (("age", "Age"), 18.0), (_DAYS_COLUMNS, 0.0)):
        for column in columns:
            if column in frame.columns:
                values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=np.float64)
                keep &= values > 0 if low == 0 else values >= low
    return frame[keep].reset_index(drop=True)


def _first(frame: pd.DataFrame, columns: tuple[str, ...]) -> str | None:
    return next((column for column in columns if column in frame.columns), None)


def _events(frame: pd.DataFrame, table: str) -> np.ndarray:
    if "event" not in frame.columns:
        return np.ones(len(frame), dtype=bool)
    events = numbers(frame, "event", table)
    wrong = ~np.isin(events, (0.0, 1.0))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"{table}, column 'event', row {row + 1}: {events[row]:g} is neither 1 (died) nor 0 (censored)."
        )
    return events.astype(bool)


def _resection(value: Any) -> str:
    word = _RESECTION_WORDS.get(str(value).strip().lower(), value)
    return word if word == NOT_GROSS_TOTAL else checked_resection(word)


def _mgmt(frame: pd.DataFrame, table: str) -> list[str]:
    column = _first(frame, _MGMT_COLUMNS)
    if column is None:
        return ["unknown"] * len(frame)

    def state(value: Any) -> str:
        return checked_choice(_MGMT_WORDS.get(str(value).strip().lower(), value), "MGMT status", MGMT_STATES)

    states = choices(frame, column, table, state)
    if "MGMT index" in frame.columns:
        index = numbers(frame, "MGMT index", table, missing=True)
        low = (index > 0) & (index < LOW_METHYLATION)
        states = ["indeterminate" if few else value for few, value in zip(low, states, strict=True)]
    return states


def _idh(frame: pd.DataFrame) -> list[str]:
    """Return mutated, wildtype or unknown; a named variant (`IDH1 p.R132H`) is a mutation."""
    column = _first(frame, _IDH_COLUMNS)
    if column is None:
        return ["unknown"] * len(frame)
    words = [str(value).strip().lower() for value in frame[column]]
    return [
        "unknown"
        if is_missing(value) or word in _NO_IDH
        else ("wildtype" if word.replace("-", "").replace(" ", "") == "wildtype" else "mutated")
        for value, word in zip(frame[column], words, strict=True)
    ]


def _kps(frame: pd.DataFrame, table: str) -> np.ndarray:
    column = _first(frame, _KPS_COLUMNS)
    if column is None:
        return np.full(len(frame), np.nan)
    words = frame[[column]].astype(object).where(frame[[column]] != "Not Available")
    scores = numbers(words, column, table, missing=True)
    wrong = (scores < 0) | (scores > 100)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(f"{table}, column {column!r}, row {row + 1}: the KPS is {scores[row]:g}, expected 0 to 100.")
    return scores


def _volumes(frame: pd.DataFrame, table: str) -> tuple[dict[str, np.ndarray], list[str]]:
    volumes, columns = {}, []
    for region in VOLUME_REGIONS:
        column = _first(frame, (volume_feature(region), f"T1GD_{_CAPTK_REGIONS[region]}_Volumetric_Volume"))
        # A blank volume is an empty region: both CaPTk and pyradiomics have nothing to measure there.
        volumes[region] = _volume(frame, column, table, blank=0.0)
        columns.append(column)
    column = _first(frame, (volume_feature("WT"), _UCSF_WHOLE_TUMOUR))
    whole = _volume(frame, column, table, blank=np.nan)
    parts = sum(volumes[region] for region in VOLUME_REGIONS)
    volumes["WT"] = np.where(np.isnan(parts), whole, parts)
    columns.append(column)
    return volumes, [name for name in columns if name is not None]


def _volume(frame: pd.DataFrame, column: str | None, table: str, *, blank: float) -> np.ndarray:
    if column is None:
        return np.full(len(frame), np.nan)
    values = np.nan_to_num(numbers(frame, column, table, missing=True), nan=blank)
    negative = values < 0
    if negative.any():
        raise InputError(f"{table}, column {column!r}, row {int(np.argmax(negative)) + 1}: the volume is negative.")
    return values


def _features(frame: pd.DataFrame, used: set[str], table: str) -> tuple[np.ndarray, list[str]]:
    import pandas as pd

    names = [str(name) for name in frame.columns if name not in used and pd.api.types.is_numeric_dtype(frame[name])]
    values = frame[names].to_numpy(dtype=np.float64) if names else np.empty((len(frame), 0))
    rows, columns = np.nonzero(np.isinf(values))
    if len(rows):
        raise InputError(f"{table}, column {names[columns[0]]!r}, row {rows[0] + 1}: the value is infinite.")
    return values, names


def _check_enough(table: SurvivalTable) -> None:
    if len(table) < MINIMUM_PATIENTS:
        raise InputError(f"{table.name} holds {len(table)} patients: at least {MINIMUM_PATIENTS} are needed to train.")
    counts = np.bincount(class_indices(table.days[table.class_known()]), minlength=len(CATEGORIES))
    for category, count in zip(CATEGORIES, counts, strict=True):
        if count < MINIMUM_PER_CLASS:
            raise InputError(
                f"{table.name} holds {count} patients with {category} survival ({DEFINITIONS[category]}): at least "
                f"{MINIMUM_PER_CLASS} of each category are needed to train."
            )
