"""Predictions and observed survival, read from tables and matched by the name of the case."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError
from ..categories import CATEGORIES, class_indices
from ..columns import (
    CASE_COLUMNS,
    case_names,
    find_column,
    is_blank,
    needed_column,
    numbers,
    place,
    read_frame,
    refuse,
    some,
)

if TYPE_CHECKING:
    import pandas as pd

PROBABILITY_COLUMNS = tuple(f"p_{category}" for category in CATEGORIES)
DAYS_COLUMNS = ("days", "OS_days", "Survival", "Survival_days")
LONGEST_DAYS = 40_000.0
_SUM_TOLERANCE = 0.01
_EVENT_WORDS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0, "died": 1.0, "dead": 1.0, "alive": 0.0}


@dataclass(frozen=True)
class Forecasts:
    """What one model said of n patients; only those for whom it gave a category.

    Attributes
    ----------
    name : str
        What messages call the table.
    cases : list of str, length n
    categories : ndarray of int, shape (n,)
        Index into ``CATEGORIES``.
    days : ndarray, shape (n,)
    probabilities : ndarray, shape (n, 3), or None
        They add up to 1.
    risk : ndarray, shape (n,), or None
        The larger, the shorter survival.
    low, high : ndarray, shape (n,), or None
        Prediction interval in days.
    withheld : tuple of str
        Cases without a category.
    notes : tuple of str
        What is odd about the table, one sentence each.
    """

    name: str
    cases: list[str]
    categories: np.ndarray
    days: np.ndarray
    probabilities: np.ndarray | None = None
    risk: np.ndarray | None = None
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    withheld: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def select(self, cases: Sequence[str]) -> Forecasts:
        """Return the forecasts for ``cases``, in that order."""
        rows = {name: row for row, name in enumerate(self.cases)}
        index = np.array([rows[name] for name in cases], dtype=np.int64)

        def pick(values: np.ndarray | None) -> np.ndarray | None:
            return None if values is None else values[index]

        return Forecasts(
            name=self.name,
            cases=list(cases),
            categories=self.categories[index],
            days=self.days[index],
            probabilities=pick(self.probabilities),
            risk=pick(self.risk),
            low=pick(self.low),
            high=pick(self.high),
            withheld=self.withheld,
            notes=self.notes,
        )


@dataclass(frozen=True)
class Truth:
    """Observed survival: ``days`` (n,) to death (``events`` True) or to the last contact."""

    name: str
    cases: list[str]
    days: np.ndarray
    events: np.ndarray
    notes: tuple[str, ...] = ()


def read_forecasts(source: str | os.PathLike[str] | pd.DataFrame) -> Forecasts:
    """Read predictions as ``bratsos predict --table`` writes them.

    Parameters
    ----------
    source : path or DataFrame
        ``case`` and ``days``; ``p_short, p_medium, p_long`` (all three or none); ``category`` (else the most probable
        one, else that of ``days``); ``risk``; ``days_low, days_high`` (both or none). A row without a category is not
        judged; all others need every column that is there. Other columns are passed over.

    Raises
    ------
    InputError
        For the first value that cannot be used, naming column and row (1 = first patient).
    """
    frame, name = read_frame(source)
    case_column = needed_column(frame, CASE_COLUMNS, name, "the patient's name")
    cases = case_names(frame, case_column, name)
    columns = {"days": needed_column(frame, ("days",), name, "predicted survival in days")}
    columns.update(_together(frame, PROBABILITY_COLUMNS, name))
    columns.update(_together(frame, ("days_low", "days_high"), name))
    risk = find_column(frame, ("risk",))
    values = {key: numbers(frame, column, name, cases) for key, column in columns.items()}
    category_column = find_column(frame, ("category",))
    given = _categories(frame, category_column, name, cases)
    decisive = values["days"] if "p_short" not in values else values["p_short"]
    answered = ~np.isnan(decisive) if given is None else given >= 0
    for key, column in columns.items():
        lacking = answered & np.isnan(values[key])
        if lacking.any():
            row = int(np.argmax(lacking))
            raise InputError(
                f"{place(name, column, row, cases)}: the value is missing although the row gives a prediction."
            )
    if not answered.any():
        raise InputError(f"{name} holds no prediction: none of its {len(cases)} rows has a category.")
    values = {key: column[answered] for key, column in values.items()}
    kept = [case for case, use in zip(cases, answered, strict=True) if use]
    rows = np.flatnonzero(answered) + 1
    refuse_days(values["days"], columns["days"], name, cases, answered)
    probabilities = None
    if "p_short" in values:
        probabilities = _probabilities(np.column_stack([values[key] for key in PROBABILITY_COLUMNS]), name, kept, rows)
    if "days_low" in values:
        wrong = (values["days_low"] > values["days_high"]) | (values["days_low"] < 0)
        if wrong.any():
            at = int(np.argmax(wrong))
            raise InputError(
                f"{name}, column 'days_low', row {rows[at]} (case {kept[at]!r}): the interval "
                f"{values['days_low'][at]:g} to {values['days_high'][at]:g} is none, give two days in ascending order."
            )
    implied = class_indices(values["days"]) if probabilities is None else probabilities.argmax(axis=1)
    notes = []
    chosen = implied if given is None else given[answered]
    if probabilities is not None:
        best = probabilities[np.arange(len(chosen)), chosen] >= probabilities.max(axis=1) - 1e-6
        if not best.all():
            notes.append(
                f"In {int((~best).sum())} rows of {name} the category is not the most probable one "
                f"({some([kept[row] for row in np.flatnonzero(~best)])})."
            )
    scores = None if risk is None else numbers(frame, risk, name, cases)[answered]
    if scores is not None and np.isnan(scores).any():
        if not np.isnan(scores).all():
            notes.append(f"{int(np.isnan(scores).sum())} rows of {name} have no risk, so that it is not judged.")
        scores = None
    return Forecasts(
        name=name,
        cases=kept,
        categories=chosen,
        days=values["days"],
        probabilities=probabilities,
        risk=scores,
        low=values.get("days_low"),
        high=values.get("days_high"),
        withheld=tuple(case for case, use in zip(cases, answered, strict=True) if not use),
        notes=tuple(notes),
    )


def read_truth(source: str | os.PathLike[str] | pd.DataFrame) -> Truth:
    """Read observed survival.

    Parameters
    ----------
    source : path or DataFrame
        ``case``; ``days`` to death or last contact; ``event``: 1 died, 0 censored (alive when last heard of).

    Raises
    ------
    InputError
        For the first value that cannot be used, naming column and row (1 = first patient).
    """
    frame, name = read_frame(source)
    case_column = needed_column(frame, CASE_COLUMNS, name, "the patient's name")
    days_column = needed_column(frame, DAYS_COLUMNS, name, "days to death or last contact")
    event_column = needed_column(frame, ("event",), name, "1 died, 0 alive at the last contact")
    cases = case_names(frame, case_column, name)
    words = frame[event_column].astype(object).map(lambda value: _EVENT_WORDS.get(str(value).strip().lower(), value))
    events = numbers(frame.assign(**{event_column: words}), event_column, name, cases)
    days = numbers(frame, days_column, name, cases)
    for values, column in ((days, days_column), (events, event_column)):
        if np.isnan(values).any():
            row = int(np.argmax(np.isnan(values)))
            raise InputError(f"{place(name, column, row, cases)}: the value is missing, leave the patient out.")
    refuse(~np.isin(events, (0.0, 1.0)), events, event_column, name, cases, "1 (died) or 0 (alive at the last contact)")
    refuse_days(days, days_column, name, cases)
    notes: tuple[str, ...] = ()
    if len(days) >= 5 and days.max() < 100:
        notes = (f"The longest survival in {name} is {days.max():g}: days are expected, not months or years.",)
    return Truth(name, cases, days, events.astype(bool), notes)


def refuse_days(
    values: np.ndarray, column: str, table: str, cases: Sequence[str], answered: np.ndarray | None = None
) -> None:
    """Raise InputError for days below 0 or beyond a human life."""
    everything = values if answered is None else np.full(len(answered), np.nan)
    if answered is not None:
        everything[answered] = values
    wrong = (everything < 0) | (everything > LONGEST_DAYS)
    refuse(wrong, everything, column, table, cases, f"0 to {LONGEST_DAYS:,.0f} days")


def _together(frame: pd.DataFrame, names: Sequence[str], table: str) -> dict[str, str]:
    """Return the columns of these names: all or none."""
    found = {name: find_column(frame, (name,)) for name in names}
    lacking = [name for name, column in found.items() if column is None]
    if lacking and len(lacking) < len(names):
        raise InputError(f"{table} has no column {lacking[0]!r}: {', '.join(names)} are needed together.")
    return {name: column for name, column in found.items() if column is not None}


def _categories(frame: pd.DataFrame, column: str | None, table: str, cases: Sequence[str]) -> np.ndarray | None:
    """Return the index of each row's category, −1 where it is empty; None without the column."""
    if column is None:
        return None
    words = frame[column].astype(object).where(~is_blank(frame[column]), "")
    indices = {name: index for index, name in enumerate(CATEGORIES)} | {"": -1}
    result = np.empty(len(frame), dtype=np.int64)
    for row, word in enumerate(words):
        index = indices.get(str(word).strip().lower())
        if index is None:
            raise InputError(f"{place(table, column, row, cases)}: {word!r} is none of {', '.join(CATEGORIES)}.")
        result[row] = index
    return result


def _probabilities(values: np.ndarray, table: str, cases: Sequence[str], rows: np.ndarray) -> np.ndarray:
    """Return the rows with their rounding taken out: adding up to exactly 1."""
    total = values.sum(axis=1)
    wrong = (np.abs(total - 1.0) > _SUM_TOLERANCE) | (values < 0).any(axis=1)
    if wrong.any():
        at = int(np.argmax(wrong))
        hint = " (per cent? shares are expected)" if abs(total[at] - 100.0) < 1.0 else ""
        raise InputError(
            f"{table}, row {rows[at]} (case {cases[at]!r}): {' + '.join(PROBABILITY_COLUMNS)} is "
            f"{' + '.join(f'{value:g}' for value in values[at])} = {total[at]:g}{hint}; give three numbers of at least "
            "0 that add up to 1."
        )
    return values / total[:, None]
