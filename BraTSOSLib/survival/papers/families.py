"""Radiomic families of a feature, whatever software named it, counted as Anand et al. 2020 (section 3.3) count them."""

from __future__ import annotations

import re
from collections import Counter

FAMILIES = ("firstorder", "glcm", "glrlm", "gldm", "glszm", "ngtdm", "shape", "shape2D", "other")
TEXTURES = ("glcm", "glrlm", "gldm", "glszm", "ngtdm")
PAPER_COUNTS = {"first order": 19, "texture matrices": 75, "shape, 2-D and 3-D": 26}
"""Features of one image and one label combination in the paper; 1,022 over all that it does not list."""

_REGIONS = {
    "NCR": "NCR", "NC": "NCR", "NEC": "NCR", "NECROTIC": "NCR", "ED": "ED", "EDEMA": "ED", "ET": "ET", "ENHANCE": "ET",
    "TC": "TC", "WT": "WT", "WHOLE": "WT",
}  # fmt: skip

# The first pattern that is found decides. The first group holds names that say their family (pyradiomics, CaPTk); the
# second the names of the Image Biomarker Standardisation Initiative, which do not.
_PATTERNS = tuple(
    (family, re.compile(pattern))
    for family, pattern in (
        ("shape2D", r"_shape2D_"),
        ("shape", r"_shape_|_Morphologic_|_Volumetric_|_SVRatio$|_grad$"),
        ("firstorder", r"_firstorder_|_Intensity_|_Histogram_|_(mean|std|min|max|p\d+|mean_minus_ring)$"),
        ("glcm", r"_(glcm|GLCM)_"),
        ("glrlm", r"_(glrlm|GLRLM)_"),
        ("gldm", r"_(gldm|GLDM)_"),
        ("glszm", r"_(glszm|GLSZM)_"),
        ("ngtdm", r"_(ngtdm|NGTDM)_"),
        # A local binary pattern and a distance zone matrix (GLDZM) are textures that the paper does not count.
        ("other", r"_LBP_|Distance.*3D$"),
        ("glrlm", r"Run.*3D$|^(NormalisedGray|Gray)Level(NonUniformity|Variance)(Averaged|Merged)3D$"),
        ("gldm", r"Dependence.*3D$|LevelCountEmphasis3D$"),
        ("glszm", r"Zone.*3D$|^(NormalisedGrayLevelNonUniformity|GrayLevelNonUniformity|GrayLevelVariance)3D$"),
        ("ngtdm", r"^(Coarseness|Contrast|Busyness|Complexity|Strength)3D$"),
        ("glcm", r"(Averaged|Merged)3D$"),
        (
            "shape",
            r"^Volume(Mesh|VoxelCount)|^Surface|^Compactness|[Ss]pheric|^CentreOfMassShift|AxisLength3D$"
            r"|^(Elongation|Flatness)3D$|^(Volume|Area)Density",
        ),
        ("firstorder", r"Intensity|Gradient3D$|Histogram|Deviation3D$|^(CoefficientOf|QuartileCoefficient|RootMean)"),
        ("shape", r"^(Whole|Necrotic|Edema|Enhance)($|Brain$|Enhance$|Edema$)|^bbox_|^slice_area|volume|voxels|slices"),
        ("firstorder", r"VolumeFraction"),
    )
)


def family_of(name: str) -> str:
    """Return the family (one of ``FAMILIES``) of a feature; ``other`` holds positions, distance zones and LBP."""
    return next((family for family, pattern in _PATTERNS if pattern.search(name)), "other")


def region_of(name: str) -> str:
    """Return the label combination that a feature's name says (NCR, ED, ET, TC, WT), ``""`` where it says none."""
    for part in name.split("_"):
        if part.upper() in _REGIONS:
            return _REGIONS[part.upper()]
    return ""


def count_families(names: list[str]) -> dict[str, dict[str, int]]:
    """Return how many of ``names`` belong to each family, by label combination."""
    counts: dict[str, Counter[str]] = {}
    for name in names:
        counts.setdefault(region_of(name), Counter())[family_of(name)] += 1
    return {
        region: {family: counts[region][family] for family in FAMILIES if counts[region][family]}
        for region in sorted(counts)
    }
