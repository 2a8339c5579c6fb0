"""Survival by a perceptron that learns from a deeper one: Do et al. 2022, in its own wording and in Hinton's.

References
----------
Do, Kim, Yang, Lee 2022, *3D brain tumor survival days prediction using knowledge distillation*, sections 3.2 and 3.3.
Hinton, Vinyals, Dean 2015, *Distilling the knowledge in a neural network*, arXiv:1503.02531.
Lopez-Paz et al. 2016, *Unifying distillation and privileged information*, ICLR.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec

import numpy as np

from ...errors import DependencyError, InputError
from ..categories import class_indices
from ..metrics import concordance_of_features
from ..scaling import softmax, standardisation, standardised
from .censoring import censoring_weights
from .mlp import Budget, Lessons, LossWeights, Networks, fit_networks, fresh_networks
from .ranking import choose_best, matching
from .table import CLINICAL_INPUTS, FeatureTable

WORDINGS = ("paper", "hinton", "both", "alone")
"""paper: starts from the teacher's weights; hinton: learns its softened outputs; both; alone: neither."""


@dataclass(frozen=True)
class DistilledSettings:
    """Teacher, student and how one learns from the other.

    Attributes
    ----------
    best_features : int
        Features of the highest max(C, 1 - C) on the training patients that join age and resection; the paper takes
        one.
    transferable : tuple of str, optional
        Patterns (``*_shape_VoxelVolume``) of the features that a new patient has too. The student takes its best
        features among these alone; the teacher takes as many more among the others (privileged information). By
        default all are, and teacher and student see the same; with an empty tuple the student sees age and resection.
    teacher_hidden, student_hidden : tuple of int
        Widths of the hidden layers. To start from the teacher's weights, the student's layers must have the widths of
        the teacher's first ones, and the last ones of both the same.
    initialise : str
        Where the student's weights come from: ``"teacher"`` or ``"random"``.
    teacher, student : LossWeights
    budget : Budget
        The same for the teacher, the student and the student alone.
    """

    best_features: int = 1
    transferable: tuple[str, ...] | None = None
    teacher_hidden: tuple[int, ...] = (32, 32, 32, 32)
    student_hidden: tuple[int, ...] = (32, 32)
    initialise: str = "teacher"
    teacher: LossWeights = field(default_factory=LossWeights)
    student: LossWeights = field(default_factory=LossWeights)
    budget: Budget = field(default_factory=Budget)


def in_words(settings: DistilledSettings, wording: str) -> DistilledSettings:
    """Return ``settings`` for one of ``WORDINGS``; Hinton's halves the true category's weight for the teacher's."""
    if wording not in WORDINGS:
        raise InputError(f"The distillation is {wording!r}: give one of {', '.join(WORDINGS)}.")
    loss = replace(settings.student, soft=0.0, imitation=0.0)
    if wording in ("hinton", "both"):
        loss = replace(loss, hard=0.5 * loss.hard, soft=0.5)
    return replace(settings, initialise="teacher" if wording in ("paper", "both") else "random", student=loss)


@dataclass(frozen=True)
class Inputs:
    """What the networks of every split see, and how it was made from the table.

    Attributes
    ----------
    columns : ndarray of int, shape (splits, k)
        Chosen features, those that the student sees first.
    shared : int
        How many of the teacher's inputs the student sees: age, resection and its features, in this order.
    low, high, centre, scale : ndarray, shape (splits, p)
        Of age, resection and the features on the training patients: values are cut to ``low`` .. ``high`` (1st and
        99th percentile) and then standardised.
    values : ndarray, shape (splits, n, p)
        Standardised; what is missing is the mean (0).
    concordance : ndarray, shape (splits, k)
        Of the chosen features, on the training patients.
    """

    columns: np.ndarray
    shared: int
    low: np.ndarray
    high: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    values: np.ndarray
    concordance: np.ndarray


@dataclass(frozen=True)
class Fitted:
    """One kind of network on every split: the networks, and their predictions for all patients of the table.

    ``probabilities`` has the shape (splits, n, 3), ``days`` (splits, n).
    """

    networks: Networks
    probabilities: np.ndarray
    days: np.ndarray


