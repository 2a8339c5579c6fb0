"""Judging a table of survival predictions against what was observed, censoring respected."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError
from .. import censored_metrics
from ..calibration import calibration_band, calibration_error, coverage, reliability
from ..categories import CATEGORIES
from ..censoring import known_category
from ..columns import some
from .scores import RESAMPLES, Progress, score_metrics
from .tables import Forecasts, Truth, read_forecasts, read_truth

if TYPE_CHECKING:
    import pandas as pd

    from .groups import GroupSurvival

_FEW = 10
_SIMULATED = 2_000_000


@dataclass(frozen=True)
class SurvivalEvaluation:
    """How good predictions were.

    Attributes
    ----------
    truth : Truth
        The judged patients.
    forecasts : Forecasts
        Of the same patients, in the same order.
    metrics : DataFrame
        One row a metric: ``metric, value, low, high`` (95 % bootstrap over patients; Clopper-Pearson for the coverage),
        ``n`` patients it is over, ``uninformed`` (what the same shares of these patients' categories, given to
        everybody, would get). With a baseline also ``baseline, difference, difference_low, difference_high``
        (predictions minus baseline on the same resampled patients).
    confusion : ndarray of int, shape (3, 3)
        Patients with known category by true (row) and predicted one.
    calibration : dict or None
        Of the predicted category's probability ``error``, ``band`` (low, high) of a perfectly calibrated model and
        ``bins`` (`calibration.reliability`); under ``categories`` the same of each category's own probability.
    coverage : dict or None
        See `calibration.coverage`.
    groups : GroupSurvival or None
        Observed survival by predicted category; None without lifelines.
    only_prediction, only_truth, withheld : tuple of str
        Cases not judged: without observed survival, without a row of predictions, without a predicted category.
    notes : tuple of str
        What to keep in mind, one sentence each.
    baseline : str or None
    seed, resamples : int
    """

    truth: Truth
    forecasts: Forecasts
    metrics: pd.DataFrame
    confusion: np.ndarray
    calibration: dict[str, Any] | None
    coverage: dict[str, Any] | None
    groups: GroupSurvival | None
    only_prediction: tuple[str, ...]
    only_truth: tuple[str, ...]
    withheld: tuple[str, ...]
    notes: tuple[str, ...]
    baseline: str | None
    seed: int
    resamples: int

    def counts(self) -> dict[str, int]:
        """Return the number of judged patients, deaths, censored ones, and those whose category is not known."""
        known = known_category(self.truth.days, self.truth.events)
        return {
            "cases": len(self.truth.cases),
            "deaths": int(self.truth.events.sum()),
            "censored": int((~self.truth.events).sum()),
            "category_unknown": int((~known).sum()),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the patients as JSON-serialisable values."""
        rows = {row.pop("metric"): row for row in self.metrics.to_dict("records")}
        return {
            "predictions": self.forecasts.name,
            "truth": self.truth.name,
            "baseline": self.baseline,
            **self.counts(),
            "metrics": rows,
            "confusion": {
                name: dict(zip(CATEGORIES, map(int, line), strict=True))
                for name, line in zip(CATEGORIES, self.confusion, strict=True)
            },
            "calibration": self.calibration,
            "coverage": self.coverage,
            "groups": None if self.groups is None else self.groups.to_dict(),
            "not_judged": {
                "only_prediction": list(self.only_prediction),
                "only_truth": list(self.only_truth),
                "without_category": list(self.withheld),
            },
            "notes": list(self.notes),
            "seed": self.seed,
            "resamples": self.resamples,
        }


