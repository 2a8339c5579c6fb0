"""Reading pyradiomics' parameter files, as they are, into ``Settings``.

A file has up to three parts: ``setting``, ``imageType`` and ``featureClass``. Nothing in it is passed over in silence:
a key that is not known is refused by its name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..errors import DependencyError, InputError
from .deprecated import WITHOUT_VALUE, deprecated_names
from .names import FEATURE_CLASSES, FEATURES
from .setting_checks import INTERPOLATORS
from .settings import IMAGE_TYPES, ImageType, Settings

_PARTS = ("setting", "imageType", "featureClass")

SETTING_NAMES = {
    "binWidth": "bin_width",
    "binCount": "bin_count",
    "voxelArrayShift": "voxel_array_shift",
    "normalize": "normalize",
    "normalizeScale": "normalize_scale",
    "removeOutliers": "remove_outliers",
    "resampledPixelSpacing": "resampled_pixel_spacing",
    "interpolator": "interpolator",
    "padDistance": "pad_distance",
    "preCrop": "pre_crop",
    "resegmentRange": "resegment_range",
    "resegmentMode": "resegment_mode",
    "resegmentShape": "resegment_shape",
    "distances": "distances",
    "symmetricalGLCM": "symmetrical_glcm",
    "weightingNorm": "weighting_norm",
    "gldm_a": "gldm_a",
    "force2D": "force_2d",
    "force2Ddimension": "force_2d_dimension",
    "label": "label",
    "minimumROIDimensions": "minimum_roi_dimensions",
    "minimumROISize": "minimum_roi_size",
    "sigma": "sigma",
    "wavelet": "wavelet",
    "start_level": "start_level",
    "level": "level",
    "gradientUseSpacing": "gradient_use_spacing",
    "lbp3DLevels": "lbp_3d_levels",
    "lbp3DIcosphereRadius": "lbp_3d_icosphere_radius",
    "lbp3DIcosphereSubdivision": "lbp_3d_icosphere_subdivision",
    "additionalInfo": "additional_info",
}
"""pyradiomics' name of a setting to its field in ``Settings``."""

_WITHOUT_EFFECT = (
    # Grids are always compared, and a label map on another one is refused rather than quietly resampled.
    "geometryTolerance",
    "correctMask",
    "label_channel",
    # Of the image type LBP2D, which is refused itself.
    "lbp2DRadius",
    "lbp2DSamples",
    "lbp2DMethod",
)
_NUMBERS = ("bin_width", "voxel_array_shift", "normalize_scale", "remove_outliers", "lbp_3d_icosphere_radius")


def read_parameters(source: str | os.PathLike[str] | Mapping[str, Any]) -> Settings:
    """Return the settings that a parameter file (YAML or JSON) or a dictionary of the same form asks for.

    Raises
    ------
    InputError
        If the file cannot be read, or holds a key or a value that is not known; the sentence names it.
    DependencyError
        If it is a YAML file and PyYAML is not installed.
    """
    where = "The parameters" if isinstance(source, Mapping) else str(source)
    content = source if isinstance(source, Mapping) else _load(Path(source))
    if not isinstance(content, Mapping) or not content:
        raise InputError(f"{where}: no parameters; expected the parts {', '.join(_PARTS)} of a pyradiomics file.")
    if "voxelSetting" in content:
        raise InputError(f"{where}: voxelSetting asks for maps voxel by voxel, which are not computed; remove it.")
    _refuse_unknown(content, _PARTS, where, "part")
    values = _settings(_part(content, "setting", where), where)
    values["classes"], values["features"] = _classes(_part(content, "featureClass", where), values, where)
    values["image_types"] = _image_types(_part(content, "imageType", where), where)
    try:
        return Settings(**values)
    except InputError as error:
        raise InputError(f"{where}: {_in_their_words(str(error))}") from error


