"""The extension SlicerRadiomics as the engine: its command-line module run on each scan and segment, one table a scan.

The table is the one that SlicerRadiomics' own panel writes: its first three columns are the parts of a feature's name,
and one column of text for each segment follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import slicer
from slicer.i18n import tr as _

from BraTSOSLib.case import MODALITIES
from BraTSOSLib.errors import BraTSOSError, Cancelled
from BraTSOSLib.jobs import Outcome

from . import mapping
from .scene import sceneRestoredOnError
from .tables import KEYS, addTable
from .task import Task

MODULE = "slicerradiomicscli"


def isInstalled() -> bool:
    """Tell whether SlicerRadiomics is installed: its command-line module is what computes."""
    return hasattr(slicer.modules, MODULE)


def start(logic, segmentation, selected: Mapping, parameters: str | None = None) -> Task:
    """Start SlicerRadiomics; the task's value is a dict of modality to table node, as of ``startFeatures``."""
    volumes = logic.volumesFor(segmentation, selected)
    work = _Runs(segmentation, volumes, parameters)
    return Task(work, work.tables)


class _Runs:
    """One run of the command-line module after the other, in the background; see ``runner.Work``."""

    def __init__(self, segmentation, volumes: Mapping, parameters: str | None) -> None:
        self.stage, self.fraction, self.news = _("SlicerRadiomics"), 0.0, []
        self.outcome: Outcome | None = None
        self._segmentation, self._volumes = segmentation, volumes
        names = mapping.segmentsOf(segmentation)
        found = [segment for segment in mapping.mappingOf(segmentation).values() if segment]
        self._waiting = [(modality, segment) for modality in MODALITIES for segment in found]
        self._titles = {segment: f"{segmentation.GetName()}_segment_{names[segment]}" for segment in found}
        self._count = len(self._waiting)
        self._values: dict[str, dict[str, dict[str, str]]] = {modality: {} for modality in MODALITIES}
        self._parameters = parameters
        self._cli = self._mask = self._table = None

    def poll(self) -> Outcome | None:
        if self.outcome is None and self._cli is not None and not self._cli.IsBusy():
            self._take()
        if self.outcome is None and self._cli is None:
            if self._waiting:
                self._next()
            else:
                self.outcome = Outcome(result={"values": self._values})
        self.fraction = 1 - len(self._waiting) / max(self._count, 1)
        return self.outcome

    def cancel(self) -> None:
        if self._cli is not None:
            self._cli.Cancel()
        self._end(Cancelled(_("Stopped as asked; nothing was changed.")))

    kill = cancel

    def discard(self) -> None:
        """There are no files."""

    def tables(self, result: Mapping[str, Any]) -> dict:
        """Make the tables: the rows are those of the first segment, in its order."""
        made = {}
        with sceneRestoredOnError():
            for modality, values in result["values"].items():
                rows = list(next(iter(values.values()), {}))
                columns: dict[str, list[str]] = {
                    key: [row.split("_", 3)[i] for row in rows] for i, key in enumerate(KEYS)
                }
                for segment, title in self._titles.items():
                    columns[title] = [values[segment].get(row, "") for row in rows]
                volume = self._volumes[modality]
                made[modality] = addTable(_("{volume} features").format(volume=volume.GetName()), columns, volume)
        return made

    def _next(self) -> None:
        modality, segment = self._waiting[0]
        volume, scene = self._volumes[modality], slicer.mrmlScene
        self._mask = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "BraTSOS mask")
        self._table = scene.AddNewNodeByClass("vtkMRMLTableNode", "BraTSOS features")
        for node in (self._mask, self._table):
            node.SetHideFromEditors(True)
            node.SetSaveWithScene(False)
        mask = slicer.util.arrayFromSegmentBinaryLabelmap(self._segmentation, segment, volume)
        slicer.util.updateVolumeFromArray(self._mask, mask)
        self._mask.CopyOrientation(volume)
        given = {"Image": volume, "Mask": self._mask, "label": 1, "out": self._table}
        if self._parameters:
            given["param"] = self._parameters
        self._cli = slicer.cli.run(getattr(slicer.modules, MODULE), None, given)

    def _take(self) -> None:
        modality, segment = self._waiting.pop(0)
        cli, table = self._cli, self._table
        failed = cli.GetStatus() & cli.ErrorsMask
        values = {table.GetCellText(row, 0): table.GetCellText(row, 1) for row in range(table.GetNumberOfRows())}
        self._remove()
        if failed or not values:
            name = self._titles[segment]
            self._end(
                BraTSOSError(_("SlicerRadiomics failed for {name}: choose the engine BraTSOS.").format(name=name))
            )
            return
        self._values[modality][segment] = {key: value for key, value in values.items() if key.count("_") >= 2}

    def _end(self, error: BraTSOSError) -> None:
        if self.outcome is None:
            self._remove()
            self.outcome = Outcome(error=error)

    def _remove(self) -> None:
        for node in (self._cli, self._mask, self._table):
            if node is not None:
                slicer.mrmlScene.RemoveNode(node)
        self._cli = self._mask = self._table = None
