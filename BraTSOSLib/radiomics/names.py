"""A feature's name is its address: ``t1ce_ET_original_firstorder_Mean``, ``ET_original_shape_VoxelVolume``.

The parts are modality, region, image type, feature class and feature, the last three as pyradiomics names them. Shape
depends on the mask alone, so it is stored once per region and its name has no modality. Within a class the features
stand in pyradiomics' order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..case import MODALITIES
from ..errors import InputError
from ..labels import REGIONS

SHAPE_FEATURES = (
    "Elongation",
    "Flatness",
    "LeastAxisLength",
    "MajorAxisLength",
    "Maximum2DDiameterColumn",
    "Maximum2DDiameterRow",
    "Maximum2DDiameterSlice",
    "Maximum3DDiameter",
    "MeshVolume",
    "MinorAxisLength",
    "Sphericity",
    "SurfaceArea",
    "SurfaceVolumeRatio",
    "VoxelVolume",
)
"""pyradiomics' 14 three-dimensional shape features, in its order."""

FIRSTORDER_FEATURES = (
    "10Percentile",
    "90Percentile",
    "Energy",
    "Entropy",
    "InterquartileRange",
    "Kurtosis",
    "Maximum",
    "Mean",
    "MeanAbsoluteDeviation",
    "Median",
    "Minimum",
    "Range",
    "RobustMeanAbsoluteDeviation",
    "RootMeanSquared",
    "Skewness",
    "TotalEnergy",
    "Uniformity",
    "Variance",
)
"""pyradiomics' 18 first-order features (the deprecated StandardDeviation left out), in its order."""

SHAPE2D_FEATURES = (
    "Elongation",
    "MajorAxisLength",
    "MaximumDiameter",
    "MeshSurface",
    "MinorAxisLength",
    "Perimeter",
    "PerimeterSurfaceRatio",
    "PixelSurface",
    "Sphericity",
)
"""pyradiomics' 9 shape features of a region within one plane (the deprecated SphericalDisproportion left out)."""

GLCM_FEATURES = (
    "Autocorrelation",
    "ClusterProminence",
    "ClusterShade",
    "ClusterTendency",
    "Contrast",
    "Correlation",
    "DifferenceAverage",
    "DifferenceEntropy",
    "DifferenceVariance",
    "Id",
    "Idm",
    "Idmn",
    "Idn",
    "Imc1",
    "Imc2",
    "InverseVariance",
    "JointAverage",
    "JointEnergy",
    "JointEntropy",
    "MCC",
    "MaximumProbability",
    "SumAverage",
    "SumEntropy",
    "SumSquares",
)
"""pyradiomics' 24 features of the grey-level co-occurrence matrix."""

GLRLM_FEATURES = (
    "GrayLevelNonUniformity",
    "GrayLevelNonUniformityNormalized",
    "GrayLevelVariance",
    "HighGrayLevelRunEmphasis",
    "LongRunEmphasis",
    "LongRunHighGrayLevelEmphasis",
    "LongRunLowGrayLevelEmphasis",
    "LowGrayLevelRunEmphasis",
    "RunEntropy",
    "RunLengthNonUniformity",
    "RunLengthNonUniformityNormalized",
    "RunPercentage",
    "RunVariance",
    "ShortRunEmphasis",
    "ShortRunHighGrayLevelEmphasis",
    "ShortRunLowGrayLevelEmphasis",
)
"""pyradiomics' 16 features of the grey-level run-length matrix."""

GLSZM_FEATURES = (
    "GrayLevelNonUniformity",
    "GrayLevelNonUniformityNormalized",
    "GrayLevelVariance",
    "HighGrayLevelZoneEmphasis",
    "LargeAreaEmphasis",
    "LargeAreaHighGrayLevelEmphasis",
    "LargeAreaLowGrayLevelEmphasis",
    "LowGrayLevelZoneEmphasis",
    "SizeZoneNonUniformity",
    "SizeZoneNonUniformityNormalized",
    "SmallAreaEmphasis",
    "SmallAreaHighGrayLevelEmphasis",
    "SmallAreaLowGrayLevelEmphasis",
    "ZoneEntropy",
    "ZonePercentage",
    "ZoneVariance",
)
"""pyradiomics' 16 features of the grey-level size-zone matrix."""

