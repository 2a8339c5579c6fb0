"""Any of MONAI's usual segmentation networks by its own name and arguments, for weights that others have trained.

The networks of the papers have files of their own; this one lets an imported bundle keep whatever variant it uses
(normalisation, activation, upsampling) without a second implementation of either.
"""

from __future__ import annotations

from math import prod
from typing import Any

from .network import MonaiNetwork, monai_nets

_OBSOLETE = {"SwinUNETR": ("img_size",)}
"""Arguments that MONAI no longer takes, and that have no influence on the weights."""


def _levels(arguments: dict[str, Any], name: str, default: int) -> tuple[int, int, int]:
    return (2 ** (len(arguments.get(name, range(default))) - 1),) * 3


def _strides(arguments: dict[str, Any]) -> tuple[int, int, int]:
    steps = [(step,) * 3 if isinstance(step, int) else tuple(step) for step in arguments["strides"]]
    z, y, x = (prod(axis) for axis in zip(*steps, strict=True))
    return z, y, x


KNOWN = {
    "AttentionUnet": _strides,
    "BasicUNet": lambda arguments: (16, 16, 16),
    "SegResNet": lambda arguments: _levels(arguments, "blocks_down", 4),
    "SegResNetDS": lambda arguments: _levels(arguments, "blocks_down", 5),
    "SwinUNETR": lambda arguments: (32, 32, 32),
    "UNet": _strides,
    "VNet": lambda arguments: (16, 16, 16),
}
"""MONAI's class to the multiples that an input's axes must have; the classes whose forward gives one tensor."""


class MonaiNet(MonaiNetwork):
    """A network of ``monai.networks.nets``.

    Parameters
    ----------
    network : one of ``KNOWN``
    arguments : as MONAI names them; plain JSON values; ``in_channels`` and ``out_channels`` among them
    """

    normalises_bottom = True

    def __init__(self, network: str, arguments: dict[str, Any]) -> None:
        super().__init__()
        if network not in KNOWN:
            raise ValueError(f"network {network!r} of {', '.join(KNOWN)}")
        given = {"spatial_dims": 3, **arguments}
        for name in _OBSOLETE.get(network, ()):
            given.pop(name, None)
        needed = {"in_channels", "out_channels"} | ({"strides"} if KNOWN[network] is _strides else set())
        if given["spatial_dims"] != 3 or not needed <= set(given):
            raise ValueError(f"3 spatial_dims and {', '.join(sorted(needed))} are needed")
        self.in_channels, self.out_channels = int(given["in_channels"]), int(given["out_channels"])
        self._multiples = KNOWN[network](given)
        self.multiple = max(self._multiples)
        self.body = getattr(monai_nets(), network)(**given)

    @property
    def multiples(self) -> tuple[int, int, int]:
        return self._multiples
