"""From region probabilities to a label map, in steps that can be switched on and off one by one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from ..errors import InputError, ModelError
from ..labels import ED, ET, NCR, region_mask
from .crf import DenseCRF, refine
from .preprocessing import bounding_box

REGIONS = ("WT", "TC", "ET")
SMALLEST_TUMOUR = 64.0
"""Tumour components of fewer mm³ are dropped: no training case has one that an expert kept."""


@dataclass(frozen=True)
class PostProcessing:
    """Which steps are taken, in this order, and with which values.

    Attributes
    ----------
    crf : the dense CRF that refines the probabilities; none where None
    thresholds : probability of WT, TC and ET above which a voxel belongs to the region
    nested : TC counts only inside WT and ET only inside TC; else ET wins over TC and TC over WT
    smallest_component : connected tumour of fewer mm³ becomes background; 0 keeps all
    component_scope : what the next two look at: ``regions`` (ET, TC and WT; a dropped piece becomes what encloses it:
        NCR, ED, background) or ``classes`` (NCR, ED and ET; a dropped piece becomes background)
    component_share : components below this share of the largest one are dropped (Anand et al. 2020: 0.8 of each
        class); 0 keeps all
    smallest_region_component : components of fewer mm³ are dropped; 0 keeps all
    fill_holes : background that the tumour encloses becomes ED, ED that the core encloses becomes NCR
    smallest_enhancing : where ET has fewer mm³ altogether it is taken as NCR, as in low-grade glioma; 0 keeps it

    Components are connected over the 26 neighbours in 3-D, holes closed over 6.

    Examples
    --------
    >>> PostProcessing.from_dict({"thresholds": 0.4, "fill_holes": True}).thresholds
    (0.4, 0.4, 0.4)
    """

    crf: DenseCRF | None = None
    thresholds: tuple[float, float, float] = (0.5, 0.5, 0.5)
    nested: bool = True
    smallest_component: float = SMALLEST_TUMOUR
    component_scope: str = "regions"
    component_share: float = 0.0
    smallest_region_component: float = 0.0
    fill_holes: bool = False
    smallest_enhancing: float = 0.0

    def __post_init__(self) -> None:
        if len(self.thresholds) != 3 or not all(0 < t < 1 for t in self.thresholds):
            raise InputError(f"The thresholds are {self.thresholds}: give three numbers between 0 and 1.")
        for name in ("smallest_component", "smallest_region_component", "smallest_enhancing"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"The post-processing's {name} is {getattr(self, name)} mm³: give 0 or more.")
        if not 0 <= self.component_share <= 1:
            raise InputError(f"The post-processing's component_share is {self.component_share}: give 0 to 1.")
        if self.component_scope not in ("regions", "classes"):
            raise InputError(
                f"The post-processing's component_scope is {self.component_scope!r}: choose regions or classes."
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON that ``from_dict`` reads back."""
        return {**asdict(self), "thresholds": dict(zip(REGIONS, self.thresholds, strict=True))}

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> PostProcessing:
        """Settings from plain JSON; what is not there keeps its default.

        ``thresholds`` may be one number or a table of WT, TC and ET; ``crf`` may be true for the default field.

        Raises
        ------
        InputError
            If a key is unknown or a value is of the wrong kind or out of range.
        """
        values = _checked(cls, table, "post-processing")
        if "thresholds" in values:
            values["thresholds"] = _read_thresholds(values["thresholds"])
        crf = values.get("crf")
        if isinstance(crf, Mapping):
            values["crf"] = DenseCRF(**_checked(DenseCRF, crf, "CRF"))
        elif "crf" in values:
            values["crf"] = DenseCRF() if crf else None
        return cls(**values)

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> PostProcessing:
        """Settings of a model card: its ``postprocessing``, and its ``threshold`` where that names none.

        Raises
        ------
        ModelError
            If the card's fields make no sense.
        """
        name = card.get("name", "without a name")
        table = card.get("postprocessing", {})
        if not isinstance(table, Mapping):
            raise ModelError(f"The card of the model {name} has a postprocessing that is no table: install it again.")
        try:
            return cls.from_dict({"thresholds": card.get("threshold", 0.5), **table})
        except InputError as error:
            raise ModelError(f"The card of the model {name} cannot be used: {error}") from error


def _checked(cls: type, table: Mapping[str, Any], title: str) -> dict[str, Any]:
    """The entries of ``table`` after their names and kinds are compared with the fields of the dataclass ``cls``."""
    defaults = {field.name: field.default for field in fields(cls)}
    unknown = sorted(set(table) - set(defaults))
    if unknown:
        raise InputError(f"The {title} has no setting {unknown[0]!r}: choose from {', '.join(defaults)}.")
    for name, value in table.items():
        default = defaults[name]
        if isinstance(default, (bool, str)):
            fits, wanted = isinstance(value, type(default)), "true or false" if default in (True, False) else "a text"
        elif isinstance(default, (int, float)):
            fits, wanted = type(value) in (int, float), "a number"
        elif default is None:
            fits, wanted = value is None or isinstance(value, (bool, Mapping)), "true, false or a table of its settings"
        else:
            continue
        if not fits:
            raise InputError(f"The {title}'s {name} is {value!r}: give {wanted}.")
    return dict(table)


