"""3D U-Net: pairs of convolutions on five levels, max pooling down, transposed convolutions up.

Çiçek Ö. et al.: 3D U-Net: Learning Dense Volumetric Segmentation from Sparse Annotation, MICCAI 2016
(arXiv 1606.06650), section 2, in MONAI's form (``BasicUNet``: the width is constant within a level, InstanceNorm and
leaky ReLU instead of BatchNorm and ReLU, 22.6 million parameters instead of 19.1).
"""

from __future__ import annotations

from collections.abc import Sequence

from .network import MonaiNetwork, monai_nets


class UNet3D(MonaiNetwork):
    """MONAI's ``BasicUNet``; ``features``: widths from full resolution to 1/16, then that of the last decoder level."""

    multiple = 16
    normalises_bottom = True

    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 4,
        features: Sequence[int] = (32, 64, 128, 256, 512, 32),
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.body = monai_nets().BasicUNet(3, in_channels, out_channels, features=tuple(features))
