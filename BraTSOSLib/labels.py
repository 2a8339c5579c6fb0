"""Label conventions of BraTS and the regions that are built from them.

A label map holds 0 (background), 1 (NCR/NET: necrotic and non-enhancing core), 2 (ED: peritumoural oedema) and
4 (ET: enhancing tumour). BraTS 2023 writes 3 where the older challenges wrote 4; both are understood on import and
4 is always written.
"""

from __future__ import annotations

import numpy as np

from .errors import InputError

NCR = 1
ED = 2
ET = 4

REGIONS: dict[str, tuple[int, ...]] = {
    "NCR": (NCR,),
    "ED": (ED,),
    "ET": (ET,),
    "TC": (NCR, ET),
    "WT": (NCR, ED, ET),
}
"""Region name to the labels that make it up; TC is the tumour core, WT the whole tumour."""

REGION_TITLES: dict[str, str] = {
    "NCR": "Necrotic and non-enhancing core (NCR/NET)",
    "ED": "Peritumoural oedema (ED)",
    "ET": "Enhancing tumour (ET)",
    "TC": "Tumour core (NCR/NET + ET)",
    "WT": "Whole tumour (NCR/NET + ED + ET)",
}

COLOURS: dict[str, tuple[float, float, float]] = {
    "NCR": (0.835, 0.369, 0.0),
    "ED": (0.337, 0.706, 0.914),
    "ET": (0.941, 0.894, 0.259),
}
"""RGB in 0..1 of the three exclusive regions, from the colour-blind-safe palette of Okabe and Ito (2008)."""


def region_mask(labels: np.ndarray, region: str) -> np.ndarray:
    """Return the boolean mask of ``region`` (a key of ``REGIONS``) in ``labels``, same shape."""
    return np.isin(labels, REGIONS[region])


def canonical_labels(labels: np.ndarray, name: str = "the label map") -> np.ndarray:
    """Return ``labels`` as uint8 with the values 0, 1, 2, 4.

    Parameters
    ----------
    labels : ndarray, any shape
        Values {0, 1, 2, 4} or {0, 1, 2, 3}; any of them may be absent.
    name : str
        What an error message calls the label map.

    Raises
    ------
    InputError
        If other values occur, or 3 and 4 both do, so that it is unclear which one is enhancing tumour.
    """
    found = {float(value) for value in np.unique(labels)}
    unknown = sorted(found - {0.0, 1.0, 2.0, 3.0, 4.0})
    if unknown:
        shown = ", ".join(f"{value:g}" for value in unknown[:5])
        raise InputError(
            f"{name} holds the values {shown}; expected 0, 1 (NCR/NET), 2 (ED) and 4 or 3 (ET): map them first."
        )
    if {3.0, 4.0} <= found:
        raise InputError(f"{name} holds both 3 and 4: which one is enhancing tumour? Keep only one of them.")
    result = labels.astype(np.uint8)
    result[result == 3] = ET
    return result
