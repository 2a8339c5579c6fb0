"""Stand-ins for the CTK and qMRML widgets of the panel, on the real MRML scene.

Public is only what PythonQt shows of the C++ class: properties, slots and signals. Helpers start with ``_h_``.
"""

from __future__ import annotations

import types

from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal
from shiboken6 import isValid

from . import uiloader

_CPP_POINTERS = ("vtkMRMLNode*", "vtkMRMLScene*")  # what a .ui file or a connect() writes where PySide has PyObject


def stands_in(cls):
    """Register a stand-in under its class name, its signals reachable by their C++ signatures."""
    cls._stands_in = True
    cls._signal_aliases = {}
    for index in range(cls.staticMetaObject.methodCount()):
        method = cls.staticMetaObject.method(index)
        signature = bytes(method.methodSignature()).decode()
        if method.methodType() == QtCore.QMetaMethod.Signal and "PyObject" in signature:
            for pointer in _CPP_POINTERS:
                cls._signal_aliases[signature.replace("PyObject", pointer)] = signature
    uiloader.stand_ins[cls.__name__] = cls
    return cls


def stored(kind, name: str, default):
    """Return a Qt property that keeps its value and tells the widget when it changes."""
    key = f"_h_value_{name}"

    def read(self):
        return getattr(self, key, default)

    def write(self, value):
        if read(self) != value:
            setattr(self, key, value)
            self._h_refresh()

    return Property(kind, read, write)


@stands_in
class qMRMLWidget(QtWidgets.QWidget):
    """A widget that passes the scene on to the widgets connected to it."""

    mrmlSceneChanged = Signal(object)

    def mrmlScene(self):
        return getattr(self, "_h_scene", None)

    def setMRMLScene(self, scene):
        self._h_scene = scene
        self.mrmlSceneChanged.emit(scene)


@stands_in
class qSlicerWidget(qMRMLWidget):
    """The same, as the application's own panels derive from it."""


@stands_in
class ctkCollapsibleButton(QtWidgets.QWidget):
    """A titled group that a click on its title folds."""

    contentsCollapsed = Signal(bool)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._h_collapsed = False
        self._h_hidden = []
        self._h_text = ""
        self.setContentsMargins(6, self._h_titleHeight() + 4, 6, 6)

    def _h_titleHeight(self):
        return self.fontMetrics().height() + 8

    def _h_setText(self, text):
        self._h_text = text
        self.update()

    def _h_setCollapsed(self, collapsed):
        if collapsed == self._h_collapsed:
            return
        self._h_collapsed = collapsed
        if not collapsed:
            for child in self._h_hidden:
                child.setVisible(True)
            self._h_hidden = []
        self._h_hideChildren()
        self.updateGeometry()
        self.contentsCollapsed.emit(collapsed)

    def _h_hideChildren(self):
        """Hide what is not hidden for a reason of its own; a ``.ui`` file adds it after having set ``collapsed``."""
        if self._h_collapsed:
            children = self.findChildren(QtWidgets.QWidget, options=QtCore.Qt.FindDirectChildrenOnly)
            shown = [child for child in children if not child.isHidden()]
            self._h_hidden += shown
            for child in shown:
                child.setVisible(False)

    def showEvent(self, event):
        self._h_hideChildren()
        super().showEvent(event)

    text = Property(str, lambda self: self._h_text, _h_setText)
    collapsed = Property(bool, lambda self: self._h_collapsed, _h_setCollapsed, notify=contentsCollapsed)

    def mousePressEvent(self, event):
        if event.position().y() <= self._h_titleHeight():
            self._h_setCollapsed(not self._h_collapsed)

    def paintEvent(self, event):
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = QtCore.QRect(0, 0, self.rect.width(), self._h_titleHeight())
        option.text = ("\u25b8 " if self._h_collapsed else "\u25be ") + self._h_text
        painter.drawControl(QtWidgets.QStyle.CE_PushButton, option)


