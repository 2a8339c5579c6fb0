"""Judging label maps against a reference, as the BraTS challenges do."""

from __future__ import annotations

from .cases import RegionScores, evaluate_case, evaluate_folders
from .lesionwise import lesion_scores
from .metrics import dice, region_dice
from .summary import summarise
from .surface import hausdorff_95

__all__ = [
    "RegionScores",
    "dice",
    "evaluate_case",
    "evaluate_folders",
    "hausdorff_95",
    "lesion_scores",
    "region_dice",
    "summarise",
]
