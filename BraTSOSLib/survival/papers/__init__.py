"""Published survival models on any table of features: Do et al. 2022 (distillation), Anand et al. 2020 (forest).

They are for comparison; the model that BraTSOS uses is `survival.student`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .comparison import cross_validate_method
    from .distilled import DistilledSettings, in_words
    from .forest import ForestSettings
    from .model import load_paper_model, train_method
    from .ranking import rank_features, write_ranking
    from .table import read_patient_features

_HOMES = {
    "DistilledSettings": "distilled",
    "ForestSettings": "forest",
    "cross_validate_method": "comparison",
    "in_words": "distilled",
    "load_paper_model": "model",
    "rank_features": "ranking",
    "read_patient_features": "table",
    "train_method": "model",
    "write_ranking": "ranking",
}
__all__ = [
    "DistilledSettings",
    "ForestSettings",
    "cross_validate_method",
    "in_words",
    "load_paper_model",
    "rank_features",
    "read_patient_features",
    "train_method",
    "write_ranking",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'BraTSOSLib.survival.papers' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
