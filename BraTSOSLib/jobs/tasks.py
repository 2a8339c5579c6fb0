"""The pieces of work that a child process can be asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..case import Case, Clinical, check_clinical
from ..errors import Cancelled, InputError
from ..pipeline import strict_json
from ..volumes import volumes
from .job import Job

if TYPE_CHECKING:
    import numpy as np

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
    """Measure the label map: ``features``, a list of names and values; ``engine``, ``engine_version``."""
    table = _features(_case(job), _labels(job), progress, cancel)
    return {"features": _pairs(table), **{key: table.attrs.get(key) for key in ("engine", "engine_version")}}


def predict(job: Job, folder: Path, *, progress: Progress, cancel: Cancel, news: News) -> dict[str, Any]:
    """Predict survival from the label map: ``prediction``, ``features``, ``volumes``."""
    from ..survival import predict_survival

    case, labels = _case(job), _labels(job)
    clinical = _clinical(job)
    table = _features(case, labels, lambda stage, share: progress(stage, 0.9 * share), cancel)
    prediction = predict_survival(table, **asdict(clinical))
    return {"prediction": prediction, "features": _pairs(table), "volumes": volumes(case, labels)}


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
    """A feature table as names and values: who asked may have no pandas to hold it."""
    return [(str(name), float(value)) for name, value in zip(table["feature"], table["value"], strict=True)]


def _features(case: Case, labels: np.ndarray, progress: Progress, cancel: Cancel) -> Any:
    from ..radiomics import extract_features

    def told(stage: str, share: float) -> None:
        if cancel():
            raise Cancelled("The extraction of features was stopped; nothing was changed.")
        progress(stage, share)

    return extract_features(case, labels, progress=told)


def _segmented(
    case: Case, options: Mapping[str, Any], progress: Progress, cancel: Cancel
) -> tuple[SegmentationResult, tuple[str, ...]]:
    """Segment, on the CPU where the device cannot even hold the network; windows too large are the segmenter's care."""
    from ..segmentation import segment_case

    progress("Loading the model", 0.0)
    settings: dict[str, Any] = {key: options[key] for key in ("model", "fast", "engine") if key in options}
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
