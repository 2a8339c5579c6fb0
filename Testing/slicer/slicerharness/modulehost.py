"""Loads a scripted module and hosts its panel, as ``qSlicerScriptedLoadableModule`` does in the application."""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path


class ModuleHost:
    """One scripted module with its panel on show.

    Parameters
    ----------
    path : Path
        The module's ``.py`` file; only its own folder goes onto ``sys.path``, as in Slicer.
    """

    def __init__(self, path: Path) -> None:
        import qt
        import slicer

        self.name = path.stem
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))
        self.python = importlib.import_module(self.name)
        self.description = types.SimpleNamespace(path=str(path), title="", icon=None)
        getattr(self.python, self.name)(self.description)
        entry = slicer.qSlicerScriptedLoadableModule()
        entry.name, entry.path = self.name, str(path)
        entry.widgetRepresentation = lambda: self.parent
        setattr(slicer.modules, self.name.lower(), entry)
        host = self

        class qSlicerScriptedLoadableModuleWidget(slicer.qSlicerWidget):
            isEntered = False

            def self(self):
                return host.widget

        slicer.qSlicerScriptedLoadableModuleWidget = qSlicerScriptedLoadableModuleWidget
        self.parent = qSlicerScriptedLoadableModuleWidget()
        self.parent.setLayout(qt.QVBoxLayout())
        self.parent.setMRMLScene(slicer.mrmlScene)
        self.widget = getattr(self.python, self.name + "Widget")(self.parent)
        self.widget.setup()
        self.enter()

    def enter(self) -> None:
        """Open the module."""
        self.parent.isEntered = True
        self.widget.enter()
        self.parent.show()

    def exit(self) -> None:
        """Go to another module."""
        self.parent.isEntered = False
        self.widget.exit()
        self.parent.hide()

    def reload(self) -> None:
        """Load the module's files anew and build the panel again, as *Reload* does in developer mode."""
        import slicer

        packages = {self.name, f"{self.name}Module", f"{self.name}Lib"}
        for name in [name for name in sys.modules if name.split(".")[0] in packages]:
            del sys.modules[name]
        self.python = importlib.import_module(self.name)
        for child in list(self.parent.children()):
            if child.inherits("QWidget"):
                child.hide()
        self.widget.cleanup()
        layout = self.parent.layout()
        while layout.count():
            layout.takeAt(0)
        self.widget = getattr(self.python, self.name + "Widget")(self.parent)
        self.widget.setup()
        self.enter()
        slicer.app.processEvents()  # a layout shows what is added to it while it is on show a little later

    def close(self) -> None:
        """Unload the module."""
        import qt

        self.widget.cleanup()
        self.parent.deleteLater()
        qt.QApplication.sendPostedEvents(None, qt.QEvent.DeferredDelete)
