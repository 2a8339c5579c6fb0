"""What the application gives a scripted module: ``slicer.app``, the scene, the logics of the core modules."""

from __future__ import annotations

import os
import sys
import tempfile
import types
from pathlib import Path

STAND_INS = Path(__file__).resolve().parent / "standins"
REAL_PYTHON = "BRATSOS_SLICER_PYTHON"
"""Environment variable: the folder ``Base/Python/slicer`` of Slicer's source, used in the place of ``standins``."""

_LOGICS = {
    "Colors": "vtkSlicerColorLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
}


class SlicerMissing(Exception):
    """``slicer-core`` or PySide6 cannot be imported, so there is nothing to test on."""


class FileManager:
    """``slicer.app.coreIOManager()``: reads volumes, as ``slicer.util.loadVolume`` asks it to."""

    def __init__(self, slicer) -> None:
        self._slicer = slicer

    def loadNodes(self, filetype: str, properties: dict, loaded, messages) -> bool:
        assert filetype == "VolumeFile", filetype
        path = properties["fileName"]
        name = properties.get("name") or Path(path).name.split(".")[0]
        node = self._slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        storage = self._slicer.vtkMRMLVolumeArchetypeStorageNode()
        storage.SetFileName(path)
        self._slicer.mrmlScene.AddNode(storage)
        node.SetAndObserveStorageNodeID(storage.GetID())
        if not Path(path).is_file() or not storage.ReadData(node):
            self._slicer.mrmlScene.RemoveNode(node)
            self._slicer.mrmlScene.RemoveNode(storage)
            return False
        loaded.AddItem(node)
        return True


class Application:
    """``slicer.app``: a scene with its logics, and the few services that the module and Slicer's own Python ask for."""

    applicationName = mainApplicationName = "Slicer"
    documentationBaseUrl = "https://slicer.readthedocs.io/en/latest/"

    def __init__(self, slicer, qt) -> None:
        self._qt = qt
        self._instance = qt.QApplication.instance() or qt.QApplication(["Slicer"])
        self.temporaryPath = tempfile.mkdtemp(prefix="slicerharness-")
        self._scene = slicer.vtkMRMLScene()
        self._logic = slicer.vtkSlicerApplicationLogic()
        self._logic.SetTemporaryPath(self.temporaryPath)
        self._managers = self._io_managers(slicer)
        self._logic.SetMRMLScene(self._scene)
        self._startup: list = []
        self._files = FileManager(slicer)
        slicer.app, slicer.mrmlScene = self, self._scene
        slicer.modules = types.SimpleNamespace()
        self._add_logics(slicer)

        class qSlicerModuleManager(qt.QObject):
            moduleLoaded = qt.Signal(str)
            moduleAboutToBeUnloaded = qt.Signal(str)

            def module(self, name):
                return getattr(slicer.modules, name.lower(), None)

        self._module_manager = qSlicerModuleManager()

    def _io_managers(self, slicer) -> tuple:
        """Give the scene what reading and writing ``.mrb`` needs."""
        cache, data = slicer.vtkCacheManager(), slicer.vtkDataIOManager()
        cache.SetRemoteCacheDirectory(self.temporaryPath)
        cache.SetMRMLScene(self._scene)
        data.SetCacheManager(cache)
        self._scene.SetCacheManager(cache)
        self._scene.SetDataIOManager(data)
        return cache, data

    def _add_logics(self, slicer) -> None:
        import vtk

        # Colour files and terminologies are part of the application, not of the wheel: their absence is no news.
        vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_OFF)
        self._logics = {}
        for name, cls in _LOGICS.items():
            logic = self._logics[name] = getattr(slicer, cls)()
            logic.SetMRMLApplicationLogic(self._logic)
            self._logic.SetModuleLogic(name, logic)
            logic.SetMRMLScene(self._scene)
            module = types.SimpleNamespace(name=name, logic=lambda found=logic: found)
            setattr(slicer.modules, name.lower(), module)
        self._logics["Colors"].AddDefaultColorNodes()
        vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_WARNING)

    def connect(self, signal: str, slot) -> bool:
        """Only the signal that modules wait for; ``completeStartup`` sends it."""
        assert signal == "startupCompleted()", signal
        self._startup.append(slot)
        return True

    def completeStartup(self) -> None:
        """Tell the modules that all of them have been loaded."""
        waiting, self._startup = self._startup, []
        for slot in waiting:
            slot()

    def coreIOManager(self):
        return self._files

    def layoutManager(self):
        """There is no main window."""
        return None

    def mrmlScene(self):
        return self._scene

    def applicationLogic(self):
        return self._logic

    def moduleManager(self):
        return self._module_manager

    def testingEnabled(self) -> bool:
        return True

    def translate(self, context: str, text: str) -> str:
        return text

    def processEvents(self, *flags) -> None:
        self._instance.processEvents(*flags)

    def moduleDocumentationUrl(self, name: str) -> str:
        return self.documentationBaseUrl + name

    def userSettings(self):
        return self._qt.QSettings(str(Path(self.temporaryPath, "settings.ini")), self._qt.QSettings.IniFormat)

    settings = revisionUserSettings = userSettings


def start():
    """Make ``import slicer, qt, ctk, vtk`` work as inside the application and return the module ``slicer``.

    Raises
    ------
    SlicerMissing
        With the reason, for a test to be skipped with.
    """
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    try:
        import slicer
        import slicer.util
        from PySide6 import QtUiTools, QtWidgets  # noqa: F401  (fails where a system library is missing)
    except ImportError as error:
        raise SlicerMissing(f"see Testing/slicer/requirements.txt: {error}") from error
    if hasattr(slicer, "app"):
        return slicer
    _refuse_miscounting_qt()
    from . import pythonqt, slots, widgets

    qt = pythonqt.install()
    sys.modules["ctk"] = widgets.ctk_module()
    for name, cls in widgets.mrml_widgets().items():
        setattr(slicer, name, cls)
    slicer.qSlicerScriptedLoadableModule = type("qSlicerScriptedLoadableModule", (), {})
    slicer.__path__.append(os.environ.get(REAL_PYTHON) or str(STAND_INS))
    sys.excepthook = slots.collect
    Application(slicer, qt)
    return slicer


def _refuse_miscounting_qt() -> None:
    """Refuse a PySide6 under which the interpreter would abort in the middle of the tests."""
    from PySide6 import QtCore

    before, thing = sys.getrefcount(None), QtCore.QObject()
    for _repetition in range(50):
        thing.setObjectName("name")
    if sys.getrefcount(None) < before - 25:
        raise SlicerMissing(f"PySide6 {QtCore.__version__} miscounts references on this Python: see requirements.txt")
