"""How the survival models do on patients they have not seen: across folds, and across cohorts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .categories import class_indices
from .ensemble import GroupFits, fit_groups
from .evaluation import ALONE, LOGISTIC, RIDGE, STUDENT, TEACHER, ModelOutput, baselines, compare, honesty
from .folds import stratified_folds
from .patient_table import SurvivalTable, pool_tables
from .settings import SurvivalSettings
from .tables import read_survival_table

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str, float], None]
TableSource = Any
"""A path, a DataFrame or a SurvivalTable."""


def read_tables(tables: TableSource | Sequence[TableSource]) -> SurvivalTable:
    """Read one table, or pool several of different cohorts (the first is the one that results are about)."""
    import pandas as pd

    if isinstance(tables, (str, Path, SurvivalTable, pd.DataFrame)):
        return read_survival_table(tables)
    read = [read_survival_table(table, adult_wildtype=True) for table in tables]
    return read[0] if len(read) == 1 else pool_tables(read)


def cross_validate(
    table: TableSource | Sequence[TableSource],
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
    table : path, DataFrame or SurvivalTable, or a sequence of them
        See `tables.read_survival_table`; one row a patient. Several tables are pooled for training, and each cohort is
        judged by itself.
    folds, repeats : int
        Stratified folds, dealt anew in each repeat. Feature selection, scaling, distillation, calibration and the
        widths of the intervals come from each fold's training patients.
    progress : callable, optional
        ``progress(text, fraction)``.

    Returns
    -------
    pandas.DataFrame
        Ready to print: ``print(frame.to_string())``; for each cohort a row for each of the two age + resection
        baselines (fitted on that cohort), the distilled student, the student alone (the same network and budget
        without the teacher) and the teacher, and rows of paired differences. Brackets are 95 % bootstrap intervals
        over patients. ``attrs`` holds ``results`` (the numbers), ``reliability`` and ``coverage`` of the student.

    Raises
    ------
    InputError
        If the table cannot be used, or the folds are too many for its patients.
    """
    data = read_tables(table)
    settings = settings or SurvivalSettings()
    smallest = int(np.bincount(class_indices(data.days), minlength=3).min())
    if not 2 <= folds <= smallest or repeats < 1:
        raise InputError(
            f"{folds} folds and {repeats} repeats were asked for: {data.name} allows 2 to {smallest} folds and needs "
            "at least 1 repeat."
        )
    own, train = outer_folds(data, folds, repeats, seed)
    fits = fit_groups(data, train, settings, seed, progress)
    frames = []
    names = data.cohort_titles()
    for cohort in np.unique(data.cohorts):
        rows = data.cohorts == cohort
        evaluation = f"{folds}-fold cross-validation, {repeats} repeats, on {names[cohort]}"
        if len(names) > 1:
            evaluation += f", trained on the other folds of {' + '.join(names)}"
        frames.append(judge(data, rows, own, train, fits, evaluation, seed))
    if progress is not None:
        progress("Cross-validated", 1.0)
    return joined(frames)


def joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Return several comparisons as one, a level of the index naming the patients where there are several."""
    import pandas as pd

    frame = frames[0] if len(frames) == 1 else pd.concat(frames, keys=[str(each.index.name) for each in frames])
    for name in ("results", "reliability", "coverage"):
        frame.attrs[name] = [entry for each in frames for entry in each.attrs.get(name, [])]
    frame.attrs["evaluation"] = "; ".join(each.attrs["evaluation"] for each in frames)
    return frame


def outer_folds(data: SurvivalTable, folds: int, repeats: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each patient's group in every repeat, shape (repeats, n), and each group's training patients."""
    classes = class_indices(data.days) + 3 * data.cohorts
    dealt = np.stack([stratified_folds(classes, folds, seed * 7919 + repeat) for repeat in range(repeats)])
    own = dealt + folds * np.arange(repeats)[:, None]
    train = np.stack([dealt[group // folds] != group % folds for group in range(folds * repeats)])
    return own, train


def judge(
    data: SurvivalTable,
    rows: np.ndarray,
    own: np.ndarray,
    train: np.ndarray,
    fits: GroupFits,
    evaluation: str,
    seed: int,
) -> pd.DataFrame:
    """Compare the models on the patients ``rows`` of one cohort, each predicted by a group that did not see them."""
    patients = np.flatnonzero(rows)
    own = own[:, patients]
    test = data.select(patients)
    plain = [baselines(test, mask[patients], test) for mask in train]
    models: dict[str, ModelOutput] = {}
    for name in (LOGISTIC, RIDGE):
        days = np.stack([group[name][0] for group in plain])
        chances = [group[name][1] for group in plain]
        known = [each for each in chances if each is not None]
        local = np.arange(len(patients))[None]
        models[name] = ModelOutput(days[own, local], np.stack(known)[own, local] if known else None)
    for name, predictions in ((STUDENT, fits.student), (ALONE, fits.alone), (TEACHER, fits.teacher)):
        models[name] = ModelOutput(predictions.days[own, patients], predictions.probabilities[own, patients])
    frame = compare(
        test.days,
        models,
        [(STUDENT, LOGISTIC), (STUDENT, RIDGE), (STUDENT, ALONE)],
        evaluation=evaluation,
        seed=seed,
        events=test.events,
    )
    student = fits.student
    frame.attrs.update(
        honesty(
            test,
            *(values[own, patients] for values in (student.probabilities, student.low, student.high)),
            evaluation=evaluation,
            seed=seed,
        )
    )
    return frame


def evaluate_transfer(
    train: SurvivalTable,
    test: SurvivalTable,
    *,
    evaluation: str,
    seed: int = 0,
    settings: SurvivalSettings | None = None,
) -> pd.DataFrame:
    """Compare student and baselines, fitted on ``train``, on the patients of a cohort that they have not seen.

    Returns
    -------
    pandas.DataFrame
        As `cross_validate` gives it.

    Raises
    ------
    InputError
        If a patient is in both tables.
    """
    both = pool_tables([train, test])
    mask = (both.cohorts == 0)[None]
    both = pool_tables([train, _without_privileged(test, train)])
    fits = fit_groups(both, mask, settings or SurvivalSettings(), seed)
    patients = np.flatnonzero(~mask[0])
    plain = baselines(train, np.ones(len(train), dtype=bool), test)
    models = {
        name: ModelOutput(days[None], None if known is None else known[None]) for name, (days, known) in plain.items()
    }
    own = np.zeros((1, len(patients)), dtype=np.int64)
    for name, predictions in ((STUDENT, fits.student), (ALONE, fits.alone)):
        models[name] = ModelOutput(predictions.days[own, patients], predictions.probabilities[own, patients])
    pairs = [(STUDENT, LOGISTIC), (STUDENT, RIDGE), (STUDENT, ALONE)]
    frame = compare(test.days, models, pairs, evaluation=evaluation, seed=seed, events=test.events)
    student = fits.student
    frame.attrs.update(
        honesty(
            test,
            *(values[own, patients] for values in (student.probabilities, student.low, student.high)),
            evaluation=evaluation,
            seed=seed,
        )
    )
    return frame


def _without_privileged(test: SurvivalTable, train: SurvivalTable) -> SurvivalTable:
    return replace(
        test,
        privileged=np.full((len(test), len(train.privileged_names)), np.nan),
        privileged_names=train.privileged_names,
    )
