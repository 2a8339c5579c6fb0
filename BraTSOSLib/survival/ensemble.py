"""Teacher and student on many training sets at once: selection, scaling, distillation and calibration inside each.

A *group* is one set of training patients (an outer fold of one repeat, or all patients for the shipped model). Every
group has `inner_folds * seeds` members; each member is kept from one inner fold. A patient's soft targets and the
calibration therefore come from members that did not see the patient, and nothing outside the group's training
patients is used anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar

from .categories import class_indices
from .covariates import CLINICAL_INPUTS, VOLUME_INPUTS
from .folds import stratified_folds
from .metrics import concordance_over_subsets
from .scaling import softmax, standardisation, standardised
from .settings import FitSettings, SurvivalSettings
from .tables import SurvivalTable

if TYPE_CHECKING:
    from .networks import MemberMLP

Report = Callable[[str, float], None]


@dataclass(frozen=True)
class Predictions:
    """Class probabilities, shape (groups, n, 3), and days, shape (groups, n), for every patient of the table."""

    probabilities: np.ndarray
    days: np.ndarray


@dataclass(frozen=True)
class StudentParameters:
    """What the shipped model of one group consists of; arrays of the members' weights have the member axis first."""

    network: MemberMLP
    centre: np.ndarray
    scale: np.ndarray
    log_days_mean: np.ndarray
    log_days_deviation: np.ndarray
    temperature: np.ndarray


@dataclass(frozen=True)
class GroupFits:
    """The fits of all groups: predictions of the three networks, and the student's parameters.

    ``selected`` (members, privileged_count) are the privileged columns of each teacher member.
    """

    teacher: Predictions
    student: Predictions
    alone: Predictions
    parameters: StudentParameters
    selected: np.ndarray


def fit_groups(
    table: SurvivalTable, train: np.ndarray, settings: SurvivalSettings, seed: int, report: Report | None = None
) -> GroupFits:
    """Fit teacher, student and the student alone on every group.

    Parameters
    ----------
    train : ndarray of bool, shape (groups, n)
        The training patients of each group.
    report : callable, optional
        Called with a text and the fraction done (0 to 1).
    """
    say: Report = report or (lambda text, fraction: None)
    classes = class_indices(table.days)
    log_days = np.log(table.days)
    groups, patients = train.shape
    per_group = settings.inner_folds * settings.seeds
    sees = np.zeros((groups, per_group, patients), dtype=bool)
    for group in range(groups):
        own = np.flatnonzero(train[group])
        for seed_index in range(settings.seeds):
            inner_seed = seed * 1_000_003 + group * 1_009 + seed_index
            inner = stratified_folds(classes[own], settings.inner_folds, inner_seed)
            for fold in range(settings.inner_folds):
                sees[group, seed_index * settings.inner_folds + fold, own[inner != fold]] = True
    members = sees.reshape(groups * per_group, patients)
    means = np.array([log_days[own].mean() for own in train])
    deviations = np.array([max(log_days[own].std(), 1e-6) for own in train])
    target = np.repeat((log_days[None] - means[:, None]) / deviations[:, None], per_group, axis=0)
    held_out = train[:, None, :] & ~sees

    say("Ranking features", 0.0)
    selected = _select(table, members, settings.privileged_count)
    inputs = _teacher_inputs(table, train, selected, per_group)
    teacher = _Fit(classes, target, members, None, means, deviations, held_out)
    say("Training teachers", 0.1)
    teacher_outputs, _ = teacher.run(
        inputs, settings.teacher, 1.0, seed, lambda part: say("Training teachers", 0.1 + 0.5 * part)
    )
    teacher_predictions, _ = teacher.predict(teacher_outputs)

    softened = softmax(teacher_outputs[..., :3] / settings.temperature).reshape(groups, per_group, patients, 3)
    soft = np.repeat(_mean_where(softened, held_out), per_group, axis=0)
    raw = table.inputs(settings.student_inputs)
    scaling = [standardisation(raw[own]) for own in train]
    centre, scale = np.array([pair[0] for pair in scaling]), np.array([pair[1] for pair in scaling])
    inputs = np.repeat(standardised(raw[None], centre[:, None], scale[:, None]), per_group, axis=0)
    dropped = [settings.student_inputs.index(name) for name in CLINICAL_INPUTS[1:] if name in settings.student_inputs]
    # An unknown resection is 0 in each of its columns before standardisation.
    dropped_values = np.repeat((-centre / scale)[:, dropped], per_group, axis=0)
    drop = (dropped, dropped_values, settings.resection_drop)
    student = _Fit(classes, target, members, soft, means, deviations, held_out)
    student_outputs, network = student.run(
        inputs,
        settings.student,
        settings.temperature,
        seed + 1,
        lambda part: say("Training students", 0.6 + 0.2 * part),
        drop,
    )
    student_predictions, temperature = student.predict(student_outputs)
    alone = _Fit(classes, target, members, None, means, deviations, held_out)
    alone_settings = _without_teacher(settings.student)
    alone_outputs, _ = alone.run(
        inputs, alone_settings, 1.0, seed + 1, lambda part: say("Training students alone", 0.8 + 0.2 * part), drop
    )
    return GroupFits(
        teacher=teacher_predictions,
        student=student_predictions,
        alone=alone.predict(alone_outputs)[0],
        parameters=StudentParameters(network, centre, scale, means, deviations, temperature),
        selected=selected,
    )


