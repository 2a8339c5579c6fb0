"""Which modality or tumour compartment a foreign model's own names mean."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...case import MODALITIES
from ...errors import InputError
from ..model import CLASS_OUTPUTS, REGION_OUTPUTS

_NOT_CONTRASTED = ("pre", "native", "noncontrast", "without", "unenhanced")
_CONTRASTED = ("t1ce", "t1wce", "t1gd", "t1wgd", "t1post", "contrast", "gado", "enhanced")


def modality(name: str) -> str | None:
    """The modality that a channel's name means (``T1Gd``, ``t1n``, ``T2-FLAIR``, ...), or None."""
    key = re.sub(r"[^a-z0-9]", "", name.lower())
    if "flair" in key or key == "t2f":
        return "flair"
    if "t2" in key and "t1" not in key:
        return "t2"
    if "t1" not in key or "t2" in key:
        return None
    if any(word in key for word in _NOT_CONTRASTED):
        return "t1"
    contrasted = key in ("t1c", "t1wc") or any(word in key for word in _CONTRASTED)
    return "t1ce" if contrasted else "t1"


def output(name: str) -> str | None:
    """The region or class that an output's name means (``Tumor core``, ``NCR/NET``, ``edema``, ...), or None."""
    words = re.sub(r"[^a-z0-9]+", " ", name.lower().replace("tumour", "tumor")).strip()
    key = words.replace(" ", "")
    for meaning, pattern in _OUTPUTS:
        if re.fullmatch(pattern, key):
            return meaning
    return None


_OUTPUTS = (
    ("background", r"background|bg|backgroundclass"),
    ("WT", r"wt|(the)?whole(tumor)?(wt)?|completetumor"),
    ("TC", r"tc|(the)?(tumor)?core(tc)?"),
    ("NCR", r"ncr|net|necr.*|non(enhancing|enh).*|ncr(and)?net|ncrnet"),
    ("ET", r"et|at|(gd)?(the)?(contrast)?(enhancing|enh|enhanced|active)(tumor)?(core)?(et)?|enhancingtissue"),
    ("ED", r"ed|snfh|(peritumoral|peritumor|vasogenic)?(o?edema|invaded).*"),
    ("brain", r"brain|healthy.*|normalbrain"),
)
"""Meaning and pattern, tried in this order: a non-enhancing tumour must not be taken for an enhancing one."""


def check_inputs(names: Sequence[str], source: str) -> list[str]:
    """The four modalities in the order of ``names``; ``InputError`` where they are not the four."""
    found = [modality(name) for name in names]
    if sorted(str(item) for item in found) != sorted(MODALITIES):
        raise InputError(
            f"The input channels of {source} are {_listed(names)}, which do not stand for T1, T1ce, T2 and FLAIR one "
            "each: give their order, e.g. --inputs t1ce,t1,t2,flair."
        )
    return [str(item) for item in found]


def check_outputs(names: Sequence[str], source: str) -> list[str]:
    """The regions or classes in the order of ``names``; ``InputError`` where they make no complete set.

    Complete are the three regions WT, TC, ET, or a background with the classes NCR, ED, ET (and healthy brain).
    """
    found = [output(name) for name in names]
    advice = "give their order, e.g. --outputs TC,WT,ET or --outputs background,NCR,ED,ET"
    if None in found or len(set(found)) < len(found):
        raise InputError(f"The output channels of {source} are {_listed(names)}, not all of them known: {advice}.")
    known = CLASS_OUTPUTS if "background" in found else REGION_OUTPUTS
    needed = {"NCR", "ED", "ET"} if "background" in found else set(REGION_OUTPUTS)
    if not needed <= set(found) or not set(found) <= set(known):
        raise InputError(
            f"The output channels of {source} are {_listed(names)}, which are neither WT, TC and ET nor a background "
            f"with NCR, ED and ET: {advice}."
        )
    return [str(item) for item in found]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "not named"
