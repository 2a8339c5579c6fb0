"""Fitting the survival model that is shipped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DependencyError, InputError
from . import validation
from .cards import card_metrics, student_card, student_tensors, write_model
from .ensemble import StudentParameters, fit_groups
from .evaluation import evaluate_external, read_brats_regions
from .patient_table import SurvivalTable
from .settings import SurvivalSettings
from .student import BUNDLED, Student

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str, float], None]


def cross_validate(table: Any, **options: Any) -> pd.DataFrame:
    """See `validation.cross_validate`."""
    need_torch()
    return validation.cross_validate(table, **options)


def train_survival(
    table: Any | Sequence[Any],
    output: str | Path,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    settings: SurvivalSettings | None = None,
    evaluate: bool = True,
    comparison: pd.DataFrame | None = None,
    external: tuple[str | Path, str | Path] | None = None,
) -> Path:
    """Fit teacher and student on every patient of ``table`` and write the student with its model card.

    Parameters
    ----------
    table : path, DataFrame or SurvivalTable, or a sequence of them
        See `tables.read_survival_table`. Of several tables, only adults without a known IDH mutation (grade 4 where it
        is stated) are used, and they are pooled; censored patients add what is known of them.
    output : path
        A folder, which gets ``survival-student.safetensors`` and ``.json``, or a ``.safetensors`` file.
    evaluate : bool
        Cross-validate first (five folds, four repeats), so that the card holds its metrics.
    comparison : DataFrame, optional
        What `cross_validate` returned for the same table; its metrics go into the card and are not computed again.
    external : (path, path), optional
        The region table and the overlap table of `evaluation.read_brats_regions`: the fitted student is then also
        evaluated on its patients who are not in UPENN-GBM. They are never trained on.

    Returns
    -------
    Path
        The weights; weights and card appear together and whole, or not at all.
    """
    need_torch()
    data = validation.read_tables(table)
    settings = settings or SurvivalSettings()
    folder_given = Path(output).suffix != ".safetensors"
    weights = Path(output) / f"{BUNDLED}.safetensors" if folder_given else Path(output)
    outsiders = None if external is None else read_brats_regions(*external)
    say: Progress = progress or (lambda text, fraction: None)
    found: list[pd.DataFrame] = [] if comparison is None else [comparison]
    counts = {int((data.cohorts == cohort).sum()) for cohort in np.unique(data.cohorts)}
    if any(result["cases"] not in counts for frame in found for result in frame.attrs.get("results", [])):
        raise InputError(f"The comparison was made on another table than {data.name}: cross-validate this one.")
    start = 0.0
    if evaluate and comparison is None:
        start = 0.85
        found.append(
            validation.cross_validate(
                data, seed=seed, settings=settings, progress=lambda text, part: say(f"Validation: {text}", start * part)
            )
        )
    everyone = np.ones((1, len(data)), dtype=bool)
    fits = fit_groups(data, everyone, settings, seed, lambda text, part: say(text, start + (0.98 - start) * part))
    card = student_card(data, settings, seed, BUNDLED if folder_given else weights.stem)
    tensors = student_tensors(fits.parameters) | _reference_tensors(data, settings, fits.parameters)
    if outsiders is not None:
        student = Student(card=card, names=settings.student_inputs, tensors=tensors)
        found.append(
            evaluate_external(
                student,
                data,
                outsiders,
                evaluation="external: BraTS 2019 patients of other sites than UPenn, none of them trained on",
            )
        )
    gathered = {
        name: [entry for frame in found for entry in frame.attrs.get(name, [])]
        for name in ("results", "reliability", "coverage")
    }
    card["metrics"] = card_metrics(gathered["results"])
    if gathered["reliability"]:
        card["reliability"] = gathered["reliability"][0]
        card["calibration"] = [
            {key: entry[key] for key in ("evaluation", "cases", "calibration_error", "band", "categories")}
            for entry in gathered["reliability"]
        ]
        card["coverage"] = gathered["coverage"]
    write_model(weights, tensors, card)
    say("Trained", 1.0)
    return weights


def _reference_tensors(
    data: SurvivalTable, settings: SurvivalSettings, parameters: StudentParameters
) -> dict[str, np.ndarray]:
    """Return the training patients and the scale of the risk, by the names of `student.Student`."""
    return {
        "risk": np.array(_risk_scale(data, parameters.unseen[0])),
        "cohort_inputs": data.inputs(settings.student_inputs),
        "cohort_days": data.days.astype(np.float64),
        "cohort_events": data.events.astype(np.float64),
    }


def _risk_scale(data: SurvivalTable, log_days: np.ndarray) -> tuple[float, float]:
    """Return the mean of predicted log-days and the log hazard ratio per unit less, by a Cox model within cohorts."""
    import pandas as pd
    from lifelines import CoxPHFitter

    centre = float(log_days.mean())
    frame = pd.DataFrame(
        {"less": centre - log_days, "days": data.days, "event": data.events.astype(int), "cohort": data.cohorts}
    )
    fitted = CoxPHFitter().fit(frame, "days", "event", strata=["cohort"])
    return centre, float(fitted.params_["less"])


def need_torch() -> None:
    """Raise DependencyError unless the packages that training needs can be imported."""
    for package, name in (("torch", "PyTorch"), ("lifelines", "lifelines")):
        if find_spec(package) is None:
            raise DependencyError(f"Training a survival model needs {name}: install it with `pip install {package}`.")
