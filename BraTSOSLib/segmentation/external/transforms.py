"""What a MONAI bundle does to its scans before and after the network, as far as its configuration says it plainly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import ModelError
from .bundle_config import NotLiteral, components, literal, target

_WHERE = ("preprocessing", "validate", "preprocessing_transforms", "train")
_HARMLESS = {
    "LoadImaged", "EnsureChannelFirstd", "EnsureTyped", "ToTensord", "CastToTyped", "AsChannelFirstd",
    "AddChanneld", "SelectItemsd", "CropForegroundd", "DivisiblePadd", "SpatialPadd", "ToDeviced", "Identityd",
    "ConvertToMultiChannelBasedOnBratsClassesd", "CopyItemsd",
}  # fmt: skip
"""Steps that our own reading and sliding windows do as well, or that concern the labels alone."""
_OTHER_INTENSITIES = ("ScaleIntensity", "ThresholdIntensity", "HistogramNormalize", "ClipIntensity", "SignalFill")
_NOT_STEPS = ("Compose", "Dataset", "CacheDataset", "PersistentDataset", "DataLoader")
_AROUND = (
    "Activations",
    "AsDiscrete",
    "Invert",
    "Save",
    "Handler",
    "Inferer",
    "Metric",
    "Loss",
    "Evaluator",
    "Trainer",
)
_SAME_SPACING = 1e-3
DEFAULT_WINDOW = (128, 128, 128)


@dataclass(frozen=True)
class Preprocessing:
    """Normalisation and orientation as cards name them (None where not said), voxel size in mm, what was assumed."""

    normalisation: str
    orientation: str | None
    spacing: float
    notes: tuple[str, ...]


def preprocessing_of(config: dict[str, Any], source: str) -> Preprocessing:
    """Recognise the preprocessing of ``config`` (empty where a bundle has none).

    Raises
    ------
    ModelError
        If the bundle plainly says something that is not done here: another normalisation or orientation, voxels
        that are not cubes.
    """
    normalisation: str | None = None
    orientation: str | None = None
    spacing: float | None = None
    notes: list[str] = []
    for step in _steps(config):
        name = target(step)
        if name.startswith("Rand") or name in _HARMLESS:
            continue
        try:
            step = literal(step, config)
        except NotLiteral:
            notes.append(f"Its preprocessing step {name} is set by code, which is never run, and was left out.")
            continue
        if _keys(step) <= {"label", "labels", "seg", "mask"}:
            continue
        if name == "NormalizeIntensityd":
            if not step.get("nonzero") or not step.get("channel_wise") or "subtrahend" in step or "divisor" in step:
                raise ModelError(
                    f"The bundle {source} normalises its scans over all voxels or by fixed numbers; only "
                    "NormalizeIntensityd with nonzero and channel_wise is supported."
                )
            normalisation = "nonzero"
        elif name.startswith(_OTHER_INTENSITIES):
            raise ModelError(
                f"The bundle {source} prepares its scans with {name}; only NormalizeIntensityd with nonzero and "
                "channel_wise is supported."
            )
        elif name == "Orientationd":
            orientation = str(step.get("axcodes"))
            if orientation != "RAS":
                raise ModelError(f"The bundle {source} turns its scans to {orientation}; only RAS is supported.")
        elif name == "Spacingd":
            spacing = _cube(step.get("pixdim"), source)
        else:
            notes.append(f"Its preprocessing step {name} is not done here.")
    if normalisation is None:
        notes.append("The bundle does not say how its scans are normalised: over nonzero voxels was assumed.")
    if spacing is None:
        notes.append("The bundle does not say its voxel size: 1 mm was assumed.")
    return Preprocessing(normalisation or "nonzero", orientation, spacing or 1.0, tuple(notes))


def sliding_window(config: dict[str, Any]) -> tuple[list[int], float, list[str]]:
    """Window (in the network's axis order) and overlap of the bundle's sliding windows, and what was assumed."""
    places = [config.get("inferer"), config.get("validate"), config.get("evaluator")]
    for component in components(places, config):
        if not target(component).startswith("SlidingWindowInferer"):
            continue
        try:
            size = literal(component.get("roi_size"), config)
            overlap = literal(component.get("overlap", 0.25), config)
        except NotLiteral:
            break
        size = [size] * 3 if isinstance(size, int) else size
        if isinstance(size, list) and len(size) == 3 and isinstance(overlap, int | float) and 0 <= overlap < 1:
            # -1 and None stand for the whole axis, whose length only a case tells
            window = [n if isinstance(n, int) and n > 0 else d for n, d in zip(size, DEFAULT_WINDOW, strict=True)]
            return window, float(overlap), []
    return list(DEFAULT_WINDOW), 0.5, ["The bundle does not say its window: 128 voxels along each axis were assumed."]


def threshold_of(config: dict[str, Any]) -> float:
    """The threshold of the probabilities in the bundle's post-processing; 0.5 where it says none."""
    for component in components([config.get("postprocessing"), config.get("validate")], config):
        value = component.get("threshold")
        if target(component).startswith("AsDiscrete") and isinstance(value, int | float) and 0 < value < 1:
            return float(value)
    return 0.5


def _steps(config: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps of the inference preprocessing, or else of what validation and training share."""
    for key in _WHERE:
        found = config.get(key)
        if key in ("validate", "train") and isinstance(found, dict):
            found = found.get(
                "preprocessing_transforms", found.get("deterministic_transforms", found.get("preprocessing"))
            )
        steps = [step for step in components(found, config) if target(step) not in _NOT_STEPS]
        steps = [step for step in steps if not any(word in target(step) for word in _AROUND)]
        if steps:
            return steps
    return []


def _keys(step: dict[str, Any]) -> set[str]:
    keys = step.get("keys", "image")
    return {str(key) for key in keys} if isinstance(keys, list) else {str(keys)}


def _cube(size: Any, source: str) -> float:
    sizes = size if isinstance(size, list) else [size]
    if not all(isinstance(n, int | float) and n > 0 for n in sizes) or max(sizes) - min(sizes) > _SAME_SPACING:
        raise ModelError(f"The bundle {source} wants voxels of {size} mm; only cubes are supported.")
    return float(sizes[0])
