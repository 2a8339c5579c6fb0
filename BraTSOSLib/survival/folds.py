"""Splitting patients into folds, stratified by survival category."""

from __future__ import annotations

import numpy as np


def stratified_folds(classes: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Return the fold (0..folds-1) of every patient, shape (n,); each class is dealt out evenly.

    The dealing goes on from one class to the next, so that fold sizes differ by one at most.
    """
    generator = np.random.default_rng(seed)
    order = np.concatenate([generator.permutation(np.flatnonzero(classes == value)) for value in np.unique(classes)])
    result = np.empty(len(classes), dtype=np.int64)
    result[order] = np.arange(len(classes)) % folds
    return result
