"""What the panel remembers: saved with the scene, bound to most widgets by their ``SlicerParameterName``."""

from __future__ import annotations

import enum
from typing import Annotated

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

AGE_NOT_SET = 0.0
"""The spin box shows its minimum as "not set": no age is guessed for the user."""

KPS_NOT_SET = 0
OLDEST = 120.0


class Device(enum.Enum):
    """What computes; the values are those of the library's ``device``."""

    auto = "auto"
    cuda = "cuda"
    mps = "mps"
    cpu = "cpu"

    def label(self) -> str:
        """Return the text that the combo box shows."""
        return {"auto": _("Auto"), "cuda": _("CUDA"), "mps": _("MPS"), "cpu": _("CPU")}[self.value]


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


class Mgmt(enum.Enum):
    """Methylation of the MGMT promoter, as in ``BraTSOSLib.survival.covariates.MGMT_STATES``."""

    unknown = "unknown"
    methylated = "methylated"
    unmethylated = "unmethylated"
    indeterminate = "indeterminate"

    def label(self) -> str:
        """Return the text that the combo box shows."""
        texts = {
            "unknown": _("unknown"),
            "methylated": _("methylated"),
            "unmethylated": _("unmethylated"),
            "indeterminate": _("indeterminate"),
        }
        return texts[self.value]


class Idh(enum.Enum):
    """IDH status, as in ``BraTSOSLib.survival.covariates.IDH_STATES``."""

    unknown = "unknown"
    wildtype = "wildtype"
    mutated = "mutated"

    def label(self) -> str:
        """Return the text that the combo box shows."""
        return {"unknown": _("unknown"), "wildtype": _("wildtype"), "mutated": _("mutated")}[self.value]


@parameterNodeWrapper
class BraTSOSParameterNode:
    """The panel's state.

    Attributes
    ----------
    t1, t1ce, t2, flair : the four scans
    output : the segmentation to fill; a new one where None
    segmentation : the segmentation that Predict uses, as it is at that moment
    model : name of the segmentation model; the bundled one where empty
    device : what computes
    augmentation : whether the segmentation looks twice
    age : years; ``AGE_NOT_SET`` until the user types one
    resection, mgmt, idh : what the clinic knows
    kps : Karnofsky performance score; ``KPS_NOT_SET`` until the user types one
    """

    t1: vtkMRMLScalarVolumeNode
    t1ce: vtkMRMLScalarVolumeNode
    t2: vtkMRMLScalarVolumeNode
    flair: vtkMRMLScalarVolumeNode
    output: vtkMRMLSegmentationNode
    segmentation: vtkMRMLSegmentationNode
    model: str = ""
    device: Device = Device.auto
    augmentation: bool = True
    age: Annotated[float, WithinRange(AGE_NOT_SET, OLDEST)] = AGE_NOT_SET
    resection: Resection = Resection.unknown
    mgmt: Mgmt = Mgmt.unknown
    idh: Idh = Idh.unknown
    kps: Annotated[int, WithinRange(KPS_NOT_SET, 100)] = KPS_NOT_SET


_wrappers: list[BraTSOSParameterNode] = []


def parametersOf(node) -> BraTSOSParameterNode:
    """Return the wrapper of a parameter node, a new one with the defaults only where the scene was closed or changed.

    Old wrappers are kept: Slicer 5.10 leaves their observers on the node, and an event crashes it once they are gone.
    """
    if not _wrappers or _wrappers[-1].parameterNode is not node or node.GetParameterCount() == 0:
        _wrappers.append(BraTSOSParameterNode(node))
    return _wrappers[-1]