def write_parameters(settings: Settings) -> dict[str, Any]:
    """Return ``settings`` as a pyradiomics parameter dictionary, every setting named, ready for YAML or JSON."""
    values = {name: _plain(getattr(settings, field)) for name, field in SETTING_NAMES.items()}
    return {
        "setting": {name: value for name, value in values.items() if value is not None},
        "imageType": {
            image_type.name: {_their_name(field): _plain(value) for field, value in image_type.changes.items()}
            for image_type in settings.image_types
        },
        "featureClass": {name: list(settings.features.get(name, ())) for name in settings.classes},
    }


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _their_name(field: str) -> str:
    return next(name for name, ours in SETTING_NAMES.items() if ours == field)


def _in_their_words(message: str) -> str:
    """Name a field in a message as the file names it."""
    first, space, rest = message.partition(" ")
    known = {field.name for field in fields(Settings)} & set(SETTING_NAMES.values())
    return f"{_their_name(first)}{space}{rest}" if first in known else message


def _load(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"The parameter file {path} cannot be read ({reason}): check the path.") from error
    if path.suffix.lower() == ".json":
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(f"{path} is not JSON ({error}): correct it.") from error
    try:
        import yaml
    except ImportError as error:
        raise DependencyError(
            f"{path} needs the package PyYAML, which is not installed: pip install PyYAML, or give a .json file."
        ) from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not YAML ({' '.join(str(error).split())}): correct it.") from error


def _part(content: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    part = content.get(name) or {}
    if not isinstance(part, Mapping):
        raise InputError(f"{where}: {name} is {part!r}; expected names with values.")
    return part


def _refuse_unknown(given: Mapping[str, Any], known: Any, where: str, kind: str) -> None:
    for key in given:
        if key not in known:
            raise InputError(f"{where}: unknown {kind} {key!r}; choose from {', '.join(known)}.")


def _settings(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    _refuse_unknown(given, (*SETTING_NAMES, *_WITHOUT_EFFECT), where, "setting")
    return {SETTING_NAMES[key]: _value(key, value) for key, value in given.items() if key in SETTING_NAMES}


def _value(key: str, value: Any) -> Any:
    """Return a value of a file as ``Settings`` wants it; what is wrong stays as it is for ``Settings`` to refuse."""
    field = SETTING_NAMES[key]
    if isinstance(value, list):
        return tuple(value)
    if field == "interpolator" and isinstance(value, int) and 1 <= value <= len(INTERPOLATORS):
        return INTERPOLATORS[value - 1]
    if field in _NUMBERS and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if field == "sigma" and isinstance(value, int | float):
        return (value,)
    return value


def _classes(
    given: Mapping[str, Any], values: Mapping[str, Any], where: str
) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    _refuse_unknown(given, FEATURE_CLASSES, where, "feature class")
    if not given:
        return tuple(name for name in FEATURE_CLASSES if name != "shape2D" or values.get("force_2d")), {}
    wanted: dict[str, tuple[str, ...]] = {}
    for name, features in given.items():
        if features is not None and not isinstance(features, list):
            raise InputError(f"{where}: the features of {name} are {features!r}; give a list of names, or nothing.")
        gone = WITHOUT_VALUE.get(name, ())
        known = (*FEATURES[name], *deprecated_names(name), *gone)
        _refuse_unknown(dict.fromkeys(features or ()), known, where, f"feature of {name}")
        if features:
            wanted[name] = tuple(feature for feature in features if feature not in gone)
    # A class of which only features without a value are wanted has none.
    return tuple(name for name in given if wanted.get(name) != ()), {
        name: some for name, some in wanted.items() if some
    }


def _image_types(given: Mapping[str, Any], where: str) -> tuple[ImageType, ...]:
    _refuse_unknown(given, IMAGE_TYPES, where, "image type")
    found = []
    for name, changes in given.items():
        if changes is not None and not isinstance(changes, Mapping):
            raise InputError(f"{where}: {name} has the value {changes!r}; expected settings, or nothing.")
        found.append(ImageType(name, _settings(changes or {}, f"{where}, image type {name}")))
    return tuple(found) or (ImageType("Original"),)
