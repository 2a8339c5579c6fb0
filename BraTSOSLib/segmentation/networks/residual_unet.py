"""Residual 3D U-Net: strided residual units instead of pooling.

Zhang Z., Liu Q., Wang Y.: Road Extraction by Deep Residual U-Net, 2018 (arXiv 1711.10684), which Do et al. cite for
their "Residual 3D U-Net", in MONAI's form (``UNet``, after Kerfoot et al. 2018): the first block strides already,
InstanceNorm and PReLU, transposed convolutions up.
"""

from __future__ import annotations

from collections.abc import Sequence

from .network import MonaiNetwork, monai_nets


class ResidualUNet(MonaiNetwork):
    """MONAI's ``UNet``; ``channels`` of each level, each half as fine as the one before; ``num_res_units`` a level."""

    normalises_bottom = True

    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 4,
        channels: Sequence[int] = (16, 32, 64, 128, 256),
        num_res_units: int = 2,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        strides = (2,) * (len(channels) - 1)
        self.multiple = 2 ** len(strides)
        self.body = monai_nets().UNet(
            3, in_channels, out_channels, channels=tuple(channels), strides=strides, num_res_units=num_res_units
        )
