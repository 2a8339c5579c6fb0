"""*Segmentation*: model, device, the button, and what to do with a segmentation, own or other."""

from __future__ import annotations

import qt
from slicer.i18n import tr as _

from BraTSOSLib.case import MODALITIES
from BraTSOSLib.models import segmentation_models

from .. import dicomexport, mapping, results, segmentations
from ..task import Task
from .section import Section


class SegmentationSection(Section):
    """Segments, and says which segment is which region."""

    def connect(self) -> None:
        ui = self.ui
        self._mapped: tuple = ()
        self._regionBoxes = {
            "NCR": ui.ncrSegmentComboBox,
            "ED": ui.edSegmentComboBox,
            "ET": ui.etSegmentComboBox,
        }
        ui.modelSelector.connect("currentIndexChanged(int)", self.onModelSelected)
        ui.segmentButton.connect("clicked(bool)", self.onSegment)
        ui.show3dButton.connect("clicked(bool)", self.onShow3D)
        ui.dicomButton.connect("clicked(bool)", self.onDicom)
        for region, box in self._regionBoxes.items():
            box.connect("activated(int)", lambda index, region=region: self.onSegmentChosen(region, index))
        self.listModels()

    def enter(self) -> None:
        self.listModels()
        self._mapped = ()

    def update(self) -> None:
        if self.parameters and self.ui.modelSelector.currentData != self.parameters.model:
            self._showModel()
        names = {"t1ce": "T1ce"}
        missing = [names.get(m, m.upper()) for m, node in self.selectedVolumes().items() if node is None]
        lacking = _("Select the volumes: {missing}").format(missing=", ".join(missing)) if missing else ""
        self.allow(self.ui.segmentButton, lacking, _("Segment the tumour into NCR/NET, ED and ET"))
        segmentation = self.parameters.segmentation if self.parameters else None
        lacking = "" if segmentation else _("Segment first, or select a segmentation")
        self.allow(self.ui.show3dButton, lacking, _("Show the segments in the 3D view"))
        self.allow(self.ui.dicomButton, lacking, _("Write the segmentation as DICOM SEG"))
        display = segmentation.GetDisplayNode() if segmentation else None
        self.ui.show3dButton.checked = bool(display and display.GetVisibility3D() and _hasSurface(segmentation))
        self._showMapping(segmentation)

    # Models

    def onModelSelected(self, index: int) -> None:
        """Keep the model's name, and show its card as the selector's tooltip."""
        selector = self.ui.modelSelector
        selector.toolTip = (selector.itemData(index, qt.Qt.ToolTipRole) if index >= 0 else None) or ""
        if self.parameters and index >= 0:
            self.parameters.model = selector.itemData(index)

    def listModels(self) -> None:
        """Fill the selector: the bundled model first, under an empty name, then the others under their own."""
        selector = self.ui.modelSelector
        blocked = selector.blockSignals(True)
        selector.clear()
        for place, card in enumerate(self._models()):
            name, texts = card["name"], {"bundled": _("{name} (bundled)"), "imported": _("{name} (imported)")}
            text = _("{name} (unusable)") if "problem" in card else texts[card["origin"]]
            selector.addItem(text.format(name=name), "" if place == 0 else name)
            selector.setItemData(place, results.modelText(card), qt.Qt.ToolTipRole)
        selector.blockSignals(blocked)
        self._showModel()

    def _models(self) -> list[dict]:
        with self.panel.errorsShown(_("Models")):
            return segmentation_models()
        return []

    def _showModel(self) -> None:
        """Select the parameter's model, listed as missing if it is not here: a scene may come from elsewhere."""
        selector, name = self.ui.modelSelector, self.parameters.model if self.parameters else ""
        place = selector.findData(name)
        if place < 0:
            shown = name or _("the bundled model")
            selector.addItem(_("{name} (not on this computer)").format(name=shown), name)
            place = selector.count - 1
        if selector.currentIndex != place:
            selector.setCurrentIndex(place)
        else:
            self.onModelSelected(place)

    # Actions

    def onSegment(self) -> None:
        """Segment the selected volumes."""
        parameters = self.parameters

        def done(task: Task) -> None:
            if self.parameters:
                self.parameters.segmentation = task.value
            self._mapped = ()
            warnings = results.warningsText(self.logic.warnings)
            quality = results.qualityText(task.result.get("quality"))
            self.panel.showResult(warnings, results.volumesText(task.value.GetName(), task.result["volumes"]), quality)

        self.panel.run(
            _("Segmentation"),
            lambda: self.logic.startSegmentation(
                self.selectedVolumes(),
                output=parameters.output,
                model=parameters.model,
                device=parameters.device.value,
                mirrored=None if parameters.augmentation else False,  # None: as the model's card says
            ),
            done,
        )

    def onShow3D(self, shown: bool) -> None:
        """Show the surfaces, or no longer."""
        with self.panel.errorsShown(_("3D view"), wait=True):
            segmentations.show3D(self.parameters.segmentation, shown)

    def onDicom(self) -> None:
        """Write DICOM SEG into a folder that the user chooses."""
        folder = qt.QFileDialog.getExistingDirectory(self.panel.parent, _("Folder for the DICOM SEG file"))
        if folder:
            with self.panel.errorsShown(_("DICOM SEG"), wait=True):
                dicomexport.exportSegmentation(self.parameters.segmentation, folder)
                self.ui.statusLabel.text = _("DICOM SEG was written.")

    # Which segment is which region

    def onSegmentChosen(self, region: str, index: int) -> None:
        """Remember which segment the user says is a region."""
        segmentation = self.parameters.segmentation if self.parameters else None
        if segmentation is not None:
            mapping.choose(segmentation, region, self._regionBoxes[region].itemData(index) or None)
            self._mapped = ()
            self.panel.update()

    def _showMapping(self, segmentation) -> None:
        there = mapping.segmentsOf(segmentation) if segmentation else {}
        found = mapping.mappingOf(segmentation) if segmentation else {}
        shown = (tuple(there.items()), tuple(found.items()))
        if shown == self._mapped:
            return
        self._mapped = shown
        for region, box in self._regionBoxes.items():
            box.clear()
            box.addItem(_("none"), "")
            for segmentID, name in there.items():
                box.addItem(name, segmentID)
            box.setCurrentIndex(max(box.findData(found.get(region) or ""), 0))
            box.enabled = bool(there)

    def remembersVolumes(self) -> bool:
        """Tell whether the volumes of the selected segmentation are known or selected."""
        segmentation = self.parameters.segmentation if self.parameters else None
        known = segmentations.volumesOf(segmentation) if segmentation else {}
        return all(known.get(m) for m in MODALITIES) or all(self.selectedVolumes().values())


def _hasSurface(segmentation) -> bool:
    import slicer

    return segmentation.GetSegmentation().ContainsRepresentation(
        slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName()
    )
