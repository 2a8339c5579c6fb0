"""Comparing survival models on the same patients, with bootstrap intervals and paired differences."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import rankdata

from ..errors import InputError
from .baseline import class_mean_days, logistic_probabilities, ridge_log_days
from .categories import class_indices
from .metrics import calibration_error, concordance_pairs, log_loss
from .scaling import standardisation, standardised
from .student import Student
from .tables import SurvivalTable, read_survival_table

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
    days: np.ndarray, models: dict[str, ModelOutput], pairs: list[tuple[str, str]], *, evaluation: str, seed: int = 0
) -> pd.DataFrame:
    """Return accuracy, MSE, Spearman and C-index of each model, and differences of pairs, ready to print.

    Parameters
    ----------
    days : ndarray, shape (n,)
        Observed survival (deaths).
    models : dict of ModelOutput
    pairs : list of (str, str)
        Models whose difference (first minus second) is reported on the same resampled patients.
    evaluation : str
        How the predictions came about; kept with the numbers.

    Returns
    -------
    pandas.DataFrame
        One row a model or pair, text with 95 % percentile intervals of a bootstrap over patients (metrics are taken
        in each repeat and averaged). ``attrs["results"]`` holds the numbers, a list of dictionaries.
    """
    import pandas as pd

    draws = np.random.default_rng(seed).integers(0, len(days), (_RESAMPLES, len(days)))
    draws = np.concatenate([np.arange(len(days))[None], draws])
    values = {name: _metric_draws(days, model, draws) for name, model in models.items()}
    rows = dict(values)
    rows.update({f"{first} − {second}": values[first] - values[second] for first, second in pairs})
    results = []
    for name, drawn in rows.items():
        result: dict[str, Any] = {"model": name, "evaluation": evaluation, "cases": len(days)}
        for index, metric in enumerate(METRICS):
            low, high = np.quantile(drawn[1:, index], (0.025, 0.975))
            result[metric] = float(drawn[0, index])
            result[f"{metric}_interval"] = [float(low), float(high)]
        model = models.get(name)
        if model is not None and model.probabilities is not None:
            repeats = model.probabilities
            result["log_loss"] = float(np.mean([log_loss(days, each) for each in repeats]))
            result["calibration_error"] = float(np.mean([calibration_error(days, each) for each in repeats]))
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


def _metric_draws(days: np.ndarray, model: ModelOutput, draws: np.ndarray) -> np.ndarray:
    """Return the four metrics, shape (draws, 4), on each row of patient indices; the mean over the repeats."""
    counts = np.stack([np.bincount(row, minlength=len(days)) for row in draws]).astype(np.float64)
    truth = class_indices(days)
    comparable = concordance_pairs(days).astype(np.float64)
    pairs = np.maximum(((counts @ comparable) * counts).sum(axis=1), 1e-12)
    true_ranks = _centred_ranks(days[draws])
    total = np.zeros((len(draws), len(METRICS)))
    for repeat, predicted in enumerate(model.days):
        chosen = class_indices(predicted) if model.probabilities is None else model.probabilities[repeat].argmax(axis=1)
        ahead = (predicted[:, None] < predicted[None, :]) + 0.5 * (predicted[:, None] == predicted[None, :])
        ranks = _centred_ranks(predicted[draws])
        norm = np.sqrt((ranks**2).sum(axis=1) * (true_ranks**2).sum(axis=1))
        total += np.column_stack(
            [
                counts @ (chosen == truth) / len(days),
                counts @ ((predicted - days) ** 2) / len(days),
                (ranks * true_ranks).sum(axis=1) / np.maximum(norm, 1e-12),
                ((counts @ (comparable * ahead)) * counts).sum(axis=1) / pairs,
            ]
        )
    return total / len(model.days)


def _centred_ranks(values: np.ndarray) -> np.ndarray:
    ranks = rankdata(values, axis=1)
    return ranks - ranks.mean(axis=1, keepdims=True)


def baselines(
    train: SurvivalTable, own: np.ndarray, test: SurvivalTable
) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """Return days and class probabilities for ``test`` of the plain models on age and resection.

    They are fitted on the patients ``own`` (bool, shape (n,)) of ``train``. The logistic model's days are the mean
    survival of the training patients of each category, weighted by its probabilities.
    """
    raw, days = train.inputs(BASELINE_INPUTS)[own], train.days[own]
    centre, scale = standardisation(raw)
    fitted = standardised(raw, centre, scale)
    asked = standardised(test.inputs(BASELINE_INPUTS), centre, scale)
    chances = logistic_probabilities(fitted, days, asked)
    return {LOGISTIC: (chances @ class_mean_days(days), chances), RIDGE: (ridge_log_days(fitted, days, asked), None)}


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
    """Compare ``student`` with the baselines fitted on ``train``, on ``external`` patients whom neither has seen."""
    shared = sorted(set(train.ids) & set(external.ids))
    if shared:
        raise InputError(f"The patient {shared[0]!r} is in the training and the external table: leave it out of one.")
    plain = baselines(train, np.ones(len(train), dtype=bool), external)
    models = {
        name: ModelOutput(days[None], None if known is None else known[None]) for name, (days, known) in plain.items()
    }
    chances, days = student.predict(external.inputs(student.names))
    models[STUDENT] = ModelOutput(days[None], chances[None])
    return compare(external.days, models, [(STUDENT, LOGISTIC), (STUDENT, RIDGE)], evaluation=evaluation)
