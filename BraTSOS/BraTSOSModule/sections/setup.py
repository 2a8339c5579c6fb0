"""*Setup*: what is installed and what is missing, and models that were imported."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from BraTSOSLib.errors import InputError
from BraTSOSLib.models import imported_models, remove_model

from .. import packages
from ..task import Task
from .section import Section


class SetupSection(Section):
    """Installs packages and imports models, when it is asked to."""

    def connect(self) -> None:
        self.ui.installButton.connect("clicked(bool)", self.onInstall)
        self.ui.importModelButton.connect("clicked(bool)", self.onImportModel)
        self.ui.removeModelButton.connect("clicked(bool)", self.onRemoveModel)
        self.enter()

    def enter(self) -> None:
        self._showPackages()
        self._showModels()

    def update(self) -> None:
        self.ui.installButton.enabled = bool(self._missing) and not self.panel.busy
        self.ui.importModelButton.enabled = not self.panel.busy
        self.ui.removeModelButton.enabled = self.ui.importedModelsComboBox.count > 0 and not self.panel.busy

    def onInstall(self) -> None:
        """Install what is missing, after having asked."""
        names = ", ".join(package.name for package in self._missing)
        question = _(
            "Install {names} into Slicer's Python? This downloads up to 3 GB (PyTorch with CUDA) and can take some "
            "minutes. numpy and SimpleITK are not touched."
        )
        if slicer.util.confirmOkCancelDisplay(question.format(names=names), windowTitle=_("Setup")):
            with self.panel.errorsShown(_("Setup"), wait=True):
                refused = packages.install(self._missing)
                if refused:
                    names = ", ".join(package.name for package in refused)
                    self.ui.statusLabel.text = _("Could not be installed, but all works without: {names}.").format(
                        names=names
                    )
            self.enter()
            self.panel.update()

    def onImportModel(self) -> None:
        """Import someone else's weights from a file; works without a connection to the internet."""
        chosen = qt.QFileDialog.getOpenFileName(
            self.panel.parent, _("Model to import"), "", _("Models (*.ts *.json *.pth);;All files (*)")
        )
        path = chosen[0] if isinstance(chosen, tuple) else chosen  # Slicer gives the name alone
        if not path:
            return
        name = qt.QInputDialog.getText(self.panel.parent, _("Import model"), _("Name of the model:"))
        name = name[0] if isinstance(name, tuple) else name
        if not name:
            return

        def done(task: Task) -> None:
            self.panel.enterSections()
            self.ui.statusLabel.text = _("The model {name} was imported.").format(name=name)

        self.panel.run(_("Import model"), lambda: self.logic.startModelImport(modelFolder(Path(path)), name), done)

    def onRemoveModel(self) -> None:
        """Delete the imported model that is selected, after having asked."""
        name = self.ui.importedModelsComboBox.currentText
        question = _("Delete the imported model {name} from this computer?").format(name=name)
        if slicer.util.confirmOkCancelDisplay(question, windowTitle=_("Setup")):
            with self.panel.errorsShown(_("Setup")):
                remove_model(name)
            self.panel.enterSections()

    def _showPackages(self) -> None:
        table = self.ui.setupTable
        table.setColumnCount(2)
        table.setRowCount(len(packages.PACKAGES))
        table.setHorizontalHeaderLabels([_("Package"), _("State")])
        self._missing = packages.missing()
        for row, package in enumerate(packages.PACKAGES):
            installed = packages.installedVersion(package)
            lacking = _("missing (optional)") if package.optional else _("missing")
            table.setItem(row, 0, qt.QTableWidgetItem(package.name))
            table.setItem(row, 1, qt.QTableWidgetItem(installed or lacking))
        table.horizontalHeader().setStretchLastSection(True)
        table.verticalHeader().hide()
        table.resizeRowsToContents()
        required = [package for package in self._missing if not package.optional]
        if required:
            self.ui.setupCollapsibleButton.collapsed = False

    def _showModels(self) -> None:
        box = self.ui.importedModelsComboBox
        box.clear()
        with self.panel.errorsShown(_("Models")):
            for card in imported_models():
                box.addItem(card["name"])


def modelFolder(chosen: Path) -> Path:
    """Return what the library imports: a TorchScript file itself, else the folder that the chosen file belongs to.

    A folder cannot be chosen together with a file in one dialogue, so a bundle or nnU-Net model is chosen
    by a file in it.
    """
    if chosen.suffix.lower() == ".ts" and chosen.parent.name != "models":
        return chosen
    for folder in chosen.parents[:3]:
        if (folder / "configs").is_dir() or (folder / "plans.json").is_file():
            return folder
    raise InputError(
        _(
            "{name} belongs to no model that can be imported: choose a TorchScript file, or a file of a MONAI bundle "
            "or nnU-Net model."
        ).format(name=chosen.name)
    )