def _without_teacher(settings: FitSettings) -> FitSettings:
    return replace(settings, hard_weight=settings.hard_weight + settings.soft_weight, soft_weight=0.0)


def _mean_where(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the mean over the members (axis 1) that ``mask`` (groups, members, n) allows, over all where none is."""
    allowed = mask | ~mask.any(axis=1, keepdims=True)
    weights = allowed.reshape(allowed.shape + (1,) * (values.ndim - 3)).astype(np.float64)
    return (values * weights).sum(axis=1) / weights.sum(axis=1)


@dataclass(frozen=True)
class _Fit:
    """One kind of network on all groups: targets, and how members' outputs become predictions."""

    classes: np.ndarray
    target: np.ndarray
    members: np.ndarray
    soft: np.ndarray | None
    means: np.ndarray
    deviations: np.ndarray
    held_out: np.ndarray

    def run(
        self,
        inputs: np.ndarray,
        settings: FitSettings,
        temperature: float,
        seed: int,
        progress: Callable[[float], None],
        drop: tuple[list[int], np.ndarray, float] | None = None,
    ) -> tuple[np.ndarray, MemberMLP]:
        from .distillation import Targets, fit_members, member_outputs

        columns, values, probability = drop or ([], None, 0.0)
        network = fit_members(
            inputs,
            Targets(self.classes, self.target, self.members, self.soft),
            settings,
            temperature=temperature,
            seed=seed,
            drop_columns=columns,
            drop_values=values,
            drop_probability=probability,
            progress=progress,
        )
        return member_outputs(network, inputs), network

    def predict(self, outputs: np.ndarray) -> tuple[Predictions, np.ndarray]:
        """Return calibrated predictions of each group and the temperature, shape (groups,), that calibrates them."""
        groups, per_group, patients = self.held_out.shape
        logits = outputs[..., :3].reshape(groups, per_group, patients, 3)
        log_days = outputs[..., 3].reshape(groups, per_group, patients).mean(axis=1)
        temperatures = np.array([self._calibrate(logits[g], self.held_out[g]) for g in range(groups)])
        probabilities = softmax(logits / temperatures[:, None, None, None]).mean(axis=1)
        days = np.exp(self.means[:, None] + self.deviations[:, None] * log_days)
        return Predictions(probabilities, days), temperatures

    def _calibrate(self, logits: np.ndarray, held_out: np.ndarray) -> float:
        """Return the temperature with the least log loss on patients that the members did not see."""
        rows = held_out.any(axis=0)
        truth = self.classes[rows]

        def loss(log_temperature: float) -> float:
            each = softmax(logits / np.exp(log_temperature))
            mean = _mean_where(each[None], held_out[None])[0][rows]
            return float(-np.log(np.clip(mean[np.arange(len(truth)), truth], 1e-12, None)).mean())

        return float(np.exp(minimize_scalar(loss, bounds=(-1.5, 2.0), method="bounded").x))


def _select(table: SurvivalTable, members: np.ndarray, count: int) -> np.ndarray:
    """Return the columns of the ``count`` privileged features that each member ranks highest by max(C, 1 - C)."""
    count = min(count, table.privileged.shape[1])
    if count == 0:
        return np.empty((len(members), 0), dtype=np.int64)
    concordance = concordance_over_subsets(table.days, table.privileged, members)
    return np.argsort(-np.abs(concordance - 0.5), axis=1, kind="stable")[:, :count]


def _teacher_inputs(table: SurvivalTable, train: np.ndarray, selected: np.ndarray, per_group: int) -> np.ndarray:
    """Return the teacher's standardised inputs, shape (members, n, p): clinical, volumes, selected privileged."""
    plain = table.inputs((*CLINICAL_INPUTS, *VOLUME_INPUTS))
    result = np.empty((len(selected), len(table), plain.shape[1] + selected.shape[1]), dtype=np.float32)
    for member, columns in enumerate(selected):
        own = train[member // per_group]
        values = np.concatenate([plain, table.privileged[:, columns]], axis=1)
        # Radiomic features have tails of many orders of magnitude; the percentiles are those of the training patients.
        low, high = np.nanquantile(values[own], (0.01, 0.99), axis=0)
        values = np.clip(values, low, high)
        result[member] = standardised(values, *standardisation(values[own]))
    return result
