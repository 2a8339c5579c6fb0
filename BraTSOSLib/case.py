"""A patient's four scans on one grid, and the little clinical information that goes with them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .errors import InputError
from .geometry import GRID_TOLERANCE, Geometry, grid_differences
from .labels import canonical_labels

if TYPE_CHECKING:
    from .images import Image

__all__ = [
    "GRID_TOLERANCE",
    "MODALITIES",
    "RESECTIONS",
    "Case",
    "Clinical",
    "Geometry",
    "check_clinical",
    "find_label_map",
    "find_scans",
    "read_case",
    "read_label_map",
    "write_label_map",
]

MODALITIES = ("t1", "t1ce", "t2", "flair")
RESECTIONS = ("GTR", "STR", "biopsy", "unknown")

SYNTHETIC_NOTE = "SYNTHETIC BraTSOS phantom"
"""Free text in the header of a phantom's files, by which they are known again."""

_SPELLINGS = {
    "t1": ("t1", "t1n", "t1w"),
    "t1ce": ("t1ce", "t1c", "t1gd"),
    "t2": ("t2", "t2w"),
    "flair": ("flair", "t2f"),
    "labels": ("seg", "segm"),
}
"""How file names end: BraTS to 2020, BraTS 2023 and UPENN-GBM; capitals do not matter."""

_NAMING = "_t1 _t1ce _t2 _flair, -t1n -t1c -t2w -t2f or _T1 _T1GD _T2 _FLAIR"
_FILE_NAME = re.compile(r"(?:(?P<stem>.*)[_-])?(?P<kind>[a-z0-9]+)\.(?:nii\.gz|nii|nrrd|mha)", re.IGNORECASE)
_MOSTLY_BRAIN = 0.9


@dataclass(frozen=True)
class Case:
    """Four co-registered scans of one patient.

    Attributes
    ----------
    name : str
    volumes : dict
        ``MODALITIES`` to float32 arrays (z, y, x) on the grid of ``geometry``.
    geometry : Geometry
        The input's own grid and orientation; label maps come back on it.
    paths : dict
        ``MODALITIES`` to the files that were read; empty for a case that was not read from files.
    synthetic : bool
        True for digital phantoms; shown wherever results are shown.
    notes : tuple of str
        What a reader of the results should know about the scans, e.g. that they were resampled.
    """

    name: str
    volumes: dict[str, np.ndarray]
    geometry: Geometry
    paths: dict[str, Path] = field(default_factory=dict)
    synthetic: bool = False
    notes: tuple[str, ...] = ()

    @cached_property
    def brain(self) -> np.ndarray:
        """Boolean (z, y, x): voxels where any modality is non-zero (the scans are skull-stripped)."""
        return np.any([volume != 0 for volume in self.volumes.values()], axis=0)


@dataclass(frozen=True)
class Clinical:
    """What the clinic knows; ``None`` means not known. Age in years."""

    age: float | None = None
    resection: str = "unknown"
    mgmt: str | None = None
    idh: str | None = None
    kps: float | None = None


def check_clinical(clinical: Clinical) -> Clinical:
    """Return ``clinical`` in its usual spelling, before anything that takes long begins.

    Raises
    ------
    InputError
        If the age is not above 0 and at most 120 years, the resection not one of ``RESECTIONS`` (capitals do not
        matter), or another value is one that the survival model does not know.
    """
    from .survival import covariates

    return Clinical(
        age=covariates.checked_age(clinical.age),
        resection=covariates.checked_resection(clinical.resection),
        mgmt=covariates.checked_choice(clinical.mgmt, "MGMT status", covariates.MGMT_STATES),
        idh=covariates.checked_choice(clinical.idh, "IDH status", covariates.IDH_STATES),
        kps=covariates.checked_performance(clinical.kps),
    )


