"""The one place that knows the order: case, label map, features, prediction, report."""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .atomic import staged_folder
from .case import Case, Clinical, check_clinical
from .errors import Cancelled, InputError
from .images import write_image
from .labels import canonical_labels
from .models import model_cards
from .volumes import volumes

if TYPE_CHECKING:
    import pandas as pd

    from .segmentation import SegmentationResult
    from .survival import Prediction

Progress = Callable[[str, float], None]

OUTPUTS = ("segmentation.nii.gz", "features.csv", "survival.json", "report.html", "run.json")
"""What ``run_case`` writes; ``run.json`` comes last and is the sign that a result is whole."""

_PACKAGES = ("numpy", "scipy", "SimpleITK", "torch", "openvino", "pandas", "pyradiomics")
_SHARES = {"segment": (0.0, 0.75), "features": (0.75, 0.92), "predict": (0.92, 0.94), "report": (0.94, 1.0)}


@dataclass(frozen=True)
class CaseResult:
    """Everything that one case gave.

    Attributes
    ----------
    case : Case
    labels : ndarray (z, y, x) uint8, values 0, 1, 2, 4 on the case's grid
    features : pandas.DataFrame
        Columns ``feature`` and ``value``.
    prediction : Prediction
    volumes : dict
        Region to ``ml`` (volume in mL) and ``brain_percent``.
    output : Path
        The folder that holds ``OUTPUTS``.
    run : dict
        What ``run.json`` holds: versions, settings, hashes, timings in seconds.
    """

    case: Case
    labels: np.ndarray
    features: pd.DataFrame
    prediction: Prediction
    volumes: dict[str, dict[str, float]]
    output: Path
    run: dict[str, Any]

    @property
    def report(self) -> Path:
        """The report's path."""
        return self.output / "report.html"

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-serialisable values, without the arrays and the feature table."""
        return strict_json(
            {
                "case": self.case.name,
                "synthetic": self.case.synthetic,
                "notes": self.case.notes,
                "volumes": self.volumes,
                "survival": self.prediction.to_dict(),
                "outputs": {name: str(self.output / name) for name in OUTPUTS},
                "run": self.run,
            }
        )


def run_case(
    case: Case,
    clinical: Clinical | None = None,
    *,
    output: str | os.PathLike[str],
    device: str = "auto",
    fast: bool = False,
    model: Path | str | None = None,
    engine: str = "auto",
    labels: np.ndarray | None = None,
    progress: Progress | None = None,
    cancel: Callable[[], bool] | None = None,
) -> CaseResult:
    """Segment a case, measure it, predict survival and write the report.

    Parameters
    ----------
    case : Case
    clinical : Clinical, optional
        Age in years, resection, and what else is known.
    output : folder
        Made if it is not there; ``OUTPUTS`` appear in it together when all of them are whole. The same input gives the
        same bytes with the same versions, but for ``run.json``, which holds the times.
    device : {"auto", "cpu", "cuda", "mps"}
    fast : bool
        Trade some accuracy for speed (see ``segmentation.segment``).
    model : path or str, optional
        Card or name of the segmentation model, the bundled one where None.
    engine : {"auto", "torch", "openvino"}
        What computes the networks.
    labels : ndarray (z, y, x), optional
        Use this label map on the case's grid, e.g. a corrected one, instead of segmenting.
    progress : callable, optional
        Called as ``progress(message, fraction)``, fraction in 0..1.
    cancel : callable, optional
        Asked between steps; work stops when it returns True.

    Returns
    -------
    CaseResult

    Raises
    ------
    InputError
        If a clinical value is out of range, the output folder cannot be written to, or the labels do not fit.
    Cancelled
        If ``cancel`` returned True. After any error nothing of this run is left in ``output``.

    Notes
    -----
    A label map without tumour is no error: everything is written, the category is None and the reason given.
    """
    clinical = check_clinical(clinical or Clinical())
    if labels is not None and labels.shape != case.geometry.size[::-1]:
        raise InputError(
            f"The label map given for {case.name} has {labels.shape} voxels (z, y, x), its scans have "
            f"{case.geometry.size[::-1]}: give one on the scans' own grid."
        )
    with staged_folder(output, OUTPUTS) as staging:
        steps = _Steps(progress, cancel)
        segmentation: SegmentationResult | None = None
        with steps.step("segment"):
            if labels is None:
                segmentation = _segment(case, steps, device=device, fast=fast, model=model, engine=engine)
                labels = segmentation.labels
            labels = canonical_labels(labels)
            write_image(labels, case.geometry, staging / "segmentation.nii.gz", _description(case))
        with steps.step("features"):
            features = _extract(case, labels, steps)
            features.to_csv(staging / "features.csv", index=False, lineterminator="\n")
        with steps.step("predict"):
            prediction = _predict(features, clinical, segmentation)
            _write_json(staging / "survival.json", {**_identity(case), **prediction.to_dict()})
        cards = _cards_used(prediction, segmentation)
        run = _describe_run(case, segmentation, device=device, fast=fast, cards=cards, features=features)
        with steps.step("report"):
            _report(staging / "report.html", case, labels, prediction, run, cards)
        run |= {"finished": datetime.now(timezone.utc).isoformat(timespec="seconds"), "timings": steps.seconds}
        _write_json(staging / "run.json", run)
        measured = volumes(case, labels)
    if progress is not None:
        progress("Done", 1.0)
    return CaseResult(case, labels, features, prediction, measured, Path(output), run)


class _Steps:
    """Passes progress on in the step's share of the whole, asks for cancellation, and keeps the times."""

    def __init__(self, progress: Progress | None, cancel: Callable[[], bool] | None) -> None:
        self.cancel = cancel
        self.seconds: dict[str, float] = {}
        self._progress = progress
        self._share = (0.0, 1.0)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self._share = _SHARES[name]
        self.check()
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 3)
        self.check()

    def check(self) -> None:
        if self.cancel is not None and self.cancel():
            raise Cancelled("Stopped as asked; nothing was written.")

    def report(self, message: str, fraction: float) -> None:
        self.check()
        if self._progress is not None:
            low, high = self._share
            self._progress(message, low + (high - low) * min(max(fraction, 0.0), 1.0))


