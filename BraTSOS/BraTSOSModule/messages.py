"""One sentence for the user; what reaches the application's log names no patient and no folder."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import qt
import slicer
from slicer.i18n import tr as _

from BraTSOSLib.jobs.log import anonymised


def show(text: str, title: str, details: str = "", names: Iterable[str] = ()) -> None:
    """Show an error; the details are one click away, behind *Show Details…*.

    Not with ``slicer.util.errorDisplay``, which writes the sentence into the log as it is: users are asked to share
    that log, and the sentence may name a volume or a folder, and so a patient.
    """
    logging.error(_("BraTSOS, {title}: {text}").format(title=title, text=anonymised(text, names)))
    if slicer.app.testingEnabled() or slicer.util.mainWindow() is None:
        return
    more = {"detailedText": details} if details else {}
    slicer.util.messageBox(text, windowTitle=title, icon=qt.QMessageBox.Critical, **more)
