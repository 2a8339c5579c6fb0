"""Why one patient's estimate is what it is, whom it compares with, and whether the model is meant for the patient.

Everything here is numpy alone, exact and without random choices: the same patient gives the same numbers.
"""

from __future__ import annotations

from .neighbours import CohortPlace, cohort_place
from .reference import reference_statistics
from .shapley import Contribution, contributions
from .survival_curve import SurvivalCurve, kaplan_meier

__all__ = [
    "CohortPlace",
    "Contribution",
    "SurvivalCurve",
    "cohort_place",
    "contributions",
    "kaplan_meier",
    "reference_statistics",
]
