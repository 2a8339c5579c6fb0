"""The published methods beside age + resection, on the test patients of the very same repeated splits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError
from ..baseline import class_mean_days, logistic_probabilities, ridge_log_days
from ..categories import class_indices
from ..scaling import standardisation, standardised
from .distilled import DistilledSettings, fit_distilled, in_words
from .forest import ForestSettings, forest_over_splits
from .splits import METRICS, TITLES, difference_interval, repeated_splits, split_metrics
from .table import FeatureTable

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str, float], None]

METHODS = ("distilled-mlp", "forest")
CONSTANT = "the same for everybody"
LOGISTIC = "age + resection, logistic"
RIDGE = "age + resection, ridge"
TEACHER = "teacher"
STUDENTS = {
    "paper": "student, starts from the teacher's weights",
    "hinton": "student, learns the teacher's softened outputs",
    "both": "student, both",
    "alone": "student alone",
}
FOREST = "random forest"


@dataclass(frozen=True)
class Comparison:
    """Metrics of several models on the test patients of the same splits.

    Attributes
    ----------
    table : FeatureTable
    train : ndarray of bool, shape (splits, n)
    metrics : dict of ndarray, shape (splits, len(splits.METRICS))
        By model.
    """

    table: FeatureTable
    train: np.ndarray
    metrics: dict[str, np.ndarray]

    @property
    def test_share(self) -> float:
        """The share of the patients that a split tests."""
        return float((~self.train[0]).mean())

    def difference(self, model: str, reference: str, metric: str) -> tuple[float, float, float]:
        """Return the mean of ``model`` minus ``reference`` over the splits, with its corrected 95 % interval."""
        column = METRICS.index(metric)
        pairs = self.metrics[model][:, column] - self.metrics[reference][:, column]
        return difference_interval(pairs, self.test_share)

    def frame(self) -> pd.DataFrame:
        """Return a row a model: mean over the splits and, in brackets, the standard deviation; ready to print."""
        import pandas as pd

        rows = [[shown(each[:, column], name) for column, name in enumerate(METRICS)] for each in self.metrics.values()]
        tested = int((~self.train[0]).sum())
        title = f"{len(self.table) - tested} to train, {tested} to test, {len(self.train)} splits"
        return pd.DataFrame(rows, columns=[TITLES[name] for name in METRICS], index=pd.Index(self.metrics, name=title))

    def results(self) -> list[dict[str, Any]]:
        """Return the numbers: a dictionary a model and metric, with mean, spread and every split's value."""
        evaluation = f"{len(self.train)} random splits, {self.test_share:.0%} to test, of {self.table.name}"
        return [
            {
                "name": metric,
                "model": model,
                "value": _number(values[:, column].mean()),
                "sd_over_splits": _number(values[:, column].std()),
                "splits": [_number(value) for value in values[:, column]],
                "evaluation": evaluation,
                "cases": len(self.table),
            }
            for model, values in self.metrics.items()
            for column, metric in enumerate(METRICS)
        ]


def _number(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None


def shown(values: np.ndarray, metric: str) -> str:
    """Return mean and, in brackets, standard deviation of a metric's ``values`` over the splits, as text."""
    if np.isnan(values).any():
        return "–"
    pattern = "{:,.0f} ({:,.0f})" if metric in ("mse", "median_se", "sd_se") else "{:.3f} ({:.3f})"
    return pattern.format(values.mean(), values.std())


def compare_on_splits(
    table: FeatureTable,
    train: np.ndarray,
    *,
    distilled: dict[str, DistilledSettings] | None = None,
    teacher: str = TEACHER,
    forests: dict[str, ForestSettings] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Comparison:
    """Fit every model on every split's training patients and measure it on the test patients.

    Parameters
    ----------
    train : ndarray of bool, shape (splits, n)
        As `splits.repeated_splits` gives them.
    distilled, forests : dict, optional
        Settings by the name that the model gets. Students of one call share their teacher (`fit_distilled`).
    teacher : str
        The name that the teacher gets.
    """
    metrics = {name: split_metrics(table, train, *output) for name, output in baselines(table, train).items()}
    forests, distilled = forests or {}, distilled or {}
    parts = len(forests) + 2 * bool(distilled)
    say = progress or (lambda text, fraction: None)
    if distilled:
        fits = fit_distilled(
            table,
            train,
            list(distilled.values()),
            seed=seed,
            progress=lambda text, part: say(text, 2 * part / parts),
        )
        named = list(zip(distilled, fits.students, strict=True))
        for name, fitted in [(teacher, fits.teacher), *named]:
            metrics[name] = split_metrics(table, train, fitted.days, fitted.probabilities)
    for place, (name, settings) in enumerate(forests.items(), start=2 * bool(distilled)):

        def told(text: str, part: float, place: int = place) -> None:
            say(text, (place + part) / parts)

        metrics[name] = split_metrics(
            table, train, forest_over_splits(table, train, settings, seed=seed, progress=told)
        )
    return Comparison(table, train, metrics)


def cross_validate_method(
    table: FeatureTable,
    method: str,
    settings: DistilledSettings | ForestSettings,
    *,
    splits: int = 50,
    seed: int = 0,
    progress: Progress | None = None,
) -> Comparison:
    """Compare one of ``METHODS`` with age + resection on repeated 80:20 splits; the student also with itself alone."""
    train = repeated_splits(table, splits, seed=seed)
    if method == "forest" and isinstance(settings, ForestSettings):
        return compare_on_splits(table, train, forests={FOREST: settings}, seed=seed, progress=progress)
    if method == "distilled-mlp" and isinstance(settings, DistilledSettings):
        models = {"student": settings, STUDENTS["alone"]: in_words(settings, "alone")}
        return compare_on_splits(table, train, distilled=models, seed=seed, progress=progress)
    raise InputError(f"The method is {method!r}: give {' or '.join(map(repr, METHODS))} with its own settings.")


def baselines(table: FeatureTable, train: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """Return days, shape (splits, n), and class probabilities, shape (splits, n, 3), of the plain models.

    They are fitted on the deaths of each split's training patients. ``CONSTANT`` says the median survival and the
    shares of the categories; the logistic model's days are the mean survival of the categories, weighted by their
    probabilities; ridge regression on log-days has no class output.
    """
    raw, patients = table.clinical(), len(table)
    constant, logistic, ridge, shares, chances = [], [], [], [], []
    for mask in train & table.events:
        own = table.days[mask]
        centre, scale = standardisation(raw[mask])
        fitted, asked = standardised(raw[mask], centre, scale), standardised(raw, centre, scale)
        constant.append(np.full(patients, np.median(own)))
        shares.append(np.tile(np.bincount(class_indices(own), minlength=3) / len(own), (patients, 1)))
        chances.append(logistic_probabilities(fitted, own, asked))
        logistic.append(chances[-1] @ class_mean_days(own))
        ridge.append(ridge_log_days(fitted, own, asked))
    return {
        CONSTANT: (np.stack(constant), np.stack(shares)),
        LOGISTIC: (np.stack(logistic), np.stack(chances)),
        RIDGE: (np.stack(ridge), None),
    }
