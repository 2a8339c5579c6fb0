"""A small picture of a case: its largest axial section of tumour, for a page that shows thousands."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..case import Case
from ..labels import COLOURS, region_mask
from ..orientation import to_lps

SIZE = 112
"""Pixels of the longer side."""

_OPACITY = 0.55


def draw_thumbnail(case: Case, labels: np.ndarray, path: Path) -> None:
    """Write the axial slice of T1ce with most tumour, the regions in their colours over it, as a PNG.

    Parameters
    ----------
    case : Case
    labels : ndarray (z, y, x)
        Values 0, 1, 2, 4 on the case's grid.
    path : Path
        The same input gives the same bytes.
    """
    from PIL import Image

    scan, spacing = to_lps(case.volumes["t1ce"], case.geometry)
    tumour, _ = to_lps(labels, case.geometry)
    areas = np.count_nonzero(tumour if tumour.any() else scan, axis=(1, 2))
    index = int(np.argmax(areas))
    section, regions = scan[index], tumour[index]
    inside = section[section != 0]
    low, high = np.percentile(inside, (1, 99.5)) if inside.size else (0.0, 1.0)
    grey = np.where(section == 0, 0.0, np.clip((section - low) / max(float(high - low), 1e-6), 0, 1))
    pixels = np.repeat(grey[..., None], 3, axis=2)
    for region, colour in COLOURS.items():
        mask = region_mask(regions, region)
        pixels[mask] = (1 - _OPACITY) * pixels[mask] + _OPACITY * np.array(colour)
    image = Image.fromarray(np.round(255 * pixels).astype(np.uint8))
    height, width = section.shape[0] * spacing[1], section.shape[1] * spacing[0]
    scale = SIZE / max(height, width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    image.resize(size, Image.Resampling.BILINEAR).save(path, format="PNG", optimize=True)
