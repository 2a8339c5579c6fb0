"""Survival categories as the BraTS evaluation counts them (10 and 15 months, in days)."""

from __future__ import annotations

import numpy as np

from ..errors import InputError

CATEGORIES = ("short", "medium", "long")
SHORT_BELOW = 300.0
"""Days; fewer than this is *short*."""
LONG_ABOVE = 450.0
"""Days; more than this is *long*; both boundaries themselves are *medium*."""

DEFINITIONS = {
    "short": "fewer than 300 days",
    "medium": "300 to 450 days",
    "long": "more than 450 days",
}


def class_indices(days: np.ndarray) -> np.ndarray:
    """Return the index into ``CATEGORIES`` of each survival time.

    Parameters
    ----------
    days : array_like, shape (n,)
        Finite survival times from surgery, in days.

    Returns
    -------
    ndarray of int64, shape (n,)
        0 short, 1 medium, 2 long.
    """
    days = np.asarray(days, dtype=np.float64)
    if not np.isfinite(days).all():
        raise InputError("A survival time is missing or infinite: a category needs a finite number of days.")
    return (days >= SHORT_BELOW).astype(np.int64) + (days > LONG_ABOVE)


def category_of(days: float) -> str:
    """Return ``"short"``, ``"medium"`` or ``"long"`` for one survival time in days."""
    return CATEGORIES[int(class_indices(np.array([days]))[0])]
