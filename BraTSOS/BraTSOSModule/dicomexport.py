"""DICOM SEG, written by Slicer's own plugin (in its core since 5.12, before in QuantitativeReporting)."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from BraTSOSLib.errors import DependencyError, InputError

PLUGIN = "DICOMSegmentationPlugin"


def exportSegmentation(segmentation, folder: str) -> None:
    """Write a segmentation as DICOM SEG into a folder.

    Raises
    ------
    DependencyError
        If this Slicer has no plugin for it.
    InputError
        If the scans come from no DICOM study, which the file has to refer to, or the plugin fails.
    """
    plugins = getattr(slicer.modules, "dicomPlugins", {})
    if PLUGIN not in plugins:
        raise DependencyError(
            _("This Slicer cannot write DICOM SEG: install the extension QuantitativeReporting, or use Slicer 5.12.")
        )
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.GetItemByDataNode(segmentation)
    plugin = plugins[PLUGIN]()
    exportables = plugin.examineForExport(item) if item else []
    if not exportables:
        raise InputError(
            _(
                "{name} cannot be written as DICOM SEG: load the scans from the DICOM database and segment these."
            ).format(name=segmentation.GetName())
        )
    for exportable in exportables:
        exportable.directory = folder
    try:
        problem = plugin.export(exportables)
    except Exception as error:  # the plugin's own code raises whatever it likes
        problem = str(error) or type(error).__name__
    if isinstance(problem, str) and problem:
        raise InputError(
            _("DICOM SEG was not written ({reason}): it needs scans that were loaded from DICOM.").format(
                reason=problem
            )
        )
