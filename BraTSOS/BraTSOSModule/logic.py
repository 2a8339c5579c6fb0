"""The module's verbs for the console: MRML nodes in, MRML nodes and predictions out; no widgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from BraTSOSLib.case import MODALITIES, Clinical
from BraTSOSLib.volumes import volumes as region_volumes

from .outputs import CaseOutputs
from .parameters import BraTSOSParameterNode, parametersOf
from .runner import ChildRunner, Runner
from .starting import Starter
from .task import Cancel, Progress

if TYPE_CHECKING:
    from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode, vtkMRMLTableNode

    from BraTSOSLib.survival import Prediction


class Logic(Starter, ScriptedLoadableModuleLogic):
    """Segment four volumes, measure, predict, and report.

    Each verb waits while the window stays alive, and raises ``BraTSOSError`` with one sentence for the user; those of
    ``Starter`` return a task at once.

    Parameters
    ----------
    parent : object, optional
        Passed by Slicer.
    runner : Runner, optional
        Who computes; a separate process of Slicer's Python unless another one is given.

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
        Starter.__init__(self, runner or ChildRunner())

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
        device: str = "auto",
        fast: bool = False,
        output: vtkMRMLSegmentationNode | None = None,
    ) -> vtkMRMLSegmentationNode:
        """Return a segmentation node with the segments NCR, ED and ET on the volumes' own grid.

        Parameters
        ----------
        t1, t1ce, t2, flair : vtkMRMLScalarVolumeNode
            Co-registered, skull-stripped scans on one grid, in any orientation.
        progress : callable, optional
            Called with a stage's name and a fraction in 0..1.
        cancel : callable, optional
            Asked now and then; returning True stops the work within two seconds.
        model : str, optional
            Name of a bundled or imported model, see ``bratsos models``; the bundled one where None.
        device : str
            ``"auto"``, ``"cuda"``, ``"mps"`` or ``"cpu"``.
        fast : bool
            The whole brain only, once: neither test-time augmentation nor the second stage at the tumour.
        output : vtkMRMLSegmentationNode, optional
            The node to fill; a new one, named after the case, where None.

        Raises
        ------
        BraTSOSError
            With one sentence for the user; the scene is left as it was. ``logic.warnings`` holds sentences about the
            last segmentation that did not prevent it.
        """
        volumes = _byModality(t1, t1ce, t2, flair)
        task = self.startSegmentation(volumes, model=model, device=device, fast=fast, output=output)
        return task.wait(progress, cancel)

    def extractFeatures(
        self,
        segmentation: vtkMRMLSegmentationNode,
        volumes: Mapping[str, vtkMRMLScalarVolumeNode] | None = None,
        parameters: str | Path | None = None,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> dict[str, vtkMRMLTableNode]:
        """Return radiomic features as tables laid out as SlicerRadiomics' own: modality to table node.

        Parameters
        ----------
        segmentation : vtkMRMLSegmentationNode
            As it is now; it remembers its volumes if ``segment`` made it.
        volumes : mapping, optional
            Modality to volume, for a segmentation that does not remember its volumes.
        parameters : path, optional
            A pyradiomics parameter file (YAML or JSON).
        progress, cancel : callable, optional
            As in ``segment``.

        Raises
        ------
        BraTSOSError
            With one sentence for the user; the scene is left as it was.
        """
        return self.startFeatures(segmentation, volumes, parameters=parameters).wait(progress, cancel)

    def predict(
        self,
        segmentation: vtkMRMLSegmentationNode,
        age: float | None = None,
        resection: str = "unknown",
        volumes: Mapping[str, vtkMRMLScalarVolumeNode] | None = None,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
        mgmt: str | None = None,
        idh: str | None = None,
        kps: float | None = None,
    ) -> Prediction:
        """Return the survival prediction for a segmentation as it is now, corrections included.

        Parameters
        ----------
        segmentation : vtkMRMLSegmentationNode
            It remembers its volumes if ``segment`` made it.
        age : float, optional
            Years at surgery.
        resection : str
            ``"GTR"``, ``"STR"``, ``"biopsy"`` or ``"unknown"``.
        volumes : mapping, optional
            Modality to volume, for a segmentation that does not remember its volumes.
        progress, cancel : callable, optional
            As in ``segment``.
        mgmt, idh, kps : optional
            MGMT promoter methylation, IDH status, Karnofsky performance score.

        Raises
        ------
        BraTSOSError
            With one sentence for the user.
        """
        clinical = Clinical(age=age, resection=resection, mgmt=mgmt, idh=idh, kps=kps)
        return self.startPrediction(segmentation, clinical, volumes).wait(progress, cancel)

    def runCase(
        self,
        t1: vtkMRMLScalarVolumeNode,
        t1ce: vtkMRMLScalarVolumeNode,
        t2: vtkMRMLScalarVolumeNode,
        flair: vtkMRMLScalarVolumeNode,
        output: str | Path,
        age: float | None = None,
        resection: str = "unknown",
        progress: Progress | None = None,
        cancel: Cancel | None = None,
        segmentation: vtkMRMLSegmentationNode | None = None,
        **options: Any,
    ) -> CaseOutputs:
        """Do everything for one case, and write label map, features, prediction and report into a folder.

        Parameters
        ----------
        t1, t1ce, t2, flair, progress, cancel
            As in ``segment``.
        output : path
            Folder for ``segmentation.nii.gz``, ``features.csv``, ``survival.json``, ``report.html`` and ``run.json``.
        age, resection
            As in ``predict``; ``mgmt``, ``idh`` and ``kps`` may be given as well.
        segmentation : vtkMRMLSegmentationNode, optional
            Use this one as it is now instead of segmenting.
        **options
            ``model``, ``device``, ``fast`` as in ``segment``.

        Raises
        ------
        BraTSOSError
            With one sentence for the user; nothing is written then, and the scene is left as it was.
        """
        known = {name: options.pop(name) for name in ("mgmt", "idh", "kps") if name in options}
        clinical = Clinical(age=age, resection=resection, **known)
        volumes = _byModality(t1, t1ce, t2, flair)
        return self.startCase(volumes, clinical, output, segmentation, **options).wait(progress, cancel)

    def runCohort(
        self,
        source: str | Path,
        output: str | Path,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
        news: Callable[[list[dict]], None] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Do everything for many cases; started again with the same output, it goes on where it was stopped.

        Parameters
        ----------
        source : path
            A folder of case folders, or a CSV file that lists the cases.
        output : path
            Folder for the results.
        progress, cancel
            As in ``segment``.
        news : callable, optional
            Given lists of events, such as ``{"event": "done", "case": "Case_1"}``.
        **options
            As of ``BraTSOSLib.cohort.run_cohort``: ``workers``, ``device``, ``fast``, ``model``, ...

        Returns
        -------
        dict
            ``total``, ``done`` and ``failed`` cases, ``seconds``, and the ``collected`` tables.

        Raises
        ------
        BraTSOSError
            With one sentence for the user; cases that are done stay.
        """
        task = self.startCohort(source, output, **options)
        task.onNews = news
        return task.wait(progress, cancel)

    def regionVolumes(
        self,
        segmentation: vtkMRMLSegmentationNode,
        volumes: Mapping[str, vtkMRMLScalarVolumeNode] | None = None,
    ) -> dict[str, dict[str, float]]:
        """Return ``ml`` and ``brain_percent`` of each region (NCR, ED, ET, TC, WT) of a segmentation as it is now.

        ``volumes`` is needed where the segmentation does not remember its volumes.
        """
        return region_volumes(*self.caseAndLabels(segmentation, self.volumesFor(segmentation, volumes)))


def _byModality(*volumes) -> dict:
    return dict(zip(MODALITIES, volumes, strict=True))
