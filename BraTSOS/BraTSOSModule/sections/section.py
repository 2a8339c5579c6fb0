"""What the panel's sections have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from BraTSOSLib.case import MODALITIES

if TYPE_CHECKING:
    from ..logic import Logic
    from ..parameters import BraTSOSParameterNode
    from ..widget import Panel


class Section:
    """One part of the panel.

    Parameters
    ----------
    panel : Panel
        Gives the widgets, the logic, the parameters and a way to have work done.
    """

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.ui = panel.ui
        self.connect()

    def connect(self) -> None:
        """Connect the section's widgets."""

    def enter(self) -> None:
        """Look again at what may have changed while another module was open."""

    def update(self) -> None:
        """Make the widgets show the parameters and what can be done now."""

    def clear(self) -> None:
        """Forget what belongs to a scene that is being closed."""

    @property
    def logic(self) -> Logic:
        """The module's logic."""
        return self.panel.logic

    @property
    def parameters(self) -> BraTSOSParameterNode | None:
        """The panel's state; None while the panel is not on show."""
        return self.panel.parameters

    def selectedVolumes(self) -> dict:
        """Return modality to the volume that is selected, or None."""
        return {modality: getattr(self.parameters, modality) if self.parameters else None for modality in MODALITIES}

    def allow(self, button, lacking: str, otherwise: str) -> None:
        """Switch a button on, or off with the reason as its tooltip; off while work is under way."""
        button.enabled = not lacking and not self.panel.busy
        button.toolTip = lacking or otherwise
