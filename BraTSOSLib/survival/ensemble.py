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

from .conformal import missing_pattern, nested_intervals, optional_groups, residual_quantiles
from .covariates import CLINICAL_INPUTS, VOLUME_INPUTS
from .design import Design, make_design, mean_where
from .metrics import concordance_over_subsets
from .patient_table import SurvivalTable
from .scaling import softmax, standardisation, standardised
from .settings import FitSettings, SurvivalSettings

if TYPE_CHECKING:
    from .networks import MemberMLP

Report = Callable[[str, float], None]


@dataclass(frozen=True)
class Predictions:
    """Predictions of every group for every patient of the table.

    Attributes
    ----------
    probabilities : ndarray, shape (groups, n, 3)
    days, low, high : ndarray, shape (groups, n)
        Median survival and its 80 % interval; infinite bounds where no interval was made.
    """

    probabilities: np.ndarray
    days: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class StudentParameters:
    """What the shipped model of one group consists of; arrays of the members' weights have the member axis first.

    Attributes
    ----------
    interval : ndarray, shape (groups, patterns, 2)
        Bounds of the error of standardised log-days for each set of missing inputs.
    unseen : ndarray, shape (groups, n)
        Standardised log-days of each training patient, predicted by the members that did not see the patient.
    """

    network: MemberMLP
    centre: np.ndarray
    scale: np.ndarray
    log_days_mean: np.ndarray
    log_days_deviation: np.ndarray
    temperature: np.ndarray
    interval: np.ndarray
    unseen: np.ndarray


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
    design = make_design(table, train, settings, seed)
    groups, per_group, patients = design.sees.shape

    say("Ranking features", 0.0)
    selected = _select(table, design.members, settings.privileged_count)
    inputs = _teacher_inputs(table, train, selected, per_group)
    teacher = _Fit(design, None, settings.teacher, 1.0)
    teacher_outputs, _ = teacher.run(inputs, seed, lambda part: say("Training teachers", 0.1 + 0.5 * part))
    teacher_predictions, _ = teacher.predict(teacher_outputs)

    softened = softmax(teacher_outputs[..., :3] / settings.temperature).reshape(groups, per_group, patients, 3)
    soft = np.repeat(mean_where(softened, design.held_out), per_group, axis=0)
    raw = table.inputs(settings.student_inputs)
    scaling = [standardisation(raw[own]) for own in train]
    centre, scale = np.array([pair[0] for pair in scaling]), np.array([pair[1] for pair in scaling])
    inputs = np.repeat(standardised(raw[None], centre[:, None], scale[:, None]), per_group, axis=0)
    optional = optional_groups(settings.student_inputs)
    hide = (optional, settings.hide_probability)
    student = _Fit(design, soft, settings.student, settings.temperature)
    outputs, network = student.run(inputs, seed + 1, lambda part: say("Training students", 0.6 + 0.2 * part), hide)
    unseen = design.unseen_days(outputs)
    intervals = _intervals(design, network, inputs, raw, optional)
    predictions, temperature = student.predict(outputs, intervals[:, missing_pattern(raw, optional)])
    alone = _Fit(design, None, _without_teacher(settings.student), 1.0)
    alone_outputs, _ = alone.run(inputs, seed + 1, lambda part: say("Training students alone", 0.8 + 0.2 * part), hide)
    return GroupFits(
        teacher=teacher_predictions,
        student=predictions,
        alone=alone.predict(alone_outputs)[0],
        parameters=StudentParameters(
            network, centre, scale, design.means, design.deviations, temperature, intervals, unseen
        ),
        selected=selected,
    )


def _intervals(
    design: Design, network: MemberMLP, inputs: np.ndarray, raw: np.ndarray, optional: list[list[int]]
) -> np.ndarray:
    """Return the bounds of the error for each group and set of missing inputs, shape (groups, patterns, 2).

    For a set of missing inputs, every training patient in whom the other inputs are known counts, with those of the
    set hidden.
    """
    from .distillation import member_outputs

    groups, per_group, _ = design.sees.shape
    own_pattern = missing_pattern(raw, optional)
    bounds = np.zeros((groups, 2 ** len(optional), 2))
    for pattern in range(bounds.shape[1]):
        hidden = inputs.copy()
        for position, columns in enumerate(optional):
            if pattern >> position & 1:
                hidden[..., columns] = 0.0
        predicted = design.unseen_days(member_outputs(network, hidden))
        # Where hardly any patient has everything that the pattern asks for, all patients stand in.
        rows = own_pattern & ~pattern == 0
        for group in range(groups):
            known = design.held_out[group].any(axis=0)
            chosen = known & rows if (known & rows).sum() >= _FEWEST_ERRORS else known
            errors = design.target[group * per_group] - predicted[group]
            bounds[group, pattern] = residual_quantiles(errors[chosen], design.table.events[chosen])
    return np.stack([nested_intervals(each) for each in bounds])


