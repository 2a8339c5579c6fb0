"""What the panel remembers: saved with the scene, bound to most widgets by their ``SlicerParameterName``."""

from __future__ import annotations

import enum
from typing import Annotated

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

AGE_NOT_SET = 0.0
"""The spin box shows its minimum as "not set": no age is guessed for the user."""

OLDEST = 120.0


class Resection(enum.Enum):
    """Extent of resection; names and values are those of ``BraTSOSLib.case.RESECTIONS``."""

    GTR = "GTR"
    STR = "STR"
    biopsy = "biopsy"
    unknown = "unknown"

    def label(self) -> str:
        """Return the text that the combo box shows."""
        texts = {"GTR": _("GTR"), "STR": _("STR"), "biopsy": _("biopsy"), "unknown": _("unknown")}
        return texts[self.value]


@parameterNodeWrapper
class BraTSOSParameterNode:
    """The panel's state.

    Attributes
    ----------
    t1, t1ce, t2, flair : the four scans
    segmentation : the segmentation that Predict uses, as it is at that moment
    model : name of the segmentation model; the bundled one where empty
    age : years; ``AGE_NOT_SET`` until the user types one
    resection : extent of resection
    """

    t1: vtkMRMLScalarVolumeNode
    t1ce: vtkMRMLScalarVolumeNode
    t2: vtkMRMLScalarVolumeNode
    flair: vtkMRMLScalarVolumeNode
    segmentation: vtkMRMLSegmentationNode
    model: str = ""
    age: Annotated[float, WithinRange(AGE_NOT_SET, OLDEST)] = AGE_NOT_SET
    resection: Resection = Resection.unknown


_wrappers: list[BraTSOSParameterNode] = []


def parametersOf(node) -> BraTSOSParameterNode:
    """Return the wrapper of a parameter node, a new one with the defaults only where the scene was closed or changed.

    Old wrappers are kept: Slicer 5.10 leaves their observers on the node, and an event crashes it once they are gone.
    """
    if not _wrappers or _wrappers[-1].parameterNode is not node or node.GetParameterCount() == 0:
        _wrappers.append(BraTSOSParameterNode(node))
    return _wrappers[-1]
