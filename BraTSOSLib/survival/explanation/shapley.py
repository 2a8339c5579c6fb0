"""How much each input of one patient raises or lowers the estimated risk: exact Shapley values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .clinical_inputs import ClinicalInput, is_given, shown_value, value_of

LARGEST_BATCH = 20_000
"""Rows of the student that one explanation may cost (some 20 ms); the background is thinned out beyond it."""
SMALLEST_BACKGROUND = 50

Risk = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Contribution:
    """What one input does to one patient's estimated risk.

    Attributes
    ----------
    name : str
        As in `Prediction.inputs`; ``volumes`` stands for all region volumes together.
    label : str
        What a reader is shown.
    value : float or str or None
        As given: years, a word, mm3 of the whole tumour; None where it was not given.
    shown : str
        The value in words and with its unit.
    effect : float
        In units of the risk (log hazard ratio): above 0 shortens the estimate, below 0 lengthens it. All effects and
        `Prediction.base_risk` add up to `Prediction.risk`.
    """

    name: str
    label: str
    value: float | str | None
    shown: str
    effect: float

    @property
    def direction(self) -> str:
        """``"shortens"`` or ``"lengthens"`` the estimate, or ``"none"`` where nothing is added."""
        return "none" if self.effect == 0.0 else "shortens" if self.effect > 0 else "lengthens"


def contributions(
    risk: Risk,
    row: np.ndarray,
    background: np.ndarray,
    clinicals: tuple[ClinicalInput, ...],
    inputs: Mapping[str, Any],
) -> tuple[tuple[Contribution, ...], float]:
    """Return every input's contribution to the risk of one patient, and the risk that they are added to.

    Parameters
    ----------
    risk : callable
        From inputs, shape (n, p), to risks, shape (n,).
    row : ndarray, shape (p,)
        The patient, as the student is told; NaN where missing.
    background : ndarray, shape (m, p)
        The training patients.
    clinicals : tuple of ClinicalInput
        Which columns belong together; each group is one player.
    inputs : dict
        The patient as in `Prediction.inputs`, for the words.

    Returns
    -------
    contributions : tuple of Contribution
        The largest effect first; inputs that were not given last.
    base : float
        The mean risk of the training patients, were they missing the same inputs.

    Notes
    -----
    The value of a set S of known inputs is the mean risk over the training patients b with the inputs in S replaced by
    the patient's, ``v(S) = mean over b of risk(x_S, b_rest)``: the interventional value function of Lundberg and Lee
    (2017, section 4) that Janzing, Minorics and Blöbaum (2020) argue for, because it gives an input that the model does
    not use exactly 0. An input that was not given takes no part: the patient's own encoding of "missing" holds in every
    set, so that not knowing something is neither good nor bad news.
    """
    players = [clinical for clinical in clinicals if is_given(clinical, inputs, row)]
    masks = np.zeros((len(players), len(row)), dtype=bool)
    for player, clinical in enumerate(players):
        masks[player, list(clinical.columns)] = True
    kept = thinned(background, risk, max(SMALLEST_BACKGROUND, LARGEST_BATCH >> len(players)))
    fixed = ~masks.any(axis=0)
    kept = np.where(fixed, row, kept)
    effects, base = shapley_values(risk, row, kept, masks)
    by_name = {clinical.name: float(effect) for clinical, effect in zip(players, effects, strict=True)}
    result = [
        Contribution(
            name=clinical.name,
            label=clinical.label,
            value=value_of(clinical, inputs, row) if clinical.name in by_name else None,
            shown=shown_value(clinical, inputs, row),
            effect=by_name.get(clinical.name, 0.0),
        )
        for clinical in clinicals
    ]
    result.sort(key=lambda item: (item.name not in by_name, -abs(item.effect)))
    return tuple(result), base


def thinned(background: np.ndarray, risk: Risk, most: int) -> np.ndarray:
    """Return at most ``most`` patients of ``background``: evenly spaced by risk, which keeps its distribution."""
    if len(background) <= most:
        return background
    order = np.argsort(risk(background), kind="stable")
    return background[order[((np.arange(most) + 0.5) * len(order) / most).astype(int)]]


def shapley_values(risk: Risk, row: np.ndarray, background: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the exact Shapley value of each player and the value of the empty set.

    Parameters
    ----------
    risk : callable
    row : ndarray, shape (p,)
    background : ndarray, shape (m, p)
    masks : ndarray of bool, shape (players, p)
        Which columns each player sets; columns of no player keep the background's values.

    Notes
    -----
    All ``2 ** players`` sets are computed at once (Shapley 1953); values add up to ``risk(row)`` minus the value of the
    empty set.
    """
    players = len(masks)
    members = (np.arange(1 << players)[:, None] >> np.arange(players)) & 1  # (sets, players)
    known = (members @ masks.astype(int)) > 0  # (sets, p)
    rows = np.where(known[:, None, :], row, background[None]).reshape(-1, len(row))
    values = risk(rows).reshape(len(members), len(background)).mean(axis=1)
    sizes = members.sum(axis=1)
    orders = math.factorial(players)
    weights = np.array(
        [math.factorial(size) * math.factorial(players - size - 1) / orders for size in range(players)] + [0.0]
    )
    effects = np.zeros(players)
    for player in range(players):
        without = np.flatnonzero(members[:, player] == 0)
        effects[player] = (weights[sizes[without]] * (values[without + (1 << player)] - values[without])).sum()
    return effects, float(values[0])
