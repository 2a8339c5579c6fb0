"""The module ``qt``: PySide6 made to follow PythonQt's rules through the meta-object system, nothing widget by widget.

Kept rules: properties are attributes, ``name`` is ``objectName``, unknown attributes are refused, signals are connected
by their C++ signature, a slot gets no more arguments than it takes, its exceptions do not propagate.
"""

from __future__ import annotations

import sys
import types

from PySide6 import QtCore, QtGui, QtTest, QtUiTools, QtWidgets

from . import properties, slots

_SOURCES = (QtCore, QtGui, QtWidgets, QtUiTools, QtTest)


def install() -> types.ModuleType:
    """Change PySide6's classes for this process and return the module, also found as ``import qt`` from now on."""
    if "qt" in sys.modules:
        return sys.modules["qt"]
    native = {cls: cls.__getattribute__ for cls in _object_classes()}  # all of them before the first one is changed
    for cls, lookup in native.items():
        meta = cls.staticMetaObject
        for index in range(meta.propertyOffset(), meta.propertyCount()):
            name = meta.property(index).name()
            setattr(cls, name, properties.QtProperty(name, vars(cls).get(name)))
        cls.__setattr__ = properties.set_attribute
        cls.__getattribute__ = _with_connect(lookup)
    # PySide's own would connect through the attribute that has been replaced above
    QtCore.QTimer.singleShot = properties.QtProperty("singleShot", _single_shot)
    QtCore.QObject.__getattr__ = properties.get_unknown
    QtCore.QObject.className = lambda self: self.metaObject().className()
    QtCore.QObject.delete = lambda self: self.deleteLater()

    qt = types.ModuleType("qt", __doc__)
    for source in _SOURCES:
        for name in dir(source):
            if not name.startswith("_"):
                setattr(qt, name, getattr(source, name))
    from .uiloader import UiLoader

    qt.QUiLoader = UiLoader
    sys.modules["qt"] = qt
    return qt


def _single_shot(milliseconds: int, function) -> None:
    """``qt.QTimer.singleShot(100, function)``."""
    timer = QtCore.QTimer(QtCore.QCoreApplication.instance())
    timer.setSingleShot(True)
    timer.connect("timeout()", function)
    timer.connect("timeout()", timer.deleteLater)
    timer.start(milliseconds)


def _object_classes():
    for source in _SOURCES:
        for name in dir(source):
            cls = getattr(source, name)
            if isinstance(cls, type) and issubclass(cls, QtCore.QObject):
                yield cls


def _with_connect(native):
    """Wrap attribute lookup: PySide answers ``connect`` itself before it looks at the class."""

    def lookup(self, name):
        if name == "connect":
            return types.MethodType(slots.connect, self)
        if name == "disconnect":
            return types.MethodType(slots.disconnect, self)
        return native(self, name)

    return lookup
