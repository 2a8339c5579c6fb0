"""From region probabilities to a label map."""

from __future__ import annotations

import numpy as np

from ..labels import ED, ET, NCR


def labels_from_regions(probability: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    """Label map uint8 (z, y, x) of WT, TC and ET probabilities (3, z, y, x).

    The regions are nested by construction: tumour core counts only inside the whole tumour, enhancing tumour only
    inside the core.
    """
    whole = probability[0] > threshold
    core = whole & (probability[1] > threshold)
    enhancing = core & (probability[2] > threshold)
    labels = np.zeros(whole.shape, dtype=np.uint8)
    labels[whole] = ED
    labels[core] = NCR
    labels[enhancing] = ET
    return labels


def remove_small_components(labels: np.ndarray, voxels: int) -> np.ndarray:
    """Set connected tumour components (26-neighbourhood) of fewer than ``voxels`` voxels to background."""
    from scipy import ndimage

    components, count = ndimage.label(labels > 0, structure=np.ones((3, 3, 3)))
    if count == 0:
        return labels
    sizes = np.bincount(components.ravel())
    small = sizes < voxels
    small[0] = False
    result = labels.copy()
    result[small[components]] = 0
    return result