@stands_in
class qMRMLNodeComboBox(QtWidgets.QWidget):
    """A combo box with the scene's nodes of some classes."""

    currentNodeChanged = Signal((object,), (bool,))
    currentNodeIDChanged = Signal(str)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._h_scene = self._h_node = None
        self._h_observed = []
        self._h_nodes = []
        self._h_box = QtWidgets.QComboBox()
        self._h_box.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._h_box)
        self._h_box.connect("activated(int)", lambda index: self._h_choose(self._h_nodes[index]))

    nodeTypes = stored("QStringList", "nodeTypes", [])
    showChildNodeTypes = stored(bool, "showChildNodeTypes", True)
    showHidden = stored(bool, "showHidden", False)
    noneEnabled = stored(bool, "noneEnabled", False)
    addEnabled = stored(bool, "addEnabled", True)
    removeEnabled = stored(bool, "removeEnabled", True)
    renameEnabled = stored(bool, "renameEnabled", False)
    noneDisplay = stored(str, "noneDisplay", "None")

    def mrmlScene(self):
        return self._h_scene

    def setMRMLScene(self, scene):
        if scene is self._h_scene:
            return
        for tag in self._h_observed:
            self._h_scene.RemoveObserver(tag)
        self._h_scene, self._h_observed = scene, []
        if scene is not None:
            for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndCloseEvent, scene.EndImportEvent):
                self._h_observed.append(scene.AddObserver(event, self._h_sceneChanged))
        self._h_refresh()

    def _h_sceneChanged(self, caller, event):
        if isValid(self):  # the C++ widget would have taken its observers with it
            self._h_refresh()

    def currentNode(self):
        return self._h_node

    def setCurrentNode(self, node):
        self._h_choose(self._h_scene.GetNodeByID(node) if isinstance(node, str) else node)

    def setCurrentNodeID(self, nodeID):
        self._h_choose(self._h_scene.GetNodeByID(nodeID) if nodeID else None)

    currentNodeID = Property(
        str,
        lambda self: self._h_node.GetID() if self._h_node else "",
        setCurrentNodeID,
        notify=currentNodeIDChanged,
    )

    def nodeCount(self):
        return sum(node is not None for node in self._h_nodes)

    def _h_fits(self, node):
        classes = self.nodeTypes
        fits = any(map(node.IsA, classes)) if self.showChildNodeTypes else node.GetClassName() in classes
        return fits and (self.showHidden or not node.GetHideFromEditors())

    def _h_refresh(self):
        scene = self._h_scene
        found = [scene.GetNthNode(i) for i in range(scene.GetNumberOfNodes())] if scene else []
        found = [node for node in found if self._h_fits(node)]
        self._h_nodes = ([None] if self.noneEnabled else []) + found
        self._h_box.clear()
        self._h_box.addItems([node.GetName() if node else self.noneDisplay for node in self._h_nodes])
        kept = self._h_node if self._h_node in self._h_nodes else None
        if kept is None and not self.noneEnabled and found:
            kept = found[0]
        self._h_choose(kept)

    def _h_choose(self, node):
        node = node if node in self._h_nodes else None
        self._h_box.setCurrentIndex(self._h_nodes.index(node) if node in self._h_nodes else -1)
        if node is self._h_node:
            return
        self._h_node = node
        self.currentNodeChanged[object].emit(node)
        self.currentNodeChanged[bool].emit(node is not None)
        self.currentNodeIDChanged.emit(node.GetID() if node else "")


@stands_in
class ctkPathLineEdit(QtWidgets.QWidget):
    """A line for a path, and a button to choose it."""

    currentPathChanged = Signal(str)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._h_line = QtWidgets.QLineEdit()
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._h_line)
        layout.addWidget(QtWidgets.QToolButton(text="…"))
        self._h_line.connect("textChanged(QString)", self.currentPathChanged.emit)

    def setCurrentPath(self, path):
        self._h_line.setText(path)

    currentPath = Property(str, lambda self: self._h_line.property("text"), setCurrentPath, notify=currentPathChanged)


# Slicer's own Python compares widgets with these types; nothing here can build one.
_NAMED_ONLY_CTK = [
    "ctkCheckBox",
    "ctkCheckablePushButton",
    "ctkSliderWidget",
    "ctkDoubleSlider",
    "ctkDoubleSpinBox",
    "ctkComboBox",
    "ctkRangeWidget",
    "ctkDoubleRangeSlider",
    "ctkDirectoryButton",
    "ctkColorPickerButton",
]
_NAMED_ONLY_MRML = ["qMRMLSliderWidget", "qMRMLSpinBox", "qMRMLRangeWidget"]


def _named_only(name: str) -> type:
    def refuse(cls, *arguments, **keywords):
        raise NotImplementedError(f"there is no stand-in for {name}")

    return type(name, (), {"__new__": refuse})


def ctk_module() -> types.ModuleType:
    """Return the module ``ctk``."""
    ctk = types.ModuleType("ctk", __doc__)
    for name in _NAMED_ONLY_CTK:
        setattr(ctk, name, _named_only(name))
    ctk.ctkCollapsibleButton, ctk.ctkPathLineEdit = ctkCollapsibleButton, ctkPathLineEdit
    return ctk


def mrml_widgets() -> dict[str, type]:
    """Return the widget classes that Slicer puts into the module ``slicer``."""
    named = {name: _named_only(name) for name in _NAMED_ONLY_MRML}
    return named | {cls.__name__: cls for cls in (qMRMLWidget, qSlicerWidget, qMRMLNodeComboBox)}
