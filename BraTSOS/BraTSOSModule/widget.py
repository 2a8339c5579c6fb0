"""The panel: binds widgets to parameters, calls the logic, shows results and errors."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from BraTSOSLib.case import MODALITIES
from BraTSOSLib.errors import BraTSOSError
from BraTSOSLib.models import segmentation_models

from . import results
from .logic import Logic
from .parameters import AGE_NOT_SET, BraTSOSParameterNode
from .paths import resourcePath


def moduleIcon() -> qt.QIcon:
    """Return the module's icon: Slicer itself finds it in an installed extension, but not in a source tree."""
    return qt.QIcon(resourcePath("Icons", "BraTSOS.png"))


class Panel(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel; Slicer calls setup, enter, exit and cleanup."""

    def __init__(self, parent=None) -> None:
        self.logic: Logic | None = None
        self._parameterNode: BraTSOSParameterNode | None = None
        self._guiTag = None
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)

    def createLogic(self) -> Logic:
        """Return the logic that the panel drives."""
        return Logic()

    # Life cycle

    def setup(self) -> None:
        """Build the panel, once."""
        ScriptedLoadableModuleWidget.setup(self)
        panel = slicer.util.loadUI(resourcePath("UI", "BraTSOS.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = self.createLogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.ui.modelSelector.connect("currentIndexChanged(int)", self.onModelSelected)
        self.ui.ageSpinBox.connect("valueChanged(double)", self.onAgeEdited)
        self.ui.segmentButton.connect("clicked(bool)", self.onSegment)
        self.ui.predictButton.connect("clicked(bool)", self.onPredict)
        self._listModels()
        self._bind(self.logic.getParameterNode())

    def enter(self) -> None:
        """Bind the widgets when the user opens the module; models may have been imported meanwhile."""
        self._listModels()
        self._bind(self.logic.getParameterNode())

    def exit(self) -> None:
        """Leave the parameter node alone while another module is open."""
        self._bind(None)

    def cleanup(self) -> None:
        """Let go of the scene before the panel is destroyed."""
        self._bind(None)
        self.removeObservers()

    def onReload(self) -> None:
        """Reload the packages too: Slicer itself reloads BraTSOS.py alone."""
        for name in [name for name in sys.modules if name.split(".")[0] in ("BraTSOSModule", "BraTSOSLib")]:
            del sys.modules[name]
        super().onReload()

    def onSceneStartClose(self, caller=None, event=None) -> None:
        """Unbind: the nodes are about to go."""
        self._bind(None)
        self.ui.resultTextBrowser.setHtml("")
        self.ui.statusLabel.text = ""

    def onSceneEndClose(self, caller=None, event=None) -> None:
        """Bind to the new scene if the user is looking at the panel."""
        if self.parent.isEntered:
            self._bind(self.logic.getParameterNode())

    # Parameters

    def _bind(self, parameterNode: BraTSOSParameterNode | None) -> None:
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._onParametersModified)
        self._parameterNode = parameterNode
        if parameterNode:
            self._guiTag = parameterNode.connectGui(self.ui)
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self._onParametersModified)
        self._onParametersModified()

    def onModelSelected(self, index: int) -> None:
        """Keep the model's name, and show its card as the selector's tooltip."""
        selector = self.ui.modelSelector
        selector.toolTip = (selector.itemData(index, qt.Qt.ToolTipRole) if index >= 0 else None) or ""
        if self._parameterNode and index >= 0:
            self._parameterNode.model = selector.itemData(index)

    def _listModels(self) -> None:
        """Fill the selector: the bundled model first, under an empty name, then the others under their own."""
        selector = self.ui.modelSelector
        blocked = selector.blockSignals(True)
        selector.clear()
        for place, card in enumerate(self._models()):
            name, texts = card["name"], {"bundled": _("{name} (bundled)"), "imported": _("{name} (imported)")}
            text = _("{name} (unusable)") if "problem" in card else texts[card["origin"]]
            selector.addItem(text.format(name=name), "" if place == 0 else name)
            selector.setItemData(place, results.modelText(card), qt.Qt.ToolTipRole)
        selector.blockSignals(blocked)
        self._showModel()

    def _models(self) -> list[dict]:
        with self._errorsShown(_("Models")):
            return segmentation_models()
        return []

    def _showModel(self) -> None:
        """Select the parameter's model, listed as missing if it is not here: a scene may come from elsewhere."""
        selector, name = self.ui.modelSelector, self._parameterNode.model if self._parameterNode else ""
        place = selector.findData(name)
        if place < 0:
            shown = name or _("the bundled model")
            selector.addItem(_("{name} (not on this computer)").format(name=shown), name)
            place = selector.count - 1
        if selector.currentIndex != place:
            selector.setCurrentIndex(place)
        else:
            self.onModelSelected(place)

    def onAgeEdited(self, years: float) -> None:
        """Keep the age; not left to connectGui, which writes it back after each key and so loses the decimals."""
        if self._parameterNode:
            self._parameterNode.age = years

    def _onParametersModified(self, caller=None, event=None) -> None:
        if self._parameterNode and self.ui.ageSpinBox.value != self._parameterNode.age:
            self.ui.ageSpinBox.value = self._parameterNode.age
        if self._parameterNode and self.ui.modelSelector.currentData != self._parameterNode.model:
            self._showModel()
        self._updateButtons()

    def _updateButtons(self) -> None:
        parameters = self._parameterNode
        missing = [m.upper() for m in MODALITIES if not (parameters and getattr(parameters, m))]
        self.ui.segmentButton.enabled = not missing
        self.ui.segmentButton.toolTip = (
            _("Select the volumes: {missing}").format(missing=", ".join(missing))
            if missing
            else _("Segment the tumour into NCR/NET, ED and ET")
        )
        if not (parameters and parameters.segmentation):
            lacking = _("Segment first, or select a segmentation")
        elif parameters.age == AGE_NOT_SET:
            lacking = _("Enter the patient's age")
        else:
            lacking = ""
        self.ui.predictButton.enabled = not lacking
        self.ui.predictButton.toolTip = lacking or _("Predict overall survival from the segmentation as it is now")

    # Actions

    def onSegment(self) -> None:
        """Segment the selected volumes into a new node."""
        parameters = self._parameterNode
        with self._errorsShown(_("Segmentation")):
            segmentation = self.logic.segment(
                *self._selectedVolumes().values(), model=parameters.model or None, progress=self._showProgress
            )
            parameters.segmentation = segmentation
            warnings = results.warningsText(self.logic.runner.warnings)
            self.ui.resultTextBrowser.setHtml(warnings + self._volumesText(segmentation))

    def onPredict(self) -> None:
        """Predict from the segmentation as it is now: the user may have corrected it."""
        parameters = self._parameterNode
        segmentation = parameters.segmentation
        with self._errorsShown(_("Prediction")):
            prediction = self.logic.predict(
                segmentation,
                age=parameters.age if parameters.age != AGE_NOT_SET else None,
                resection=parameters.resection.value,
                volumes=self._selectedVolumes(),
                progress=self._showProgress,
            )
            self.ui.resultTextBrowser.setHtml(results.predictionText(prediction) + self._volumesText(segmentation))

    def _volumesText(self, segmentation) -> str:
        volumes = self.logic.regionVolumes(segmentation, self._selectedVolumes())
        return results.volumesText(segmentation.GetName(), volumes)

    def _selectedVolumes(self) -> dict:
        return {modality: getattr(self._parameterNode, modality) for modality in MODALITIES}

    def _showProgress(self, stage: str, fraction: float) -> None:
        self.ui.statusLabel.text = _("{stage}: {percent} %").format(stage=stage, percent=round(100 * fraction))
        self.ui.statusLabel.repaint()  # processing events instead would let a second click in

    @contextmanager
    def _errorsShown(self, task: str) -> Iterator[None]:
        """Show one sentence for whatever goes wrong in the block; details of surprises are one click away."""
        self.ui.statusLabel.text = ""
        try:
            with slicer.util.WaitCursor():
                yield
        except BraTSOSError as error:
            slicer.util.errorDisplay(str(error), windowTitle=task)
        except Exception as error:
            logging.exception("%s failed", task)
            slicer.util.errorDisplay(
                _("{task} failed unexpectedly: {error}").format(task=task, error=str(error) or type(error).__name__),
                windowTitle=task,
                detailedText=traceback.format_exc(),
            )
        finally:
            self.ui.statusLabel.text = ""
