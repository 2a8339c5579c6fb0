"""The pieces of work that a child process can be asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..case import Case, Clinical, check_clinical
from ..errors import InputError
from ..labels import REGIONS, region_mask
from ..pipeline import strict_json
from ..survival.covariates import volume_feature
from ..volumes import volumes
from .job import Job

if TYPE_CHECKING:
    from ..segmentation import SegmentationResult

Progress = Callable[[str, float], None]
Cancel = Callable[[], bool]
News = Callable[[Mapping[str, Any]], None]

ON_CPU = "The memory of the device {device} was too small for the model, so the CPU was used instead."


class Task(Protocol):
    """What carries out a job."""

    def __call__(self, job: Job, folder: Path, *, progress: Progress, cancel: Cancel, news: News) -> dict[str, Any]:
        """Return the result by name; files belong into ``folder`` until the caller takes them."""


def segment(job: Job, folder: Path, *, progress: Progress, cancel: Cancel, news: News) -> dict[str, Any]:
    """Segment the case: ``labels``, ``warnings``, ``quality``, ``engine``, ``volumes``."""
    case = _case(job)
    result, warnings = _segmented(case, job.options, progress, cancel)
    return {
        "labels": result.labels,
        "warnings": warnings,
        "quality": result.quality,
        "engine": result.engine,
        "volumes": volumes(case, result.labels),
    }


def features(job: Job, folder: Path, *, progress: Progress, cancel: Cancel, news: News) -> dict[str, Any]:
    """Measure the label map as a parameter file says: ``features``, ``engine``, SlicerRadiomics' ``tables``.

    ``options`` may hold ``parameters``, the file; ``segments``, region to the name of its segment; ``segmentation``,
    the name of the segmentation. ``tables`` is a dict of modality to a dict of columns, all of text.
    """
    from ..radiomics import Settings
    from ..radiomics.slicer_table import slicer_table

    case, options = _case(job), job.options
    settings = Settings.from_parameters(Path(options["parameters"])) if options.get("parameters") else None
    segments = options.get("segments") or {region: region for region in ("NCR", "ED", "ET")}
    chosen = {"settings": settings, "regions": list(segments), "diagnostics": True}
    table = _features(case, _labels(job), progress, cancel, **chosen)
    tables = {}
    for modality in case.volumes:
        shown = slicer_table(table, modality, segments, options.get("segmentation", "Segmentation"))
        tables[modality] = {str(column): shown[column].astype(str).tolist() for column in shown.columns}
    return {
        "features": _pairs(table),
        "tables": tables,
        **{key: table.attrs.get(key) for key in ("engine", "engine_version")},
    }


def predict(job: Job, folder: Path, *, progress: Progress, cancel: Cancel, news: News) -> dict[str, Any]:
    """Predict survival from the label map: ``prediction``, ``volumes``.

    Of the features only the regions' volumes are measured, which is all that the model asks for: a user who corrects a
    segmentation and predicts again has no patience for the rest.
    """
    from ..survival import predict_survival

    case, labels = _case(job), _labels(job)
    progress("Measuring the regions", 0.1)
    measured = {
        volume_feature(region): float(np.count_nonzero(region_mask(labels, region))) * case.geometry.voxel_volume
        for region in REGIONS
    }
    prediction = predict_survival(measured, **asdict(_clinical(job)))
    return {"prediction": prediction, "volumes": volumes(case, labels)}


def run(job: Job, folder: Path, *, progress: Progress, cancel: Cancel, news: News) -> dict[str, Any]:
    """Do everything for one case, as ``pipeline.run_case``: its files lie in the folder ``files``."""
    from ..pipeline import OUTPUTS, run_case

    options = {key: job.options[key] for key in ("device", "fast", "model", "engine") if key in job.options}
    output = folder / "files"
    result = run_case(
        _case(job), _clinical(job), output=output, labels=job.labels, progress=progress, cancel=cancel, **options
    )
    return {
        "labels": result.labels,
        "features": _pairs(result.features),
        "prediction": result.prediction,
        "volumes": result.volumes,
        "warnings": tuple(result.run["segmentation"].get("warnings", ())),
        "files": {name: str(output / name) for name in OUTPUTS},
    }


def phantom(job: Job, folder: Path, *, progress: Progress, cancel: Cancel, news: News) -> dict[str, Any]:
    """Make a synthetic case: ``case`` and its true ``labels``."""
    from ..phantom import make_phantom

    progress("Making a synthetic case", 0.1)
    case, labels = make_phantom(int(job.options.get("seed", 0)))
    return {"case": case, "labels": labels}


def cohort(job: Job, folder: Path, *, progress: Progress, cancel: Cancel, news: News) -> dict[str, Any]:
    """Do everything for a cohort, as ``cohort.run_cohort``: ``total``, ``done``, ``failed``, ``files``.

    ``options`` are its arguments; its events are passed on as news, and its results go straight to its output folder,
    where they stay when it is stopped.
    """
    from ..cohort import run_cohort

    counted: dict[str, int] = {}

    def told(event: Mapping[str, Any]) -> None:
        news(strict_json(event))
        if event.get("event") == "counts":
            counted.update({key: value for key, value in event.items() if isinstance(value, int)})
            ended = counted.get("done", 0) + counted.get("failed", 0)
            progress("Working on the cases", ended / max(sum(counted.values()), 1))

    result = run_cohort(**job.options, notify=told, cancel=cancel)
    return {key: getattr(result, key) for key in ("total", "done", "failed", "seconds")} | {
        "collected": [str(name) for name in result.files]
    }


def import_model(job: Job, folder: Path, *, progress: Progress, cancel: Cancel, news: News) -> dict[str, Any]:
    """Import someone else's model from the file or folder ``path`` under a ``name``: the path of its ``card``."""
    from ..segmentation.external import import_model as imported

    progress("Importing the model", 0.1)
    return {"card": str(imported(Path(job.options["path"]), job.options["name"]))}