@dataclass(frozen=True)
class DistilledFits:
    """Teacher and students of every split; ``students`` is in the order of the settings that were asked for.

    ``log_days`` (splits, 4) are mean, standard deviation, least and greatest log-days of the training patients.
    """

    inputs: Inputs
    teacher: Fitted
    students: list[Fitted]
    log_days: np.ndarray


def make_inputs(table: FeatureTable, train: np.ndarray, settings: DistilledSettings) -> Inputs:
    """Choose and standardise the inputs of every split from its training patients (mask, shape (splits, n)) alone."""
    if settings.best_features > 0 and not table.feature_names:
        raise InputError(f"{table.name} has no columns of features: add some, or ask for 0 best features.")
    free = np.ones(len(table.feature_names), dtype=bool)
    if settings.transferable is not None:
        free = matching(table.feature_names, settings.transferable)
        if settings.transferable and not free.any():
            raise InputError(
                f"{table.name} has no column that matches {', '.join(map(repr, settings.transferable))}: no feature "
                "is transferable."
            )
    chosen, strengths, own = [], [], 0
    for mask in train:
        values = table.features[mask]
        c_index, _ = concordance_of_features(table.days[mask], values, table.events[mask])
        best = choose_best(c_index, values, settings.best_features, free)
        more = choose_best(c_index, values, settings.best_features, ~free)
        own = len(best)
        chosen.append([*best, *more])
        strengths.append(c_index[chosen[-1]])
    width = min(map(len, chosen), default=0)
    if any(len(each) != width for each in chosen):
        raise InputError(
            f"{table.name} does not have {settings.best_features} features in every split that say something of their "
            "own: ask for fewer."
        )
    columns = np.array(chosen, dtype=np.int64).reshape(len(train), width)
    clinical = table.clinical()
    raw = np.stack([np.column_stack([clinical, table.features[:, each]]) for each in columns])
    low, high = (np.stack([_quantile(raw[s][mask], q) for s, mask in enumerate(train)]) for q in (0.01, 0.99))
    raw = np.clip(raw, low[:, None], high[:, None])
    scaling = [standardisation(raw[split][mask]) for split, mask in enumerate(train)]
    centre, scale = np.stack([pair[0] for pair in scaling]), np.stack([pair[1] for pair in scaling])
    return Inputs(
        columns=columns,
        shared=len(CLINICAL_INPUTS) + own,
        low=low,
        high=high,
        centre=centre,
        scale=scale,
        values=standardised(raw, centre[:, None], scale[:, None]),
        concordance=np.array(strengths).reshape(columns.shape),
    )


def _quantile(values: np.ndarray, share: float) -> np.ndarray:
    return np.nanquantile(values, share, axis=0)


