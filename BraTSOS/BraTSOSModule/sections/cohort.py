"""*Cohort*: many cases in the background, with a list of their states; stopped runs go on where they were."""

from __future__ import annotations

from pathlib import Path

import qt
from slicer.i18n import tr as _

from BraTSOSLib.errors import Cancelled

from ..task import Task
from .section import Section

NAME, STATE, REMARK = range(3)


class CohortSection(Section):
    """Runs a cohort beside everything else: its task is not the one that the progress bar follows."""

    def connect(self) -> None:
        self.task: Task | None = None
        self._rows: dict[str, int] = {}
        ui = self.ui
        ui.cohortTable.setColumnCount(3)
        ui.cohortTable.horizontalHeader().setStretchLastSection(True)
        ui.cohortTable.verticalHeader().hide()
        self._empty()
        ui.cohortSourcePathLineEdit.connect("currentPathChanged(QString)", self.panel.update)
        ui.cohortOutputPathLineEdit.connect("currentPathChanged(QString)", self.panel.update)
        ui.cohortStartButton.connect("clicked(bool)", self.onStart)
        ui.cohortStopButton.connect("clicked(bool)", self.onStop)

    def update(self) -> None:
        ui = self.ui
        ready = ui.cohortSourcePathLineEdit.currentPath.strip() and ui.cohortOutputPathLineEdit.currentPath.strip()
        ui.cohortStartButton.enabled = bool(ready) and self.task is None
        ui.cohortStartButton.toolTip = (
            _("Work on all cases; what is done already is not done again")
            if ready
            else _("Choose the folder or table of the cases, and a folder for the results")
        )
        ui.cohortStopButton.enabled = self.task is not None

    def onStart(self) -> None:
        """Start, or go on where a run of the same output folder was stopped."""
        ui = self.ui
        with self.panel.errorsShown(_("Cohort")):
            self.task = self.logic.startCohort(
                Path(ui.cohortSourcePathLineEdit.currentPath.strip()),
                Path(ui.cohortOutputPathLineEdit.currentPath.strip()),
                workers=ui.workersSpinBox.value,
                device=self.parameters.device.value if self.parameters else "auto",
                model=self.parameters.model if self.parameters else "",
            )
            self._empty()
            ui.cohortLabel.text = _("Looking for cases")
            self.panel.update()
            self.task.watch(self.onEnd, onNews=self.onNews)

    def onStop(self) -> None:
        """Stop; what is done stays."""
        if self.task is not None:
            self.ui.cohortStopButton.enabled = False
            self.ui.cohortLabel.text = _("Stopping")
            self.task.cancel()

    def onNews(self, news: list[dict]) -> None:
        """Show what happened to the cases."""
        words = {
            "started": _("running"),
            "progress": _("running"),
            "done": _("done"),
            "failed": _("failed"),
            "returned": _("waiting"),
            "problem": _("unusable"),
        }
        for event in news:
            kind = event.get("event")
            if kind in words and event.get("case"):
                self._show(str(event["case"]), words[kind], _remark(event))
            elif kind == "counts":
                counts = {key: value for key, value in event.items() if isinstance(value, int)}
                self.ui.cohortLabel.text = _("{done} of {total} cases done, {failed} failed").format(
                    done=counts.get("done", 0), total=sum(counts.values()), failed=counts.get("failed", 0)
                )
            elif kind == "collecting":
                self.ui.cohortLabel.text = _("Collecting the results")

    def onEnd(self, task: Task) -> None:
        """Say how it ended."""
        self.task = None
        if isinstance(task.error, Cancelled):
            self.ui.cohortLabel.text = _("Stopped; what is done stays, and Start goes on from there.")
        elif task.error is not None:
            self.ui.cohortLabel.text = ""
            self.panel.showError(_("Cohort"), task.error, task.log)
        else:
            self.ui.cohortLabel.text = _("{done} of {total} cases done, {failed} failed").format(**task.value)
        self.panel.update()

    def abandon(self) -> None:
        """End a run at once: the panel goes away. It can be resumed."""
        if self.task is not None:
            self.task.abandon()
            self.task = None

    def _empty(self) -> None:
        self._rows = {}
        self.ui.cohortTable.setRowCount(0)
        self.ui.cohortTable.setHorizontalHeaderLabels([_("Case"), _("State"), _("Remark")])

    def _show(self, case: str, state: str, remark: str) -> None:
        table = self.ui.cohortTable
        row = self._rows.setdefault(case, len(self._rows))
        if row >= table.rowCount:
            table.setRowCount(row + 1)
            table.setItem(row, NAME, qt.QTableWidgetItem(case))
        table.setItem(row, STATE, qt.QTableWidgetItem(state))
        table.setItem(row, REMARK, qt.QTableWidgetItem(remark))


def _remark(event: dict) -> str:
    if event.get("error"):
        return str(event["error"])
    if event.get("seconds"):
        return _("{seconds} s").format(seconds=round(float(event["seconds"])))
    if event.get("event") == "progress" and event.get("fraction") is not None:
        return _("{percent} %").format(percent=round(100 * float(event["fraction"])))
    return ""
