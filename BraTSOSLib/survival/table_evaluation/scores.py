"""Every metric of a table of predictions, with its bootstrap interval and the difference from a baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import censored_metrics
from ..calibration import calibration_error, coverage, covered_share
from ..categories import CATEGORIES, class_indices
from ..censored_metrics import Concordance
from ..censoring import category_weights, known_category
from .tables import Forecasts, Truth

if TYPE_CHECKING:
    import pandas as pd

RESAMPLES = 1000
_AT_ONCE = 2_000_000

TITLES = {
    "accuracy": "Accuracy, category known",
    "accuracy_ipcw": "Accuracy, weighted for censoring",
    "c_index": "C-index, by predicted days",
    "c_index_risk": "C-index, by risk",
    "spearman": "Spearman correlation, deaths",
    "mse": "Mean squared error, deaths (days²)",
    "median_se": "Median squared error, deaths (days²)",
    "sd_se": "SD of squared error, deaths (days²)",
    "brier_300": "Brier score at 300 days",
    "brier_450": "Brier score at 450 days",
    "brier_integrated": "Brier score, integrated",
    "log_loss": "Log loss, category known",
    "log_loss_ipcw": "Log loss, weighted for censoring",
    "calibration_error": "Expected calibration error",
    "coverage": "Coverage of the interval",
    "interval_width": "Width of the interval, median (days)",
}
HIGHER_IS_BETTER = {"accuracy", "accuracy_ipcw", "c_index", "c_index_risk", "spearman"}
NEITHER = {"coverage", "interval_width"}
"""Not to be read alone: the coverage should be the nominal one, and a narrow interval is good only if it holds."""

Progress = Callable[[str, float], None]


def score_metrics(
    truth: Truth, forecasts: Forecasts, other: Forecasts | None, resamples: int, seed: int, progress: Progress | None
) -> pd.DataFrame:
    """Return the table `SurvivalEvaluation.metrics` of forecasts of the patients of ``truth``, in the same order."""
    import pandas as pd

    judges = [_Judge(truth, forecasts)] + ([] if other is None else [_Judge(truth, other)])
    values = [judge.scores(None) for judge in judges]
    drawn: list[dict[str, list[np.ndarray]]] = [{name: [] for name in scores} for scores in values]
    done = 0
    for counts in _samples(len(truth.cases), resamples, seed):
        for judge, collected in zip(judges, drawn, strict=True):
            for name, scores in judge.scores(counts).items():
                collected[name].append(scores)
        done += len(counts)
        if progress is not None:
            progress("Resampling the patients", done / resamples)
    samples = [{name: np.concatenate(parts) for name, parts in collected.items()} for collected in drawn]
    uninformed = judges[0].uninformed()
    rows = []
    for name, value in values[0].items():
        row: dict[str, Any] = {"metric": name, "value": value}
        row["low"], row["high"] = _percentiles(samples[0][name])
        row["n"] = judges[0].patients(name)
        row["uninformed"] = uninformed.get(name, np.nan)
        if other is not None:
            theirs = values[1].get(name, np.nan)
            gap = samples[0][name] - samples[1][name] if name in samples[1] else np.array([np.nan])
            row |= {"baseline": theirs, "difference": value - theirs}
            row["difference_low"], row["difference_high"] = _percentiles(gap)
        if name == "coverage":
            assert forecasts.low is not None
            assert forecasts.high is not None
            exact = coverage(truth.days, forecasts.low, forecasts.high, truth.events)
            row["low"], row["high"] = exact["low"], exact["high"]
        rows.append(row)
    return pd.DataFrame(rows)


def _samples(patients: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield how often each patient is in each bootstrap sample, a few samples at a time, shape (draws, patients)."""
    random = np.random.default_rng(seed)
    step = max(1, _AT_ONCE // patients)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        drawn = random.integers(patients, size=(size, patients)) + patients * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * patients).reshape(size, patients)


def _percentiles(values: np.ndarray) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


class _Judge:
    """Every metric of one model's forecasts."""

    def __init__(self, truth: Truth, forecasts: Forecasts) -> None:
        self.days, self.events, self.forecasts = truth.days, truth.events, forecasts
        self.censored = not truth.events.all()
        self.by_days = Concordance(truth.days, truth.events, forecasts.days)
        self.by_risk = None if forecasts.risk is None else Concordance(truth.days, truth.events, -forecasts.risk)

    def scores(self, counts: np.ndarray | None) -> dict[str, Any]:
        """Return each metric by its name in ``TITLES``, one number or one for each sample."""
        days, events, said = self.days, self.events, self.forecasts
        result: dict[str, Any] = {"accuracy": censored_metrics.accuracy(days, events, said.categories, counts)}
        if self.censored:
            result["accuracy_ipcw"] = censored_metrics.accuracy(
                days, events, said.categories, counts, censoring_weights=True
            )
        result["c_index"] = self.by_days.index(counts)
        if self.by_risk is not None:
            result["c_index_risk"] = self.by_risk.index(counts)
        result["spearman"] = censored_metrics.spearman(days, events, said.days, counts)
        result |= censored_metrics.squared_errors(days, events, said.days, counts)
        if said.probabilities is not None:
            chances = said.probabilities
            for horizon in (300, 450):
                result[f"brier_{horizon}"] = censored_metrics.brier_score(days, events, chances, horizon, counts)
            result["brier_integrated"] = 0.5 * (result["brier_300"] + result["brier_450"])
            result["log_loss"] = censored_metrics.log_loss(days, events, chances, counts)
            if self.censored:
                result["log_loss_ipcw"] = censored_metrics.log_loss(
                    days, events, chances, counts, censoring_weights=True
                )
            result["calibration_error"] = self._calibration_errors(counts)
        if said.low is not None and said.high is not None:
            low, high = said.low, said.high
            result["coverage"] = self._repeated(
                counts, lambda rows: covered_share(days[rows], low[rows], high[rows], events[rows])
            )
            widths = high - low
            result["interval_width"] = self._repeated(counts, lambda rows: float(np.median(widths[rows])))
        return result

    def _calibration_errors(self, counts: np.ndarray | None) -> Any:
        chances = self.forecasts.probabilities
        assert chances is not None

        def error(rows: np.ndarray) -> float:
            if not known_category(self.days[rows], self.events[rows]).any():
                return float("nan")
            return calibration_error(self.days[rows], chances[rows], self.events[rows])

        return self._repeated(counts, error)

    def _repeated(self, counts: np.ndarray | None, measure: Callable[[np.ndarray], float]) -> Any:
        """Return ``measure`` of the patients' rows, in each sample."""
        rows = np.arange(len(self.days))
        if counts is None:
            return measure(rows)
        return np.array([measure(np.repeat(rows, each)) for each in counts])

    def patients(self, metric: str) -> int:
        """Return over how many patients a metric is: all, the deaths, or those whose category is known."""
        if metric in ("spearman", "mse", "median_se", "sd_se"):
            return int(self.events.sum())
        if metric in ("accuracy", "log_loss"):
            return int(known_category(self.days, self.events).sum())
        return len(self.days)

    def uninformed(self) -> dict[str, float]:
        """Return what the judged patients' own shares of the categories, said of everybody, would get."""
        classes = class_indices(self.days)
        result = {"c_index": 0.5, "c_index_risk": 0.5, "spearman": 0.0}
        for suffix, weights in (
            ("", known_category(self.days, self.events).astype(np.float64)),
            ("_ipcw", category_weights(self.days, self.events)[0]),
        ):
            if weights.sum() <= 0:
                continue
            shares = np.bincount(classes, weights, minlength=len(CATEGORIES)) / weights.sum()
            with np.errstate(divide="ignore", invalid="ignore"):
                entropy = -np.nansum(np.where(shares > 0, shares * np.log(shares), 0.0))
            result |= {f"accuracy{suffix}": float(shares.max()), f"log_loss{suffix}": float(entropy)}
            same = np.tile(shares, (len(self.days), 1))
            for horizon in (300, 450):
                result[f"brier_{horizon}"] = censored_metrics.brier_score(self.days, self.events, same, horizon)
            result["brier_integrated"] = 0.5 * (result["brier_300"] + result["brier_450"])
        return result
