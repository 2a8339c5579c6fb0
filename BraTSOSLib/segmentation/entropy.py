"""How undecided a model is, voxel by voxel: entropy over several passes (test-time augmentation, several weights)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError

_DECIDED = 1e-4
"""A voxel whose mean probability is this near to 0 or 1 has an entropy under 0.0015 bits, written as 0: most of the
grid lies outside every tumour, and its logarithms would take longer than the rest."""

_ROUNDING = 1e-3


def entropy(passes: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
    """Predictive entropy in bits, the largest over the regions.

    For each region, with p the mean over the passes of its probability, H = -p log2 p - (1 - p) log2(1 - p) [1]_. The
    mean over regions would hide a voxel that surely is tumour but perhaps enhancing; the maximum shows it.

    Parameters
    ----------
    passes : ndarray (pass, region, z, y, x), or a sequence of (region, z, y, x)
        Probabilities of the regions (each yes or no: WT, TC, ET). One pass is enough: its own doubt is then shown.

    Returns
    -------
    ndarray float32 (z, y, x), 0 (decided) to 1 bit (one half)

    Raises
    ------
    InputError
        If there is no pass, the passes differ in shape, or values lie outside 0 to 1.

    References
    ----------
    .. [1] Wang et al. 2019, Aleatoric uncertainty estimation with test-time augmentation for medical image
       segmentation with convolutional neural networks, Neurocomputing 338, section 3.3 (entropy over augmented passes).
    """
    largest: np.ndarray = _binary_entropy(_mean(_checked(passes))).max(axis=0)
    return largest


def mutual_information(passes: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
    """What the passes disagree about, in bits, the largest over the regions: H(mean) - mean H.

    The part of the predictive entropy that comes from the passes contradicting each other [1]_. A border that every
    pass finds equally blurred has a high ``entropy`` and none of this.

    Parameters, returns and errors as for ``entropy``; a single pass gives 0 everywhere.

    References
    ----------
    .. [1] Gal 2016, Uncertainty in deep learning, PhD thesis, University of Cambridge, section 3.3.1.
    """
    stacked = _checked(passes)
    within = np.zeros(stacked[0].shape, dtype=np.float32)
    for probability in stacked:
        within += _binary_entropy(probability)
    difference = _binary_entropy(_mean(stacked)) - within / len(stacked)
    # Entropy is concave, so the difference is negative only by rounding.
    largest: np.ndarray = np.maximum(difference, 0).max(axis=0)
    return largest


def _binary_entropy(probability: np.ndarray) -> np.ndarray:
    result = np.zeros(probability.shape, dtype=np.float32)
    open_ = (probability > _DECIDED) & (probability < 1 - _DECIDED)
    p = probability[open_].astype(np.float32)
    result[open_] = -p * np.log2(p) - (1 - p) * np.log2(1 - p)
    return result


def _mean(passes: Sequence[np.ndarray]) -> np.ndarray:
    # One after the other: a stack of eight passes on the grid of a case would take a gigabyte.
    total = passes[0].astype(np.float32)
    for probability in passes[1:]:
        total += probability
    return total / np.float32(len(passes))


def _checked(passes: np.ndarray | Sequence[np.ndarray]) -> list[np.ndarray]:
    arrays = [np.asarray(probability) for probability in passes]
    if not arrays:
        raise InputError("No pass of the network was given: entropy needs the probabilities of one pass or more.")
    shape = arrays[0].shape
    if len(shape) != 4 or any(array.shape != shape for array in arrays):
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise InputError(f"The passes have the shapes {shapes}: each must be (region, z, y, x), all of one size.")
    for array in arrays:
        # Blended windows and resampling leave a rounding error outside the interval.
        if not (array.min(initial=0.0) >= -_ROUNDING and array.max(initial=1.0) <= 1.0 + _ROUNDING):
            raise InputError(
                "Probabilities from 0 to 1 are needed for the entropy, found values outside: apply the sigmoid first."
            )
    return arrays
