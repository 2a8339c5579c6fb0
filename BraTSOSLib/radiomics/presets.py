"""Named sets of features, those of papers among them, with the arithmetic of their columns."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError
from .columns import LABEL_COMBINATIONS, Layout, table_keys
from .names import FEATURE_CLASSES, FEATURES
from .settings import ImageType, Settings

_ALL_CLASSES = tuple(name for name in FEATURE_CLASSES if name != "shape2D")


@dataclass(frozen=True)
class Preset:
    """A named set of features.

    Attributes
    ----------
    name, description : str
    settings : Settings
    layout : Layout
    arithmetic : str
        How its number of columns comes about.
    source : str
        Where it comes from, and how sure that is.
    """

    name: str
    description: str
    settings: Settings
    layout: Layout
    arithmetic: str
    source: str = ""

    @property
    def columns(self) -> int:
        """How many columns (rows of a case's table) it has."""
        return len(table_keys(self.layout, self.settings)) + self.layout.with_name


def _total(*classes: str) -> int:
    return sum(len(FEATURES[name]) for name in classes)


_INTENSITY = _total(*_ALL_CLASSES) - _total("shape")
_SHAPE = _total("shape")
_ANAND_CLASSES = ("shape", "glcm", "glrlm", "gldm", "ngtdm")

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "default",
            "shape and first order of the unfiltered scans: what bratsos run writes",
            Settings(),
            Layout(),
            f"5 regions x ({_SHAPE} shape + 4 modalities x {_total('firstorder')} first-order)",
        ),
        Preset(
            "student",
            "the volumes that the bundled survival model uses, and nothing else",
            Settings(classes=("shape",), features={"shape": ("VoxelVolume",)}),
            Layout(regions=("NCR", "ED", "ET")),
            "3 regions x 1 volume",
        ),
        Preset(
            "brats-core",
            "all classes of the unfiltered scans",
            Settings(classes=_ALL_CLASSES),
            Layout(),
            f"5 regions x ({_SHAPE} shape + 4 modalities x {_INTENSITY})",
        ),
        Preset(
            "full",
            "all classes of the unfiltered scans, the 8 wavelet sub-bands (coif1) and LoG with sigma 1, 2 and 3 mm",
            Settings(
                classes=_ALL_CLASSES,
                image_types=(
                    ImageType("Original"),
                    ImageType("Wavelet"),
                    ImageType("LoG", {"sigma": (1.0, 2.0, 3.0)}),
                ),
            ),
            Layout(),
            f"5 regions x ({_SHAPE} shape + 4 modalities x 12 images x {_INTENSITY})",
        ),
        Preset(
            "do2022",
            "the table of pyradiomics' default call on four modalities and four regions, diagnostics included",
            Settings(classes=_ALL_CLASSES),
            Layout(
                regions=("NCR", "ED", "ET", "WT"),
                aliases={"NCR": "nec", "ED": "ed", "ET": "et", "WT": "wt"},
                shape_per_modality=True,
                diagnostics=True,
                with_name=True,
            ),
            f"4 modalities x 4 regions x (22 diagnostics + {_SHAPE} shape + {_INTENSITY}) + 1 name of the case",
            "Do et al. 2022 give the number, not the list: this is the likeliest reading. The paper's models rank the "
            "features; the diagnostics are stored, not ranked.",
        ),
        Preset(
            "anand2020",
            "five families (shape, GLCM, GLRLM, GLDM, NGTDM) of T1ce and FLAIR over all seven label combinations",
            Settings(classes=_ANAND_CLASSES),
            Layout(modalities=("t1ce", "flair"), regions=tuple(LABEL_COMBINATIONS), shape_per_modality=True),
            f"2 modalities x 7 label combinations x ({_SHAPE} + 24 + 16 + 14 + 5 = {_total(*_ANAND_CLASSES)})",
            "Anand et al. 2020 give the number and speak of five types of features over several combinations of the "
            "labels; no reading is certain, and 1,022 = 2 x 7 x 73 has few others.",
        ),
    )
}
"""Name to preset."""


def find_preset(name: str) -> Preset:
    """Return the preset called ``name``.

    Raises
    ------
    InputError
        If there is none.
    """
    if name not in PRESETS:
        raise InputError(f"Unknown preset {name!r}; choose from {', '.join(PRESETS)}.")
    return PRESETS[name]


def describe_presets() -> str:
    """Return all presets with the arithmetic of their columns, for reading."""
    lines = []
    for preset in PRESETS.values():
        lines.append(f"{preset.name:<12}{preset.columns:>7,} columns = {preset.arithmetic}")
        lines.append(f"{'':<12}{preset.description}")
        if preset.source:
            lines.append(f"{'':<12}{preset.source}")
    return "\n".join(lines)
