"""Reading tables of patients with survival, age, resection, volumes and further features.

Two layouts are understood: the CaPTk table of UPENN-GBM (`SubjectID`, `age`, `OS_days`, `GTR_over90`, CaPTk feature
names) and the library's own (`case`, `age`, `days`, `resection`, feature names such as
`ET_original_shape_VoxelVolume`).
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .categories import CATEGORIES, DEFINITIONS, class_indices
from .covariates import MAXIMUM_AGE, VOLUME_REGIONS, checked_resection, encode, is_missing, volume_feature

if TYPE_CHECKING:
    import pandas as pd

MINIMUM_PATIENTS = 50
MINIMUM_PER_CLASS = 10
_ID_COLUMNS = ("case", "SubjectID", "ID")
_DAYS_COLUMNS = ("days", "OS_days", "Survival", "Survival_days")
_RESECTION_COLUMNS = ("resection", "GTR_over90", "EOR", "Extent_of_Resection")
_CAPTK_REGIONS = {"NCR": "NC", "ED": "ED", "ET": "ET"}
_NOT_FEATURES = {"event", "IDH", "IDH1", "MGMT", "KPS", "Gender", "Sex", "OS_class", "missing"}
_RESECTION_WORDS = {"y": "GTR", "n": "STR", "not available": "unknown", "na": "unknown"}


@dataclass(frozen=True)
class SurvivalTable:
    """Patients with observed deaths.

    Attributes
    ----------
    name : str
        File name or what a message calls the table.
    ids : list of str, length n
    days : ndarray, shape (n,)
        Days from surgery to death.
    ages : ndarray, shape (n,)
        Years.
    resections : list of str, length n
        GTR, STR (any known resection that is not gross total), biopsy or unknown.
    volumes : dict of ndarray, shape (n,)
        mm3 of NCR, ED and ET; 0 where the region is empty, NaN where the table does not have it.
    privileged : ndarray, shape (n, p)
        Every other numeric feature, for the teacher alone; NaN where missing.
    privileged_names : list of str, length p
    """

    name: str
    ids: list[str]
    days: np.ndarray
    ages: np.ndarray
    resections: list[str]
    volumes: dict[str, np.ndarray]
    privileged: np.ndarray
    privileged_names: list[str]

    def __len__(self) -> int:
        return len(self.ids)

    def inputs(self, names: tuple[str, ...]) -> np.ndarray:
        """Return the inputs ``names`` (see `covariates.encode`) of every patient, shape (n, p), not standardised."""
        columns = encode(self.ages, self.resections, self.volumes)
        return np.column_stack([columns[name] for name in names])


def read_survival_table(source: Any, *, training: bool = True) -> SurvivalTable:
    """Read and check a table of patients.

    Parameters
    ----------
    source : path, pandas.DataFrame or SurvivalTable
        A ``.csv`` or ``.csv.gz`` file in one of the two layouts above, or such a table in memory.
    training : bool
        Also ask for enough patients of every category to fit a model.

    Raises
    ------
    InputError
        Naming the column and the row (1 = first patient) that cannot be used.
    """
    if isinstance(source, SurvivalTable):
        return source
    frame, name = _frame(source)
    duplicated = [str(column) for column in frame.columns[frame.columns.duplicated()]]
    if duplicated:
        raise InputError(f"{name} has the column {duplicated[0]!r} more than once: keep one of them.")
    id_column = _column(frame, _ID_COLUMNS, name, "the patient's name")
    days_column = _column(frame, _DAYS_COLUMNS, name, "survival in days")
    age_column = _column(frame, ("age", "Age"), name, "age in years")
    resection_column = _column(frame, _RESECTION_COLUMNS, name, "the extent of resection")
    ids = [str(value) for value in frame[id_column]]
    _check_ids(ids, name, id_column)
    _check_events(frame, name)
    days = _numbers(frame, days_column, name)
    ages = _numbers(frame, age_column, name)
    _check_range(days, days_column, name, 0.0, 20000.0, "days")
    _check_range(ages, age_column, name, 0.0, MAXIMUM_AGE, "years")
    volumes, volume_columns = _volumes(frame, name)
    used = {id_column, days_column, age_column, resection_column, *volume_columns, *_NOT_FEATURES}
    privileged, privileged_names = _features(frame, used, name)
    table = SurvivalTable(
        name=name,
        ids=ids,
        days=days,
        ages=ages,
        resections=_resections(frame, resection_column, name),
        volumes=volumes,
        privileged=privileged,
        privileged_names=privileged_names,
    )
    if training:
        _check_enough(table)
    return table


def _frame(source: Any) -> tuple[pd.DataFrame, str]:
    import pandas as pd

    if isinstance(source, pd.DataFrame):
        return source, "The table"
    path = Path(source)
    if not path.is_file():
        raise InputError(f"The table {path} does not exist: give the path of a .csv or .csv.gz file.")
    try:
        opener: Any = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8-sig", newline="") as stream:
            header = next(csv.reader(stream), [])
        frame = pd.read_csv(path, encoding="utf-8-sig", low_memory=False)
    except (OSError, EOFError, UnicodeDecodeError, ValueError, csv.Error) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"The table {path.name} cannot be read as comma-separated values: {reason}.") from error
    # pandas renames a repeated column silently, so the file's own header is put back for the check above.
    if len(header) == len(frame.columns):
        frame.columns = pd.Index([column.strip() for column in header])
    return frame, path.name


def _column(frame: pd.DataFrame, names: tuple[str, ...], table: str, meaning: str) -> str:
    for name in names:
        if name in frame.columns:
            return name
    raise InputError(f"{table} has no column with {meaning}: name it {' or '.join(repr(name) for name in names[:2])}.")


def _numbers(frame: pd.DataFrame, column: str, table: str, *, missing: bool = False) -> np.ndarray:
    import pandas as pd

    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=np.float64)
    blank = np.array([is_missing(value) for value in frame[column]], dtype=bool)
    text = np.isnan(values) & ~blank
    if text.any():
        row = int(np.argmax(text))
        raise InputError(f"{table}, column {column!r}, row {row + 1}: {frame[column].iloc[row]!r} is not a number.")
    infinite = np.isinf(values)
    if infinite.any():
        raise InputError(f"{table}, column {column!r}, row {int(np.argmax(infinite)) + 1}: the value is infinite.")
    if blank.any() and not missing:
        raise InputError(f"{table}, column {column!r}, row {int(np.argmax(blank)) + 1}: the value is missing.")
    return values


def _check_ids(ids: list[str], table: str, column: str) -> None:
    seen: set[str] = set()
    for row, name in enumerate(ids, start=1):
        if name in seen:
            raise InputError(f"{table}, column {column!r}, row {row}: the patient {name!r} occurs twice, keep one row.")
        seen.add(name)


def _check_events(frame: pd.DataFrame, table: str) -> None:
    if "event" not in frame.columns:
        return
    events = _numbers(frame, "event", table)
    if (events != 1).any():
        row = int(np.argmax(events != 1)) + 1
        raise InputError(
            f"{table}, column 'event', row {row}: the patient is censored; this model is fitted on observed deaths "
            "alone, so use a table in which event is 1 throughout."
        )


def _check_range(values: np.ndarray, column: str, table: str, low: float, high: float, unit: str) -> None:
    wrong = (values <= low) | (values > high)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"{table}, column {column!r}, row {row + 1}: {values[row]:g} {unit} is impossible; expected more than "
            f"{low:g} and at most {high:g}."
        )


def _resections(frame: pd.DataFrame, column: str, table: str) -> list[str]:
    result = []
    for row, value in enumerate(frame[column], start=1):
        word = _RESECTION_WORDS.get(str(value).strip().lower(), value)
        try:
            result.append(checked_resection(word))
        except InputError as error:
            raise InputError(f"{table}, column {column!r}, row {row}: {error}") from None
    return result


def _volumes(frame: pd.DataFrame, table: str) -> tuple[dict[str, np.ndarray], list[str]]:
    volumes, columns = {}, []
    for region in VOLUME_REGIONS:
        candidates = (volume_feature(region), f"T1GD_{_CAPTK_REGIONS[region]}_Volumetric_Volume")
        column = next((name for name in candidates if name in frame.columns), None)
        if column is None:
            volumes[region] = np.full(len(frame), np.nan)
            continue
        # A blank volume is an empty region: both CaPTk and pyradiomics have nothing to measure there.
        values = np.nan_to_num(_numbers(frame, column, table, missing=True), nan=0.0)
        negative = values < 0
        if negative.any():
            raise InputError(f"{table}, column {column!r}, row {int(np.argmax(negative)) + 1}: the volume is negative.")
        volumes[region] = values
        columns.append(column)
    return volumes, columns


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
    counts = np.bincount(class_indices(table.days), minlength=len(CATEGORIES))
    for category, count in zip(CATEGORIES, counts, strict=True):
        if count < MINIMUM_PER_CLASS:
            raise InputError(
                f"{table.name} holds {count} patients with {category} survival ({DEFINITIONS[category]}): at least "
                f"{MINIMUM_PER_CLASS} of each category are needed to train."
            )
