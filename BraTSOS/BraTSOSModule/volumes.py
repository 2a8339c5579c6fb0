"""Volume nodes: four of them in, a ``Case`` of the library out."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from os.path import commonprefix
from pathlib import Path

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from BraTSOSLib.case import MODALITIES, Case
from BraTSOSLib.errors import InputError
from BraTSOSLib.geometry import grid_differences
from BraTSOSLib.images import Image, resample_image

from .geometry import volumeGeometry
from .scene import putBeside, sceneRestoredOnError


def caseFromVolumes(volumes: Mapping[str, slicer.vtkMRMLScalarVolumeNode | None]) -> Case:
    """Return the case that four volume nodes hold; the voxels are copied.

    Parameters
    ----------
    volumes : mapping
        Each of ``MODALITIES`` to a scalar volume node; all on one grid and under one parent transform.

    Raises
    ------
    InputError
        If a volume is missing, chosen twice, not a finite, non-empty 3-D scan, or on another grid.
    """
    _checkSelection(volumes)
    arrays = {modality: _voxels(modality, volumes[modality]) for modality in MODALITIES}
    for first, second in combinations(MODALITIES, 2):
        if np.array_equal(arrays[first], arrays[second]):
            raise InputError(
                _("{first} and {second} hold exactly the same scan: select four different scans.").format(
                    first=volumes[first].GetName(), second=volumes[second].GetName()
                )
            )
    reference = volumes["t1ce"]
    geometry = volumeGeometry(reference)
    for modality in MODALITIES:
        node = volumes[modality]
        differences = grid_differences(volumeGeometry(node), geometry)
        if differences:
            raise InputError(
                _("{name} is not on the grid of {reference}: {found}. Resample it onto {reference} first.").format(
                    name=node.GetName(), reference=reference.GetName(), found="; ".join(differences)
                )
            )
        if node.GetParentTransformNode() is not reference.GetParentTransformNode():
            raise InputError(
                _("{name} is under another transform than {reference}: harden the transforms and resample.").format(
                    name=node.GetName(), reference=reference.GetName()
                )
            )
    name = caseName([volumes[modality].GetName() for modality in MODALITIES], reference.GetName())
    return Case(name=name, volumes=arrays, geometry=geometry, synthetic=name.lower().startswith("synthetic"))


def _checkSelection(volumes: Mapping[str, slicer.vtkMRMLScalarVolumeNode | None]) -> None:
    chosen: dict[str, str] = {}
    for modality in MODALITIES:
        node = volumes.get(modality)
        if node is None:
            raise InputError(_("No {modality} volume is selected: select one.").format(modality=modality.upper()))
        if not node.IsA("vtkMRMLScalarVolumeNode") or node.IsA("vtkMRMLLabelMapVolumeNode"):
            raise InputError(
                _("{name} ({modality}) is no scalar volume but a {kind}: select a scan.").format(
                    name=node.GetName(), modality=modality.upper(), kind=node.GetNodeTagName()
                )
            )
        if node.GetID() in chosen:
            raise InputError(
                _("{name} is selected both as {first} and as {second}: select four different volumes.").format(
                    name=node.GetName(), first=chosen[node.GetID()], second=modality.upper()
                )
            )
        chosen[node.GetID()] = modality.upper()


def _voxels(modality: str, node) -> np.ndarray:
    """Return a float32 copy (z, y, x) of a volume's voxels, refused if they are no usable scan."""
    image, found = node.GetImageData(), None
    if image is None or image.GetNumberOfPoints() == 0 or image.GetPointData().GetScalars() is None:
        found = _("has no voxels")
    elif image.GetNumberOfScalarComponents() != 1:
        found = _("has {count} values per voxel").format(count=image.GetNumberOfScalarComponents())
    elif min(image.GetDimensions()) < 2:
        found = _("is not 3-D")
    else:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is refused below
            voxels = np.array(slicer.util.arrayFromVolume(node), dtype=np.float32)
        if not np.isfinite(voxels).all():
            found = _("holds NaN or infinite voxels")
        elif voxels.min() == voxels.max():
            found = _("is empty: every voxel is {value}").format(value=f"{voxels.min():g}")
    if found:
        raise InputError(
            _("{name} ({modality}) {found}: select a 3-D scan of the brain.").format(
                name=node.GetName(), modality=modality.upper(), found=found
            )
        )
    return voxels


def caseName(names: list[str], fallback: str) -> str:
    """Return what the four volumes' names have in common, e.g. ``Case_1`` of ``Case_1_t1``, ..., or ``fallback``."""
    common = commonprefix(names)  # noqa: RUF071  (names, not paths)
    for separator in ("_", "-", " ", "."):  # cut after the last whole word: T1 and T2 have a T in common
        if separator in common:
            return common[: common.rindex(separator)].rstrip("_-. ") or fallback
    return fallback


def addPhantom(case: Case) -> dict[str, slicer.vtkMRMLScalarVolumeNode]:
    """Add the scans of a case as volume nodes named after it; return them by modality."""
    ijkToLps = np.eye(4)
    ijkToLps[:3, :3] = np.reshape(case.geometry.direction, (3, 3)) * case.geometry.spacing
    ijkToLps[:3, 3] = case.geometry.origin
    ijkToRas = np.diag([-1.0, -1.0, 1.0, 1.0]) @ ijkToLps
    with sceneRestoredOnError():
        return {
            modality: slicer.util.addVolumeFromArray(
                array, ijkToRAS=slicer.util.vtkMatrixFromArray(ijkToRas), name=f"{case.name}_{modality}"
            )
            for modality, array in case.volumes.items()
        }


def hasVoxels(node) -> bool:
    """Tell whether a volume node holds an image of three dimensions."""
    image = node.GetImageData()
    return image is not None and image.GetNumberOfPoints() > 0 and min(image.GetDimensions()) > 1


def onOtherGrids(volumes: Mapping) -> list[str]:
    """Return the modalities whose volumes do not lie on the grid of T1ce."""
    reference = volumeGeometry(volumes["t1ce"])
    return [modality for modality in MODALITIES if grid_differences(volumeGeometry(volumes[modality]), reference)]


def resampledOntoT1ce(volumes: Mapping) -> dict:
    """Add copies of the volumes that lie on another grid, resampled linearly onto T1ce's; return all four by modality.

    They must be registered to each other already; parent transforms are left out.

    Raises
    ------
    InputError
        If nothing of a volume lies within T1ce's grid; the scene is left as it was then.
    """
    reference = volumes["t1ce"]
    chosen = dict(volumes)
    with sceneRestoredOnError():
        for modality in onOtherGrids(volumes):
            node = volumes[modality]
            image = Image(Path(node.GetName()), _voxels(modality, node), volumeGeometry(node))
            array = resample_image(image, volumeGeometry(reference))
            name = slicer.mrmlScene.GenerateUniqueName(_("{name} on T1ce").format(name=node.GetName()))
            matrix = vtk.vtkMatrix4x4()
            reference.GetIJKToRASMatrix(matrix)
            chosen[modality] = slicer.util.addVolumeFromArray(array, ijkToRAS=matrix, name=name)
            putBeside(chosen[modality], reference)
    return chosen
