"""A student whose risk is a known function, with a training cohort: what the explanations are tested on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

NAMES = ("age", "gross_total_resection", "biopsy", "mgmt_methylated")
"""Of the student below; resection is encoded in two columns."""


@dataclass(frozen=True)
class Cohort:
    inputs: np.ndarray
    days: np.ndarray
    events: np.ndarray


def cohort(patients: int = 250, seed: int = 3) -> Cohort:
    """Made-up patients: old age and biopsy shorten survival, some values are missing and some patients censored."""
    rng = np.random.default_rng(seed)
    age = rng.normal(62, 11, patients).clip(21, 89)
    gross = rng.choice([1.0, -1.0, np.nan], patients, p=[0.55, 0.35, 0.1])
    biopsy = np.where(np.isnan(gross), np.nan, np.where(gross > 0, 0.0, rng.choice([0.0, 1.0, np.nan], patients)))
    mgmt = rng.choice([1.0, -1.0, np.nan], patients, p=[0.3, 0.3, 0.4])
    inputs = np.column_stack([age, gross, biopsy, mgmt])
    days = np.ceil(rng.exponential(550 * np.exp(-risk_of(inputs))))
    return Cohort(inputs, days, rng.random(patients) < 0.75)


def risk_of(inputs: np.ndarray) -> np.ndarray:
    """A risk with an interaction of age and MGMT; missing counts as the middle."""
    age, gross, biopsy, mgmt = np.nan_to_num((inputs - [62.0, 0.0, 0.0, 0.0]) / [12.0, 1.0, 1.0, 1.0]).T
    return 0.45 * age - 0.3 * gross + 0.4 * biopsy - 0.2 * mgmt + 0.15 * np.tanh(age) * mgmt


@dataclass(frozen=True)
class ExplainedStudent:
    """Has what `predictor.predict_survival` asks of a `Student`."""

    card: dict[str, Any]
    names: tuple[str, ...] = NAMES
    cohort: Cohort = field(default_factory=cohort)

    def risk(self, inputs: np.ndarray) -> np.ndarray:
        return risk_of(inputs)

    def predict(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        days = 420.0 * np.exp(-risk_of(inputs))
        short = 1 / (1 + np.exp(-2 * risk_of(inputs)))
        return np.column_stack([0.8 * short, np.full(len(days), 0.2), 0.8 * (1 - short)]), days

    def interval(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        days = self.predict(inputs)[1]
        factor = np.exp(1.0 + 0.1 * np.isnan(inputs).sum(axis=1))
        return days / factor, days * factor
