"""One clear sentence where PyTorch is missing."""

from __future__ import annotations

from importlib.util import find_spec

from ..errors import DependencyError


def require_torch() -> None:
    """Raise ``DependencyError`` unless PyTorch is installed."""
    if find_spec("torch") is None:
        raise DependencyError(
            "PyTorch is not installed, which segmentation needs: pip install torch (in Slicer, the PyTorch extension)."
        )
