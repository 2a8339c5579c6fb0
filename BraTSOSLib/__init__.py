"""Brain-tumour segmentation, radiomics and overall survival for glioma MRI, with or without 3D Slicer.

Importing the package costs nothing but numpy: every public name is looked up where it lives on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Case": "case",
    "Clinical": "case",
    "read_case": "case",
    "segment": "segmentation",
    "extract_features": "radiomics",
    "predict_survival": "survival",
    "run_case": "pipeline",
    "run_cohort": "cohort",
    "make_phantom": "phantom",
    "BraTSOSError": "errors",
}
__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'BraTSOSLib' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
