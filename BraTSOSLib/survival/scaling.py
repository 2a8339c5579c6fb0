"""Softmax and standardisation, shared by networks and plain models (numpy alone)."""

from __future__ import annotations

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def standardisation(inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each column of ``inputs``, shape (n, p), missing values left out.

    A column without any value gets 0 and 1, a constant column a deviation of 1.
    """
    known = np.isfinite(inputs)
    count = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, inputs, 0.0).sum(axis=0) / count
    scale = np.sqrt(np.where(known, (inputs - centre) ** 2, 0.0).sum(axis=0) / count)
    return centre, np.where(scale > 1e-9, scale, 1.0)


def standardised(inputs: np.ndarray, centre: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return ``inputs`` in standard deviations from the mean; missing values become the mean (0)."""
    return np.nan_to_num((inputs - centre) / scale, nan=0.0)
