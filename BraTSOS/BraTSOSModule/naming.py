"""Which loaded volume is which scan, by the names that scanners, BraTS and UPENN-GBM give."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from BraTSOSLib.case import MODALITIES

_CONTRAST = {"ce", "c", "gd", "gad", "gado", "gadolinium", "post", "contrast", "postcontrast", "enhanced", "stealth"}
_NAMES = {
    "flair": {"flair", "t2f", "fla", "t2flair", "darkfluid"},
    "t1ce": {"t1ce", "t1c", "t1gd", "t1post", "t1contrast", "ce", "t1pc"},
    "t1": {"t1", "t1n", "t1w", "mprage", "mpr", "spgr", "bravo", "t1pre"},
    "t2": {"t2", "t2w", "t2tse", "t2fse"},
}
_WORD = re.compile(r"[a-z0-9]+")


def modalityOf(name: str) -> str | None:
    """Return the modality that a volume's name says, or None.

    Examples
    --------
    >>> modalityOf("BraTS-GLI-00001-000-t1c"), modalityOf("AX T1 post"), modalityOf("Sag T2 FLAIR"), modalityOf("DWI")
    ('t1ce', 't1ce', 'flair', None)
    """
    # "T1+C" and "T1 +C" are spellings of T1 with contrast
    words = set(_WORD.findall(name.lower().replace("+c", " contrast ")))
    if words & _NAMES["flair"]:
        return "flair"
    if words & _NAMES["t1ce"] or (words & _NAMES["t1"] and words & _CONTRAST):
        return "t1ce"
    for modality in ("t1", "t2"):
        if words & _NAMES[modality]:
            return modality
    return None


def fillByName(names: Sequence[str]) -> dict[str, int]:
    """Return modality to index in ``names``: one case's four scans, if there are several cases the first whole one.

    A modality that no name says, or that several names say, is left out.
    """
    found: dict[str, list[int]] = {modality: [] for modality in MODALITIES}
    cases: dict[str, dict[str, int]] = {}
    for index, name in enumerate(names):
        modality = modalityOf(name)
        if modality:
            found[modality].append(index)
            cases.setdefault(_caseOf(name), {}).setdefault(modality, index)
    for scans in cases.values():
        if set(scans) == set(MODALITIES):
            return scans
    return {modality: indices[0] for modality, indices in found.items() if len(indices) == 1}


def _caseOf(name: str) -> str:
    """Return the name without its last word, which says the modality where names are made by a programme."""
    return re.split(r"[_\- .]+[^_\- .]*$", name)[0].lower()


def missing(found: Mapping[str, int]) -> list[str]:
    """Return the modalities that were not found, as the panel calls them."""
    return [{"t1ce": "T1ce"}.get(modality, modality.upper()) for modality in MODALITIES if modality not in found]
