"""MRML nodes in, library data out, and back: volumes to a ``Case``, label maps to segmentations and the reverse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import combinations
from os.path import commonprefix

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk

from BraTSOSLib.case import MODALITIES, Case
from BraTSOSLib.errors import InputError
from BraTSOSLib.geometry import grid_differences
from BraTSOSLib.labels import COLOURS, ED, ET, NCR

from .geometry import ijkToRas, volumeGeometry

SEGMENTS = {"ED": ED, "NCR": NCR, "ET": ET}
"""Segment name to label, in the order in which overlapping segments win: the last one, as the regions are nested."""

VOLUME_ROLE = "BraTSOS.{modality}"
"""Node reference by which a segmentation remembers the volumes that it was made from."""


@contextmanager
def sceneRestoredOnError() -> Iterator[None]:
    """Remove every node that was added in the block if the block fails, so that nothing half-made stays behind."""
    before = _nodeIDs()
    try:
        yield
    except BaseException:
        _removeAllBut(before)
        raise


@contextmanager
def temporaryNodes() -> Iterator[None]:
    """Remove every node that was added in the block: exporting a segment leaves display and colour nodes behind."""
    before = _nodeIDs()
    try:
        yield
    finally:
        _removeAllBut(before)


def _removeAllBut(kept: set[str]) -> None:
    for nodeID in _nodeIDs() - kept:
        node = slicer.mrmlScene.GetNodeByID(nodeID)
        if node is not None:  # it may have gone together with another one
            slicer.mrmlScene.RemoveNode(node)


def _nodeIDs() -> set[str]:
    scene = slicer.mrmlScene
    return {scene.GetNthNode(index).GetID() for index in range(scene.GetNumberOfNodes())}


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


def segmentationFromLabels(labels: np.ndarray, name: str, volumes: Mapping) -> slicer.vtkMRMLSegmentationNode:
    """Add a segmentation node with the segments NCR, ED and ET on the volumes' own grid and return it.

    Parameters
    ----------
    labels : ndarray, (z, y, x)
        Values 0, 1, 2, 4; a region that does not occur becomes an empty segment, ready for Segment Editor.
    name : str
        The case's name; the node is named after it.
    volumes : mapping
        The volumes that the labels were made from; T1ce gives the reference geometry, transform and folder.
    """
    reference = volumes["t1ce"]
    scene = slicer.mrmlScene
    with sceneRestoredOnError():
        title = scene.GenerateUniqueName(_("{case} segmentation").format(case=name))
        node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", title)
        node.CreateDefaultDisplayNodes()
        node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
        node.SetNodeReferenceID(node.GetReferenceImageGeometryReferenceRole(), reference.GetID())
        for modality in MODALITIES:
            node.SetNodeReferenceID(VOLUME_ROLE.format(modality=modality), volumes[modality].GetID())
        for region in ("NCR", "ED", "ET"):
            node.GetSegmentation().AddEmptySegment(region, region, COLOURS[region])
            mask = _orientedImage(labels == SEGMENTS[region], reference)
            slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(mask, node, region)
        transform = reference.GetParentTransformNode()
        node.SetAndObserveTransformNodeID(transform.GetID() if transform else None)
        _putBeside(node, reference)
    return node


def _orientedImage(mask: np.ndarray, reference) -> slicer.vtkOrientedImageData:
    """Return a boolean (z, y, x) mask as an image on the grid of ``reference``."""
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(mask.shape[::-1])
    image.GetPointData().SetScalars(
        numpy_to_vtk(np.ascontiguousarray(mask, np.uint8).ravel(), deep=True, array_type=vtk.VTK_UNSIGNED_CHAR)
    )
    image.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(ijkToRas(reference)))
    return image


def _putBeside(node, reference) -> None:
    """Put a node into the subject-hierarchy folder of ``reference``: DICOM export needs it under the same study."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item, beside = hierarchy.GetItemByDataNode(node), hierarchy.GetItemByDataNode(reference)
    if item and beside:
        hierarchy.SetItemParent(item, hierarchy.GetItemParent(beside))


def labelsFromSegmentation(segmentation, reference) -> np.ndarray:
    """Return the label map (z, y, x), values 0, 1, 2, 4, that a segmentation holds now, on the grid of ``reference``.

    Segments are found by name (NCR, ED, ET in any case) or else by the ID that they were created with. A region
    without a segment is empty; where segments overlap, ET wins over NCR and NCR over ED.

    Raises
    ------
    InputError
        If there is no segment of a known name at all, or it cannot be turned into voxels.
    """
    found = {region: _segmentID(segmentation.GetSegmentation(), region) for region in SEGMENTS}
    if not any(found.values()):
        raise InputError(
            _("{name} has no segment named NCR, ED or ET, only {segments}: rename its segments.").format(
                name=segmentation.GetName(), segments=", ".join(_segmentNames(segmentation)) or _("none")
            )
        )
    labels = np.zeros(reference.GetImageData().GetDimensions()[::-1], np.uint8)
    for region, label in SEGMENTS.items():
        if found[region] and _hasVoxels(segmentation, found[region]):
            try:
                with temporaryNodes():
                    mask = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, found[region], reference)
            except RuntimeError as error:
                raise InputError(
                    _("The segment {region} of {name} cannot be turned into voxels on the grid of {reference}.").format(
                        region=region, name=segmentation.GetName(), reference=reference.GetName()
                    )
                ) from error
            labels[mask != 0] = label
    return labels


def _segmentNames(segmentation) -> list[str]:
    inside = segmentation.GetSegmentation()
    return [inside.GetNthSegment(index).GetName() for index in range(inside.GetNumberOfSegments())]


def _segmentID(inside, region: str) -> str | None:
    for index in range(inside.GetNumberOfSegments()):
        if inside.GetNthSegment(index).GetName().strip().upper() == region:
            return inside.GetNthSegmentID(index)
    return region if inside.GetSegment(region) else None


def _hasVoxels(segmentation, segmentID: str) -> bool:
    """Tell whether there is anything to export: Slicer reports an error for a segment that was never drawn in."""
    segment = segmentation.GetSegmentation().GetSegment(segmentID)
    image = segment.GetRepresentation(slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName())
    return image is None or not image.IsEmpty()


def volumesOf(segmentation) -> dict:
    """Return modality to volume node (or None) as the segmentation remembers them."""
    return {modality: segmentation.GetNodeReference(VOLUME_ROLE.format(modality=modality)) for modality in MODALITIES}
