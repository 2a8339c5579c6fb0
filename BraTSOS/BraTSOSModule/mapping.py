"""Which segment is which region: chosen by the user, or told by terminology, by name, or by label."""

from __future__ import annotations

import re

from . import terminology

REGIONS = ("NCR", "ED", "ET")
NONE = "-"
"""In the place of a segment's ID: the user said that no segment is this region."""

_CHOICE = "BraTSOS.Segment.{region}"
"""Attribute of the segmentation: what the user chose, saved with the scene."""

_NAMES = {
    "NCR": (
        "ncr",
        "ncr/net",
        "ncr-net",
        "net",
        "necrosis",
        "necrotic",
        "necrotic core",
        "necrotic tumor core",
        "necrotic tumour core",
    ),
    "ED": ("ed", "edema", "oedema", "peritumoral edema", "peritumoural oedema", "snfh"),
    "ET": ("et", "enhancing", "enhancing tumor", "enhancing tumour", "enhancing lesion", "gd-enhancing tumor"),
}
_LABELS = {1: "NCR", 2: "ED", 3: "ET", 4: "ET"}
"""BraTS to 2021 writes 4 for enhancing tumour, BraTS 2023 and MONAI 3."""
_WHOLE = ({1, 2, 3}, {1, 2, 4})
_NUMBERED = re.compile(r"(?:segment|label|seg)?[_ ]?(\d+)", re.IGNORECASE)


def segmentsOf(segmentation) -> dict[str, str]:
    """Return the names of all segments by their IDs, in the segmentation's order."""
    inside = segmentation.GetSegmentation()
    return {inside.GetNthSegmentID(i): inside.GetNthSegment(i).GetName() for i in range(inside.GetNumberOfSegments())}


def mappingOf(segmentation) -> dict[str, str | None]:
    """Return region to segment ID, or None where no segment is that region.

    What the user chose wins; the rest is told by terminology, then by name or ID, then, where all names are mere
    numbers, by label.
    """
    there = segmentsOf(segmentation)
    mapping: dict[str, str | None] = {}
    for region in REGIONS:
        chosen = segmentation.GetAttribute(_CHOICE.format(region=region))
        if chosen == NONE or chosen in there:
            mapping[region] = None if chosen == NONE else chosen
    for guess in (_byTerminology, _byName, _byLabel):
        for segmentID, region in guess(segmentation, there).items():
            if region not in mapping and segmentID not in mapping.values():
                mapping[region] = segmentID
    return {region: mapping.get(region) for region in REGIONS}


def choose(segmentation, region: str, segmentID: str | None) -> None:
    """Remember which segment is a region; None says that none is."""
    segmentation.SetAttribute(_CHOICE.format(region=region), segmentID or NONE)


def _byTerminology(segmentation, there: dict[str, str]) -> dict[str, str]:
    inside = segmentation.GetSegmentation()
    found = {segmentID: terminology.regionOf(inside.GetSegment(segmentID)) for segmentID in there}
    return {segmentID: region for segmentID, region in found.items() if region}


def _byName(segmentation, there: dict[str, str]) -> dict[str, str]:
    found = {}
    for segmentID, name in there.items():
        for region in REGIONS:
            if name.strip().lower() in _NAMES[region] or (segmentID == region and region not in found.values()):
                found[segmentID] = region
                break
    return found


def _byLabel(segmentation, there: dict[str, str]) -> dict[str, str]:
    """By the numbers in the names, where there is one for each region, as in an imported label map.

    Not by the segments' own label values: those of segments that were drawn only count them, and mean nothing.
    """
    numbers = {segmentID: _NUMBERED.fullmatch(name.strip()) for segmentID, name in there.items()}
    if not all(numbers.values()):
        return {}
    labels = {segmentID: int(match[1]) for segmentID, match in numbers.items() if match}
    if set(labels.values()) not in _WHOLE:
        return {}
    return {segmentID: _LABELS[label] for segmentID, label in labels.items()}
