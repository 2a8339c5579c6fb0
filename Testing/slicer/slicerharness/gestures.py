"""What a user does with the panel."""

from __future__ import annotations

from PySide6 import QtCore, QtTest


def click(button) -> None:
    """Click a button with the mouse; it must be there to be clicked."""
    assert button.visible and button.enabled, f"{button.name}: {button.toolTip}"
    QtTest.QTest.mouseClick(button, QtCore.Qt.LeftButton)


def select_volumes(ui, volumes) -> None:
    """Select T1, T1ce, T2 and FLAIR, in this order; None leaves a selector empty."""
    for name, volume in zip(("t1", "t1ce", "t2", "flair"), volumes, strict=True):
        getattr(ui, f"{name}Selector").setCurrentNode(volume)
