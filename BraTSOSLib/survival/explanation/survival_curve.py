"""The Kaplan-Meier estimate with its 95 % band, in numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_NORMAL_975 = 1.959963984540054
"""97.5th percentile of the standard normal distribution."""
_ROUNDING = 1e-12
"""A share of exactly one half may come out a little above it."""


@dataclass(frozen=True)
class SurvivalCurve:
    """A step curve: each value holds from its time on.

    Attributes
    ----------
    times : tuple of float
        Days: 0 and every day on which somebody died or was last seen.
    survival, low, high : tuple of float
        Share alive and its 95 % band.
    at_risk : tuple of int
        Patients under observation just before that time.
    """

    times: tuple[float, ...]
    survival: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    at_risk: tuple[int, ...]

    def at(self, day: float) -> tuple[float, float, float]:
        """Return survival and its band at ``day``."""
        index = max(0, int(np.searchsorted(self.times, day, side="right")) - 1)
        return self.survival[index], self.low[index], self.high[index]

    def median(self) -> tuple[float | None, float | None, float | None]:
        """Return the median survival in days and its 95 % interval; None where a curve does not fall to one half.

        The interval is where the band crosses one half (Brookmeyer and Crowley 1982).
        """
        first, second, third = (self._falls_to_half(curve) for curve in (self.survival, self.low, self.high))
        return first, second, third

    def _falls_to_half(self, curve: tuple[float, ...]) -> float | None:
        return next((day for day, value in zip(self.times, curve, strict=True) if value <= 0.5 + _ROUNDING), None)

    def sampled(self, step: float) -> SurvivalCurve:
        """Return the curve read off every ``step`` days, for a file that people open."""
        days = np.arange(0.0, self.times[-1] + step, step)
        index = np.searchsorted(self.times, days, side="right") - 1
        # Nobody leaves between two days of the curve: as many are at risk as on the next one.
        later = np.searchsorted(self.times, days, side="left")
        at_risk = [*self.at_risk, 0]
        columns = ([curve[i] for i in index] for curve in (self.survival, self.low, self.high))
        survival, low, high = (tuple(column) for column in columns)
        return SurvivalCurve(tuple(map(float, days)), survival, low, high, tuple(at_risk[i] for i in later))


def kaplan_meier(days: np.ndarray, events: np.ndarray) -> SurvivalCurve:
    """Estimate survival from follow-up that may end before death.

    Parameters
    ----------
    days : ndarray, shape (n,)
        Days to death or to the last contact.
    events : ndarray of bool, shape (n,)
        True where the patient died. A patient censored on a day of a death is still at risk on that day.

    Returns
    -------
    SurvivalCurve

    Notes
    -----
    Kaplan and Meier 1958; variance by Greenwood 1926, the band on the scale of log(-log S), which keeps it within 0 and
    1 (Kalbfleisch and Prentice 2002, section 1.4; the default of lifelines). Where S is 1 the band is closed, where S
    is 0 its upper edge is the last one that can be computed.
    """
    days, events = np.asarray(days, dtype=np.float64), np.asarray(events, dtype=bool)
    times, place = np.unique(days, return_inverse=True)
    deaths = np.bincount(place, weights=events, minlength=len(times))
    at_risk = len(days) - np.searchsorted(np.sort(days), times, side="left")
    survival = np.cumprod(1.0 - deaths / at_risk)
    low, high = np.ones(len(times)), np.ones(len(times))
    inside = (survival > 0.0) & (survival < 1.0)
    with np.errstate(divide="ignore"):
        greenwood = np.cumsum(deaths / (at_risk * (at_risk - deaths)))[inside]
    spread = _NORMAL_975 * np.sqrt(greenwood) / -np.log(survival[inside])
    low[inside], high[inside] = survival[inside] ** np.exp(spread), survival[inside] ** np.exp(-spread)
    low[survival == 0.0] = 0.0
    high[survival == 0.0] = high[inside][-1] if inside.any() else 1.0
    first, second, third = ((1.0, *map(float, curve)) for curve in (survival, low, high))
    return SurvivalCurve((0.0, *map(float, times)), first, second, third, (len(days), *map(int, at_risk)))
