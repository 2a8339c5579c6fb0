"""Training cases, preprocessed once: brain-boxed, normalised, at 2 mm."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...case import MODALITIES
from ...labels import REGIONS, canonical_labels
from ..preprocessing import bounding_box, halve, normalise

TARGET_REGIONS = ("WT", "TC", "ET")
_FORMAT = 3


@dataclass(frozen=True)
class TrainingCase:
    """One preprocessed case.

    Attributes
    ----------
    image : float16 (4, z, y, x), normalised over the brain, brain-boxed, 2 mm
    target : float16 (3, z, y, x), the share of WT, TC and ET in each voxel
    """

    name: str
    image: np.ndarray
    target: np.ndarray


def region_targets(labels: np.ndarray) -> np.ndarray:
    """(z, y, x) labels to float32 (3, z, y, x): membership of WT, TC and ET."""
    return np.stack([np.isin(labels, REGIONS[name]) for name in TARGET_REGIONS]).astype(np.float32)


def preprocess(folder: Path) -> TrainingCase:
    """Read one labelled case folder and preprocess it; raises ``InputError`` naming what is wrong with it."""
    from ...case import find_label_map, read_case, read_label_map
    from ...orientation import to_lps

    case = read_case(folder)
    labels = read_label_map(find_label_map(folder), case.geometry)
    image = np.stack([to_lps(case.volumes[name], case.geometry)[0] for name in MODALITIES])
    oriented = to_lps(canonical_labels(labels, f"{folder.name}'s label map"), case.geometry)[0]
    brain = (image != 0).any(axis=0)
    box = bounding_box(brain).slices
    image = normalise(image[(slice(None), *box)], brain[box])
    return TrainingCase(
        name=folder.name,
        image=halve(image).astype(np.float16),
        target=halve(region_targets(oriented[box])).astype(np.float16),
    )


def load_cases(
    folders: Sequence[Path], cache: Path, progress: Callable[[str, float], None] | None = None
) -> list[TrainingCase]:
    """Preprocess ``folders``, or load them from ``cache`` where that was done before with the same files."""
    cache.mkdir(parents=True, exist_ok=True)
    cases = []
    for done, folder in enumerate(folders):
        if progress is not None:
            progress(f"Preparing {folder.name}", done / len(folders))
        stored = cache / f"{folder.name}-{_fingerprint(folder)}.npz"
        if not stored.exists():
            case = preprocess(folder)
            temporary = stored.with_suffix(".tmp.npz")
            np.savez(
                temporary,
                image=case.image,
                target=case.target,
            )
            temporary.replace(stored)
        with np.load(stored) as arrays:
            cases.append(TrainingCase(folder.name, **{key: arrays[key] for key in arrays.files}))
    return cases


def _fingerprint(folder: Path) -> str:
    """Changes when a file of the folder does (name, size or time), or when this module's format does."""
    digest = hashlib.sha256(f"{_FORMAT}".encode())
    for path in sorted(folder.iterdir()):
        stat = path.stat()
        digest.update(f"{path.name} {stat.st_size} {stat.st_mtime_ns}".encode())
    return digest.hexdigest()[:12]
