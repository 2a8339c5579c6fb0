"""Cross-validating the survival models and fitting the one that is shipped."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DependencyError, InputError
from .cards import card_metrics, student_card, student_tensors, write_model
from .categories import class_indices
from .ensemble import fit_groups
from .evaluation import (
    ALONE,
    LOGISTIC,
    RIDGE,
    STUDENT,
    TEACHER,
    ModelOutput,
    baselines,
    compare,
    evaluate_external,
    read_brats_regions,
)
from .folds import stratified_folds
from .settings import SurvivalSettings
from .student import BUNDLED, Student
from .tables import SurvivalTable, read_survival_table

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str, float], None]


def cross_validate(
    table: str | Path | pd.DataFrame | SurvivalTable,
    *,
    seed: int = 0,
    folds: int = 5,
    repeats: int = 4,
    progress: Progress | None = None,
    settings: SurvivalSettings | None = None,
) -> pd.DataFrame:
    """Return the models' accuracy, MSE (days²), Spearman and C-index beside age + resection on the same folds.

    Parameters
    ----------
    table : path, DataFrame or SurvivalTable
        See `tables.read_survival_table`; one row a patient.
    folds, repeats : int
        Stratified folds, dealt anew in each repeat. Feature selection, scaling, distillation and calibration happen
        inside each fold's training patients.
    progress : callable, optional
        ``progress(text, fraction)``.

    Returns
    -------
    pandas.DataFrame
        Ready to print: ``print(frame.to_string())``; a row for each of the two age + resection baselines, the
        distilled student, the student alone (the same network and budget without the teacher) and the teacher, and
        rows of paired differences. Brackets are 95 % bootstrap intervals over patients. The numbers themselves are
        in ``frame.attrs["results"]``.

    Raises
    ------
    InputError
        If the table cannot be used, or the folds are too many for its patients.
    """
    _need_torch()
    data = read_survival_table(table)
    settings = settings or SurvivalSettings()
    smallest = int(np.bincount(class_indices(data.days), minlength=3).min())
    if not 2 <= folds <= smallest or repeats < 1:
        raise InputError(
            f"{folds} folds and {repeats} repeats were asked for: {data.name} allows 2 to {smallest} folds and needs "
            "at least 1 repeat."
        )
    own, train = _outer_folds(data, folds, repeats, seed)
    fits = fit_groups(data, train, settings, seed, progress)
    plain = [baselines(data, mask, data) for mask in train]
    models: dict[str, ModelOutput] = {}
    for name in (LOGISTIC, RIDGE):
        days = np.stack([group[name][0] for group in plain])
        chances = [group[name][1] for group in plain]
        known = [each for each in chances if each is not None]
        models[name] = _held_out(own, days, np.stack(known) if known else None)
    for name, predictions in ((STUDENT, fits.student), (ALONE, fits.alone), (TEACHER, fits.teacher)):
        models[name] = _held_out(own, predictions.days, predictions.probabilities)
    if progress is not None:
        progress("Cross-validated", 1.0)
    return compare(
        data.days,
        models,
        [(STUDENT, LOGISTIC), (STUDENT, RIDGE), (STUDENT, ALONE)],
        evaluation=f"{folds}-fold cross-validation, {repeats} repeats, on {data.name}",
        seed=seed,
    )


def _outer_folds(data: SurvivalTable, folds: int, repeats: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each patient's group in every repeat, shape (repeats, n), and each group's training patients."""
    classes = class_indices(data.days)
    dealt = np.stack([stratified_folds(classes, folds, seed * 7919 + repeat) for repeat in range(repeats)])
    own = dealt + folds * np.arange(repeats)[:, None]
    train = np.stack([dealt[group // folds] != group % folds for group in range(folds * repeats)])
    return own, train


def _held_out(own: np.ndarray, days: np.ndarray, probabilities: np.ndarray | None) -> ModelOutput:
    """Return each patient's prediction by the one group of each repeat that did not train on the patient."""
    patients = np.arange(own.shape[1])[None]
    return ModelOutput(days[own, patients], None if probabilities is None else probabilities[own, patients])


def train_survival(
    table: str | Path | pd.DataFrame | SurvivalTable,
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
    table : path, DataFrame or SurvivalTable
        See `tables.read_survival_table`.
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
    _need_torch()
    data = read_survival_table(table)
    settings = settings or SurvivalSettings()
    folder_given = Path(output).suffix != ".safetensors"
    weights = Path(output) / f"{BUNDLED}.safetensors" if folder_given else Path(output)
    outsiders = None if external is None else read_brats_regions(*external)
    say: Progress = progress or (lambda text, fraction: None)
    validated, start = comparison, 0.0
    if comparison is not None and any(result["cases"] != len(data) for result in comparison.attrs.get("results", [])):
        raise InputError(f"The comparison was made on another table than {data.name}: cross-validate this one.")
    if evaluate and comparison is None:
        start = 0.85
        validated = cross_validate(
            data, seed=seed, settings=settings, progress=lambda text, part: say(f"Validation: {text}", 0.85 * part)
        )
    everyone = np.ones((1, len(data)), dtype=bool)
    fits = fit_groups(data, everyone, settings, seed, lambda text, part: say(text, start + (0.98 - start) * part))
    metrics: list[dict[str, Any]] = [] if validated is None else list(validated.attrs.get("results", []))
    card = student_card(data, settings, seed, BUNDLED if folder_given else weights.stem)
    tensors = student_tensors(fits.parameters)
    if outsiders is not None:
        frame = evaluate_external(
            Student(card=card, names=settings.student_inputs, tensors=tensors),
            data,
            outsiders,
            evaluation="external: BraTS 2019 patients of other sites than UPenn, none of them trained on",
        )
        metrics += frame.attrs["results"]
    write_model(weights, tensors, {**card, "metrics": card_metrics(metrics)})
    say("Trained", 1.0)
    return weights


def _need_torch() -> None:
    if find_spec("torch") is None:
        raise DependencyError("Training a survival model needs PyTorch: install it with `pip install torch`.")
