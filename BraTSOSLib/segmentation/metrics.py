"""The overlap metrics under their first name; they live in ``evaluation``."""

from __future__ import annotations

from .evaluation.metrics import dice, region_dice

__all__ = ["dice", "region_dice"]
