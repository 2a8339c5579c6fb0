"""Reading tables of patients with survival, clinical values, volumes and further features.

Three layouts are understood: the CaPTk table of UPENN-GBM (`SubjectID`, `OS_days`, `GTR_over90`, CaPTk feature names),
the pyradiomics table of UCSF-PDGM (`ID`, `OS_days`, `event`, `EOR`, whole-tumour features) and the library's own
(`case`, `days`, `event`, `age`, `resection`, `mgmt`, `idh`, `kps`, feature names such as
`ET_original_shape_VoxelVolume`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .categories import CATEGORIES, DEFINITIONS, class_indices
from .columns import CASE_COLUMNS, case_names, find_column, needed_column, numbers, place, read_frame, refuse
from .covariates import (
    MAXIMUM_AGE,
    MGMT_STATES,
    NOT_GROSS_TOTAL,
    VOLUME_REGIONS,
    checked_choice,
    checked_resection,
    is_missing,
    volume_feature,
)
from .patient_table import SurvivalTable

if TYPE_CHECKING:
    import pandas as pd

MINIMUM_PATIENTS = 50
MINIMUM_PER_CLASS = 10
MAXIMUM_DAYS = 20000.0
_DAYS_COLUMNS = ("days", "OS_days", "Survival", "Survival_days")
_AGE_COLUMNS = ("age",)
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
    id_column = needed_column(frame, CASE_COLUMNS, name, "the patient's name")
    days_column = needed_column(frame, _DAYS_COLUMNS, name, "survival in days")
    age_column = needed_column(frame, _AGE_COLUMNS, name, "age in years")
    resection_column = needed_column(frame, _RESECTION_COLUMNS, name, "the extent of resection")
    ids = case_names(frame, id_column, name)
    days = _clinical(frame, days_column, name, MAXIMUM_DAYS, "days")
    ages = _clinical(frame, age_column, name, MAXIMUM_AGE, "years")
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
        resections=_choices(frame, resection_column, name, _resection),
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
    for columns, low in ((("WHO CNS Grade",), 4.0), (_AGE_COLUMNS, 18.0), (_DAYS_COLUMNS, 0.0)):
        column = find_column(frame, columns)
        if column is not None:
            values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=np.float64)
            keep &= values > 0 if low == 0 else values >= low
    return frame[keep].reset_index(drop=True)


def _clinical(frame: pd.DataFrame, column: str, table: str, most: float, unit: str) -> np.ndarray:
    """Return a column in which every patient must have a value above 0 and at most ``most``."""
    values = numbers(frame, column, table)
    if np.isnan(values).any():
        raise InputError(f"{place(table, column, int(np.argmax(np.isnan(values))))}: the value is missing.")
    refuse((values <= 0) | (values > most), values, column, table, None, f"more than 0 and at most {most:g} {unit}")
    return values


def _choices(frame: pd.DataFrame, column: str, table: str, check: Callable[[Any], str]) -> list[str]:
    """Return ``check`` of every value of a column; the error names column and row."""
    result = []
    for row, value in enumerate(frame[column]):
        try:
            result.append(check(value))
        except InputError as error:
            raise InputError(f"{place(table, column, row)}: {error}") from None
    return result


def _events(frame: pd.DataFrame, table: str) -> np.ndarray:
    column = find_column(frame, ("event",))
    if column is None:
        return np.ones(len(frame), dtype=bool)
    events = numbers(frame, column, table)
    refuse(~np.isin(events, (0.0, 1.0)), events, column, table, None, "1 (died) or 0 (censored)")
    return events.astype(bool)


def _resection(value: Any) -> str:
    word = _RESECTION_WORDS.get(str(value).strip().lower(), value)
    return word if word == NOT_GROSS_TOTAL else checked_resection(word)


def _mgmt(frame: pd.DataFrame, table: str) -> list[str]:
    column = find_column(frame, _MGMT_COLUMNS)
    if column is None:
        return ["unknown"] * len(frame)

    def state(value: Any) -> str:
        return checked_choice(_MGMT_WORDS.get(str(value).strip().lower(), value), "MGMT status", MGMT_STATES)

    states = _choices(frame, column, table, state)
    if "MGMT index" in frame.columns:
        index = numbers(frame, "MGMT index", table)
        low = (index > 0) & (index < LOW_METHYLATION)
        states = ["indeterminate" if few else value for few, value in zip(low, states, strict=True)]
    return states


def _idh(frame: pd.DataFrame) -> list[str]:
    """Return mutated, wildtype or unknown; a named variant (`IDH1 p.R132H`) is a mutation."""
    column = find_column(frame, _IDH_COLUMNS)
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
    column = find_column(frame, _KPS_COLUMNS)
    if column is None:
        return np.full(len(frame), np.nan)
    scores = numbers(frame, column, table)
    refuse((scores < 0) | (scores > 100), scores, column, table, None, "a KPS of 0 to 100")
    return scores


def _volumes(frame: pd.DataFrame, table: str) -> tuple[dict[str, np.ndarray], list[str]]:
    volumes, columns = {}, []
    for region in VOLUME_REGIONS:
        column = find_column(frame, (volume_feature(region), f"T1GD_{_CAPTK_REGIONS[region]}_Volumetric_Volume"))
        # A blank volume is an empty region: both CaPTk and pyradiomics have nothing to measure there.
        volumes[region] = _volume(frame, column, table, blank=0.0)
        columns.append(column)
    column = find_column(frame, (volume_feature("WT"), _UCSF_WHOLE_TUMOUR))
    whole = _volume(frame, column, table, blank=np.nan)
    parts = sum(volumes[region] for region in VOLUME_REGIONS)
    volumes["WT"] = np.where(np.isnan(parts), whole, parts)
    columns.append(column)
    return volumes, [name for name in columns if name is not None]


def _volume(frame: pd.DataFrame, column: str | None, table: str, *, blank: float) -> np.ndarray:
    if column is None:
        return np.full(len(frame), np.nan)
    values = numbers(frame, column, table)
    refuse(values < 0, values, column, table, None, "a volume of 0 or more")
    return np.nan_to_num(values, nan=blank)


def _features(frame: pd.DataFrame, used: set[str], table: str) -> tuple[np.ndarray, list[str]]:
    import pandas as pd

    names = [str(name) for name in frame.columns if name not in used and pd.api.types.is_numeric_dtype(frame[name])]
    values = frame[names].to_numpy(dtype=np.float64) if names else np.empty((len(frame), 0))
    rows, columns = np.nonzero(np.isinf(values))
    if len(rows):
        raise InputError(f"{place(table, names[columns[0]], int(rows[0]))}: the value is infinite.")
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
