"""What a worker does with one case: the main job, and a small picture for the cohort's page."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

THUMBNAIL = "thumbnail.png"


@dataclass(frozen=True)
class StageJob:
    """One case for a stage.

    Attributes
    ----------
    name : str
    scans : dict
        Modality to path.
    labels : str or None
        A label map to use instead of segmenting.
    clinical : dict
        Fields of ``Clinical``.
    folder : Path
        Empty; every file that the stage leaves in it (none in subfolders) becomes an output of the case.
    settings : dict
        Of ``CohortSettings``.
    progress : callable
        ``progress(message, fraction)``.
    cancel : callable
        True when the work should stop: raise ``Cancelled`` then.
    """

    name: str
    scans: dict[str, str]
    labels: str | None
    clinical: dict[str, Any]
    folder: Path
    settings: Mapping[str, Any]
    progress: Callable[[str, float], None] = field(default=lambda message, fraction: None)
    cancel: Callable[[], bool] = field(default=lambda: False)


def run_stage(job: StageJob) -> dict[str, Any]:
    """Do the main job on a case.

    Returns
    -------
    dict
        What the cohort's tables and page need: ``volumes`` (region to mL), ``prediction`` (as in survival.json,
        without the model's card), ``warnings``, ``synthetic``.

    Raises
    ------
    BraTSOSError
        As ``pipeline.run_case``.
    """
    from ..case import Clinical, read_case, read_label_map
    from ..pipeline import run_case
    from .thumbnail import draw_thumbnail

    settings = job.settings
    case = read_case(**job.scans, resample=settings["resample"], name=job.name)  # type: ignore[arg-type]
    result = run_case(
        case,
        Clinical(**job.clinical),
        output=job.folder,
        device=settings["device"],
        fast=settings["fast"],
        model=settings["model"],
        engine=settings["engine"],
        labels=None if job.labels is None else read_label_map(job.labels, case.geometry),
        progress=job.progress,
        cancel=job.cancel,
    )
    draw_thumbnail(case, result.labels, job.folder / THUMBNAIL)
    prediction = result.prediction.to_dict()
    kept = ("category", "reason", "probabilities", "days", "days_low", "days_high", "risk", "missing", "warnings")
    return {
        "synthetic": case.synthetic,
        "volumes": {region: values["ml"] for region, values in result.volumes.items()},
        "prediction": {
            **{key: prediction[key] for key in kept if key in prediction},
            "flags": [flag["message"] for flag in prediction.get("flags") or ()],
        },
        "warnings": [*case.notes, *(result.run["segmentation"].get("warnings") or ())],
    }


def weights(settings: Mapping[str, Any]) -> str:
    """Return the hash of the models that ``run_stage`` would use.

    A card names its weights' own hash (checked when they are loaded), and its thresholds and calibration are part of
    what it does: the cards stand for the models.
    """
    from ..models import model_cards
    from ..resources import resource
    from ..segmentation.segmenter import find_card

    digest = hashlib.sha256(find_card(settings["model"]).read_bytes())
    for card in model_cards():
        if card.get("task") != "segmentation":
            digest.update(resource("Models", f"{card['name']}.json").read_bytes())
    return digest.hexdigest()