def _segment(case: Case, steps: _Steps, **settings: Any) -> SegmentationResult:
    from .segmentation import segment_case

    steps.report("Segmenting", 0.0)
    return segment_case(case, progress=steps.report, cancel=steps.cancel, plausible=True, **settings)


def _extract(case: Case, labels: np.ndarray, steps: _Steps) -> pd.DataFrame:
    from .radiomics import extract_features

    return extract_features(case, labels, progress=steps.report)


def _predict(features: pd.DataFrame, clinical: Clinical, segmentation: SegmentationResult | None) -> Prediction:
    from .survival import predict_survival

    prediction = predict_survival(features, **asdict(clinical))
    if segmentation is None or not segmentation.plausible:
        return prediction
    from .segmentation.plausible import described
    from .survival.spread import with_spread

    plausible = segmentation.plausible
    return with_spread(prediction, plausible, described(len(plausible)), **asdict(clinical))


def _report(
    path: Path, case: Case, labels: np.ndarray, prediction: Prediction, run: dict[str, Any], cards: list[dict[str, Any]]
) -> None:
    from .report import write_report

    write_report(path, case, labels, prediction, run=run, cards=cards)


def _cards_used(prediction: Prediction, segmentation: SegmentationResult | None) -> list[dict[str, Any]]:
    bundled = [card for card in model_cards() if card.get("name") == prediction.model.get("name")]
    return bundled if segmentation is None else [segmentation.card, *bundled]


def _identity(case: Case) -> dict[str, Any]:
    return {"case": case.name, "synthetic": case.synthetic}


def _description(case: Case) -> str:
    return f"BraTSOS segmentation{' of a SYNTHETIC phantom' if case.synthetic else ''}"


def _describe_run(
    case: Case,
    segmentation: SegmentationResult | None,
    *,
    device: str,
    fast: bool,
    cards: list[dict[str, Any]],
    features: pd.DataFrame,
) -> dict[str, Any]:
    from . import __version__

    how: dict[str, Any] = {"labels": "given"}
    if segmentation is not None:
        how = {
            "labels": "segmented here",
            "engine": segmentation.engine,
            "warnings": list(segmentation.warnings),
            "quality": segmentation.quality,
        }

    return {
        **_identity(case),
        "notes": list(case.notes),
        "inputs": {kind: path.name for kind, path in case.paths.items()},
        "settings": {"device": device, "fast": fast},
        "segmentation": how,
        "radiomics": {key: str(features.attrs[key]) for key in ("engine", "engine_version") if key in features.attrs},
        "weights": {str(card.get("name")): _hashes(card) for card in cards},
        "versions": {"BraTSOS": __version__, "Python": platform.python_version(), **_package_versions()},
        "platform": f"{platform.system()} {platform.machine()}",
    }


def _hashes(card: Mapping[str, Any]) -> str:
    """The hash of a model's weights; of all its stages, joined, where there are several."""
    stages = card.get("stages") or [card]
    return " ".join(str(stage.get("sha256")) for stage in stages)


def _package_versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(strict_json(content), indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def strict_json(value: Any) -> Any:
    """Replace what JSON cannot hold: numbers that are not finite become null, tuples lists, numpy numbers plain."""
    if isinstance(value, Mapping):
        return {str(key): strict_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict_json(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