def fit_distilled(
    table: FeatureTable,
    train: np.ndarray,
    students: Sequence[DistilledSettings],
    *,
    seed: int = 0,
    progress: Callable[[str, float], None] | None = None,
) -> DistilledFits:
    """Fit a teacher for every split, and of every split one student for each of the settings ``students``.

    Parameters
    ----------
    train : ndarray of bool, shape (splits, n)
        Training patients; every split must have as many deaths as the others.
    students : sequence of DistilledSettings
        They may differ in the student's loss and initial weights alone; one teacher serves all of them.

    Notes
    -----
    Networks learn from deaths, weighted by `censoring_weights` where patients are censored. All splits and all
    students are fitted in one program (`mlp.fit_networks`).
    """
    if find_spec("torch") is None:
        raise DependencyError("Teacher and student need PyTorch: install it with `pip install torch`.")
    base = students[0]
    for other in students:
        if replace(other, initialise=base.initialise, student=base.student) != base:
            raise InputError("The students differ in more than their loss and initial weights: fit them one by one.")
        _check_widths(other)
    say = progress or (lambda text, fraction: None)
    say("Choosing features", 0.0)
    inputs = make_inputs(table, train, base)
    deaths = np.stack([np.flatnonzero(mask & table.events) for mask in train])
    logs = np.log(table.days[deaths])
    log_days = np.column_stack([logs.mean(axis=1), logs.std(axis=1), logs.min(axis=1), logs.max(axis=1)])
    weights = np.stack([_weights(table, mask)[rows] for mask, rows in zip(train, deaths, strict=True)])
    splits = np.arange(len(train))
    lesson = Lessons(
        inputs=inputs.values[splits[:, None], deaths],
        classes=class_indices(table.days[deaths].ravel()).reshape(deaths.shape),
        log_days=(logs - log_days[:, :1]) / log_days[:, 1:2],
        patient_weights=weights,
    )
    seeds = [seed * 100003 + 2 * int(split) for split in splits]
    teacher = fit_networks(
        fresh_networks(seeds, lesson.inputs.shape[2], base.teacher_hidden),
        lesson,
        [base.teacher] * len(splits),
        base.budget,
        seeds,
        lambda part: say("Training the teacher", 0.05 + 0.45 * part),
    )
    count, shared = len(students), inputs.shared
    starts = [_student_start(teacher, each, shared, [one + 1 for one in seeds]) for each in students]
    seen = teacher.outputs(lesson.inputs)
    fitted = fit_networks(
        Networks(
            [np.concatenate([start.weights[layer] for start in starts]) for layer in range(len(starts[0].weights))],
            [np.concatenate([start.biases[layer] for start in starts]) for layer in range(len(starts[0].biases))],
        ),
        Lessons(
            inputs=np.concatenate([lesson.inputs[..., :shared]] * count),
            classes=np.concatenate([lesson.classes] * count),
            log_days=np.concatenate([lesson.log_days] * count),
            patient_weights=np.concatenate([weights] * count),
            teacher=np.concatenate([seen] * count),
        ),
        [each.student for each in students for _ in splits],
        base.budget,
        [one + 1 for one in seeds] * count,
        lambda part: say("Training the students", 0.5 + 0.5 * part),
    )
    results = [
        _fitted(fitted.members(splits + place * len(splits)), inputs.values[..., :shared], log_days)
        for place in range(count)
    ]
    return DistilledFits(inputs, _fitted(teacher, inputs.values, log_days), results, log_days)


def _weights(table: FeatureTable, mask: np.ndarray) -> np.ndarray:
    result = np.zeros(len(table))
    result[mask] = censoring_weights(table.days[mask], table.events[mask])
    return result


def _check_widths(settings: DistilledSettings) -> None:
    teacher, student = settings.teacher_hidden, settings.student_hidden
    if settings.initialise not in ("teacher", "random"):
        raise InputError(f"The student's initial weights are {settings.initialise!r}: give 'teacher' or 'random'.")
    if not student or not teacher or min(*student, *teacher) < 1:
        raise InputError("Teacher and student need at least one hidden layer of width 1 or more.")
    fits = len(student) <= len(teacher) and student == teacher[: len(student)] and student[-1] == teacher[-1]
    if settings.initialise == "teacher" and not fits:
        raise InputError(
            f"A student with hidden layers {student} cannot start from the weights of a teacher with {teacher}: give "
            "it the widths of the teacher's first layers, and both the same last width."
        )


def _student_start(teacher: Networks, settings: DistilledSettings, shared: int, seeds: Sequence[int]) -> Networks:
    """Return the students' initial weights: fresh, or the teacher's first hidden layers and its output layer.

    The paper does not say how a deeper network's weights enter a shallower one. As in DistilBERT (Sanh et al. 2019)
    layers are left out: the student keeps the first ones, of the input layer the rows of the inputs that it sees.
    """
    if settings.initialise == "random":
        return fresh_networks(seeds, shared, settings.student_hidden)
    layers = [*range(len(settings.student_hidden)), len(teacher.weights) - 1]
    weights = [teacher.weights[layer].copy() for layer in layers]
    weights[0] = weights[0][:, :shared]
    return Networks(weights, [teacher.biases[layer].copy() for layer in layers])


def _fitted(networks: Networks, values: np.ndarray, log_days: np.ndarray) -> Fitted:
    outputs = networks.outputs(values)
    return Fitted(networks, softmax(outputs[..., :3]), days_of(outputs[..., 3], log_days[:, None]))


def days_of(standardised_log_days: np.ndarray, log_days: np.ndarray) -> np.ndarray:
    """Return days, no fewer and no more than among the training patients; ``log_days`` as in `DistilledFits`.

    A network's log-days may lie anywhere, and their exponential becomes absurd: thousands of years for one patient.
    """
    mean, deviation, least, greatest = np.moveaxis(log_days, -1, 0)
    return np.exp(np.clip(mean + deviation * standardised_log_days, least, greatest))
