"""The table that the extension SlicerRadiomics shows, from the library's own results.

It has the columns ``Image type``, ``Feature Class``, ``Feature Name`` and one for each region, and one row for each key
of pyradiomics in pyradiomics' order, the diagnostics first. All cells are text, as in Slicer's table node.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..labels import REGIONS
from .columns import DIAGNOSTICS

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("Image type", "Feature Class", "Feature Name")


def slicer_table(
    features: pd.DataFrame,
    modality: str,
    regions: Mapping[str, str] | None = None,
    segmentation: str = "Segmentation",
) -> pd.DataFrame:
    """Return one modality's features as SlicerRadiomics arranges them.

    Parameters
    ----------
    features : pandas.DataFrame
        As ``extract_features`` gives it; with its ``diagnostics=True`` the table has their 22 rows, too.
    modality : str
        SlicerRadiomics measures one image at a time, so there is one table for each.
    regions : dict, optional
        Region to the segment's name; by default all that the table has, under their own names.
    segmentation : str
        Name of the segmentation node; a region's column is ``<segmentation>_segment_<segment>``.

    Raises
    ------
    InputError
        If ``features`` has nothing of the modality.
    """
    import pandas as pd

    called = features.attrs.get("regions") or dict(zip(REGIONS, REGIONS, strict=True))
    chosen = {region: (regions or {}).get(region, region) for region in (called if regions is None else regions)}
    values = dict(zip(features["feature"], features["value"], strict=True))
    cells = {region: _cells(values, modality, called.get(region, region)) for region in chosen}
    rows = next(iter(cells.values()), {})
    if not rows:
        raise InputError(f"The table has no features of {modality}: measure that modality first.")
    table = pd.DataFrame(list(rows), columns=list(COLUMNS), dtype=str)
    for region, segment in chosen.items():
        found = cells[region]
        table[f"{segmentation}_segment_{segment}"] = [_text(found.get(row)) for row in rows]
    return table


def _cells(values: Mapping[str, Any], modality: str, region: str) -> dict[tuple[str, str, str], Any]:
    """Return the values of one column by the three parts of their key, in pyradiomics' order."""
    of_shape, of_block = f"{region}_", f"{modality}_{region}_"
    found: dict[tuple[str, str, str], Any] = {}
    for name, value in values.items():
        for prefix in (of_shape, of_block):
            if name.startswith(prefix):
                parts = name[len(prefix) :].split("_")
                if len(parts) == 3:
                    found[parts[0], parts[1], parts[2]] = value
    images = list(dict.fromkeys(image for image, _, _ in found))
    return dict(sorted(found.items(), key=lambda item: _order(item[0], images)))


def _order(key: tuple[str, str, str], images: list[str]) -> tuple[int, int, str, str]:
    image, feature_class, feature = key
    if image == DIAGNOSTICS:
        return 0, 0, "", ""  # as they come: sorting keeps the order of equals
    if feature_class.startswith("shape"):
        return 1, 0, feature_class, feature
    return 2, images.index(image), feature_class, feature


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float | np.floating):
        return str(float(value))
    if isinstance(value, tuple):
        return "(" + ", ".join(_text(item) for item in value) + ")"
    return str(value)