_FEWEST_ERRORS = 40


def _without_teacher(settings: FitSettings) -> FitSettings:
    return replace(settings, hard_weight=settings.hard_weight + settings.soft_weight, soft_weight=0.0)


@dataclass(frozen=True)
class _Fit:
    """One kind of network on all groups: how it is trained, and how members' outputs become predictions."""

    design: Design
    soft: np.ndarray | None
    settings: FitSettings
    temperature: float

    def run(
        self,
        inputs: np.ndarray,
        seed: int,
        progress: Callable[[float], None],
        hide: tuple[list[list[int]], float] = ([], 0.0),
    ) -> tuple[np.ndarray, MemberMLP]:
        from .distillation import Targets, fit_members, member_outputs, possible_classes

        table = self.design.table
        possible = possible_classes(table.days, table.events)
        network = fit_members(
            inputs,
            Targets(possible, self.design.target, table.events, self.design.weights, self.soft),
            self.settings,
            temperature=self.temperature,
            seed=seed,
            hide=hide[0],
            hide_probability=hide[1],
            progress=progress,
        )
        return member_outputs(network, inputs), network

    def predict(self, outputs: np.ndarray, intervals: np.ndarray | None = None) -> tuple[Predictions, np.ndarray]:
        """Return calibrated predictions of each group and the temperature, shape (groups,), that calibrates them.

        ``intervals`` (groups, n, 2) are the bounds of each patient's error in standardised log-days.
        """
        design = self.design
        groups, per_group, patients = design.sees.shape
        logits = outputs[..., :3].reshape(groups, per_group, patients, 3)
        log_days = outputs[..., 3].reshape(groups, per_group, patients).mean(axis=1)
        temperatures = np.array([self._calibrate(logits[g], design.held_out[g]) for g in range(groups)])
        probabilities = softmax(logits / temperatures[:, None, None, None]).mean(axis=1)
        bounds = np.broadcast_to([-np.inf, np.inf], (groups, patients, 2)) if intervals is None else intervals

        def in_days(standard: np.ndarray) -> np.ndarray:
            return np.exp(design.means[:, None] + design.deviations[:, None] * standard)

        return Predictions(
            probabilities=probabilities,
            days=in_days(log_days),
            low=in_days(log_days + bounds[..., 0]),
            high=in_days(log_days + bounds[..., 1]),
        ), temperatures

    def _calibrate(self, logits: np.ndarray, held_out: np.ndarray) -> float:
        """Return the temperature with the least log loss on patients that the members did not see."""
        from .distillation import possible_classes

        rows = held_out.any(axis=0)
        table = self.design.table
        possible = possible_classes(table.days[rows], table.events[rows])

        def loss(log_temperature: float) -> float:
            each = softmax(logits / np.exp(log_temperature))
            mean = mean_where(each[None], held_out[None])[0][rows]
            return float(-np.log(np.clip((mean * possible).sum(axis=1), 1e-12, None)).mean())

        return float(np.exp(minimize_scalar(loss, bounds=(-1.5, 2.0), method="bounded").x))


def _select(table: SurvivalTable, members: np.ndarray, count: int) -> np.ndarray:
    """Return the columns of the ``count`` privileged features that each member ranks highest by max(C, 1 - C)."""
    count = min(count, table.privileged.shape[1])
    if count == 0:
        return np.empty((len(members), 0), dtype=np.int64)
    # The privileged features of another cohort are missing for the patients of this one; the censored ones are left
    # out, because a comparison needs the day of death.
    concordance = concordance_over_subsets(table.days, table.privileged, members & table.events)
    return np.argsort(-np.abs(concordance - 0.5), axis=1, kind="stable")[:, :count]


def _teacher_inputs(table: SurvivalTable, train: np.ndarray, selected: np.ndarray, per_group: int) -> np.ndarray:
    """Return the teacher's standardised inputs, shape (members, n, p): clinical, volumes, selected privileged."""
    # The cohort is privileged too: it accounts for what differs between hospitals and years.
    plain = np.column_stack([table.inputs((*CLINICAL_INPUTS, *VOLUME_INPUTS)), table.cohorts])
    result = np.empty((len(selected), len(table), plain.shape[1] + selected.shape[1]), dtype=np.float32)
    for member, columns in enumerate(selected):
        own = train[member // per_group]
        values = np.concatenate([plain, table.privileged[:, columns]], axis=1)
        # Radiomic features have tails of many orders of magnitude; the percentiles are those of the training patients.
        low, high = _percentiles(values[own])
        values = np.clip(values, low, high)
        result[member] = standardised(values, *standardisation(values[own]))
    return result


def _percentiles(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the 1st and 99th percentile of each column; an empty one is bounded by nothing."""
    empty = np.isnan(values).all(axis=0)
    low, high = np.nanquantile(np.where(empty, 0.0, values), (0.01, 0.99), axis=0)
    return np.where(empty, -np.inf, low), np.where(empty, np.inf, high)
