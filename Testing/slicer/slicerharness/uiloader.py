"""Loads the real ``.ui`` file: Qt's own widgets by Qt, Slicer's and CTK's by the stand-ins, anything else refused."""

from __future__ import annotations

from xml.etree import ElementTree

from PySide6 import QtCore, QtUiTools

stand_ins: dict[str, type] = {}
"""Class name in a ``.ui`` file to the stand-in that takes its place."""


class UiLoader(QtUiTools.QUiLoader):
    """``qt.QUiLoader`` that is strict: unknown classes, widgets and signals raise."""

    def createWidget(self, className, parent=None, name=""):
        if className not in stand_ins:
            return super().createWidget(className, parent, name)
        widget = stand_ins[className](parent)
        widget.setObjectName(name)
        return widget

    def load(self, device, parent=None):
        """Build the widgets and make the file's connections, which Qt cannot make to stand-ins."""
        tree = ElementTree.fromstring(bytes(device.readAll()))
        connections = list(tree.iter("connection"))
        for element in tree.findall("connections"):
            tree.remove(element)
        unknown = {w.get("class") for w in tree.iter("widget")} - set(stand_ins) - set(self.availableWidgets())
        if unknown:
            raise RuntimeError(f"there is no stand-in for {', '.join(sorted(unknown))}")
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(tree))
        buffer.open(QtCore.QIODevice.ReadOnly)
        top = super().load(buffer, parent)
        if top is None:
            raise RuntimeError(self.errorString())
        for connection in connections:
            sender, receiver = (self._find(top, connection.findtext(end)) for end in ("sender", "receiver"))
            sender.connect(connection.findtext("signal"), receiver, connection.findtext("slot"))
        return top

    @staticmethod
    def _find(top, name: str):
        found = top if top.property("objectName") == name else top.findChild(QtCore.QObject, name)
        if found is None:
            raise RuntimeError(f"the file connects the unknown widget '{name}'")
        return found