def read_case(
    source: str | os.PathLike[str] | None = None,
    *,
    t1: str | os.PathLike[str] | None = None,
    t1ce: str | os.PathLike[str] | None = None,
    t2: str | os.PathLike[str] | None = None,
    flair: str | os.PathLike[str] | None = None,
    resample: bool = False,
    name: str | None = None,
) -> Case:
    """Read and check a patient's four scans.

    Parameters
    ----------
    source : folder, optional
        Holds one file for each modality, named as in BraTS, BraTS 2023 or UPENN-GBM.
    t1, t1ce, t2, flair : file, optional
        Paths that are given win over what the folder holds; without a folder all four are needed.
    resample : bool
        Bring scans on other grids onto T1ce's grid (linear interpolation in physical space, 0 outside). They must
        already be registered to each other.
    name : str, optional
        The case's name; else the folder's, or what the file names begin with.

    Raises
    ------
    InputError
        If a modality is missing or there twice, a file cannot be used (see ``images.read_image``), two modalities
        are the same scan, or the grids differ and ``resample`` is False.

    Examples
    --------
    >>> case = read_case("Brats18_TCIA01_201_1")  # doctest: +SKIP
    >>> case.volumes["t1ce"].shape  # doctest: +SKIP
    (155, 240, 240)
    """
    from .images import read_image

    given = {"t1": t1, "t1ce": t1ce, "t2": t2, "flair": flair}
    paths = _choose_paths(source, {kind: Path(path) for kind, path in given.items() if path is not None})
    _refuse_same_file(paths)
    images = {kind: read_image(paths[kind]) for kind in MODALITIES}
    _refuse_same_content(images)
    volumes, notes = _on_one_grid(images, resample=resample)
    reference = images["t1ce"]
    case = Case(
        name=name or _case_name(source, paths),
        volumes=volumes,
        geometry=reference.geometry,
        paths=paths,
        synthetic=any(image.description.startswith(SYNTHETIC_NOTE) for image in images.values()),
        notes=tuple(notes),
    )
    if case.brain.mean() > _MOSTLY_BRAIN:
        case = replace(
            case,
            notes=(
                *case.notes,
                f"{100 * case.brain.mean():.0f} % of the voxels are not 0: the scans seem not to be skull-stripped, "
                "which the segmentation expects.",
            ),
        )
    return case


def find_scans(folder: str | os.PathLike[str]) -> dict[str, Path]:
    """Find the scans of one case in ``folder`` (not in its subfolders); modalities that are not there are left out.

    Raises
    ------
    InputError
        If ``folder`` is no folder, or holds two files for one modality.
    """
    found = _find_files(Path(folder))
    scans: dict[str, Path] = {}
    for kind in MODALITIES:
        files = found.get(kind, [])
        if len(files) > 1:
            names = " and ".join(path.name for path in files[:2])
            raise InputError(f"{folder} holds {len(files)} files for {kind} ({names}): keep one, or give four paths.")
        if files:
            scans[kind] = files[0]
    return scans


def find_label_map(folder: str | os.PathLike[str]) -> Path:
    """Return the file in ``folder`` whose name ends in ``_seg``, ``-seg`` or ``_segm``.

    Raises
    ------
    InputError
        If ``folder`` is no folder, or holds none or more than one.
    """
    files = _find_files(Path(folder)).get("labels", [])
    if not files:
        raise InputError(f"{folder} holds no label map: name it like the scans, ending in _seg or -seg.")
    if len(files) > 1:
        raise InputError(f"{folder} holds {len(files)} label maps ({files[0].name} and {files[1].name}): keep one.")
    return files[0]


def write_label_map(labels: np.ndarray, geometry: Geometry, path: str | os.PathLike[str]) -> None:
    """Write a label map (z, y, x) with the values 0, 1, 2, 4 as uint8 on the grid ``geometry``, whole or not at all."""
    from .atomic import atomic_file
    from .images import write_image

    labels = canonical_labels(labels)
    with atomic_file(path) as unfinished:
        write_image(labels, geometry, unfinished)


