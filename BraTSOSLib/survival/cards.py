"""The survival model's card, and writing weights and card together."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..atomic import staged_folder
from .categories import DEFINITIONS
from .covariates import INPUT_MEANINGS, RESECTIONS, VOLUME_INPUTS, VOLUME_REGIONS, volume_feature
from .ensemble import StudentParameters
from .evaluation import METRICS
from .explanation.reference import reference_statistics
from .patient_table import SurvivalTable
from .settings import SurvivalSettings
from .student import TASK

_UPENN = {
    "name": "UPENN-GBM, patients with observed death, CaPTk features on automatic segmentations",
    "terms": "CC BY 4.0",
    "citation": (
        "Bakas et al. 2022, The University of Pennsylvania glioblastoma (UPenn-GBM) cohort: advanced MRI, clinical, "
        "genomics, & radiomics, Scientific Data 9:453; data: The Cancer Imaging Archive, doi:10.7937/TCIA.709X-DN49"
    ),
}
_UCSF = {
    "name": "UCSF-PDGM, grade 4 IDH-wildtype patients, deaths and censored, pyradiomics features of the whole tumour",
    "terms": "CC BY 4.0",
    "citation": (
        "Calabrese et al. 2022, The University of California San Francisco Preoperative Diffuse Glioma MRI Dataset, "
        "Radiology: Artificial Intelligence 4(6):e220058; data: The Cancer Imaging Archive, doi:10.7937/tcia.bdgf-8v37"
    ),
}
_SOURCES = {"UPENN-GBM": _UPENN, "UCSF-PDGM": _UCSF}
_INTENDED_USE = (
    "Research only, not for clinical decisions. Adults with newly diagnosed, IDH-wildtype glioblastoma and MRI before "
    "surgery: survival from surgery as one of three categories, as median days and as an 80 % interval."
)
_LIMITS = (
    "Age, extent of resection and MGMT methylation are the only inputs; tumour volumes did not improve the estimate on "
    "patients held out and serve to notice unusual tumours alone.",
    "It is little better than a plain model of age and resection (see metrics) and is often wrong for one patient.",
    "Fitted on adults of two centres in the USA, operated on between 2006 and 2021; almost all tumours were "
    "IDH-wildtype. No category for children or a known IDH mutation. Not fitted on low-grade gliomas, recurrent "
    "tumours or scans after surgery.",
    "All patients of one of the two centres had died when its table was made: who survives long is under-represented, "
    "so long survival is underestimated.",
    "Resection is known only after surgery and was not assigned at random: comparing its values for one patient does "
    "not show the effect of an operation. Biopsy and subtotal resection are told apart by one of the two centres only.",
    "Medium survival spans only 150 days and is hardly ever the most probable category, so that the median days can "
    "lie within medium while the category is short or long.",
)


def student_tensors(parameters: StudentParameters) -> dict[str, np.ndarray]:
    """Return the arrays of the first group's student as `student.Student` names them."""
    network = parameters.network
    tensors = {
        "centre": parameters.centre[0],
        "scale": parameters.scale[0],
        "log_days": np.array([parameters.log_days_mean[0], parameters.log_days_deviation[0]]),
        "temperature": parameters.temperature[:1],
        "interval": parameters.interval[0],
        "direct": network.direct.detach().double().numpy(),
    }
    for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        tensors[f"weight_{layer}"] = weight.detach().double().numpy()
        tensors[f"bias_{layer}"] = bias.detach().double().numpy()
    return {name: np.ascontiguousarray(values, dtype=np.float64) for name, values in tensors.items()}


