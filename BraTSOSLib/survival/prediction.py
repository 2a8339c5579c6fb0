"""What a survival prediction holds, and how it is written to ``survival.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .explanation.neighbours import CohortPlace
from .explanation.ranges import Flag
from .explanation.shapley import Contribution


@dataclass(frozen=True)
class SegmentationSpread:
    """What other plausible segmentations of the same scans would have given.

    Attributes
    ----------
    segmentations : int
        How many were compared, the one in use among them.
    source : str
        What they differ in, in words: mirrored scans, several sets of weights.
    volumes : dict
        Region to its lowest and highest volume (``low``, ``high``) in mm3.
    days : dict or None
        Lowest and highest estimate (``low``, ``high``) in days.
    probabilities : dict or None
        Category to its lowest and highest probability (``low``, ``high``).
    categories : dict
        Category (or ``"none"``) to the number of segmentations that lead to it.
    """

    segmentations: int
    source: str
    volumes: dict[str, dict[str, float]]
    days: dict[str, float] | None
    probabilities: dict[str, dict[str, float]] | None
    categories: dict[str, int]


@dataclass(frozen=True)
class Prediction:
    """A survival estimate with what speaks for and against relying on it.

    Attributes
    ----------
    category : str or None
        ``"short"`` (< 300 days), ``"medium"`` (300 to 450) or ``"long"`` (> 450): the most probable one.
    reason : str or None
        Why there is no category.
    probabilities : dict or None
        Of the three categories; they sum to 1.
    days : float or None
        Estimated median survival from surgery, in days. It is fitted beside the probabilities, so that it may lie in
        *medium* while *short* or *long*, being wider, is the more probable category.
    flags : tuple of Flag
        Inputs outside the range of the training patients, or contradictory.
    inputs : dict
        Age (years), resection, mgmt, idh, kps and the region volumes (mm3), as they were understood.
    model : dict
        Name, version, sha256 and the card's intended use, limits, training data, metrics and reliability.
    days_low, days_high : float or None
        Between them 8 of 10 patients with such inputs are expected to die, 1 of 10 before and 1 of 10 after.
    risk : float or None
        Log hazard ratio against the average training patient; larger is shorter survival.
    base_risk : float or None
        What the contributions are added to: the mean risk of the training patients, were they missing the same inputs.
    warnings : tuple of str
        Prominent: the model does not seem to be meant for this patient.
    missing : tuple of str
        Inputs that the model uses and that were not given.
    contributions : tuple of Contribution
        Of each input to ``risk``, the largest first; with ``base_risk`` they add up to it.
    cohort : CohortPlace or None
        The patient among the training patients.
    spread : SegmentationSpread or None
        Of volumes and estimate over several plausible segmentations, where those were made.
    """

    category: str | None
    reason: str | None
    probabilities: dict[str, float] | None
    days: float | None
    flags: tuple[Flag, ...]
    inputs: dict[str, Any]
    model: dict[str, Any]
    days_low: float | None = None
    days_high: float | None = None
    risk: float | None = None
    base_risk: float | None = None
    warnings: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    contributions: tuple[Contribution, ...] = ()
    cohort: CohortPlace | None = None
    spread: SegmentationSpread | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the prediction as JSON-serialisable values: what ``Resources/Schemas/survival.schema.json`` describes.

        What a reader looks for first comes first.
        """
        return {
            "category": self.category,
            "reason": self.reason,
            "warnings": list(self.warnings),
            "probabilities": self.probabilities,
            "days": self.days,
            "days_low": self.days_low,
            "days_high": self.days_high,
            "risk": self.risk,
            "base_risk": self.base_risk,
            "missing": list(self.missing),
            "flags": [asdict(flag) for flag in self.flags],
            "contributions": [{**asdict(item), "direction": item.direction} for item in self.contributions],
            "spread": None if self.spread is None else asdict(self.spread),
            "inputs": self.inputs,
            "model": self.model,
            "cohort": None if self.cohort is None else _lists(asdict(self.cohort)),
        }


def _lists(value: Any) -> Any:
    """Turn tuples into lists, as JSON has them."""
    if isinstance(value, Mapping):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, list | tuple) else value
