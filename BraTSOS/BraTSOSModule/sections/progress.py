"""The progress bar, and *Cancel*: what is under way, for how long, and the end of it."""

from __future__ import annotations

from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from BraTSOSLib.errors import Cancelled

from ..task import Task
from .section import Section


class ProgressSection(Section):
    """Follows one task at a time."""

    def connect(self) -> None:
        self.task: Task | None = None
        self._title = self._stage = ""
        self._done: Callable[[Task], None] | None = None
        self.ui.cancelButton.connect("clicked(bool)", self.onCancel)

    @property
    def busy(self) -> bool:
        """Whether work is under way."""
        return self.task is not None

    def follow(self, title: str, task: Task, done: Callable[[Task], None]) -> None:
        """Show how far a task is; call ``done`` with it when it has ended well, show its error otherwise."""
        self.task, self._title, self._stage, self._done = task, title, "", done
        self.ui.cancelButton.enabled = True
        self.showProgress(title, 0.0)
        self.panel.update()
        task.watch(self.onEnd, self.showProgress, self.panel.onNews)

    def showProgress(self, stage: str, fraction: float) -> None:
        """Show a stage, how much of it is done, and for how long the work has been under way."""
        if self.task is None:
            return
        if not self.ui.cancelButton.enabled:
            stage = _("Stopping")
        self.ui.progressBar.value = round(1000 * fraction)
        seconds = round(self.task.seconds)
        self.ui.statusLabel.text = _("{title}: {stage}, {percent} %, {minutes}:{seconds:02d}").format(
            title=self._title, stage=stage, percent=round(100 * fraction), minutes=seconds // 60, seconds=seconds % 60
        )

    def onEnd(self, task: Task) -> None:
        """Leave everything as it was before, and pass the result on."""
        title, done = self._title, self._done
        self.clear()
        if isinstance(task.error, Cancelled):
            self.ui.statusLabel.text = _("{title}: stopped, nothing was changed").format(title=title)
        elif task.error is not None:
            self.panel.showError(title, task.error, task.log)
        elif done is not None:
            with self.panel.errorsShown(title):
                done(task)
        self.panel.update()

    def onCancel(self) -> None:
        """Have the work stopped."""
        if self.task is not None:
            self.ui.cancelButton.enabled = False
            self.ui.statusLabel.text = _("{title}: stopping").format(title=self._title)
            self.task.cancel()

    def abandon(self) -> None:
        """End the work at once: nobody is there any more to show it to."""
        if self.task is not None:
            self.task.abandon()
        self.clear()

    def clear(self) -> None:
        self.task = self._done = None
        self.ui.progressBar.value = 0
        self.ui.statusLabel.text = ""
        self.ui.cancelButton.enabled = False


def openFile(path) -> None:
    """Open a file with the program that the user has for its kind."""
    qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))
