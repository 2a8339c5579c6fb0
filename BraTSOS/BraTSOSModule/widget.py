"""The panel: brings its sections together, has work done in the background, and shows results and errors."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from BraTSOSLib.errors import BraTSOSError
from BraTSOSLib.jobs.log import anonymised

from . import messages, terminology
from .logic import Logic
from .parameters import BraTSOSParameterNode
from .paths import resourcePath
from .sections.cohort import CohortSection
from .sections.features import FeaturesSection
from .sections.inputs import InputsSection
from .sections.progress import ProgressSection
from .sections.segmentation import SegmentationSection
from .sections.setup import SetupSection
from .sections.survival import SurvivalSection
from .task import Task


def moduleIcon() -> qt.QIcon:
    """Return the module's icon: Slicer itself finds it in an installed extension, but not in a source tree."""
    return qt.QIcon(resourcePath("Icons", "BraTSOS.png"))


class Panel(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel; Slicer calls setup, enter, exit and cleanup."""

    def __init__(self, parent=None) -> None:
        self.logic: Logic | None = None
        self.parameters: BraTSOSParameterNode | None = None
        self.sections: list = []
        self._guiTag = None
        self._updating = False
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
        terminology.load()
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.StartImportEvent, self.onSceneStartImport)
        for event in (scene.EndCloseEvent, scene.EndImportEvent):
            self.addObserver(scene, event, self.onSceneChanged)
        self.progress = ProgressSection(self)
        self.cohort = CohortSection(self)
        kinds = (InputsSection, SegmentationSection, SurvivalSection, FeaturesSection, SetupSection)
        self.sections = [self.progress, self.cohort, *(kind(self) for kind in kinds)]
        self._bind(self.logic.getParameterNode())

    def enter(self) -> None:
        """Bind the widgets when the user opens the module; models may have been imported meanwhile."""
        self.enterSections()
        self._bind(self.logic.getParameterNode())

    def exit(self) -> None:
        """Leave the parameter node alone while another module is open; work goes on."""
        self._bind(None)

    def cleanup(self) -> None:
        """End all work and let go of the scene before the panel is destroyed."""
        if self.sections:
            self.progress.abandon()
            self.cohort.abandon()
        self._bind(None)
        self.removeObservers()

    def onReload(self) -> None:
        """Reload the packages too: Slicer itself reloads BraTSOS.py alone."""
        for name in [name for name in sys.modules if name.split(".")[0] in ("BraTSOSModule", "BraTSOSLib")]:
            del sys.modules[name]
        super().onReload()

    def onSceneStartClose(self, caller=None, event=None) -> None:
        """Unbind: the nodes are about to go, and with them whatever is being computed for them."""
        self.progress.abandon()
        self._bind(None)
        self.ui.resultTextBrowser.setHtml("")
        for section in self.sections:
            section.clear()

    def onSceneStartImport(self, caller=None, event=None) -> None:
        """Unbind: the parameters of a scene arrive before the nodes that they name, which would be forgotten."""
        self._bind(None)

    def onSceneChanged(self, caller=None, event=None) -> None:
        """Bind to what the scene holds now if the user is looking at the panel."""
        if self.parent.isEntered:
            self._bind(self.logic.getParameterNode())

    # Parameters

    def _bind(self, parameterNode: BraTSOSParameterNode | None) -> None:
        if self.parameters:
            self.parameters.disconnectGui(self._guiTag)
            self.removeObserver(self.parameters, vtk.vtkCommand.ModifiedEvent, self.update)
        self.parameters = parameterNode
        if parameterNode:
            # The wrapper read the nodes when their parameters were loaded, which is before the nodes themselves are
            parameterNode.parameterNode.Modified()
            self._guiTag = parameterNode.connectGui(self.ui)
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self.update)
        self.update()

    def update(self, caller=None, event=None) -> None:
        """Make all sections show the parameters and what can be done now."""
        if self._updating:
            return
        self._updating = True
        try:
            for section in self.sections:
                section.update()
        finally:
            self._updating = False

    def enterSections(self) -> None:
        """Have all sections look again at what may have changed elsewhere."""
        for section in self.sections:
            section.enter()
        self.update()

    # Work

    @property
    def busy(self) -> bool:
        """Whether work for this panel is under way; a cohort runs beside it."""
        return self.progress.busy

    def run(self, title: str, start: Callable[[], Task], done: Callable[[Task], None]) -> None:
        """Have work done in the background; ``done`` is called with the task when it has ended well."""
        with self.errorsShown(title):
            self.progress.follow(title, start(), done)

    def onNews(self, news: list[dict]) -> None:
        """Take what a task says of its parts; only a cohort's does."""

    # Results and errors

    def showResult(self, *parts: str) -> None:
        """Show pieces of HTML below each other."""
        self.ui.resultTextBrowser.setHtml("".join(parts))

    def showTable(self, table) -> None:
        """Bring a table to the front where there is a window to show it in."""
        layouts = slicer.app.layoutManager() if hasattr(slicer.app, "layoutManager") else None
        tables = getattr(slicer.modules, "tables", None)
        if layouts is None or tables is None:
            return
        layouts.setLayout(tables.logic().GetLayoutWithTable(layouts.layout))
        selection = slicer.app.applicationLogic().GetSelectionNode()
        selection.SetActiveTableID(table.GetID())
        slicer.app.applicationLogic().PropagateTableSelection()

    def showError(self, task: str, error: Exception, log: str = "") -> None:
        """Show one sentence for an error; the log, or where a surprise came from, is behind *Show Details…*."""
        if isinstance(error, BraTSOSError):
            text = str(error)
        else:
            reason = str(error) or type(error).__name__
            text = _("{task} failed unexpectedly: {error}").format(task=task, error=reason)
            lines = traceback.format_exception(type(error), error, error.__traceback__)
            log = "\n".join(filter(None, [log, anonymised("".join(lines), self._names())]))
        messages.show(text, task, log, self._names())

    @contextmanager
    def errorsShown(self, task: str, wait: bool = False) -> Iterator[None]:
        """Show one sentence for whatever goes wrong in the block; ``wait`` shows that it takes a moment."""
        try:
            with slicer.util.WaitCursor() if wait else nullcontext():
                yield
        except Exception as error:
            self.showError(task, error)

    def _names(self) -> list[str]:
        """What the user called the nodes: often a patient's name."""
        return [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLDisplayableNode")]
