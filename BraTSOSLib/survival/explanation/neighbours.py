"""Where a patient lies among the training patients, and how the most similar of them fared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .survival_curve import SurvivalCurve, kaplan_meier

if TYPE_CHECKING:
    from ..student import Student

NEIGHBOURS = 100
POPULATION_STEP = 30.0
"""Days between the points of the whole population's curve, which has many hundred deaths."""


@dataclass(frozen=True)
class CohortPlace:
    """One patient among the training patients.

    Attributes
    ----------
    patients : int
        Training patients.
    percentile : float
        Per cent of them with a lower estimated risk (ties count half); 0 the lowest risk, 100 the highest.
    neighbours : int
        Training patients whose estimated risk is nearest to the patient's: 100, or all where there are fewer.
    risk_low, risk_high : float
        Range of the neighbours' risks.
    median, median_low, median_high : float or None
        Their median survival in days with its 95 % interval; None where the curve does not fall to one half.
    similar : SurvivalCurve
        Their survival.
    population : SurvivalCurve
        Of all training patients, read off every 30 days.
    population_median : float or None
        Days.
    """

    patients: int
    percentile: float
    neighbours: int
    risk_low: float
    risk_high: float
    median: float | None
    median_low: float | None
    median_high: float | None
    population_median: float | None
    similar: SurvivalCurve
    population: SurvivalCurve


def cohort_place(student: Student, risk: float) -> CohortPlace:
    """Compare a patient's ``risk`` with that of the training patients, of whom the student must carry some.

    Notes
    -----
    Similar means similar in the student's risk, not in each input: age in years, resection and MGMT have no common
    scale, a patient with a missing input still has neighbours, and the curve shows what became of those whom the model
    takes for equals (the prognostic score of Hansen 2008). They are the patients that the model was fitted on: the
    curve describes them, it is no test of the model.
    """
    cohort = student.cohort
    risks = student.risk(cohort.inputs)
    nearest = np.argsort(np.abs(risks - risk), kind="stable")[:NEIGHBOURS]
    similar = kaplan_meier(cohort.days[nearest], cohort.events[nearest])
    population = kaplan_meier(cohort.days, cohort.events)
    median, median_low, median_high = similar.median()
    below = (risks < risk).sum() + 0.5 * (risks == risk).sum()
    return CohortPlace(
        patients=len(risks),
        percentile=float(100.0 * below / len(risks)),
        neighbours=len(nearest),
        risk_low=float(risks[nearest].min()),
        risk_high=float(risks[nearest].max()),
        median=median,
        median_low=median_low,
        median_high=median_high,
        population_median=population.median()[0],
        similar=similar,
        population=population.sampled(POPULATION_STEP),
    )
