"""Observed survival of the patients of each predicted category: Kaplan-Meier curves and the log-rank test."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..categories import CATEGORIES


@dataclass(frozen=True)
class Group:
    """The patients of one predicted category.

    ``days``, ``survival``, ``low``, ``high`` are the Kaplan-Meier curve with its 95 % band (log-log transformed);
    ``median`` is in days with its interval, None where the curve does not come down to one half. ``followed``: the days
    to death or last contact of the patients.
    """

    category: str
    patients: int
    deaths: int
    median: float | None
    median_low: float | None
    median_high: float | None
    days: tuple[float, ...]
    survival: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    followed: tuple[float, ...]

    def at_risk(self, day: float) -> int:
        """Return how many patients were still followed when that day began."""
        return int((np.array(self.followed) >= day).sum())


@dataclass(frozen=True)
class GroupSurvival:
    """The groups that hold patients, and the log-rank test between them (None with one group)."""

    groups: tuple[Group, ...]
    statistic: float | None
    degrees: int | None
    p_value: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return medians and test as JSON-serialisable values, without the curves."""
        curves = ("days", "survival", "low", "high", "followed")
        return {
            "categories": [
                {key: value for key, value in asdict(group).items() if key not in curves} for group in self.groups
            ],
            "log_rank": {"statistic": self.statistic, "degrees_of_freedom": self.degrees, "p_value": self.p_value},
        }


def group_survival(days: np.ndarray, events: np.ndarray, predicted: np.ndarray) -> GroupSurvival:
    """Estimate the survival of the patients of each predicted category and test whether the categories differ.

    Parameters
    ----------
    days, events : ndarray, shape (n,)
        Days to death (True) or last contact.
    predicted : ndarray of int, shape (n,)
        Index into ``CATEGORIES``.

    References
    ----------
    Kaplan and Meier 1958, JASA 53; Mantel 1966, *Evaluation of survival data and two new rank order statistics*; both
    as lifelines computes them.
    """
    from lifelines import KaplanMeierFitter
    from lifelines.statistics import multivariate_logrank_test
    from lifelines.utils import median_survival_times

    groups = []
    for index, category in enumerate(CATEGORIES):
        members = predicted == index
        if not members.any():
            continue
        curve = KaplanMeierFitter().fit(days[members], events[members])
        band = curve.confidence_interval_survival_function_
        interval = median_survival_times(band).to_numpy().ravel()
        groups.append(
            Group(
                category,
                int(members.sum()),
                int(events[members].sum()),
                _finite(curve.median_survival_time_),
                _finite(interval.min()),
                _finite(interval.max()),
                tuple(map(float, curve.survival_function_.index)),
                tuple(map(float, curve.survival_function_.to_numpy().ravel())),
                tuple(map(float, band.to_numpy()[:, 0])),
                tuple(map(float, band.to_numpy()[:, 1])),
                tuple(map(float, days[members])),
            )
        )
    if len(groups) < 2:
        return GroupSurvival(tuple(groups), None, None, None)
    test = multivariate_logrank_test(days, predicted, events)
    return GroupSurvival(tuple(groups), float(test.test_statistic), len(groups) - 1, float(test.p_value))


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
