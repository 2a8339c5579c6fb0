"""Comparing survival models on the same patients, with bootstrap intervals and paired differences."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .baseline import class_mean_days, logistic_probabilities, ridge_log_days
from .calibration import calibration_band, calibration_error, coverage, reliability
from .categories import CATEGORIES, class_indices
from .censoring import known_category
from .conformal import COVERAGE
from .metrics import concordance_pairs, log_loss
from .patient_table import SurvivalTable
from .scaling import standardisation, standardised
from .student import Student
from .tables import read_survival_table

if TYPE_CHECKING:
    import pandas as pd

METRICS = ("accuracy", "mse", "spearman", "c_index")
TITLES = {"accuracy": "accuracy", "mse": "MSE (days²)", "spearman": "Spearman", "c_index": "C-index"}
LOGISTIC = "age + resection, logistic"
RIDGE = "age + resection, ridge"
STUDENT = "student, distilled"
ALONE = "student alone"
TEACHER = "teacher (privileged inputs)"
BASELINE_INPUTS = ("age", "gross_total_resection")
_RESAMPLES = 1000


@dataclass(frozen=True)
class ModelOutput:
    """What one model said about n patients in each of r repeats.

    Attributes
    ----------
    days : ndarray, shape (r, n)
        Predicted survival in days; it also ranks the patients.
    probabilities : ndarray, shape (r, n, 3), optional
        Without them the class is that of the predicted days.
    """

    days: np.ndarray
    probabilities: np.ndarray | None = None


def compare(
    days: np.ndarray,
    models: dict[str, ModelOutput],
    pairs: list[tuple[str, str]],
    *,
    evaluation: str,
    seed: int = 0,
    events: np.ndarray | None = None,
) -> pd.DataFrame:
    """Return accuracy, MSE, Spearman and C-index of each model, and differences of pairs, ready to print.

    Parameters
    ----------
    days : ndarray, shape (n,)
        Observed survival, to death or to the last contact.
    models : dict of ModelOutput
    pairs : list of (str, str)
        Models whose difference (first minus second) is reported on the same resampled patients.
    evaluation : str
        How the predictions came about; kept with the numbers.
    events : ndarray of bool, shape (n,), optional
        True where the patient died; everybody by default. A censored patient counts for the concordance index, and
        for the category where the last contact was after the last boundary; never for errors in days.

    Returns
    -------
    pandas.DataFrame
        One row a model or pair, text with 95 % percentile intervals of a bootstrap over patients (metrics are taken
        in each repeat and averaged). ``attrs["results"]`` holds the numbers, a list of dictionaries.
    """
    import pandas as pd

    draws = np.random.default_rng(seed).integers(0, len(days), (_RESAMPLES, len(days)))
    draws = np.concatenate([np.arange(len(days))[None], draws])
    died = np.ones(len(days), dtype=bool) if events is None else np.asarray(events, dtype=bool)
    values = {name: _metric_draws(days, died, model, draws) for name, model in models.items()}
    known = known_category(days, died)
    rows = dict(values)
    rows.update({f"{first} − {second}": values[first] - values[second] for first, second in pairs})
    results = []
    for name, drawn in rows.items():
        result: dict[str, Any] = {"model": name, "evaluation": evaluation, "cases": len(days)}
        result["deaths"] = int(died.sum())
        for index, metric in enumerate(METRICS):
            low, high = np.quantile(drawn[1:, index], (0.025, 0.975))
            result[metric] = float(drawn[0, index])
            result[f"{metric}_interval"] = [float(low), float(high)]
        model = models.get(name)
        if model is not None and model.probabilities is not None:
            repeats = model.probabilities[:, known]
            result["log_loss"] = float(np.mean([log_loss(days[known], each) for each in repeats]))
            result["calibration_error"] = float(np.mean([calibration_error(days[known], each) for each in repeats]))
        results.append(result)
    text = [{TITLES[metric]: _shown(result, metric) for metric in METRICS} for result in results]
    frame = pd.DataFrame(text, index=pd.Index([result["model"] for result in results], name=f"{len(days)} patients"))
    frame.attrs["results"] = results
    frame.attrs["evaluation"] = evaluation
    return frame


def _shown(result: dict[str, Any], metric: str) -> str:
    low, high = result[f"{metric}_interval"]
    pattern = "{:,.0f} [{:,.0f}, {:,.0f}]" if metric == "mse" else "{:.3f} [{:.3f}, {:.3f}]"
    return pattern.format(result[metric], low, high)


def _metric_draws(days: np.ndarray, events: np.ndarray, model: ModelOutput, draws: np.ndarray) -> np.ndarray:
    """Return the four metrics, shape (draws, 4), on each row of patient indices; the mean over the repeats."""
    counts = np.stack([np.bincount(row, minlength=len(days)) for row in draws]).astype(np.float64)
    truth = class_indices(days)
    known = known_category(days, events).astype(np.float64)
    died = events.astype(np.float64)
    comparable = concordance_pairs(days, events).astype(np.float64)
    pairs = np.maximum(((counts @ comparable) * counts).sum(axis=1), 1e-12)
    total = np.zeros((len(draws), len(METRICS)))
    for repeat, predicted in enumerate(model.days):
        chosen = class_indices(predicted) if model.probabilities is None else model.probabilities[repeat].argmax(axis=1)
        ahead = (predicted[:, None] < predicted[None, :]) + 0.5 * (predicted[:, None] == predicted[None, :])
        total += np.column_stack(
            [
                counts @ ((chosen == truth) * known) / np.maximum(counts @ known, 1e-12),
                counts @ ((predicted - days) ** 2 * died) / np.maximum(counts @ died, 1e-12),
                _rank_correlations(days, predicted, counts * died),
                ((counts @ (comparable * ahead)) * counts).sum(axis=1) / pairs,
            ]
        )
    return total / len(model.days)


def _rank_correlations(days: np.ndarray, predicted: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return Spearman's correlation, shape (draws,), where each patient occurs ``counts`` (draws, n) times."""
    first, second = _weighted_ranks(days, counts), _weighted_ranks(predicted, counts)
    total = np.maximum(counts.sum(axis=1, keepdims=True), 1e-12)
    first = first - (first * counts).sum(axis=1, keepdims=True) / total
    second = second - (second * counts).sum(axis=1, keepdims=True) / total
    norm = np.sqrt((counts * first**2).sum(axis=1) * (counts * second**2).sum(axis=1))
    return (counts * first * second).sum(axis=1) / np.maximum(norm, 1e-12)


