"""Training cases, preprocessed once: brain-boxed, normalised, at 1 or 2 mm."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import BraTSOSError, InputError
from ...labels import REGIONS
from ...orientation import to_lps
from ..preprocessing import bounding_box, halve, normalise, normalise_nonzero
from ..resampling import resize_linear
from .cases import LabelledCase

TARGET_REGIONS = ("WT", "TC", "ET")
_FORMAT = 4
_NEARLY_ONE = 0.03
"""Grids whose spacing is this close to 1 mm are taken as they are, as inference does."""


@dataclass(frozen=True)
class TrainingCase:
    """One preprocessed case.

    Attributes
    ----------
    image : float16 (4, z, y, x), normalised, 0 outside the brain, brain-boxed
    target : float16 (3, z, y, x), the share of WT, TC and ET in each voxel
    """

    name: str
    image: np.ndarray
    target: np.ndarray


def region_targets(labels: np.ndarray) -> np.ndarray:
    """(z, y, x) labels to float32 (3, z, y, x): membership of WT, TC and ET."""
    return np.stack([np.isin(labels, REGIONS[name]) for name in TARGET_REGIONS]).astype(np.float32)


def preprocess(case: LabelledCase, spacing: float = 2.0, normalisation: str = "brain") -> TrainingCase:
    """Read and preprocess one labelled case; raises ``InputError`` naming what is wrong with it.

    Parameters
    ----------
    spacing : 1 or 2 mm; grids of another spacing are resampled to 1 mm first
    normalisation : see ``model.Stage``
    """
    scans, labels, geometry = case.read()
    image, spacings = to_lps(scans, geometry)
    oriented = to_lps(labels, geometry)[0]
    brain = (image != 0).any(axis=0)
    box = bounding_box(brain).slices
    inside = np.ascontiguousarray(image[(slice(None), *box)], dtype=np.float32)
    inside = normalise(inside, brain[box]) if normalisation == "brain" else normalise_nonzero(inside)
    target = region_targets(oriented[box])
    shape = inside.shape[1:]
    millimetres = tuple(max(round(n * s), 8) for n, s in zip(shape, spacings[::-1], strict=True))
    if any(abs(a - b) / b > _NEARLY_ONE for a, b in zip(millimetres, shape, strict=True)):
        inside, target = resize_linear(inside, millimetres), resize_linear(target, millimetres)
    if spacing == 2.0:
        inside, target = halve(inside), halve(target)
    return TrainingCase(case.name, inside.astype(np.float16), target.astype(np.float16))


def load_cases(
    cases: Sequence[LabelledCase],
    cache: Path,
    *,
    spacing: float = 2.0,
    normalisation: str = "brain",
    progress: Callable[[str, float], None] | None = None,
    bad: dict[str, str] | None = None,
) -> list[TrainingCase]:
    """Preprocess ``cases``, or load them from ``cache`` where that was done before with the same files.

    The arrays are mapped from the files, so that a data set may be larger than the memory.

    Parameters
    ----------
    bad : where given, cases that cannot be used are left out and their sentences are put in here; else the first one
        stops
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {cache} cannot be made ({error.strerror}): give another output.") from error
    loaded = []
    for done, case in enumerate(cases):
        if progress is not None:
            progress(f"Preparing {case.name}", done / len(cases))
        stem = f"{case.name}-{_fingerprint(case, spacing, normalisation)}"
        files = [cache / f"{stem}.{part}.npy" for part in ("image", "target")]
        try:
            if not all(file.exists() for file in files):
                ready = preprocess(case, spacing, normalisation)
                for file, array in zip(files, (ready.image, ready.target), strict=True):
                    _store(array, file)
            image, target = (np.load(file, mmap_mode="r") for file in files)
        except BraTSOSError as error:
            if bad is None:
                raise InputError(f"The case {case.name} cannot be used: {error}") from error
            bad[case.name] = str(error)
            continue
        loaded.append(TrainingCase(case.name, image, target))
    return loaded


def _store(array: np.ndarray, path: Path) -> None:
    # named by the process, so that two runs that share a cache do not write into one file
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            np.save(stream, array)
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): is there room on the disk?") from error
    finally:
        temporary.unlink(missing_ok=True)


def _fingerprint(case: LabelledCase, spacing: float, normalisation: str) -> str:
    """Changes when a file of the case does (name, size or time), its reading, or this module's format."""
    digest = hashlib.sha256(f"{_FORMAT} {spacing} {normalisation}".encode())
    reading = {name: str(path) for name, path in case.scans.items()}, case.channels, sorted(case.values.items())
    digest.update(json.dumps(reading).encode())
    for path in case.files:
        try:
            stat = path.stat()
        except OSError:
            continue  # reading the case says that the file is missing
        digest.update(f"{path.name} {stat.st_size} {stat.st_mtime_ns}".encode())
    return digest.hexdigest()[:12]
