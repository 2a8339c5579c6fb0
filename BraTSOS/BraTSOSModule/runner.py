"""Who does the computing: the logic asks a runner, so that it can be another process, or a fake in a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from slicer.i18n import tr as _

import BraTSOSLib
from BraTSOSLib.case import Case, Clinical
from BraTSOSLib.errors import BraTSOSError, DependencyError

if TYPE_CHECKING:
    import numpy as np

    from BraTSOSLib.survival import Prediction

Progress = Callable[[str, float], None]
Cancel = Callable[[], bool]


class Runner(Protocol):
    """What the logic needs to have computed.

    Attributes
    ----------
    warnings : sentences on the last segmentation: scans that look wrong, a fallback
    """

    warnings: tuple[str, ...]

    def segment(
        self,
        case: Case,
        *,
        model: str | None = None,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> np.ndarray:
        """Return the label map uint8 (z, y, x), values 0, 1, 2, 4, on the case's grid; the bundled model where None."""

    def predict(
        self, case: Case, labels: np.ndarray, clinical: Clinical, *, progress: Progress | None = None
    ) -> Prediction:
        """Return the survival prediction for a case with its label map."""


class InProcessRunner:
    """Calls the library in Slicer's own process, which blocks the window while it computes.

    Parameters
    ----------
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    """

    def __init__(self, device: str = "auto") -> None:
        self.device = device
        self.warnings: tuple[str, ...] = ()

    def segment(
        self,
        case: Case,
        *,
        model: str | None = None,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> np.ndarray:
        from BraTSOSLib.segmentation import segment_case

        with packagesPresent():
            result = segment_case(case, model=model, device=self.device, progress=progress, cancel=cancel)
        self.warnings = result.warnings
        return result.labels

    def predict(
        self, case: Case, labels: np.ndarray, clinical: Clinical, *, progress: Progress | None = None
    ) -> Prediction:
        with packagesPresent():
            features = BraTSOSLib.extract_features(case, labels, progress=progress)
            return BraTSOSLib.predict_survival(
                features,
                age=clinical.age,
                resection=clinical.resection,
                mgmt=clinical.mgmt,
                idh=clinical.idh,
                kps=clinical.kps,
            )


@contextmanager
def packagesPresent() -> Iterator[None]:
    """Turn a missing Python package into one sentence that says how to install it in Slicer."""
    try:
        yield
    except BraTSOSError:
        raise
    except ImportError as error:
        package = (error.name or str(error)).split(".")[0]
        if package == "torch":
            advice = _("install the PyTorch extension with the Extensions Manager and PyTorch with its PyTorch Utils")
        else:
            advice = _('run slicer.util.pip_install("{package}") in the Python console').format(package=package)
        raise DependencyError(
            _("The Python package {package} is not installed in Slicer: {advice}, then try again.").format(
                package=package, advice=advice
            )
        ) from error
