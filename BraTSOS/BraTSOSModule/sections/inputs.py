"""*Inputs*: the four scans, three quick ways to select them, and a line that says whether they fit."""

from __future__ import annotations

import numpy as np
import qt
import slicer
from slicer.i18n import tr as _

from BraTSOSLib.case import MODALITIES, find_scans
from BraTSOSLib.errors import BraTSOSError, InputError

from .. import naming, volumes
from ..geometry import volumeGeometry
from ..scene import sceneRestoredOnError
from ..task import Task
from .section import Section

MOSTLY_BRAIN = 0.9
"""Share of voxels that are not zero above which a scan cannot be skull-stripped."""


class InputsSection(Section):
    """Selects and checks the scans."""

    def connect(self) -> None:
        self._checked: tuple[tuple, str, bool] = ((), "", False)
        self.ui.fillButton.connect("clicked(bool)", self.onFill)
        self.ui.loadFolderButton.connect("clicked(bool)", self.onLoadFolder)
        self.ui.sampleButton.connect("clicked(bool)", self.onSample)
        self.ui.resampleButton.connect("clicked(bool)", self.onResample)

    def update(self) -> None:
        text, other = self._check(self.selectedVolumes())
        self.ui.checkLabel.text = text
        self.ui.resampleButton.visible = other
        for button in (self.ui.fillButton, self.ui.loadFolderButton, self.ui.sampleButton, self.ui.resampleButton):
            button.enabled = not self.panel.busy

    def onFill(self) -> None:
        """Select the scans among the loaded volumes by their names."""
        nodes = [
            node
            for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
            if not node.IsA("vtkMRMLLabelMapVolumeNode")
        ]
        found = naming.fillByName([node.GetName() for node in nodes])
        self.select({modality: nodes[index] for modality, index in found.items()})
        if naming.missing(found):
            self.ui.statusLabel.text = _("No volume's name clearly says {missing}: select it.").format(
                missing=", ".join(naming.missing(found))
            )

    def onLoadFolder(self) -> None:
        """Load a case's folder that the user chooses."""
        folder = qt.QFileDialog.getExistingDirectory(self.panel.parent, _("Folder with the four scans of a case"))
        if folder:
            with self.panel.errorsShown(_("Load folder"), wait=True):
                self.select(loadFolder(folder))

    def onSample(self) -> None:
        """Make a synthetic case and load it."""

        def done(task: Task) -> None:
            self.select(task.value)
            slicer.util.setSliceViewerLayers(background=task.value["t1ce"], fit=True)

        self.panel.run(_("Sample data"), self.logic.startSample, done)

    def onResample(self) -> None:
        """Select copies of the scans on T1ce's grid."""
        with self.panel.errorsShown(_("Resampling"), wait=True):
            self.select(volumes.resampledOntoT1ce(self.selectedVolumes()))

    def select(self, nodes: dict) -> None:
        """Select volumes by modality."""
        for modality, node in nodes.items():
            setattr(self.parameters, modality, node)
        self.panel.update()

    def _check(self, nodes: dict) -> tuple[str, bool]:
        """Return what can be said about the selected scans, and whether resampling would help; remembered."""
        key = tuple(_fingerprint(node) if node else () for node in nodes.values())
        if key != self._checked[0]:
            self._checked = (key, *checkText(nodes))
        return self._checked[1:]


def checkText(nodes: dict) -> tuple[str, bool]:
    """Return one line on four volume nodes (or None), and whether they lie on different grids."""
    chosen = [node for node in nodes.values() if node is not None]
    if len(chosen) < len(MODALITIES):
        return _("{count} of 4 volumes are selected.").format(count=len(chosen)), False
    if len({node.GetID() for node in chosen}) < len(chosen):
        twice = next(node for node in chosen if chosen.count(node) > 1)
        return _("{name} is selected twice: select four different volumes.").format(name=twice.GetName()), False
    empty = [node.GetName() for node in chosen if not volumes.hasVoxels(node)]
    if empty:
        return _("{name} has no voxels: select a 3-D scan of the brain.").format(name=empty[0]), False
    try:
        other = volumes.onOtherGrids(nodes)
        spacing = volumeGeometry(nodes["t1ce"]).spacing
    except BraTSOSError as error:
        return str(error), False
    if other:
        text = _("{names} not on the grid of T1ce: resample onto it.")
        return text.format(names=_(" and ").join(nodes[modality].GetName() for modality in other)), True
    size = f"{spacing[0]:.3g}" if np.ptp(spacing) < 1e-3 else " × ".join(f"{step:.3g}" for step in spacing)
    voxels = slicer.util.arrayFromVolume(nodes["t1ce"])
    if np.count_nonzero(voxels) > MOSTLY_BRAIN * voxels.size:
        text = _("4 volumes, one grid, {size} mm, but not skull-stripped: the segmentation expects 0 around the brain.")
        return text.format(size=size), False
    return _("4 volumes, one grid, {size} mm, skull-stripped: ready.").format(size=size), False


def loadFolder(folder: str) -> dict:
    """Load a case's folder; return modality to volume node, or raise and leave the scene as it was."""
    scans = find_scans(folder)
    lacking = naming.missing(scans)
    if lacking:
        raise InputError(
            _(
                "The folder holds no file for {missing}: name the files _t1 _t1ce _t2 _flair or -t1n -t1c -t2w -t2f."
            ).format(missing=", ".join(lacking))
        )
    with sceneRestoredOnError():
        loaded = {}
        for modality, path in scans.items():
            try:
                loaded[modality] = slicer.util.loadVolume(str(path), {"show": modality == "t1ce"})
            except RuntimeError as error:
                raise InputError(
                    _("The file {name} cannot be read: is it whole, and the scan it is meant to be?").format(
                        name=path.name
                    )
                ) from error
        return loaded


def _fingerprint(node) -> tuple:
    image = node.GetImageData()
    return node.GetID(), node.GetMTime(), image.GetMTime() if image else 0
