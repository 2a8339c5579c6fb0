"""What an extraction may be told to do differently; the defaults are pyradiomics' own.

Names are pyradiomics' in snake case: ``binWidth`` is ``bin_width``, ``force2Ddimension`` is ``force_2d_dimension``.
``parameters.py`` reads pyradiomics' parameter files into these settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .deprecated import deprecated_names
from .names import FEATURE_CLASSES, FEATURES
from .setting_checks import CHECKS

if TYPE_CHECKING:
    import os

IMAGE_TYPES = (
    "Original",
    "Wavelet",
    "LoG",
    "Square",
    "SquareRoot",
    "Logarithm",
    "Exponential",
    "Gradient",
    "LBP3D",
)
"""The image types by pyradiomics' names."""


@dataclass(frozen=True)
class ImageType:
    """One kind of image to measure, and the settings that are other for it.

    Attributes
    ----------
    name : str
        Of ``IMAGE_TYPES``.
    changes : dict
        Fields of ``Settings`` to their values for this image type, such as ``{"sigma": (1.0, 3.0)}``.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """Settings of a feature extraction; pyradiomics' name of each is given where it is not the same but for its case.

    By default intensities are used as they are in the scans: no normalisation, no resampling and no filter. Values of
    MRI then carry the scanner's arbitrary units, exactly as pyradiomics' default call gives them.

    Attributes
    ----------
    classes : tuple of str
        Feature classes to compute, of ``names.FEATURE_CLASSES``.
    features : dict
        Feature class to the names of the features wanted of it; a class that is not there gives all.
    image_types : tuple of ImageType
        What to measure: the scan as it is, and filtered.
    bin_width : float
        Width of a grey-level bin in the image's own units; bins are aligned to multiples of it.
    bin_count : int, optional
        Number of bins between a region's minimum and maximum; wins over ``bin_width``.
    normalize, normalize_scale, remove_outliers : bool, float, float or None
        Subtract the mean of the whole image, divide by its standard deviation, cut at so many of them, multiply.
    resampled_pixel_spacing : three floats, optional
        Voxel size (x, y, z) in mm to bring image and region to; 0 keeps an axis as it is.
    interpolator : str or None
        SimpleITK's name of the interpolation, of ``setting_checks.INTERPOLATORS``; None switches resampling off.
    pad_distance : int
        Voxels kept around the region's box when resampling or pre-cropping.
    pre_crop : bool
        Filter only the region's box and ``pad_distance`` voxels around it: quick, but filters see an edge there.
    resegment_range, resegment_mode, resegment_shape : one or two floats, str, bool
        Keep only voxels of a region whose intensity is in the range, given in intensity units (``"absolute"``),
        multiples of the region's maximum (``"relative"``) or standard deviations from its mean (``"sigma"``).
    voxel_array_shift : float
        Added to every intensity before Energy, TotalEnergy and RootMeanSquared.
    distances : tuple of int
        Distances in voxels (infinity norm) of neighbours in GLCM, GLDM and NGTDM.
    symmetrical_glcm : bool
        Count every pair of voxels both ways.
    weighting_norm : str, optional
        Weigh directions in GLCM and GLRLM by their length in mm by this norm, of
        ``setting_checks.WEIGHTING_NORMS``.
    gldm_a : int
        Largest difference of grey levels between dependent voxels in GLDM.
    force_2d, force_2d_dimension : bool, int
        Look for neighbours only within the planes across this axis of the array (0 is z, 1 is y, 2 is x).
    label : int
        Value of the region in a label map that is given to ``measure``; a case's regions have their own labels.
    minimum_roi_dimensions, minimum_roi_size : int, int or None
        Read and kept; pyradiomics refuses smaller regions, here they are measured as far as they can be.
    sigma : tuple of float
        Widths of the Gaussian of LoG in mm.
    wavelet, start_level, level : str, int, int
        Wavelet by PyWavelets' name, first level, number of levels.
    gradient_use_spacing : bool
        Gradient per mm rather than per voxel.
    lbp_3d_levels, lbp_3d_icosphere_radius, lbp_3d_icosphere_subdivision : int, float, int
        Degrees of spherical harmonics, radius of the sphere in voxels, subdivisions of the icosahedron of LBP3D.
    additional_info : bool
        Also give pyradiomics' 22 diagnostics of each block.
    """

    bin_width: float = 25.0
    voxel_array_shift: float = 0.0
    classes: tuple[str, ...] = ("shape", "firstorder")
    features: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    image_types: tuple[ImageType, ...] = (ImageType("Original"),)
    bin_count: int | None = None
    normalize: bool = False
    normalize_scale: float = 1.0
    remove_outliers: float | None = None
    resampled_pixel_spacing: tuple[float, float, float] | None = None
    interpolator: str | None = "sitkBSpline"
    pad_distance: int = 5
    pre_crop: bool = False
    resegment_range: tuple[float, ...] | None = None
    resegment_mode: str = "absolute"
    resegment_shape: bool = False
    distances: tuple[int, ...] = (1,)
    symmetrical_glcm: bool = True
    weighting_norm: str | None = None
    gldm_a: int = 0
    force_2d: bool = False
    force_2d_dimension: int = 0
    label: int = 1
    minimum_roi_dimensions: int = 2
    minimum_roi_size: int | None = None
    sigma: tuple[float, ...] = ()
    wavelet: str = "coif1"
    start_level: int = 0
    level: int = 1
    gradient_use_spacing: bool = True
    lbp_3d_levels: int = 2
    lbp_3d_icosphere_radius: float = 1.0
    lbp_3d_icosphere_subdivision: int = 1
    additional_info: bool = False

    def __post_init__(self) -> None:
        for name, (holds, wanted) in CHECKS.items():
            value = getattr(self, name)
            try:
                fine = bool(holds(value))
            except (TypeError, ValueError):
                fine = False
            if not fine:
                raise InputError(f"{name} is {value!r}; give {wanted}.")
        object.__setattr__(self, "bin_width", float(self.bin_width))  # a whole number would overflow in 8-bit images
        self._check_names()

    def _check_names(self) -> None:
        for name in (*self.classes, *self.features):
            if name not in FEATURE_CLASSES:
                raise InputError(f"Unknown feature class {name!r}; choose from {', '.join(FEATURE_CLASSES)}.")
        for feature_class, wanted in self.features.items():
            for name in wanted:
                if name not in (*FEATURES[feature_class], *deprecated_names(feature_class)):
                    known = ", ".join(FEATURES[feature_class])
                    raise InputError(f"Unknown feature {name!r} of the class {feature_class}; choose from {known}.")
        fields = self.__dataclass_fields__
        for image_type in self.image_types:
            if image_type.name not in IMAGE_TYPES:
                raise InputError(f"Unknown image type {image_type.name!r}; choose from {', '.join(IMAGE_TYPES)}.")
            for name in image_type.changes:
                if name not in fields or name in _FOR_ALL_IMAGE_TYPES:
                    raise InputError(f"{name!r} cannot be set for one image type ({image_type.name}) only.")
            if image_type.changes:
                replace(self, image_types=(), **image_type.changes)  # which checks the values

    @classmethod
    def from_parameters(cls, source: str | os.PathLike[str] | Mapping[str, Any]) -> Settings:
        """Return the settings that a pyradiomics parameter file (YAML or JSON) or dictionary asks for.

        Raises
        ------
        InputError
            If the file cannot be read, or holds a key or a value that is not known; the sentence names it.
        DependencyError
            If it is a file and PyYAML is not installed.
        """
        from .parameters import read_parameters

        return read_parameters(source)

    def for_image_type(self, image_type: ImageType) -> Settings:
        """Return the settings as ``image_type`` changes them."""
        return replace(self, **dict(image_type.changes)) if image_type.changes else self

    def features_of(self, feature_class: str) -> tuple[str, ...]:
        """Return the names of the features wanted of a class, in pyradiomics' order."""
        wanted = self.features.get(feature_class)
        if not wanted:
            return FEATURES[feature_class]
        known = sorted((*FEATURES[feature_class], *deprecated_names(feature_class)))
        return tuple(name for name in known if name in wanted)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings that are not pyradiomics' own as plain values, ready for JSON; some are always there."""
        default = Settings()
        always = ("bin_width", "voxel_array_shift", "classes")
        kept = {
            name: _plain(value)
            for name, value in asdict(self).items()
            if name in always or value != asdict(default)[name]
        }
        return kept


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


_FOR_ALL_IMAGE_TYPES = (
    "classes",
    "features",
    "image_types",
    "normalize",
    "normalize_scale",
    "remove_outliers",
    "resampled_pixel_spacing",
    "interpolator",
    "pad_distance",
    "pre_crop",
    "resegment_range",
    "resegment_mode",
    "resegment_shape",
    "label",
    "minimum_roi_dimensions",
    "minimum_roi_size",
    "additional_info",
)
"""Fields that act before an image is filtered."""
