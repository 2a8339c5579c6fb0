"""Radiomic features with pyradiomics' names and values, through pyradiomics or without it.

``extract_features`` measures a case; ``settings.py`` says what can be set, ``names.py`` how features are called,
``shape.py`` and ``firstorder.py`` define them, ``engines.py`` chooses who computes.
"""

from __future__ import annotations

from .extract import extract_features
from .names import FeatureName, feature_names
from .settings import Settings

__all__ = ["FeatureName", "Settings", "extract_features", "feature_names"]