GLDM_FEATURES = (
    "DependenceEntropy",
    "DependenceNonUniformity",
    "DependenceNonUniformityNormalized",
    "DependenceVariance",
    "GrayLevelNonUniformity",
    "GrayLevelVariance",
    "HighGrayLevelEmphasis",
    "LargeDependenceEmphasis",
    "LargeDependenceHighGrayLevelEmphasis",
    "LargeDependenceLowGrayLevelEmphasis",
    "LowGrayLevelEmphasis",
    "SmallDependenceEmphasis",
    "SmallDependenceHighGrayLevelEmphasis",
    "SmallDependenceLowGrayLevelEmphasis",
)
"""pyradiomics' 14 features of the grey-level dependence matrix."""

NGTDM_FEATURES = (
    "Busyness",
    "Coarseness",
    "Complexity",
    "Contrast",
    "Strength",
)
"""pyradiomics' 5 features of the neighbouring grey-tone difference matrix."""

FEATURES: dict[str, tuple[str, ...]] = {
    "shape": SHAPE_FEATURES,
    "shape2D": SHAPE2D_FEATURES,
    "firstorder": FIRSTORDER_FEATURES,
    "glcm": GLCM_FEATURES,
    "glrlm": GLRLM_FEATURES,
    "glszm": GLSZM_FEATURES,
    "gldm": GLDM_FEATURES,
    "ngtdm": NGTDM_FEATURES,
}
"""Feature class to the names of its features."""

FEATURE_CLASSES = tuple(FEATURES)
"""All feature classes."""

SHAPE_CLASSES = ("shape", "shape2D")
"""The feature classes of the mask alone: stored once per region, under a name without modality."""

DEFAULT_CLASSES = ("shape", "firstorder")
"""The feature classes of a default extraction."""

ORIGINAL = "original"
"""The image type of unfiltered scans."""


@dataclass(frozen=True)
class FeatureName:
    """The parts of a feature's name; ``modality`` is None for shape."""

    region: str
    feature_class: str
    feature: str
    modality: str | None = None
    image_type: str = ORIGINAL

    def __str__(self) -> str:
        parts = (self.modality, self.region, self.image_type, self.feature_class, self.feature)
        return "_".join(part for part in parts if part)

    @classmethod
    def parse(cls, name: str) -> FeatureName:
        """Split ``name`` into its parts.

        Raises
        ------
        InputError
            If it is no name of this form, or holds an unknown modality, region, class or feature.
        """
        modality, parts = None, name.split("_")
        if parts[0] in MODALITIES:
            modality, parts = parts[0], parts[1:]
        if len(parts) == 4:
            region, image_type, feature_class, feature = parts
            known = region in REGIONS and feature in FEATURES.get(feature_class, ())
            if known and (modality is None) == (feature_class in SHAPE_CLASSES):
                return cls(region, feature_class, feature, modality, image_type)
        raise InputError(
            f"{name!r} is no feature's name; expected one such as "
            "t1ce_ET_original_firstorder_Mean or ET_original_shape_VoxelVolume."
        )


def feature_names(
    regions: Iterable[str] = tuple(REGIONS),
    modalities: Iterable[str] = MODALITIES,
    classes: Iterable[str] = DEFAULT_CLASSES,
) -> list[str]:
    """Return the names of all features in the order of the table: region by region, its shape first."""
    modalities, classes = tuple(modalities), tuple(classes)
    names: list[str] = []
    for region in regions:
        for feature_class in classes:
            for modality in (None,) if feature_class in SHAPE_CLASSES else modalities:
                names += [str(FeatureName(region, feature_class, f, modality)) for f in FEATURES[feature_class]]
    return names
