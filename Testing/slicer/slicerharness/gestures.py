"""What a user does with the panel."""

from __future__ import annotations

import time

from PySide6 import QtCore, QtTest


def click(button) -> None:
    """Click a button with the mouse; it must be there to be clicked."""
    assert button.visible and button.enabled, f"{button.name}: {button.toolTip}"
    QtTest.QTest.mouseClick(button, QtCore.Qt.LeftButton)


def unfold(section) -> None:
    """Open a section of the panel by a click on its title."""
    import slicer

    if section.collapsed:
        QtTest.QTest.mouseClick(section, QtCore.Qt.LeftButton, pos=QtCore.QPoint(30, 8))
        slicer.app.processEvents()
    assert not section.collapsed


def select_volumes(ui, volumes) -> None:
    """Select T1, T1ce, T2 and FLAIR, in this order; None leaves a selector empty."""
    for name, volume in zip(("t1", "t1ce", "t2", "flair"), volumes, strict=True):
        getattr(ui, f"{name}Selector").setCurrentNode(volume)


def finish_work(widget, seconds: float = 300) -> None:
    """Let the application live until the work that the panel follows has ended."""
    import slicer

    until = time.monotonic() + seconds
    while widget.busy:
        assert time.monotonic() < until, widget.ui.statusLabel.text
        slicer.app.processEvents()
        time.sleep(0.02)
