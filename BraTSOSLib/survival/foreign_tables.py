"""Features from other programs: tables of SlicerRadiomics and of the pyradiomics command line, under our names.

Both measure one region of one image at a time and do not say which tumour region that is; it is recognised from a
segment's name, a label value or the mask's file name, and asked for where that leaves a doubt.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..labels import REGION_TITLES, REGIONS
from .foreign_layouts import FEATURE, Block, foreign_blocks, measured_label, read_text

if TYPE_CHECKING:
    import pandas as pd

_WORDS = {
    "NCR": ("ncr", "ncrnet", "nec", "necrosis", "necroticcore", "nonenhancing", "nonenhancingcore",
            "nonenhancingtumor", "nonenhancingtumour", "nonenhancinglesion"),
    "ED": ("ed", "edema", "oedema", "peritumoraledema", "peritumouraloedema"),
    "ET": ("et", "enhancing", "enhancingtumor", "enhancingtumour", "enhancinglesion", "enhancingcore"),
    "TC": ("tc", "tumorcore", "tumourcore"),
    "WT": ("wt", "wholetumor", "wholetumour"),
}  # fmt: skip
_REGION_OF = {word: region for region, words in _WORDS.items() for word in words}
_REGION_OF_LABEL = {1: "NCR", 2: "ED", 3: "ET", 4: "ET"}
_MODALITIES = {
    "t1": "t1", "t1n": "t1", "t1w": "t1", "t1ce": "t1ce", "t1c": "t1ce", "t1gd": "t1ce", "t1gad": "t1ce",
    "t2": "t2", "t2w": "t2", "flair": "flair", "t2f": "flair",
}  # fmt: skip
_SHAPE = re.compile(r"_shape(2D)?_")
"""Features of the mask alone, which are stored once for a region."""


def read_features(path: str | os.PathLike[str], *, region: str | None = None) -> dict[str, float]:
    """Read the features of one case from our own features.csv or from another program's table.

    Parameters
    ----------
    path : path
        ``features.csv`` (columns feature, value; also with pyradiomics' names); a table of SlicerRadiomics (``Image
        type``, ``Feature Class``, ``Feature Name``, then a column for each segment; commas or tabs); what
        ``pyradiomics`` wrote with ``--format`` csv, json or txt, one row for each region.
    region : str, optional
        The region (NCR, ED, ET, TC, WT) that the table's one row or segment is about.

    Returns
    -------
    dict
        Feature by the library's name, e.g. ``ET_original_shape_VoxelVolume``; NaN where it is not defined.
        Features of grey values are left out where the image's name does not say the modality.

    Raises
    ------
    InputError
        If the table cannot be read, or it is not clear which region a row is about.
    """
    path = Path(path)
    region = checked_region(region)
    text = read_text(path)
    blocks = foreign_blocks(text, path.name)
    if blocks is None:
        from ..feature_table import read_feature_table

        own = read_feature_table(path)
        nameless = {name: value for name, value in own.items() if name.startswith("original_") and FEATURE.match(name)}
        if not nameless:
            if region is not None:
                raise InputError(f"{path.name} names its regions itself: leave --region out.")
            return own
        blocks = [Block(path.name, "", "", None, nameless)]
    if not blocks:
        raise InputError(f"{path.name} holds no features: measure the case again.")
    result: dict[str, float] = {}
    for block, found in zip(blocks, _regions(blocks, region), strict=True):
        for name, value in _named(block, found):
            if name in result and not _same(result[name], value):
                raise InputError(
                    f"{block.place}: {name} is {value:g} here and {result[name]:g} before; keep the rows of one case, "
                    "one for each region, or give the table to --table."
                )
            result[name] = value
    return result


def is_foreign(frame: pd.DataFrame) -> bool:
    """Say whether a table has pyradiomics' own feature names, without a region in front."""
    return any(str(column).startswith("original_") and FEATURE.match(str(column)) for column in frame.columns)


