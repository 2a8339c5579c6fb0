"""The networks, by the name that a model card gives them; each is built from its arguments as plain JSON values."""

from __future__ import annotations

from typing import Any

from ...errors import ModelError
from .bitrunet import COMPACT, COMPACT_FINE, PUBLISHED, BiTrUNet, BiTrUNetConfig

PRESETS: dict[str, BiTrUNetConfig] = {
    "bitrunet": PUBLISHED,
    "bitrunet-compact": COMPACT,
    "bitrunet-compact-fine": COMPACT_FINE,
}
"""Names for the command line."""


def build_network(architecture: str, arguments: dict[str, Any]) -> BiTrUNet:
    """Build the network that a model card describes; raises ``ModelError`` for one that is not known here."""
    if architecture != "BiTrUNet":
        raise ModelError(f"The model's architecture {architecture!r} is not known: this version builds BiTrUNet.")
    try:
        return BiTrUNet(BiTrUNetConfig.from_dict(arguments))
    except TypeError as error:
        raise ModelError(f"The model card's arguments do not fit BiTrUNet ({error}).") from error
