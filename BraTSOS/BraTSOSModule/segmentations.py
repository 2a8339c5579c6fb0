"""Segmentation nodes: label maps in, segments out, and back, corrections included."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk

from BraTSOSLib.case import MODALITIES
from BraTSOSLib.errors import InputError
from BraTSOSLib.labels import COLOURS, ED, ET, NCR

from . import mapping, terminology
from .geometry import ijkToRas
from .scene import putBeside, sceneRestoredOnError, temporaryNodes

SEGMENTS = {"ED": ED, "NCR": NCR, "ET": ET}
"""Region to label, in the order in which overlapping segments win: the last one, as the regions are nested."""

OEDEMA_OPACITY = 0.2
"""Of oedema in 3D views: it encloses the tumour, which could not be seen otherwise."""

VOLUME_ROLE = "BraTSOS.{modality}"
"""Node reference by which a segmentation remembers the volumes that it was made from."""


def segmentationFromLabels(
    labels: np.ndarray, name: str, volumes: Mapping, output: slicer.vtkMRMLSegmentationNode | None = None
) -> slicer.vtkMRMLSegmentationNode:
    """Return a segmentation node with the segments NCR, ED and ET on the volumes' own grid.

    Parameters
    ----------
    labels : ndarray, (z, y, x)
        Values 0, 1, 2, 4; a region that does not occur becomes an empty segment, ready for Segment Editor.
    name : str
        The case's name; a new node is named after it.
    volumes : mapping
        The volumes that the labels were made from; T1ce gives the reference geometry, transform and folder.
    output : vtkMRMLSegmentationNode, optional
        The node to fill, all its segments replaced; a new one where None.
    """
    reference = volumes["t1ce"]
    masks = {region: orientedImage(labels == SEGMENTS[region], reference) for region in ("NCR", "ED", "ET")}
    with sceneRestoredOnError():
        node = output or _newNode(name)
        node.GetSegmentation().RemoveAllSegments()
        node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
        node.SetNodeReferenceID(node.GetReferenceImageGeometryReferenceRole(), reference.GetID())
        remember(node, volumes)
        for region, mask in masks.items():
            node.GetSegmentation().AddEmptySegment(region, region, COLOURS[region])
            slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(mask, node, region)
            terminology.describe(node.GetSegmentation().GetSegment(region), region)
            mapping.choose(node, region, region)
        transform = reference.GetParentTransformNode()
        node.SetAndObserveTransformNodeID(transform.GetID() if transform else None)
        putBeside(node, reference)
    return node


def _newNode(name: str) -> slicer.vtkMRMLSegmentationNode:
    title = slicer.mrmlScene.GenerateUniqueName(_("{case} segmentation").format(case=name))
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", title)
    node.CreateDefaultDisplayNodes()
    return node


def orientedImage(mask: np.ndarray, reference) -> slicer.vtkOrientedImageData:
    """Return a boolean (z, y, x) mask as an image on the grid of ``reference``."""
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(mask.shape[::-1])
    image.GetPointData().SetScalars(
        numpy_to_vtk(np.ascontiguousarray(mask, np.uint8).ravel(), deep=True, array_type=vtk.VTK_UNSIGNED_CHAR)
    )
    image.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(ijkToRas(reference)))
    return image


def labelsFromSegmentation(segmentation, reference) -> np.ndarray:
    """Return the label map (z, y, x), values 0, 1, 2, 4, that a segmentation holds now, on the grid of ``reference``.

    Which segment is which region, ``mapping`` tells. A region without a segment is empty; where segments overlap, ET
    wins over NCR and NCR over ED.

    Raises
    ------
    InputError
        If no segment is known to be a region, or one cannot be turned into voxels.
    """
    found = mapping.mappingOf(segmentation)
    if not any(found.values()):
        names = ", ".join(mapping.segmentsOf(segmentation).values())
        raise InputError(
            _(
                "No segment of {name} is known to be NCR, ED or ET (it has {segments}): choose which one is which."
            ).format(name=segmentation.GetName(), segments=names or _("none"))
        )
    labels = np.zeros(reference.GetImageData().GetDimensions()[::-1], np.uint8)
    for region, label in SEGMENTS.items():
        segmentID = found[region]
        if segmentID and _hasVoxels(segmentation, segmentID):
            try:
                with temporaryNodes():
                    mask = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segmentID, reference)
            except RuntimeError as error:
                raise InputError(
                    _("The segment {region} of {name} cannot be turned into voxels on the grid of {reference}.").format(
                        region=region, name=segmentation.GetName(), reference=reference.GetName()
                    )
                ) from error
            labels[mask != 0] = label
    return labels


def _hasVoxels(segmentation, segmentID: str) -> bool:
    """Tell whether there is anything to export: Slicer reports an error for a segment that was never drawn in."""
    segment = segmentation.GetSegmentation().GetSegment(segmentID)
    image = segment.GetRepresentation(slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName())
    return image is None or not image.IsEmpty()


def remember(segmentation, volumes: Mapping) -> None:
    """Have a segmentation remember the volumes that it was made from; saved with the scene."""
    for modality in MODALITIES:
        segmentation.SetNodeReferenceID(VOLUME_ROLE.format(modality=modality), volumes[modality].GetID())


def volumesOf(segmentation) -> dict:
    """Return modality to volume node (or None) as the segmentation remembers them."""
    return {modality: segmentation.GetNodeReference(VOLUME_ROLE.format(modality=modality)) for modality in MODALITIES}


def show3D(segmentation, shown: bool) -> None:
    """Show a segmentation's surfaces in the 3D views, or no longer."""
    if segmentation.GetDisplayNode() is None:
        segmentation.CreateDefaultDisplayNodes()
    display = segmentation.GetDisplayNode()
    if shown:
        segmentation.CreateClosedSurfaceRepresentation()
        oedema = mapping.mappingOf(segmentation)["ED"]
        if oedema and display.GetSegmentOpacity3D(oedema) == 1.0:
            display.SetSegmentOpacity3D(oedema, OEDEMA_OPACITY)
    display.SetVisibility3D(shown)
