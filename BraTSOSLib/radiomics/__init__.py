"""Radiomic features with pyradiomics' names and values, without pyradiomics.

``extract_features`` measures a case, ``measure_image`` one image and one region. ``settings.py`` says what can be set,
``presets.py`` which sets have a name, ``names.py`` how features are called. ``image_types.py`` makes the images to
measure, ``regions.py`` prepares one of them inside one region, and ``shape.py``, ``firstorder.py``, ``glcm.py`` and so
on define the features. ``engines.py`` chooses who computes.
"""

from __future__ import annotations

from .extract import extract_features
from .names import FeatureName, feature_names
from .presets import PRESETS, Preset
from .settings import ImageType, Settings
from .single import measure_image

__all__ = [
    "PRESETS",
    "FeatureName",
    "ImageType",
    "Preset",
    "Settings",
    "extract_features",
    "feature_names",
    "measure_image",
]
