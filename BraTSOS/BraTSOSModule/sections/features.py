"""*Features*: radiomic features as tables laid out as SlicerRadiomics' own."""

from __future__ import annotations

from slicer.i18n import tr as _

from .. import slicerradiomics
from ..task import Task
from .section import Section

OWN, SLICER_RADIOMICS = "bratsos", "slicerradiomics"


class FeaturesSection(Section):
    """Extracts features of the segmentation as it is now."""

    def connect(self) -> None:
        self.ui.featuresButton.connect("clicked(bool)", self.onFeatures)
        self.enter()

    def enter(self) -> None:
        """Offer SlicerRadiomics where it is installed."""
        box = self.ui.featureEngineComboBox
        if box.count == 0:
            box.addItem(_("BraTSOS"), OWN)
        if slicerradiomics.isInstalled() and box.findData(SLICER_RADIOMICS) < 0:
            box.addItem(_("SlicerRadiomics"), SLICER_RADIOMICS)

    def update(self) -> None:
        lacking = ""
        if not (self.parameters and self.parameters.segmentation):
            lacking = _("Segment first, or select a segmentation")
        self.allow(self.ui.featuresButton, lacking, _("Measure the segments in all four scans: one table for each"))

    def onFeatures(self) -> None:
        """Extract features."""
        segmentation, selected = self.parameters.segmentation, self.selectedVolumes()
        parameters = self.ui.parametersPathLineEdit.currentPath.strip() or None

        def done(task: Task) -> None:
            self.panel.showTable(next(iter(task.value.values())))
            self.ui.statusLabel.text = _("{count} tables of features were added.").format(count=len(task.value))

        def start() -> Task:
            if self.ui.featureEngineComboBox.currentData == SLICER_RADIOMICS:
                return slicerradiomics.start(self.logic, segmentation, selected, parameters)
            return self.logic.startFeatures(segmentation, selected, parameters=parameters)

        self.panel.run(_("Features"), start, done)
