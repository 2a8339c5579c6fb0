"""The module's verbs as tasks: each starts work in the background and says what becomes of its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from BraTSOSLib.case import MODALITIES, Clinical, check_clinical
from BraTSOSLib.errors import InputError
from BraTSOSLib.jobs import Job

from . import mapping, segmentations
from .outputs import CaseOutputs, saveFiles
from .runner import Runner
from .scene import inScene
from .tables import featureTables
from .task import Task
from .volumes import addPhantom, caseFromVolumes

if TYPE_CHECKING:
    import numpy as np
    from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode, vtkMRMLTableNode

    from BraTSOSLib.case import Case


class Starter:
    """Starts work; raises ``BraTSOSError`` where that cannot be started.

    Parameters
    ----------
    runner : Runner
        Who computes.

    Attributes
    ----------
    warnings : sentences about the last segmentation that did not prevent it
    """

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.warnings: tuple[str, ...] = ()

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
        volumes = self.volumesFor(segmentation, volumes)
        case, labels = self.caseAndLabels(segmentation, volumes)
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
        case, labels = self.caseAndLabels(segmentation, self.volumesFor(segmentation, volumes))
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
            case, labels = self.caseAndLabels(segmentation, volumes)

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
        """Start all that follows the segmentation; ``save`` is given the files and returns the task's value."""
        clinical = check_clinical(clinical)
        case, labels = self.caseAndLabels(segmentation, self.volumesFor(segmentation, volumes))
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

    def _task(self, job: Job, finish) -> Task:
        return Task(self.runner.start(job), finish)

    @staticmethod
    def caseAndLabels(segmentation, volumes: Mapping) -> tuple[Case, np.ndarray]:
        """Return the volumes as a case, and the segmentation as it is now as a label map."""
        return caseFromVolumes(volumes), segmentations.labelsFromSegmentation(segmentation, volumes["t1ce"])

    @staticmethod
    def volumesFor(segmentation, volumes: Mapping | None) -> Mapping:
        """Return the volumes that a segmentation remembers, or else those that are given."""
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


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what was not said, so that the library's own defaults hold."""
    return {name: value for name, value in options.items() if value not in (None, "")}


def _refuseIfGone(*nodes) -> None:
    if not all(map(inScene, nodes)):
        raise InputError(_("The scans were removed from the scene in the meantime: nothing was added to it."))
