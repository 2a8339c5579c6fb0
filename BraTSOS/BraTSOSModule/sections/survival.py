"""*Survival*: what the clinic knows, the prediction, and the report."""

from __future__ import annotations

from pathlib import Path

import qt
from slicer.i18n import tr as _

from BraTSOSLib.case import Clinical

from .. import plots, results, segmentations, tables
from ..outputs import saveFiles
from ..parameters import AGE_NOT_SET, KPS_NOT_SET
from ..scene import inScene
from ..task import Task
from .progress import openFile
from .section import Section


class SurvivalSection(Section):
    """Predicts from the segmentation as it is now, and writes the report."""

    def connect(self) -> None:
        self.ui.ageSpinBox.connect("valueChanged(double)", self.onAgeEdited)
        self.ui.predictButton.connect("clicked(bool)", self.onPredict)
        self.ui.reportButton.connect("clicked(bool)", self.onReport)

    def update(self) -> None:
        parameters = self.parameters
        if parameters and self.ui.ageSpinBox.value != parameters.age:
            self.ui.ageSpinBox.value = parameters.age
        if not (parameters and parameters.segmentation):
            lacking = _("Segment first, or select a segmentation")
        elif parameters.age == AGE_NOT_SET:
            lacking = _("Enter the patient's age")
        else:
            lacking = ""
        self.allow(self.ui.predictButton, lacking, _("Predict overall survival from the segmentation as it is now"))
        self.allow(
            self.ui.reportButton, lacking, _("Write the report (HTML) of the segmentation as it is now, and open it")
        )

    def onAgeEdited(self, years: float) -> None:
        """Keep the age; not left to connectGui, which writes it back after each key and so loses the decimals."""
        if self.parameters:
            self.parameters.age = years

    def clinical(self) -> Clinical:
        """Return what the user has entered."""
        parameters = self.parameters
        return Clinical(
            age=parameters.age if parameters.age != AGE_NOT_SET else None,
            resection=parameters.resection.value,
            mgmt=parameters.mgmt.value,
            idh=parameters.idh.value,
            kps=float(parameters.kps) if parameters.kps != KPS_NOT_SET else None,
        )

    def onPredict(self) -> None:
        """Predict from the segmentation as it is now: the user may have corrected it."""
        segmentation, selected = self.parameters.segmentation, self.selectedVolumes()

        def done(task: Task) -> None:
            self.panel.showResult(
                results.predictionText(task.value), results.volumesText(segmentation.GetName(), task.result["volumes"])
            )
            if inScene(segmentation):
                reference = segmentations.volumesOf(segmentation)["t1ce"] or selected["t1ce"]
                tables.replaceVolumesTable(task.result["volumes"], segmentation, reference)
                plots.showPrediction(task.value, segmentation, reference)

        self.panel.run(
            _("Prediction"), lambda: self.logic.startPrediction(segmentation, self.clinical(), selected), done
        )

    def onReport(self) -> None:
        """Write the report under a name that the user chooses, and open it."""
        segmentation = self.parameters.segmentation
        chosen = qt.QFileDialog.getSaveFileName(
            self.panel.parent, _("Report"), f"{segmentation.GetName()}.html", _("Web page (*.html)")
        )
        path = chosen[0] if isinstance(chosen, tuple) else chosen  # Slicer gives the name alone
        if not path:
            return
        target = Path(path if path.lower().endswith((".html", ".htm")) else f"{path}.html")

        def save(files: dict) -> dict:
            return saveFiles(files, target.parent, {"report.html": target.name})

        def done(task: Task) -> None:
            openFile(task.value[target.name])
            self.ui.statusLabel.text = _("The report was written.")

        self.panel.run(
            _("Report"),
            lambda: self.logic.startReport(segmentation, self.clinical(), save, self.selectedVolumes()),
            done,
        )
