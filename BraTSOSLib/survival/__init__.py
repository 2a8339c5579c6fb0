"""Overall survival: categories, metrics, the teacher-student model and its prediction for one patient.

Inference needs numpy alone; torch and pandas are imported only where a model is trained or a table is read.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .prediction_table import predict_table
    from .predictor import Flag, Prediction, predict_survival
    from .student import Student, load_student
    from .table_evaluation import evaluate_table
    from .training import cross_validate, train_survival

_HOMES = {
    "Flag": "predictor",
    "Prediction": "predictor",
    "Student": "student",
    "cross_validate": "training",
    "evaluate_table": "table_evaluation",
    "load_student": "student",
    "predict_survival": "predictor",
    "predict_table": "prediction_table",
    "train_survival": "training",
}
__all__ = [
    "Flag",
    "Prediction",
    "Student",
    "cross_validate",
    "evaluate_table",
    "load_student",
    "predict_survival",
    "predict_table",
    "train_survival",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'BraTSOSLib.survival' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
