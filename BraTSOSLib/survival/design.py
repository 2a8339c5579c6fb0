"""Who trains on whom: members of an ensemble, each kept from some of the training patients, and what they learn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .categories import class_indices
from .folds import stratified_folds
from .patient_table import SurvivalTable
from .settings import SurvivalSettings


@dataclass(frozen=True)
class Design:
    """Who trains on whom, and what is to be learnt.

    Attributes
    ----------
    sees, held_out : ndarray of bool, shape (groups, members of a group, n)
        The training patients of a member, and those of its group that it does not see.
    means, deviations : ndarray, shape (groups,)
        Of log-days in each group.
    weights : ndarray, shape (groups * members, n)
    target : ndarray, shape (groups * members, n)
        Standardised log-days.
    """

    table: SurvivalTable
    sees: np.ndarray
    held_out: np.ndarray
    means: np.ndarray
    deviations: np.ndarray
    weights: np.ndarray
    target: np.ndarray

    @property
    def members(self) -> np.ndarray:
        """Whom each member of any group sees, shape (groups * members, n)."""
        return self.sees.reshape(-1, self.sees.shape[2])

    def unseen_days(self, outputs: np.ndarray) -> np.ndarray:
        """Return standardised log-days, shape (groups, n), by members that did not see the patient."""
        return mean_where(outputs[..., 3].reshape(self.sees.shape), self.held_out)


def make_design(table: SurvivalTable, train: np.ndarray, settings: SurvivalSettings, seed: int) -> Design:
    """Deal the training patients of each group, ``train`` (groups, n), out to its members.

    Every group has ``inner_folds * seeds`` members; each is kept from one inner fold, stratified by category and
    cohort.
    """
    classes = class_indices(table.days) + 3 * table.cohorts
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
    means = np.array([log_days[own].mean() for own in train])
    deviations = np.array([max(log_days[own].std(), 1e-6) for own in train])
    shares = np.array(settings.cohort_weights)
    weights = sees * shares[np.minimum(table.cohorts, len(shares) - 1)]
    return Design(
        table=table,
        sees=sees,
        held_out=train[:, None, :] & ~sees,
        means=means,
        deviations=deviations,
        weights=weights.reshape(groups * per_group, patients),
        target=np.repeat((log_days[None] - means[:, None]) / deviations[:, None], per_group, axis=0),
    )


def mean_where(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the mean over the members (axis 1) that ``mask`` (groups, members, n) allows, over all where none is."""
    allowed = mask | ~mask.any(axis=1, keepdims=True)
    weights = allowed.reshape(allowed.shape + (1,) * (values.ndim - 3)).astype(np.float64)
    return (values * weights).sum(axis=1) / weights.sum(axis=1)
