"""The Dice that an expert's outline would be expected to give, from the network's own probabilities.

Two steps. The probabilities themselves say how much of an outline is sure: with p the probability of a region and M
its outline, the expected overlap is sum(p over M) and the expected size of the true region sum(p), so

    soft Dice = 2 sum(p over M) / (|M| + sum(p)).

Networks are surer than they should be, the more so on scans from elsewhere. So a line from soft Dice to Dice is
fitted on cases that the network never saw, and its errors there, each case predicted by a line fitted without it,
become the interval. The estimate can only know what the network doubts: a tumour missed with confidence looks good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ModelError
from ..labels import region_mask

QUALITY_REGIONS = ("WT", "TC", "ET")
COVERAGE = 0.8
"""Share of unseen cases whose Dice is meant to lie in the interval."""


@dataclass(frozen=True)
class Line:
    """From soft Dice to expected Dice, for one region.

    Attributes
    ----------
    intercept, slope : of the line; the slope is never negative
    low, high : what is added to the line's value for the interval's ends (low is negative)
    error : mean absolute error, each case predicted without it
    cases : number of different cases that it was fitted on
    """

    intercept: float
    slope: float
    low: float
    high: float
    error: float
    cases: int

    def estimate(self, soft: float) -> dict[str, float]:
        """``dice``, ``low`` and ``high`` for one soft Dice, all in 0..1."""
        value = self.intercept + self.slope * soft
        ends = {"dice": value, "low": value + self.low, "high": value + self.high}
        return {key: round(float(np.clip(end, 0.0, 1.0)), 3) for key, end in ends.items()}


def soft_dice(probability: np.ndarray, outline: np.ndarray) -> float | None:
    """Expected Dice of an outline under a region's probabilities; None for an empty outline.

    The ratio of the expected overlap to the expected sizes; exact where voxels are many and independent.

    Parameters
    ----------
    probability : float (z, y, x), 0..1
    outline : bool (z, y, x)
    """
    size = int(np.count_nonzero(outline))
    if size == 0:
        return None
    overlap = float(probability[outline].sum(dtype=np.float64))
    return 2.0 * overlap / (size + float(probability.sum(dtype=np.float64)))


def estimate_quality(
    probabilities: np.ndarray, labels: np.ndarray, calibration: Mapping[str, Any] | None
) -> dict[str, dict[str, float]]:
    """Expected Dice of each region against an expert's outline, with the interval that holds 80 % of unseen cases.

    Parameters
    ----------
    probabilities : float32 (3, z, y, x)
        Of WT, TC and ET, the mean over all passes.
    labels : uint8 (z, y, x), values 0, 1, 2, 4
        The label map that was made of them, after all post-processing.
    calibration : dict or None
        The model card's ``quality`` as ``fit_lines`` and ``to_card`` make it.

    Returns
    -------
    dict
        Region to ``dice``, ``low`` and ``high``. A region without outline is left out (nothing says whether there is
        none or it was missed), and all are where the card has no calibration.

    Raises
    ------
    ModelError
        If the calibration makes no sense.
    """
    lines = from_card(calibration)
    found: dict[str, dict[str, float]] = {}
    for region, probability in zip(QUALITY_REGIONS, probabilities, strict=True):
        soft = soft_dice(probability, region_mask(labels, region)) if region in lines else None
        if soft is not None:
            found[region] = lines[region].estimate(soft)
    return found


def fit_line(soft: Sequence[float], dice: Sequence[float], cases: Sequence[str], coverage: float = COVERAGE) -> Line:
    """Fit a line on unseen cases; several results of one case count as one case.

    Parameters
    ----------
    soft, dice : soft Dice and true Dice of each result
    cases : the case of each; a case's results leave the fit together
    coverage : share of results between the interval's ends

    Raises
    ------
    ModelError
        If there are fewer than five cases.

    Notes
    -----
    The ends are quantiles of the leave-one-case-out errors (as in the jackknife+ of Barber et al. 2021, Annals of
    Statistics 49, section 1.3, but on a single line), corrected for their number n: level ceil((n + 1) q) / n.
    """
    x, y, groups = np.asarray(soft, float), np.asarray(dice, float), np.asarray(cases)
    names = np.unique(groups)
    if len(names) < 5:
        raise ModelError(f"{len(names)} cases are too few to calibrate the expected Dice: give five or more.")
    weight = np.array([1.0 / np.count_nonzero(groups == name) for name in groups])
    errors = np.empty_like(y)
    for name in names:
        out = groups == name
        intercept, slope = _least_squares(x[~out], y[~out], weight[~out])
        errors[out] = y[out] - np.clip(intercept + slope * x[out], 0.0, 1.0)
    intercept, slope = _least_squares(x, y, weight)
    tail = (1.0 - coverage) / 2
    low, high = -_upper_quantile(-errors, weight, tail, len(names)), _upper_quantile(errors, weight, tail, len(names))
    error = float(np.average(np.abs(errors), weights=weight))
    return Line(intercept, slope, min(low, 0.0), max(high, 0.0), error, len(names))


def _least_squares(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    middle_x, middle_y = np.average(x, weights=weight), np.average(y, weights=weight)
    spread = np.average((x - middle_x) ** 2, weights=weight)
    slope = float(np.average((x - middle_x) * (y - middle_y), weights=weight) / spread) if spread > 0 else 0.0
    # More doubt never means a better outline: where the data say so they are too few, and the mean is all they tell.
    slope = max(slope, 0.0)
    return float(middle_y - slope * middle_x), slope


def _upper_quantile(errors: np.ndarray, weight: np.ndarray, tail: float, count: int) -> float:
    """Smallest error that at least the share 1 - tail lies at or under, with room for one further case."""
    order = np.argsort(errors)
    share = np.cumsum(weight[order]) / weight.sum()
    level = min((1.0 - tail) * (count + 1) / count, 1.0)
    return float(errors[order][min(int(np.searchsorted(share, level - 1e-9)), len(errors) - 1)])


def to_card(lines: Mapping[str, Line]) -> dict[str, Any]:
    """The lines as a model card's ``quality``."""
    return {
        "estimate": "Dice = intercept + slope x soft Dice; low and high are added for the interval",
        "coverage": COVERAGE,
        "regions": {
            region: {key: round(value, 4) for key, value in vars(line).items()} for region, line in lines.items()
        },
    }


def from_card(calibration: Mapping[str, Any] | None) -> dict[str, Line]:
    """The lines of a model card's ``quality``; none where the card has no such field.

    Raises
    ------
    ModelError
        If fields are missing or are no finite numbers.
    """
    if calibration is None:
        return {}
    try:
        lines = {str(region): Line(**fields) for region, fields in calibration["regions"].items()}
        values = np.array([[float(value) for value in vars(line).values()] for line in lines.values()])
        sound = bool(np.isfinite(values).all())
    except (AttributeError, KeyError, TypeError, ValueError):
        sound = False
    if not sound:
        raise ModelError("The model card's calibration of the expected Dice cannot be read: install the model again.")
    return lines