def library_rows(frame: pd.DataFrame, case: str, table: str, *, region: str | None = None) -> pd.DataFrame:
    """Return a pyradiomics table of many cases with our names, one row for each case in the order of the table.

    Parameters
    ----------
    frame : DataFrame
        One row for each case, or for each case and region; columns of features as ``original_shape_VoxelVolume``,
        ``Image`` and ``Mask`` (and ``Label``), and whatever else is known of the case.
    case : str
        The column that names the case.
    table : str
        What messages call the table.
    region : str, optional
        The region that every row is about.
    """
    import pandas as pd

    region = checked_region(region)
    features = [str(column) for column in frame.columns if FEATURE.match(str(column))]
    technical = [str(c) for c in frame.columns if str(c).startswith("diagnostics_") or c in ("Image", "Mask", "Label")]
    blocks = [
        Block(f"{table}, row {number}", str(row.get("Mask", "")), str(row.get("Image", "")), measured_label(row), {})
        for number, row in enumerate(frame[technical].to_dict("records"), start=1)
    ]
    names = frame[case].astype(str)
    regions, modalities = _regions(blocks, region), [_modality(block.image) for block in blocks]
    rest = frame.drop(columns=[*features, *technical])
    result = rest.drop_duplicates(subset=[case]).set_index(names[~rest.duplicated(subset=[case])].to_numpy())
    if len(result) < len(rest):
        _check_repeated(rest, case, table)
    parts = pd.DataFrame({"region": regions, "modality": [modality or "" for modality in modalities]})
    measured: dict[str, pd.Series] = {}
    for (found, modality), numbers in parts.groupby(["region", "modality"], sort=False).groups.items():
        rows = list(numbers)
        keys = names.iloc[rows]
        if keys.duplicated().any():
            again = keys[keys.duplicated()].iloc[0]
            raise InputError(f"{table} has two rows about the region {found} of the case {again!r}: keep one of them.")
        for column in features:
            name = _library_name(column, found, modality or None)
            if name is None:
                continue
            values = pd.Series(frame[column].iloc[rows].to_numpy(), keys.to_numpy()).reindex(result.index)
            # Shape comes again with every image of a region; the first one that is known stays.
            measured[name] = measured[name].combine_first(values) if name in measured else values
    return pd.concat([result, pd.DataFrame(measured, index=result.index)], axis=1).reset_index(drop=True)


def checked_region(region: str | None) -> str | None:
    """Return a region's name in its usual spelling, or raise InputError."""
    if region is None:
        return None
    if region.upper() not in REGIONS:
        raise InputError(f"The region is {region!r}: give one of {', '.join(REGIONS)}.")
    return region.upper()


def _check_repeated(rest: pd.DataFrame, case: str, table: str) -> None:
    """Raise InputError if two rows of one case say different things about the patient."""
    differing = rest.groupby(case, sort=False).nunique(dropna=False) > 1
    rows, columns = differing.to_numpy().nonzero()
    if len(rows):
        raise InputError(
            f"{table}: the rows of the case {differing.index[rows[0]]!r} differ in the column "
            f"{differing.columns[columns[0]]!r}: make them the same."
        )


def _regions(blocks: Sequence[Block], given: str | None) -> list[str]:
    """Return the region of each block, or raise InputError where it is in doubt."""
    if given is not None:
        return [given] * len(blocks)
    labels: dict[str, set[int]] = {}
    for block in blocks:
        if block.label is not None:
            labels.setdefault(block.mask, set()).add(block.label)
    result = []
    for block in blocks:
        region = _region_in(block.mask)
        if region is None and block.label is not None:
            # A mask of any one region has the value 1 too: it means NCR only where the same mask has other labels.
            alone = block.label == 1 and labels[block.mask] == {1}
            region = None if alone else _REGION_OF_LABEL.get(block.label)
        if region is None:
            measured = f"label {block.label} of " if block.label is not None else ""
            about = f" ({measured}{Path(block.mask).name!r})" if block.mask else ""
            raise InputError(
                f"{block.place}{about}: which region of the tumour was measured is not clear, so give --region with "
                f"one of {', '.join(REGIONS)}, or name the mask after it."
            )
        result.append(region)
    return result


def _region_in(name: str) -> str | None:
    """Return the one region that a segment's or mask file's name speaks of."""
    for region, title in REGION_TITLES.items():
        if name.strip() == title:
            return region
    stem = re.sub(r"\.(nii|nrrd|mha|mhd|gz|seg)\b", "", re.split(r"[/\\]", name)[-1].lower())
    words = [word for word in re.split(r"[^a-z0-9]+", stem) if word]
    found: list[str] = []
    start = 0
    while start < len(words):
        for length in (4, 3, 2, 1):
            joined = "".join(words[start : start + length])
            if joined in _REGION_OF:
                found.append(_REGION_OF[joined])
                start += length - 1
                break
        start += 1
    return found[0] if len(set(found)) == 1 else None


def _modality(image: str) -> str | None:
    words = re.split(r"[^a-z0-9]+", re.split(r"[/\\]", image)[-1].lower())
    found = {_MODALITIES[word] for word in words if word in _MODALITIES}
    return found.pop() if len(found) == 1 else None


def _library_name(name: str, region: str, modality: str | None) -> str | None:
    if _SHAPE.search(name):
        return f"{region}_{name}"
    return None if modality is None else f"{modality}_{region}_{name}"


def _named(block: Block, region: str) -> Iterator[tuple[str, float]]:
    modality = _modality(block.image)
    for name, text in block.values.items():
        known = _library_name(name, region, modality)
        if known is None:
            continue
        try:
            value = float(text) if str(text).strip() else math.nan
        except (TypeError, ValueError):
            raise InputError(f"{block.place}: the value of {name} is {text!r}, not a number.") from None
        if math.isinf(value):
            raise InputError(f"{block.place}: the value of {name} is infinite.")
        yield known, value


def _same(first: float, second: float) -> bool:
    return first == second or (math.isnan(first) and math.isnan(second))