def read_label_map(path: str | os.PathLike[str], geometry: Geometry | None = None) -> np.ndarray:
    """Read a label map as uint8 (z, y, x) with the values 0, 1, 2, 4.

    Raises
    ------
    InputError
        If the file cannot be used, holds other labels (see ``labels.canonical_labels``), or does not lie on the grid
        ``geometry`` where one is given.
    """
    from .images import read_labels

    image = read_labels(path)
    differences = grid_differences(image.geometry, geometry) if geometry is not None else []
    if differences:
        raise InputError(f"{path} is not on the grid of the scans: {'; '.join(differences)}. Resample it first.")
    return canonical_labels(image.array, str(path))


def _find_files(folder: Path) -> dict[str, list[Path]]:
    if folder.is_file():
        raise InputError(f"{folder} is a file where a case folder is expected: give its folder, or four paths.")
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"The case folder {folder} cannot be read ({error.strerror}): check the path.") from error
    found: dict[str, list[Path]] = {}
    for path in entries:
        match = None if path.name.startswith(".") else _FILE_NAME.fullmatch(path.name)
        kind = match and next((kind for kind, ends in _SPELLINGS.items() if match["kind"].lower() in ends), None)
        if kind and path.is_file():
            found.setdefault(kind, []).append(path)
    return found


def _choose_paths(source: str | os.PathLike[str] | None, given: Mapping[str, Path]) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    if source is not None and set(given) != set(MODALITIES):
        paths = _find_rest(Path(source), given)
    paths.update(given)
    missing = [kind for kind in MODALITIES if kind not in paths]
    if missing and source is None:
        raise InputError(f"No file is given for {', '.join(missing)}: give a case folder, or all four scans.")
    if missing:
        raise InputError(
            f"{source} holds no file for {', '.join(missing)}: name the files {_NAMING} (.nii, .nii.gz, .nrrd, .mha), "
            "or give four paths."
        )
    return {kind: paths[kind] for kind in MODALITIES}


def _find_rest(folder: Path, given: Mapping[str, Path]) -> dict[str, Path]:
    """Find what is not given; a folder that holds a modality twice is fine where the path says which one is meant."""
    found = _find_files(folder)
    if any(len(files) > 1 for kind, files in found.items() if kind in MODALITIES and kind not in given):
        return find_scans(folder)
    return {kind: files[0] for kind, files in found.items() if kind in MODALITIES}


def _case_name(source: str | os.PathLike[str] | None, paths: Mapping[str, Path]) -> str:
    if source is not None:
        return Path(source).resolve().name or "case"
    match = _FILE_NAME.fullmatch(paths["t1ce"].name)
    stem = match["stem"] if match else None
    return stem or paths["t1ce"].resolve().parent.name or "case"


def _refuse_same_file(paths: Mapping[str, Path]) -> None:
    for first, second in combinations(MODALITIES, 2):
        a, b = paths[first], paths[second]
        if a.exists() and b.exists() and a.samefile(b):
            raise InputError(f"{b} is given for both {first} and {second}: give each modality its own scan.")


def _refuse_same_content(images: Mapping[str, Image]) -> None:
    for first, second in combinations(MODALITIES, 2):
        if np.array_equal(images[first].array, images[second].array):
            raise InputError(
                f"{images[second].path} ({second}) holds exactly the same image as {images[first].path} ({first}): "
                "give each modality its own scan."
            )


def _on_one_grid(images: Mapping[str, Image], *, resample: bool) -> tuple[dict[str, np.ndarray], list[str]]:
    reference = images["t1ce"]
    volumes: dict[str, np.ndarray] = {}
    notes: list[str] = []
    for kind in MODALITIES:
        image = images[kind]
        differences = grid_differences(image.geometry, reference.geometry)
        if differences and not resample:
            raise InputError(
                f"{image.path} is not on the grid of {reference.path}: {'; '.join(differences)}. Co-registered scans "
                "can be brought onto it with --resample (resample=True)."
            )
        volumes[kind] = image.array
        if differences:
            from .images import resample_image

            volumes[kind] = resample_image(image, reference.geometry)
            notes.append(f"{kind} was resampled onto T1ce's grid ({'; '.join(differences)}).")
    return volumes, notes