TASKS: dict[str, Task] = {
    "segment": segment,
    "features": features,
    "predict": predict,
    "run": run,
    "phantom": phantom,
    "cohort": cohort,
    "import_model": import_model,
}


def _case(job: Job) -> Case:
    if job.case is None:
        raise InputError(f"No scans were given for the task {job.task}: select the four volumes.")
    return job.case


def _labels(job: Job) -> np.ndarray:
    if job.labels is None:
        raise InputError(f"No label map was given for the task {job.task}: segment the scans first.")
    return job.labels


def _clinical(job: Job) -> Clinical:
    return check_clinical(Clinical(**job.options.get("clinical", {})))


def _pairs(table: Any) -> list[tuple[str, float]]:
    """A feature table's numbers by name: who asked may have no pandas to hold it."""
    pairs = zip(table["feature"], table["value"], strict=True)
    return [(str(name), float(value)) for name, value in pairs if isinstance(value, float | int)]


def _features(case: Case, labels: np.ndarray, progress: Progress, cancel: Cancel, **chosen: Any) -> Any:
    from ..radiomics import extract_features

    return extract_features(case, labels, progress=progress, cancel=cancel, **chosen)


def _segmented(
    case: Case, options: Mapping[str, Any], progress: Progress, cancel: Cancel
) -> tuple[SegmentationResult, tuple[str, ...]]:
    """Segment, on the CPU where the device cannot even hold the network; windows too large are the segmenter's care."""
    from ..segmentation import segment_case

    progress("Loading the model", 0.0)
    settings: dict[str, Any] = {key: options[key] for key in ("model", "fast", "engine", "mirrored") if key in options}
    device = options.get("device") or "auto"
    try:
        result = segment_case(case, device=device, progress=progress, cancel=cancel, **settings)
    except RuntimeError as error:
        if device == "cpu" or not _device_is_full(error):
            raise
    else:
        return result, result.warnings
    progress("Starting again on the CPU", 0.0)
    result = segment_case(case, device="cpu", progress=progress, cancel=cancel, **settings)
    return result, (ON_CPU.format(device=device), *result.warnings)


def _device_is_full(error: RuntimeError) -> bool:
    torch = sys.modules.get("torch")
    full = getattr(torch, "OutOfMemoryError", ()) if torch else ()
    return isinstance(error, full) or "out of memory" in str(error)