def evaluate_table(
    predictions: str | os.PathLike[str] | pd.DataFrame | Forecasts,
    truth: str | os.PathLike[str] | pd.DataFrame | Truth,
    *,
    baseline: str | os.PathLike[str] | pd.DataFrame | Forecasts | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    progress: Progress | None = None,
) -> SurvivalEvaluation:
    """Judge predictions on the patients that both tables have.

    Parameters
    ----------
    predictions, baseline : path, DataFrame or Forecasts
        See `tables.read_forecasts`. With a baseline only patients are judged for whom both give a category.
    truth : path, DataFrame or Truth
        See `tables.read_truth`.
    resamples : int
        Bootstrap samples of the patients.
    seed : int
        Of the bootstrap and of the simulated calibration band.

    Raises
    ------
    InputError
        If a table cannot be used, the tables share no patient, or nobody among the shared ones died.
    """
    if resamples < 1 or seed < 0:
        raise InputError(f"{resamples} resamples and seed {seed} cannot be used: give at least 1, and 0 or more.")
    forecasts = predictions if isinstance(predictions, Forecasts) else read_forecasts(predictions)
    observed = truth if isinstance(truth, Truth) else read_truth(truth)
    other = baseline if baseline is None or isinstance(baseline, Forecasts) else read_forecasts(baseline)
    rows = {name: row for row, name in enumerate(observed.cases)}
    answered, listed = set(forecasts.cases), {*forecasts.cases, *forecasts.withheld}
    compared = answered if other is None else answered & set(other.cases)
    only_prediction = tuple(name for name in (*forecasts.cases, *forecasts.withheld) if name not in rows)
    only_truth = tuple(name for name in observed.cases if name not in listed)
    shared = [name for name in observed.cases if name in compared]
    if not shared:
        tables = [forecasts.name, observed.name] + ([] if other is None else [other.name])
        raise InputError(
            f"{', '.join(tables)} have no judgeable case in common ({some(forecasts.cases, 3)} against "
            f"{some(observed.cases, 3)}): give tables of the same patients."
        )
    notes = [*forecasts.notes, *observed.notes, *(other.notes if other is not None else ())]
    if other is not None:
        lost = [name for name in observed.cases if name in answered and name not in compared]
        if lost:
            notes.append(f"{len(lost)} more are left out because {other.name} has no category for them: {some(lost)}.")
    index = np.array([rows[name] for name in shared], dtype=np.int64)
    observed = Truth(observed.name, shared, observed.days[index], observed.events[index], observed.notes)
    forecasts = forecasts.select(shared)
    other = None if other is None else other.select(shared)
    if not observed.events.any():
        raise InputError(f"None of the {len(shared)} judged patients died: there is nothing to compare with.")
    notes += _cautions(observed)
    return SurvivalEvaluation(
        truth=observed,
        forecasts=forecasts,
        metrics=score_metrics(observed, forecasts, other, resamples, seed, progress),
        confusion=censored_metrics.confusion(observed.days, observed.events, forecasts.categories),
        calibration=_calibration(observed, forecasts, seed),
        coverage=_coverage(observed, forecasts),
        groups=_groups(observed, forecasts, notes),
        only_prediction=only_prediction,
        only_truth=only_truth,
        withheld=tuple(name for name in forecasts.withheld if name in rows),
        notes=tuple(notes),
        baseline=None if other is None else other.name,
        seed=seed,
        resamples=resamples,
    )


def _cautions(truth: Truth) -> list[str]:
    notes = []
    if len(truth.days) < _FEW:
        notes.append(f"With {len(truth.days)} patients the intervals are too narrow and one patient moves everything.")
    if not (truth.days > 450).any():
        notes.append("Nobody was followed beyond 450 days, so that long survival cannot be judged.")
    unknown = int((~known_category(truth.days, truth.events)).sum())
    if unknown:
        notes.append(
            f"{unknown} patients were censored within 450 days, so that their category is not known: accuracy, "
            "confusion table and log loss leave them out, which favours early deaths; where a figure is weighted for "
            "censoring, the others stand in for them."
        )
    return notes


def _calibration(truth: Truth, forecasts: Forecasts, seed: int) -> dict[str, Any] | None:
    chances, days, events = forecasts.probabilities, truth.days, truth.events
    if chances is None or not known_category(days, events).any():
        return None

    draws = max(200, min(2000, _SIMULATED // len(days)))

    def judged(category: str | None) -> dict[str, Any]:
        low, high = calibration_band(chances, seed=seed, draws=draws, category=category, days=days, events=events)
        return {
            "error": calibration_error(days, chances, events, category=category),
            "band": {"low": low, "high": high},
            "bins": reliability(days, chances, events, category=category),
        }

    return {**judged(None), "categories": {name: judged(name) for name in CATEGORIES}}


def _coverage(truth: Truth, forecasts: Forecasts) -> dict[str, Any] | None:
    if forecasts.low is None or forecasts.high is None:
        return None
    return coverage(truth.days, forecasts.low, forecasts.high, truth.events)


def _groups(truth: Truth, forecasts: Forecasts, notes: list[str]) -> GroupSurvival | None:
    try:
        import lifelines  # noqa: F401
    except ImportError:
        notes.append(
            "Survival by predicted category needs lifelines, which is not installed: pip install bratsos[train]."
        )
        return None
    from .groups import group_survival

    return group_survival(truth.days, truth.events, forecasts.categories)