def input_ranges(table: SurvivalTable, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return name, unit and range of age and of every region volume among the training patients.

    The range of a volume is that of the regions that are not empty; ``empty_seen`` says whether some were.
    """
    ranges: list[dict[str, Any]] = [
        {"name": "age", "unit": "years", "low": float(table.ages.min()), "high": float(table.ages.max()), "used": True}
    ]
    ncr, ed, et = (table.volumes[region] for region in VOLUME_REGIONS)
    used = any(name in VOLUME_INPUTS for name in names)
    for region, volume in {"NCR": ncr, "ED": ed, "ET": et, "TC": ncr + et, "WT": table.volumes["WT"]}.items():
        present = volume[np.isfinite(volume) & (volume > 0)]
        if len(present):
            ranges.append(
                {
                    "name": volume_feature(region),
                    "unit": "mm3",
                    "low": float(present.min()),
                    "high": float(present.max()),
                    "empty_seen": bool((volume == 0).any()),
                    "used": used and region in VOLUME_REGIONS,
                }
            )
    return ranges


def student_card(table: SurvivalTable, settings: SurvivalSettings, seed: int, name: str) -> dict[str, Any]:
    """Return the card of a student fitted on every patient of ``table``, without metrics and sha256."""
    return {
        "name": name,
        "version": __version__,
        "task": TASK,
        "architecture": "ensemble of perceptrons with a linear path, distilled from a teacher with radiomic features; "
        "class probabilities and a censored log-logistic model of days",
        "arguments": {
            "inputs": list(settings.student_inputs),
            "members": settings.inner_folds * settings.seeds,
            "hidden": list(settings.student.hidden),
            "training": asdict(settings),
        },
        "inputs": input_ranges(table, settings.student_inputs),
        "input_meanings": {name: INPUT_MEANINGS[name] for name in settings.student_inputs},
        "resection_levels": list(RESECTIONS),
        "outputs": {
            "categories": DEFINITIONS,
            "days": "median survival from surgery",
            "interval": "80 % conformal prediction interval of days",
        },
        "label_convention": "0 background, 1 NCR/NET, 2 ED, 4 ET",
        "normalisation": "inputs in standard deviations from the training mean; a missing one counts as the mean",
        "training_data": _training_data(table),
        "reference": reference_statistics(table),
        "intended_use": _INTENDED_USE,
        "limits": list(_LIMITS),
        "metrics": [],
        "seed": seed,
        "command": f"BraTSOSLib.survival.train_survival({table.name.split(' + ')!r}, output, seed={seed})",
        "versions": _versions(),
    }


def _training_data(table: SurvivalTable) -> list[dict[str, Any]]:
    """Return source, terms, citation, patients and deaths of each cohort."""
    entries = []
    for cohort, title in enumerate(table.cohort_titles()):
        rows = table.cohorts == cohort
        source = _SOURCES.get(title, {"name": title, "terms": "not stated", "citation": "not stated"})
        entries.append({**source, "cases": int(rows.sum()), "deaths": int(table.events[rows].sum())})
    return entries


def _versions() -> dict[str, str]:
    import torch

    return {
        "bratsos": __version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "numpy": np.__version__,
        "torch": torch.__version__.split("+")[0],
    }


def card_metrics(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a comparison's numbers (`evaluation.compare`) as the card lists them: one entry a model and metric."""
    entries = []
    for result in results:
        for metric in (*METRICS, "log_loss", "calibration_error"):
            if metric not in result:
                continue
            entry = {"name": metric, "value": result[metric], "model": result["model"]}
            entry.update({"evaluation": result["evaluation"], "cases": result["cases"], "deaths": result["deaths"]})
            if f"{metric}_interval" in result:
                entry["interval"] = result[f"{metric}_interval"]
            entries.append(entry)
    return entries


def write_model(weights: Path, tensors: dict[str, np.ndarray], card: dict[str, Any]) -> None:
    """Write ``weights`` (.safetensors) and the card (.json) beside it, both or neither."""
    from safetensors.numpy import save

    content = save(tensors)
    names = [weights.name, weights.with_suffix(".json").name]
    complete = {**card, "sha256": hashlib.sha256(content).hexdigest()}
    with staged_folder(weights.parent, names) as staging:
        (staging / names[0]).write_bytes(content)
        text = json.dumps(complete, indent=2, ensure_ascii=False, allow_nan=False)
        (staging / names[1]).write_text(text + "\n", encoding="utf-8")
