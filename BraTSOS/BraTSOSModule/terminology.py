"""What the segments are in DICOM's words: codes, the file that makes Slicer know them, and segments found by code."""

from __future__ import annotations

import slicer
import vtk

from .paths import resourcePath

CONTEXT = "BraTSOS glioma"
"""Name of the terminology in ``Resources/Terminology``: Slicer's own lists lack the lesion types of NCIt."""

CATEGORY = ("SCT", "49755003", "Morphologically Altered Structure")
TYPES = {
    "NCR": ("SCT", "6574001", "Necrosis"),
    "ED": ("SCT", "79654002", "Edema"),
    "ET": ("NCIt", "C113842", "Enhancing Lesion"),
}
"""DICOM CID 7168, *Brain Lesion Segmentation Type With Necrosis*."""

BRAIN = ("SCT", "12738006", "Brain")
REGION_CONTEXT = "Anatomic codes - DICOM master list"

_MEANINGS = {
    ("SCT", "6574001"): "NCR",
    ("NCIt", "C81175"): "NCR",  # Non-Enhancing Lesion: the label NCR/NET holds both
    ("SCT", "79654002"): "ED",
    ("NCIt", "C121674"): "ED",  # Peritumoral Brain Edema
    ("NCIt", "C113842"): "ET",
    ("SCT", "86049000"): "ET",  # Neoplasm, Primary: what MONAI's models call their third label
    ("SCT", "372087000"): "ET",  # its successor in DICOM
}
_NOTHING = "^^"


def entry(region: str) -> str:
    """Return the terminology entry of a region's segment in Slicer's spelling: seven parts between tildes."""
    parts = (
        CONTEXT,
        "^".join(CATEGORY),
        "^".join(TYPES[region]),
        _NOTHING,
        REGION_CONTEXT,
        "^".join(BRAIN),
        _NOTHING,
    )
    return "~".join(parts)


def describe(segment, region: str) -> None:
    """Say in DICOM's words what a segment is."""
    segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), entry(region))


def regionOf(segment) -> str | None:
    """Return the region that a segment's terminology means, or None."""
    text = vtk.reference("")
    segment.GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), text)
    parts = str(text.get()).split("~")
    code = tuple(parts[2].split("^")[:2]) if len(parts) > 2 else ()
    return _MEANINGS.get(code)


def load() -> bool:
    """Make Slicer know the codes, once; returns whether it does."""
    module = getattr(slicer.modules, "terminologies", None)
    if module is None:
        return False
    logic = module.logic()
    if CONTEXT in _contexts(logic):
        return True
    return bool(
        logic.LoadTerminologyFromFile(resourcePath("Terminology", "SegmentationCategoryTypeModifier-BraTSOS.term.json"))
    )


def _contexts(logic) -> list[str]:
    names = vtk.vtkStringArray()
    logic.GetLoadedTerminologyNames(names)
    return [names.GetValue(index) for index in range(names.GetNumberOfValues())]
