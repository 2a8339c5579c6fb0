"""Settings of teacher, student and their training; written into the model card."""

from __future__ import annotations

from dataclasses import dataclass, field

STUDENT_INPUTS = ("age", "gross_total_resection", "biopsy", "mgmt_methylated")
"""What earned its place: volumes and their shares do not improve the concordance (docs/survival.md)."""


@dataclass(frozen=True)
class FitSettings:
    """One kind of network and how it is fitted (full batch, AdamW, cosine schedule).

    Attributes
    ----------
    hidden : tuple of int
        Widths of the hidden layers.
    steps : int
        Optimiser steps over the whole batch.
    learning_rate, weight_decay : float
        Of AdamW; the decay acts on weights, not on biases.
    dropout : float
        Of the hidden units while training.
    hard_weight, soft_weight, days_weight : float
        Weights of the loss terms: cross-entropy with the true class, divergence from the teacher's softened class
        probabilities, negative log-likelihood of the standardised log-days.
    """

    hidden: tuple[int, ...]
    steps: int
    learning_rate: float
    weight_decay: float
    dropout: float
    hard_weight: float
    soft_weight: float
    days_weight: float


@dataclass(frozen=True)
class SurvivalSettings:
    """Everything that decides what `train_survival` and `cross_validate` fit.

    Attributes
    ----------
    student_inputs : tuple of str
        Names from `covariates.encode`.
    privileged_count : int
        Privileged features that the teacher keeps, the highest max(C, 1 - C) on its own training patients.
    temperature : float
        Softens the teacher's and the student's class probabilities in the distillation term (Hinton et al. 2015).
    cohort_weights : tuple of float
        Weight of a patient of each pooled table in the loss; the last one serves all further tables.
    hide_probability : float
        Probability that an optional input (resection, MGMT, ...) of a patient is hidden in a step, so that "unknown"
        is learnt.
    inner_folds, seeds : int
        Teacher and student are ensembles of `inner_folds * seeds` members; a member never sees one inner fold, which
        gives soft targets and calibration from networks that did not see the patient.
    """

    student_inputs: tuple[str, ...] = STUDENT_INPUTS
    privileged_count: int = 8
    temperature: float = 2.0
    cohort_weights: tuple[float, ...] = (1.0, 1.0)
    hide_probability: float = 0.3
    inner_folds: int = 5
    seeds: int = 2
    teacher: FitSettings = field(default_factory=lambda: FitSettings((16,), 150, 0.01, 0.3, 0.3, 1.0, 0.0, 0.5))
    student: FitSettings = field(default_factory=lambda: FitSettings((16,), 150, 0.01, 0.3, 0.0, 0.5, 0.5, 0.5))
