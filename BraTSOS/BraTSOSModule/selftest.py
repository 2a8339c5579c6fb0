"""The module's own test for *Reload and Test* and CTest: needs no weights, because it brings its own runner."""

from __future__ import annotations

import numpy as np
import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

from BraTSOSLib.case import MODALITIES
from BraTSOSLib.errors import InputError
from BraTSOSLib.jobs import Job, Outcome

from . import mapping, terminology
from .runner import ChildRunner
from .task import Task


class ThresholdRunner:
    """Labels voxels by the brightness of T1ce at once, in this process; says what it was given."""

    def start(self, job: Job) -> ThresholdWork:
        """Do the work."""
        if job.task == "segment":
            return ThresholdWork({"labels": self.segment(job.case)})
        return ThresholdWork({"prediction": job})

    @staticmethod
    def segment(case) -> np.ndarray:
        """Return the label map."""
        return np.select([case.volumes["t1ce"] > level for level in (90, 80, 70)], [4, 1, 2], 0).astype(np.uint8)


class ThresholdWork:
    """Work that has been done already."""

    stage, fraction = "", 1.0

    def __init__(self, result: dict) -> None:
        self.news: list[dict] = []
        self.outcome = Outcome(result)

    def poll(self) -> Outcome:
        """Return the outcome."""
        return self.outcome


class SelfTest(ScriptedLoadableModuleTest):
    """Volumes to segmentation and back, on an oblique grid."""

    def createLogic(self, runner):
        """Return the logic under test."""
        raise NotImplementedError

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def _volumes(self) -> list:
        matrix = np.array([[0.8, -0.6, 0, 10], [0.6, 0.8, 0, -20], [0, 0, -2, 30], [0, 0, 0, 1.0]])
        scans = np.random.default_rng(0).uniform(0, 100, (4, 6, 8, 10)).astype(np.float32)
        return [
            slicer.util.addVolumeFromArray(scan, ijkToRAS=matrix, name=f"Case_{modality}")
            for modality, scan in zip(MODALITIES, scans, strict=True)
        ]

    def test_labelsSurviveTheRoundTrip(self) -> None:
        """What the runner labelled is what the segmentation holds."""
        volumes = self._volumes()
        logic = self.createLogic(ThresholdRunner())
        segmentation = logic.segment(*volumes)
        job = logic.predict(segmentation, age=60, resection="GTR")
        np.testing.assert_array_equal(job.labels, ThresholdRunner.segment(job.case))
        self.assertEqual(sorted(np.unique(job.labels)), [0, 1, 2, 4])
        self.assertEqual(job.options["clinical"]["resection"], "GTR")
        self.delayDisplay("The labels survive the round trip")

    def test_theSegmentsHaveCodes(self) -> None:
        """Each segment says in DICOM's words what it is."""
        segmentation = self.createLogic(ThresholdRunner()).segment(*self._volumes())
        inside = segmentation.GetSegmentation()
        self.assertEqual(
            [terminology.regionOf(inside.GetSegment(name)) for name in mapping.REGIONS], [*mapping.REGIONS]
        )
        self.delayDisplay("The segments have codes")

    def test_theLibraryAnswersFromItsOwnProcess(self) -> None:
        """Slicer's Python can be started with the library; a job without scans is refused in one sentence."""
        task = Task(ChildRunner().start(Job("segment")), lambda result: result)
        with self.assertRaisesRegex(InputError, "No scans were given"):
            task.wait()
        self.delayDisplay("The library answers from its own process")

    def test_badInputLeavesTheSceneAlone(self) -> None:
        """A volume that is chosen twice is refused and nothing is added."""
        t1, t1ce, t2, _flair = self._volumes()
        before = slicer.mrmlScene.GetNumberOfNodes()
        with self.assertRaises(InputError):
            self.createLogic(ThresholdRunner()).segment(t1, t1ce, t2, t2)
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), before)
        self.delayDisplay("Bad input leaves the scene alone")
