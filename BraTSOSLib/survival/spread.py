"""The survival estimate over several plausible segmentations of the same scans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .covariates import volume_feature
from .prediction import Prediction, SegmentationSpread
from .predictor import predict_survival


def with_spread(
    prediction: Prediction, volumes: Sequence[Mapping[str, float]], source: str, **clinical: Any
) -> Prediction:
    """Return ``prediction`` with what the other plausible segmentations would have given.

    Parameters
    ----------
    prediction : Prediction
        Of the segmentation in use.
    volumes : sequence of dict
        Region to mm3 for each plausible segmentation (`segmentation.plausible`); at least one.
    source : str
        What they differ in, in words.
    clinical :
        Age, resection and the other values that ``predict_survival`` got, and its ``model``.

    Notes
    -----
    The spread is what the segmentation's uncertainty adds, not the uncertainty of survival, which the interval and
    the probabilities hold. A model that uses no volume gives the same estimate for each, and the spread says so.
    """
    each = [
        predict_survival({volume_feature(region): value for region, value in found.items()}, explain=False, **clinical)
        for found in volumes
    ]
    given = [other for other in each if other.probabilities is not None]
    spread = SegmentationSpread(
        segmentations=len(each),
        source=source,
        volumes={region: _range([found[region] for found in volumes]) for region in volumes[0]},
        days=_range([other.days for other in given if other.days is not None]) if given else None,
        probabilities={
            name: _range([other.probabilities[name] for other in given if other.probabilities is not None])
            for name in (given[0].probabilities or {})
        }
        if given
        else None,
        categories=dict(Counter(other.category or "none" for other in each)),
    )
    return replace(prediction, spread=spread)


def _range(values: list[float]) -> dict[str, float]:
    return {"low": min(values), "high": max(values)}
