"""Extraction of all features of a case: every region, its shape once and its intensities in every modality."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..case import Case
from ..errors import InputError
from ..labels import canonical_labels
from .box import bounding_box
from .columns import DIAGNOSTICS, LABEL_COMBINATIONS, Key, Layout, column_name, table_keys, wants_intensities
from .engines import Engine, choose_engine
from .job import Job
from .kernels import DEVICES
from .names import ORIGINAL
from .presets import Preset, find_preset
from .settings import Settings
from .volume import Box, Volume, case_volume
from .work import Cancel, Progress, run_tasks

if TYPE_CHECKING:
    import pandas as pd


def extract_features(
    case: Case,
    labels: np.ndarray,
    *,
    engine: str = "auto",
    preset: str | Preset | None = None,
    regions: Sequence[str] | None = None,
    settings: Settings | None = None,
    diagnostics: bool | None = None,
    device: str = "auto",
    workers: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> pd.DataFrame:
    """Extract radiomic features, named and defined as in pyradiomics.

    Parameters
    ----------
    case : Case
        Volumes (z, y, x). Intensities are used as they are unless ``settings`` say otherwise.
    labels : (z, y, x) integer
        Label map on the case's grid, values 0/1/2/4 (3 is read as 4).
    engine : {"auto", "bratsos", "pyradiomics"}
        Which code computes: the library's own (also ``"auto"``), or pyradiomics with the same settings.
    preset : str or Preset, optional
        A named set of features, see ``presets.PRESETS``; by default shape and first order.
    regions : sequence of str, optional
        Keys of ``columns.LABEL_COMBINATIONS``; by default the preset's.
    settings : Settings, optional
        Instead of the preset's.
    diagnostics : bool, optional
        Also give pyradiomics' diagnostics of each modality and region (as text or numbers); by default as the preset
        and ``settings.additional_info`` say.
    device : {"auto", "cpu", "cuda"}
        Where texture matrices are counted; ``"auto"`` is the graphics card only if it is faster and in use already.
    workers : int, optional
        Threads; by default one for each modality, but no more than there are processors.
    progress : callable, optional
        Called as ``progress(message, fraction)``, from the calling thread.
    cancel : callable, optional
        Asked again and again; when it returns True the extraction stops.

    Returns
    -------
    pandas.DataFrame
        Columns ``feature`` (see ``names.py``) and ``value``, one row a feature, the same rows for every case: features
        that are undefined are NaN; an empty region has volume 0 and NaN otherwise. ``value`` is float unless there are
        diagnostics. ``attrs`` holds ``engine``, ``engine_version``, ``preset``, ``regions`` (with what names call
        them), ``settings`` and ``notes`` (where values are missing, why).

    Raises
    ------
    InputError
        If the label map is not on the case's grid, its values, a region or the preset are unknown, or intensities
        inside a region are not finite or need too many grey levels.
    DependencyError
        If ``engine="pyradiomics"`` and it cannot be imported, or wavelets are wanted without PyWavelets.
    Cancelled
        If ``cancel`` returned True.

    Examples
    --------
    >>> from BraTSOSLib import make_phantom
    >>> case, labels = make_phantom(seed=1)
    >>> table = extract_features(case, labels, engine="bratsos", regions=("ET",))
    >>> len(table)  # 14 shape + 4 x 18 first-order
    86
    """
    chosen = find_preset(preset or "default") if isinstance(preset, str | None) else preset
    settings = settings or chosen.settings
    layout = _layout(chosen.layout, case, regions, settings, diagnostics)
    _check(case, labels := np.asarray(labels), layout)
    if device not in DEVICES:
        raise InputError(f"Unknown device {device!r}; choose from {', '.join(DEVICES)}.")
    computing = choose_engine(engine)
    job, empty = _job(case, labels, layout, settings)
    job.device = device
    run_tasks(computing.tasks(job), workers if computing.parallel else 1, progress, cancel)
    return _table(job, empty, layout, case, computing, chosen.name)


def _layout(
    layout: Layout, case: Case, regions: Sequence[str] | None, settings: Settings, diagnostics: bool | None
) -> Layout:
    if diagnostics is None:
        diagnostics = layout.diagnostics or settings.additional_info
    return replace(
        layout,
        modalities=tuple(modality for modality in layout.modalities if modality in case.volumes),
        regions=layout.regions if regions is None else tuple(regions),
        diagnostics=diagnostics,
    )


def _check(case: Case, labels: np.ndarray, layout: Layout) -> None:
    for modality in layout.modalities:
        shape = case.volumes[modality].shape
        if labels.ndim != 3 or labels.shape != shape:
            raise InputError(
                f"The label map has the shape {labels.shape} but {modality} of {case.name} has {shape} (z, y, x): "
                "give a label map on the scans' own grid."
            )
    if not all(math.isfinite(step) and step > 0 for step in case.geometry.spacing):
        raise InputError(
            f"{case.name} has the voxel spacing {case.geometry.spacing}; expected three positive lengths in mm."
        )
    unknown = [region for region in layout.regions if region not in LABEL_COMBINATIONS]
    if unknown:
        raise InputError(f"Unknown region {unknown[0]!r}; choose from {', '.join(LABEL_COMBINATIONS)}.")


def _job(case: Case, labels: np.ndarray, layout: Layout, settings: Settings) -> tuple[Job, list[str]]:
    """Return what there is to measure, and the regions that are empty."""
    # Time and memory follow the tumour's size, not the volume's: from here on only its bounding box is looked at.
    found = bounding_box(labels != 0)
    box: Box = (found[0], found[1], found[2])
    inside = canonical_labels(labels[box], "The label map")
    masks = {region: np.isin(inside, LABEL_COMBINATIONS[region]) for region in layout.regions}
    empty = [region for region, mask in masks.items() if not mask.any()]
    shape_once = settings.resegment_range is None or not (layout.shape_per_modality or settings.resegment_shape)
    volumes: dict[str, Volume] = {}
    wanted = not shape_once or layout.diagnostics or wants_intensities(settings)
    if wanted and len(empty) < len(masks):
        volumes = {modality: case_volume(case, modality, box) for modality in layout.modalities}
    filled = {region: mask for region, mask in masks.items() if region not in empty}
    return Job(volumes, case.geometry, box, filled, settings, shape_once, layout.diagnostics), empty


def _table(job: Job, empty: Sequence[str], layout: Layout, case: Case, engine: Engine, preset: str) -> pd.DataFrame:
    import pandas as pd

    from .diagnostics import general

    values: dict[Key, Any] = dict(job.values)
    notes: dict[str, str] = {}
    for region in layout.regions:
        if region in empty:
            notes[region] = "The region is empty: its volumes are 0, its other features undefined."
        elif np.count_nonzero(job.masks[region]) == 1:
            notes[region] = "The region is a single voxel: its axis ratios and textures are undefined."
    common: Mapping[str, Any] = (
        general(job.settings, f"{_TITLES[engine.name]} {engine.version}") if layout.diagnostics else {}
    )
    keys = table_keys(layout, job.settings)
    names, column = [], []
    if layout.with_name:
        names.append("case")
        column.append(case.name)
    for key in keys:
        names.append(column_name(key, layout))
        value = values.get(key, values.get(key._replace(modality=None)))
        column.append(_undefined(key, empty, common) if value is None else value)
    if not (layout.with_name or layout.diagnostics):
        column = np.array(column, dtype=float)  # type: ignore[assignment]
    table = pd.DataFrame({"feature": names, "value": column})
    table.attrs.update(
        engine=engine.name,
        engine_version=engine.version,
        preset=preset,
        regions={region: layout.aliases.get(region, region) for region in layout.regions},
        settings=job.settings.to_dict(),
        notes={**notes, **job.notes},
    )
    return table


_TITLES = {"bratsos": "BraTSOS", "pyradiomics": "pyradiomics"}


def _undefined(key: Key, empty: Sequence[str], common: Mapping[str, Any]) -> Any:
    """Return what stands where nothing was measured."""
    if key.image == DIAGNOSTICS:
        return common.get(f"{key.feature_class}_{key.feature}", math.nan)
    # What can be said about a region without voxels.
    nothing = key.region in empty and (key.image, key.feature_class) == (ORIGINAL, "shape")
    return 0.0 if nothing and key.feature in ("VoxelVolume", "MeshVolume") else math.nan
