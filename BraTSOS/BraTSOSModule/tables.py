"""Results as table nodes: features laid out as SlicerRadiomics' own tables, and the regions' volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from BraTSOSLib.labels import REGION_TITLES

from .scene import putBeside, sceneRestoredOnError

VOLUMES_ROLE = "BraTSOS.Volumes"
"""Node reference by which a segmentation remembers its table of volumes."""

KEYS = ("Image type", "Feature Class", "Feature Name")
"""SlicerRadiomics' first three columns; one column for each region of interest follows, and all of them are text."""


def addTable(name: str, columns: Mapping[str, Sequence[Any]], reference=None) -> slicer.vtkMRMLTableNode:
    """Add a table node.

    Parameters
    ----------
    name : str
    columns : mapping
        Column name to its values: text, or numbers where all of them are.
    reference : node, optional
        Whose folder of the subject hierarchy it is put into.
    """
    with sceneRestoredOnError():
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", slicer.mrmlScene.GenerateUniqueName(name))
        for title, values in columns.items():
            numeric = all(isinstance(value, float) for value in values)
            array = vtk.vtkDoubleArray() if numeric else vtk.vtkStringArray()
            array.SetName(title)
            for value in values:
                array.InsertNextValue(value if numeric else str(value))
            node.AddColumn(array)
        if reference is not None:
            putBeside(node, reference)
    return node


def volumesTable(volumes: Mapping[str, Mapping[str, float]], segmentation, reference) -> slicer.vtkMRMLTableNode:
    """Add the table of the regions' volumes in mL and as a share of the brain."""
    columns = {
        _("Region"): [_(REGION_TITLES[region]) for region in volumes],
        _("Volume [mL]"): [float(values["ml"]) for values in volumes.values()],
        _("Share of the brain [%]"): [float(values["brain_percent"]) for values in volumes.values()],
    }
    return addTable(_("{name} volumes").format(name=segmentation.GetName()), columns, reference)


def replaceVolumesTable(volumes: Mapping[str, Mapping[str, float]], segmentation, reference) -> None:
    """Add the table of volumes in the place of the one that was made of this segmentation before."""
    old = segmentation.GetNodeReference(VOLUMES_ROLE)
    if old is not None:
        slicer.mrmlScene.RemoveNode(old)
    segmentation.SetNodeReferenceID(VOLUMES_ROLE, volumesTable(volumes, segmentation, reference).GetID())


def featureTables(tables: Mapping[str, Mapping[str, Sequence[str]]], volumes: Mapping) -> dict[str, Any]:
    """Add the tables of features, one for each modality, beside the volumes that were measured; return them so."""
    with sceneRestoredOnError():
        return {
            modality: addTable(
                _("{volume} features").format(volume=volumes[modality].GetName()), columns, volumes[modality]
            )
            for modality, columns in tables.items()
        }
