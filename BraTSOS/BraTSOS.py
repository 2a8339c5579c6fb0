"""BraTSOS in 3D Slicer: the four classes that Slicer looks up by name; the work is done in ``BraTSOSModule``."""

from __future__ import annotations

import slicer
from BraTSOSModule import logic, sampledata, selftest, terminology, widget
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule


class BraTSOS(ScriptedLoadableModule):
    """What the module list and the help section show."""

    def __init__(self, parent) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("BraTSOS")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = []
        parent.contributors = ["SlicerBraTSOS contributors"]
        parent.helpText = _(
            "Segments a glioma in four co-registered MRI scans (T1, T1ce, T2, FLAIR), measures it, and estimates the "
            "overall-survival category. For research only, not for clinical decisions."
        )
        parent.acknowledgementText = _("The model cards beside the weights name the training data and their terms.")
        parent.icon = widget.moduleIcon()
        # The modules that are told about us may not have been loaded yet
        slicer.app.connect("startupCompleted()", onStartupCompleted)


def onStartupCompleted() -> None:
    """Tell other modules of the sample case and of the segments' codes."""
    sampledata.register()
    terminology.load()


class BraTSOSWidget(widget.Panel):
    """The panel."""

    def createLogic(self) -> BraTSOSLogic:
        return BraTSOSLogic()


class BraTSOSLogic(logic.Logic):
    """The verbs for Slicer's Python console: ``slicer.util.getModuleLogic("BraTSOS")``."""


class BraTSOSTest(selftest.SelfTest):
    """What *Reload and Test* and CTest run inside Slicer."""

    def createLogic(self, runner) -> BraTSOSLogic:
        return BraTSOSLogic(runner=runner)
