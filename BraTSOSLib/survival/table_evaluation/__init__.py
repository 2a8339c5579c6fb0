"""Judging a table of survival predictions: metrics, calibration, survival by category; tables, figures and a page."""

from __future__ import annotations

from .evaluate import SurvivalEvaluation, evaluate_table
from .tables import Forecasts, Truth, read_forecasts, read_truth

__all__ = ["Forecasts", "SurvivalEvaluation", "Truth", "evaluate_table", "read_forecasts", "read_truth"]
