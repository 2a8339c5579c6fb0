"""The networks: presets by name, and building what a preset or a model card describes from plain JSON values."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ...errors import InputError, ModelError
from .presets import PRESETS, Preset

if TYPE_CHECKING:
    from .network import SegmentationNetwork

__all__ = ["ARCHITECTURES", "PRESETS", "Preset", "build_network", "create"]

ARCHITECTURES = {
    "BiTrUNet": "bitrunet",
    "DynUNet": "dynunet",
    "FCDenseNet": "fcdensenet",
    "Med3DUNet": "med3d",
    "MonaiNet": "monai_net",
    "ResidualUNet": "residual_unet",
    "SegResNet": "segresnet",
    "TransBTS": "transbts",
    "UNet3D": "unet3d",
    "VNet": "vnet",
}
"""Architecture, as a model card names it, to the file that builds it."""


def build_network(architecture: str, arguments: dict[str, Any]) -> SegmentationNetwork:
    """Build the network that a model card describes.

    Raises
    ------
    ModelError
        If the architecture is unknown or the arguments do not fit it.
    DependencyError
        If the network needs a package that is not installed (MONAI).
    """
    if architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ModelError(f"The model's architecture {architecture!r} is not known: this version builds {known}.")
    network = getattr(import_module(f".{ARCHITECTURES[architecture]}", __name__), architecture)
    try:
        return network.from_arguments(arguments)
    except (TypeError, ValueError) as error:
        raise ModelError(f"The model's arguments do not fit {architecture} ({error}).") from error


def create(name: str, **overrides: Any) -> SegmentationNetwork:
    """Build a preset with fresh weights; ``overrides`` replace its arguments (``out_channels=3`` for regions).

    Raises
    ------
    InputError
        If no preset has this name.
    ModelError, DependencyError
        As ``build_network``.
    """
    preset = PRESETS.get(name)
    if preset is None:
        raise InputError(f"The network {name!r} is not known: choose one of {', '.join(PRESETS)}.")
    return build_network(preset.architecture, {**preset.arguments, **overrides})