def _weighted_ranks(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the mean rank of each patient, shape (draws, n), among patients repeated ``counts`` times."""
    _, place = np.unique(values, return_inverse=True)
    members = np.eye(place.max() + 1)[place]
    each = counts @ members
    below = np.cumsum(each, axis=1) - each
    return (below + 0.5 * (each + 1.0))[:, place]


def honesty(
    test: SurvivalTable, probabilities: np.ndarray, low: np.ndarray, high: np.ndarray, *, evaluation: str, seed: int = 0
) -> dict[str, list[Any]]:
    """Return calibration and coverage of predictions for ``test``, as the card and the report show them.

    Parameters
    ----------
    probabilities : ndarray, shape (r, n, 3)
        In each of r repeats. The calibration error and the coverage are the mean over the repeats; the reliability
        diagram and the bands are those of the first. ``categories`` judges the probability of each category by itself,
        which can be off where that of the most probable one is not.
    low, high : ndarray, shape (r, n)
        Prediction intervals in days.
    """

    def calibration(category: str | None) -> dict[str, Any]:
        errors = [calibration_error(test.days, each, test.events, category=category) for each in probabilities]
        low, high = calibration_band(probabilities[0], days=test.days, events=test.events, seed=seed, category=category)
        return {"calibration_error": float(np.mean(errors)), "band": {"low": low, "high": high}}

    covered = [coverage(test.days, *each, test.events) for each in zip(low, high, strict=True)]
    return {
        "reliability": [
            {
                "evaluation": evaluation,
                "cases": len(test),
                **calibration(None),
                "categories": {name: calibration(name) for name in CATEGORIES},
                "bins": reliability(test.days, probabilities[0], test.events),
            }
        ],
        "coverage": [
            {
                "evaluation": evaluation,
                "nominal": COVERAGE,
                **covered[0],
                **{key: float(np.mean([each[key] for each in covered])) for key in ("value", "low", "high")},
            }
        ],
    }


def baselines(
    train: SurvivalTable, own: np.ndarray, test: SurvivalTable
) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """Return days and class probabilities for ``test`` of the plain models on age and resection.

    They are fitted on the patients ``own`` (bool, shape (n,)) of ``train``: the logistic model on those whose category
    is known, the ridge model on deaths. The logistic model's days are the mean survival of the training patients of
    each category, weighted by its probabilities. An unknown resection counts as the mean.
    """
    raw, days = train.inputs(BASELINE_INPUTS), train.days
    centre, scale = standardisation(raw[own])
    fitted = standardised(raw, centre, scale)
    asked = standardised(test.inputs(BASELINE_INPUTS), centre, scale)
    known, died = own & train.class_known(), own & train.events
    chances = logistic_probabilities(fitted[known], days[known], asked)
    return {
        LOGISTIC: (chances @ class_mean_days(days[known]), chances),
        RIDGE: (ridge_log_days(fitted[died], days[died], asked), None),
    }


def read_brats_regions(regions: str | Path, overlap: str | Path) -> SurvivalTable:
    """Read the BraTS 2019 region table and keep the patients who are not in UPENN-GBM.

    Parameters
    ----------
    regions : path
        Columns ID, Age, Survival, RS0 (1: gross total), RS1 (1: subtotal), Necrotic, Edema, Enhance (mm3).
    overlap : path
        Columns brats19_id and upenn_patient (yes, no, unknown).
    """
    import pandas as pd

    frame, known = pd.read_csv(regions), pd.read_csv(overlap)
    for name, table, columns in (
        (regions, frame, ("ID", "Age", "Survival", "RS0", "RS1", "Necrotic", "Edema", "Enhance")),
        (overlap, known, ("brats19_id", "upenn_patient")),
    ):
        for column in columns:
            if column not in table.columns:
                raise InputError(f"{Path(name).name} has no column {column!r}: it is not the expected table.")
    frame = frame[frame["ID"].isin(known.loc[known["upenn_patient"] == "no", "brats19_id"])]
    flags = frame[["RS0", "RS1"]].to_numpy()
    resections = ["GTR" if gross == 1 else "STR" if partial == 1 else "unknown" for gross, partial in flags]
    return read_survival_table(
        pd.DataFrame(
            {
                "case": frame["ID"].to_numpy(),
                "age": frame["Age"].to_numpy(),
                "days": frame["Survival"].to_numpy(),
                "resection": resections,
                "NCR_original_shape_VoxelVolume": frame["Necrotic"].to_numpy(),
                "ED_original_shape_VoxelVolume": frame["Edema"].to_numpy(),
                "ET_original_shape_VoxelVolume": frame["Enhance"].to_numpy(),
            }
        ),
        training=False,
    )


def evaluate_external(
    student: Student, train: SurvivalTable, external: SurvivalTable, *, evaluation: str
) -> pd.DataFrame:
    """Compare ``student`` with the baselines on ``external`` patients whom neither has seen.

    The baselines are fitted on the first cohort of ``train``, which all died, as the external patients did.
    """
    shared = sorted(set(train.ids) & set(external.ids))
    if shared:
        raise InputError(f"The patient {shared[0]!r} is in the training and the external table: leave it out of one.")
    plain = baselines(train, train.cohorts == 0, external)
    models = {
        name: ModelOutput(days[None], None if known is None else known[None]) for name, (days, known) in plain.items()
    }
    chances, days = student.predict(external.inputs(student.names))
    models[STUDENT] = ModelOutput(days[None], chances[None])
    frame = compare(external.days, models, [(STUDENT, LOGISTIC), (STUDENT, RIDGE)], evaluation=evaluation)
    low, high = student.interval(external.inputs(student.names))
    frame.attrs.update(honesty(external, chances[None], low[None], high[None], evaluation=evaluation))
    return frame
