"""Patients with their survival, and the patients of several hospitals as one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .censoring import known_category
from .covariates import VOLUME_REGIONS, encode

COLLECTIONS = ("UPENN-GBM", "UCSF-PDGM")
"""Collections of The Cancer Imaging Archive whose patients are recognised by their names."""


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
        return known_category(self.days, self.events)

    def cohort_titles(self) -> list[str]:
        """Return what a reader knows each pooled table by: the collection that its patients are named after."""
        titles = []
        for cohort, name in enumerate(self.name.split(" + ")):
            own = [patient for patient, place in zip(self.ids, self.cohorts, strict=True) if place == cohort]
            known = (title for title in COLLECTIONS if all(patient.startswith(title) for patient in own))
            titles.append(next(known, name))
        return titles

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
    twice = next((patient for patient in ids if ids.count(patient) > 1), None)
    if twice is not None:
        raise InputError(
            f"The patient {twice!r} occurs twice in {' + '.join(table.name for table in tables)}: keep one."
        )
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
