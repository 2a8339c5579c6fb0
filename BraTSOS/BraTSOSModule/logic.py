"""The module's verbs: MRML nodes in, MRML nodes and predictions out; no widgets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from BraTSOSLib.case import MODALITIES, Clinical, check_clinical
from BraTSOSLib.errors import InputError
from BraTSOSLib.volumes import volumes as region_volumes

from . import nodes
from .parameters import BraTSOSParameterNode, parametersOf
from .runner import Cancel, InProcessRunner, Progress, Runner

if TYPE_CHECKING:
    import numpy as np
    from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode

    from BraTSOSLib.case import Case
    from BraTSOSLib.survival import Prediction


class Logic(ScriptedLoadableModuleLogic):
    """Segment four volumes and predict from the segmentation.

    Parameters
    ----------
    parent : object, optional
        Passed by Slicer.
    runner : Runner, optional
        Who computes; the library in this process unless another one is given.

    Example
    -------
    ::

        logic = slicer.util.getModuleLogic("BraTSOS")
        segmentation = logic.segment(t1, t1ce, t2, flair)
        prediction = logic.predict(segmentation, age=60.7, resection="GTR")
        print(prediction.category, prediction.probabilities)
    """

    def __init__(self, parent=None, runner: Runner | None = None) -> None:
        ScriptedLoadableModuleLogic.__init__(self, parent)
        self.runner = runner or InProcessRunner()

    def getParameterNode(self) -> BraTSOSParameterNode:
        """Return the panel's state in the current scene, created with its defaults if there is none."""
        return parametersOf(super().getParameterNode())

    def segment(
        self,
        t1: vtkMRMLScalarVolumeNode,
        t1ce: vtkMRMLScalarVolumeNode,
        t2: vtkMRMLScalarVolumeNode,
        flair: vtkMRMLScalarVolumeNode,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
        model: str | None = None,
    ) -> vtkMRMLSegmentationNode:
        """Return a new segmentation node with the segments NCR, ED and ET on the volumes' own grid.

        Parameters
        ----------
        t1, t1ce, t2, flair : vtkMRMLScalarVolumeNode
            Co-registered, skull-stripped scans on one grid, in any orientation.
        progress : callable, optional
            Called with a stage's name and a fraction in 0..1.
        cancel : callable, optional
            Asked now and then; returning True stops the work.
        model : str, optional
            Name of a bundled or imported model, see ``bratsos models``; the bundled one where None.

        Raises
        ------
        BraTSOSError
            With one sentence for the user; the scene is left as it was.
        """
        volumes = dict(zip(MODALITIES, (t1, t1ce, t2, flair), strict=True))
        case = nodes.caseFromVolumes(volumes)
        labels = self.runner.segment(case, model=model, progress=progress, cancel=cancel)
        return nodes.segmentationFromLabels(labels, case.name, volumes)

    def predict(
        self,
        segmentation: vtkMRMLSegmentationNode,
        age: float | None = None,
        resection: str = "unknown",
        volumes: Mapping[str, vtkMRMLScalarVolumeNode] | None = None,
        progress: Progress | None = None,
    ) -> Prediction:
        """Return the survival prediction for a segmentation as it is now, corrections included.

        Parameters
        ----------
        segmentation : vtkMRMLSegmentationNode
            With segments named NCR, ED, ET. It remembers its volumes if ``segment`` made it.
        age : float, optional
            Years.
        resection : str
            ``"GTR"``, ``"STR"``, ``"biopsy"`` or ``"unknown"``.
        volumes : mapping, optional
            Modality to volume, for a segmentation that does not remember its volumes.
        progress : callable, optional
            Called with a stage's name and a fraction in 0..1.

        Raises
        ------
        BraTSOSError
            With one sentence for the user.
        """
        clinical = check_clinical(Clinical(age=age, resection=resection))
        case, labels = self._caseAndLabels(segmentation, volumes)
        return self.runner.predict(case, labels, clinical, progress=progress)

    def regionVolumes(
        self,
        segmentation: vtkMRMLSegmentationNode,
        volumes: Mapping[str, vtkMRMLScalarVolumeNode] | None = None,
    ) -> dict[str, dict[str, float]]:
        """Return ``ml`` and ``brain_percent`` of each region (NCR, ED, ET, TC, WT) of a segmentation as it is now.

        ``volumes`` is needed where the segmentation does not remember its volumes.
        """
        return region_volumes(*self._caseAndLabels(segmentation, volumes))

    def _caseAndLabels(self, segmentation, volumes: Mapping | None) -> tuple[Case, np.ndarray]:
        volumes = self._volumesFor(segmentation, volumes)
        return nodes.caseFromVolumes(volumes), nodes.labelsFromSegmentation(segmentation, volumes["t1ce"])

    @staticmethod
    def _volumesFor(segmentation, volumes: Mapping | None) -> Mapping:
        if segmentation is None:
            raise InputError(_("No segmentation is selected: segment the volumes first, or select a segmentation."))
        remembered = nodes.volumesOf(segmentation)
        if all(remembered.values()):
            return remembered
        if volumes and all(volumes.get(modality) for modality in MODALITIES):
            return volumes
        raise InputError(
            _("The volumes of {name} are unknown or no longer in the scene: select all four volumes.").format(
                name=segmentation.GetName()
            )
        )