def _read_thresholds(value: Any) -> tuple[float, float, float]:
    if isinstance(value, Mapping) and set(value) == set(REGIONS):
        value = [value[region] for region in REGIONS]
    elif isinstance(value, (int, float)):
        value = [value] * 3
    if not isinstance(value, (list, tuple)) or len(value) != 3 or not all(type(v) in (int, float) for v in value):
        raise InputError(f"The thresholds are {value!r}: give one number, or one each for WT, TC and ET.")
    return float(value[0]), float(value[1]), float(value[2])


def postprocess(
    probability: np.ndarray,
    *,
    spacing: tuple[float, float, float],
    brain: np.ndarray | None = None,
    image: np.ndarray | None = None,
    settings: PostProcessing | None = None,
) -> np.ndarray:
    """Label map uint8 (z, y, x) with the values 0, 1, 2, 4.

    Parameters
    ----------
    probability : float32 (3, z, y, x) of WT, TC and ET
    spacing : (x, y, z) in mm
    brain : bool (z, y, x) outside which there is no tumour; everywhere where None
    image : (modality, z, y, x) in whatever unit, for a CRF that looks at the scans
    settings : ``PostProcessing()`` where None

    Raises
    ------
    InputError
        If the shapes differ, or the CRF needs ``image`` and has none.
    """
    settings = settings or PostProcessing()
    shape = probability.shape[1:]
    for name, array in (("brain mask", brain), ("image", image)):
        if array is not None and array.shape[-3:] != shape:
            raise InputError(f"The {name} has {array.shape[-3:]} voxels and the probabilities {shape}: use one grid.")
    if settings.crf is not None:
        probability = refine(
            probability, settings.crf, spacing=spacing, thresholds=settings.thresholds, brain=brain, image=image
        )
    whole = labels_from_regions(probability, settings.thresholds, nested=settings.nested)
    if brain is not None:
        whole *= brain
    box = bounding_box(whole > 0).slices
    inside = whole[box]
    voxel = float(np.prod(spacing))
    if settings.smallest_component > 0:
        inside = remove_small_components(inside, max(round(settings.smallest_component / voxel), 1))
    if settings.component_share > 0 or settings.smallest_region_component > 0:
        smallest = settings.smallest_region_component / voxel
        inside = keep_large_components(inside, settings.component_share, smallest, settings.component_scope)
    if settings.fill_holes:
        inside = fill_holes(inside)
        if brain is not None:
            inside *= brain[box]
    if np.count_nonzero(inside == ET) * voxel < settings.smallest_enhancing:
        inside = np.where(inside == ET, np.uint8(NCR), inside)
    whole[box] = inside
    return whole


def labels_from_regions(
    probability: np.ndarray, threshold: float | tuple[float, float, float] = 0.5, *, nested: bool = True
) -> np.ndarray:
    """Label map uint8 (z, y, x) of WT, TC and ET probabilities (3, z, y, x).

    Where the probabilities disagree about the nesting, a voxel is tumour core only inside the whole tumour and
    enhancing only inside the core; unless ``nested``, the innermost region wins instead.
    """
    limits = threshold if isinstance(threshold, tuple) else (threshold,) * 3
    whole, core, enhancing = (region > limit for region, limit in zip(probability, limits, strict=True))
    if nested:
        core &= whole
        enhancing &= core
    labels = np.zeros(whole.shape, dtype=np.uint8)
    labels[whole] = ED
    labels[core] = NCR
    labels[enhancing] = ET
    return labels


def remove_small_components(labels: np.ndarray, voxels: float) -> np.ndarray:
    """Set connected tumour components (26-neighbourhood) of fewer than ``voxels`` voxels to background."""
    labels = labels.copy()
    labels[_small_parts(labels > 0, 0.0, voxels)] = 0
    return labels


def keep_large_components(labels: np.ndarray, share: float, voxels: float, scope: str = "regions") -> np.ndarray:
    """Drop each region's or class's components below ``share`` of its largest or of fewer than ``voxels`` voxels.

    Parameters
    ----------
    scope : see ``PostProcessing.component_scope``
    """
    labels = labels.copy()
    if scope == "classes":
        dropped = [_small_parts(labels == label, share, voxels) for label in (NCR, ED, ET)]
        labels[np.logical_or.reduce(dropped)] = 0
        return labels
    for region, enclosing in (("ET", NCR), ("TC", ED), ("WT", 0)):
        labels[_small_parts(region_mask(labels, region), share, voxels)] = enclosing
    return labels


def fill_holes(labels: np.ndarray) -> np.ndarray:
    """Background enclosed by the tumour becomes ED; background and ED enclosed by the core become NCR."""
    from scipy import ndimage

    labels = labels.copy()
    for region, filling in (("WT", ED), ("TC", NCR)):
        mask = region_mask(labels, region)
        labels[ndimage.binary_fill_holes(mask) & ~mask] = filling
    return labels


def _small_parts(mask: np.ndarray, share: float, voxels: float) -> np.ndarray:
    """Bool like ``mask``: its components below ``share`` of the largest one or of fewer than ``voxels`` voxels."""
    from scipy import ndimage

    components, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    if count == 0:
        return np.zeros(mask.shape, dtype=bool)
    sizes = np.bincount(components.ravel())
    sizes[0] = 0
    small = sizes < max(voxels, share * sizes.max())
    small[0] = False
    return small[components]
