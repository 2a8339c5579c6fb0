"""The module's verbs: MRML nodes in, MRML nodes and predictions out; no widgets.

Each verb has two forms: ``segment`` waits, with the window alive, and is for the console; ``startSegmentation`` returns
a ``Task`` at once, and is for the panel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from BraTSOSLib.case import MODALITIES, Clinical, check_clinical
from BraTSOSLib.errors import InputError
from BraTSOSLib.jobs import Job
from BraTSOSLib.volumes import volumes as region_volumes

from . import mapping, segmentations
from .outputs import CaseOutputs, saveFiles
from .parameters import BraTSOSParameterNode, parametersOf
from .runner import ChildRunner, Runner
from .scene import inScene
from .tables import featureTables
from .task import Cancel, Progress, Task
from .volumes import addPhantom, caseFromVolumes

if TYPE_CHECKING:
    import numpy as np
    from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode, vtkMRMLTableNode

    from BraTSOSLib.case import Case
    from BraTSOSLib.survival import Prediction


class Logic(ScriptedLoadableModuleLogic):
    """Segment four volumes, measure, predict, and report.

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
        self.runner = runner or ChildRunner()
        self.warnings: tuple[str, ...] = ()

    def getParameterNode(self) -> BraTSOSParameterNode:
        """Return the panel's state in the current scene, created with its defaults if there is none."""
        return parametersOf(super().getParameterNode())

    # For the console: each waits, and raises BraTSOSError with one sentence for the user

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
            Without test-time augmentation and second stage.
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

    # For the panel: each returns a task at once

    def startSegmentation(
        self,
        volumes: Mapping[str, vtkMRMLScalarVolumeNode],
        *,
        output: vtkMRMLSegmentationNode | None = None,
        **options: Any,
    ) -> Task:
        """Start ``segment``; the task's value is the segmentation node."""
        case = caseFromVolumes(volumes)

        def finish(result: dict[str, Any]) -> vtkMRMLSegmentationNode:
            _refuseIfGone(*volumes.values())
            self.warnings = tuple(result.get("warnings") or ())
            known = output if inScene(output) else None
            return segmentations.segmentationFromLabels(result["labels"], case.name, volumes, known)

        return self._task(Job("segment", case, options=_given(options)), finish)

    def startFeatures(
        self,
        segmentation: vtkMRMLSegmentationNode,
        volumes: Mapping[str, vtkMRMLScalarVolumeNode] | None = None,
        parameters: str | Path | None = None,
    ) -> Task:
        """Start ``extractFeatures``; the task's value is a dict of modality to table node."""
        volumes = self._volumesFor(segmentation, volumes)
        case, labels = self._caseAndLabels(segmentation, volumes)
        names = mapping.segmentsOf(segmentation)
        options: dict[str, Any] = {
            "segmentation": segmentation.GetName(),
            "segments": {region: names[found] for region, found in mapping.mappingOf(segmentation).items() if found},
        }
        if parameters:
            options["parameters"] = str(parameters)

        def finish(result: dict[str, Any]) -> dict[str, vtkMRMLTableNode]:
            _refuseIfGone(segmentation, *volumes.values())
            return featureTables(result["tables"], volumes)

        return self._task(Job("features", case, labels, options), finish)

    def startPrediction(
        self,
        segmentation: vtkMRMLSegmentationNode,
        clinical: Clinical,
        volumes: Mapping[str, vtkMRMLScalarVolumeNode] | None = None,
    ) -> Task:
        """Start ``predict``; the task's value is the prediction, its result also holds the volumes."""
        clinical = check_clinical(clinical)
        case, labels = self._caseAndLabels(segmentation, self._volumesFor(segmentation, volumes))
        job = Job("predict", case, labels, {"clinical": asdict(clinical)})
        return self._task(job, lambda result: result["prediction"])

    def startCase(
        self,
        volumes: Mapping[str, vtkMRMLScalarVolumeNode],
        clinical: Clinical,
        output: str | Path,
        segmentation: vtkMRMLSegmentationNode | None = None,
        **options: Any,
    ) -> Task:
        """Start ``runCase``; the task's value is a ``CaseOutputs``."""
        clinical = check_clinical(clinical)
        if segmentation is None:
            case, labels = caseFromVolumes(volumes), None
        else:
            case, labels = self._caseAndLabels(segmentation, volumes)

        def finish(result: dict[str, Any]) -> CaseOutputs:
            _refuseIfGone(*volumes.values())
            self.warnings = tuple(result.get("warnings") or ())
            files = saveFiles(result["files"], output)
            node = segmentation or segmentations.segmentationFromLabels(result["labels"], case.name, volumes)
            return CaseOutputs(node, result["prediction"], dict(result["features"]), result["volumes"], files)

        job = Job("run", case, labels, {"clinical": asdict(clinical), **_given(options)})
        return self._task(job, finish)

    def startReport(
        self,
        segmentation: vtkMRMLSegmentationNode,
        clinical: Clinical,
        save: Callable[[Mapping[str, str]], Any],
        volumes: Mapping[str, vtkMRMLScalarVolumeNode] | None = None,
    ) -> Task:
        """Start everything that follows the segmentation; ``save`` is given the files, the task's value is what it
        returns."""
        clinical = check_clinical(clinical)
        case, labels = self._caseAndLabels(segmentation, self._volumesFor(segmentation, volumes))
        job = Job("run", case, labels, {"clinical": asdict(clinical)})
        return self._task(job, lambda result: save(result["files"]))

    def startSample(self, seed: int = 0) -> Task:
        """Start making a synthetic case; the task's value is a dict of modality to volume node."""
        return self._task(Job("phantom", options={"seed": seed}), lambda result: addPhantom(result["case"]))

    def startCohort(self, source: str | Path, output: str | Path, **options: Any) -> Task:
        """Start ``runCohort``; the task's value is a dict."""
        given = {"source": str(source), "output": str(output), **_given(options)}
        return self._task(Job("cohort", options=given), lambda result: result)

    def startModelImport(self, path: str | Path, name: str) -> Task:
        """Start importing someone else's model; the task's value is the path of its card."""
        job = Job("import_model", options={"path": str(path), "name": name})
        return self._task(job, lambda result: result["card"])

    # Quick enough to be done here

    def regionVolumes(
        self,
        segmentation: vtkMRMLSegmentationNode,
        volumes: Mapping[str, vtkMRMLScalarVolumeNode] | None = None,
    ) -> dict[str, dict[str, float]]:
        """Return ``ml`` and ``brain_percent`` of each region (NCR, ED, ET, TC, WT) of a segmentation as it is now.

        ``volumes`` is needed where the segmentation does not remember its volumes.
        """
        return region_volumes(*self._caseAndLabels(segmentation, self._volumesFor(segmentation, volumes)))

    def _task(self, job: Job, finish) -> Task:
        return Task(self.runner.start(job), finish)

    @staticmethod
    def _caseAndLabels(segmentation, volumes: Mapping) -> tuple[Case, np.ndarray]:
        return caseFromVolumes(volumes), segmentations.labelsFromSegmentation(segmentation, volumes["t1ce"])

    @staticmethod
    def _volumesFor(segmentation, volumes: Mapping | None) -> Mapping:
        if segmentation is None:
            raise InputError(_("No segmentation is selected: segment the volumes first, or select a segmentation."))
        remembered = segmentations.volumesOf(segmentation)
        if all(remembered.values()):
            return remembered
        if volumes and all(volumes.get(modality) for modality in MODALITIES):
            return volumes
        raise InputError(
            _("The volumes of {name} are unknown or no longer in the scene: select all four volumes.").format(
                name=segmentation.GetName()
            )
        )


def _byModality(*volumes) -> dict:
    return dict(zip(MODALITIES, volumes, strict=True))


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what was not said, so that the library's own defaults hold."""
    return {name: value for name, value in options.items() if value not in (None, "")}


def _refuseIfGone(*nodes) -> None:
    if not all(map(inScene, nodes)):
        raise InputError(_("The scans were removed from the scene in the meantime: nothing was added to it."))
