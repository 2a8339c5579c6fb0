"""3DFCNN: a fully convolutional DenseNet in three dimensions, 77 convolutions with four new maps each.

Anand V.K. et al.: Brain Tumor Segmentation and Survival Prediction using Automatic Hard mining in 3D CNN
Architecture, BrainLes 2020, section 3.2, after Jégou S. et al.: The One Hundred Layers Tiramisu, 2017
(arXiv 1611.09326). Written from the papers. Anand et al. state 77 layers, growth rate 4 and 64³ patches, not the
layers of each block: 4, 5, 7, 10 / 15 / 10, 7, 5, 4 dense layers with four transitions down, four up, stem and head
are exactly 77 convolutions. Five classes: air, NCR, ED, ET, healthy brain. Against the authors' published code: any
box is taken, not cubes alone (there, the crop after a transition up mixes up the axes).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .network import SegmentationNetwork


def _layer(inputs: int, outputs: int, kernel: int, dropout: float) -> nn.Sequential:
    """BatchNorm, ReLU, convolution, dropout of whole channels."""
    return nn.Sequential(
        nn.BatchNorm3d(inputs),
        nn.ReLU(),
        nn.Conv3d(inputs, outputs, kernel, padding=kernel // 2),
        nn.Dropout3d(dropout),
    )


class DenseBlock(nn.Module):
    """``layers`` convolutions of ``growth`` maps, each fed with the input and all maps before it.

    Returns the new maps, preceded by the input where ``keep_input`` is set.
    """

    def __init__(self, inputs: int, growth: int, layers: int, dropout: float, keep_input: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_layer(inputs + i * growth, growth, 3, dropout) for i in range(layers))
        self.keep_input = keep_input
        self.outputs = layers * growth + (inputs if keep_input else 0)

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for layer in self.layers:
            maps.append(layer(torch.cat(maps, dim=1)))
        return torch.cat(maps if self.keep_input else maps[1:], dim=1)


class TransitionUp(nn.Module):
    """Transposed 3³ convolution with stride 2, cropped to the skip's size and joined with the skip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose3d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        d, h, w = skip.shape[2:]
        return torch.cat([self.up(x)[:, :, :d, :h, :w], skip], dim=1)


class FCDenseNet(SegmentationNetwork):
    """Fully convolutional DenseNet; the defaults are the 3DFCNN of Anand et al.

    Parameters
    ----------
    growth : new maps of a dense layer (k)
    stem : maps of the first convolution
    down, bottleneck, up : dense layers of each block; the input is halved once for each block of ``down``
    dropout : share of channels that training drops after each convolution
    """

    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 5,
        growth: int = 4,
        stem: int = 48,
        down: Sequence[int] = (4, 5, 7, 10),
        bottleneck: int = 15,
        up: Sequence[int] = (10, 7, 5, 4),
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if len(down) != len(up):
            raise ValueError(f"{len(down)} blocks down and {len(up)} up")
        self.in_channels, self.out_channels, self.multiple = in_channels, out_channels, 2 ** len(down)
        self.stem = nn.Conv3d(in_channels, stem, 3, padding=1)
        self.down_blocks, self.downs, self.ups, self.up_blocks = (nn.ModuleList() for _ in range(4))
        channels, skips = stem, []
        for layers in down:
            block = DenseBlock(channels, growth, layers, dropout, keep_input=True)
            channels = block.outputs
            skips.append(channels)
            self.down_blocks.append(block)
            self.downs.append(nn.Sequential(_layer(channels, channels, 1, dropout), nn.AvgPool3d(2)))
        self.bottleneck = DenseBlock(channels, growth, bottleneck, dropout, keep_input=False)
        channels = self.bottleneck.outputs
        for i, layers in enumerate(up):
            self.ups.append(TransitionUp(channels))
            last = i == len(up) - 1
            block = DenseBlock(channels + skips.pop(), growth, layers, dropout, keep_input=last)
            self.up_blocks.append(block)
            channels = block.outputs
        self.head = nn.Conv3d(channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        x = self.stem(x)
        skips = []
        for block, down in zip(self.down_blocks, self.downs, strict=True):
            skips.append(block(x))
            x = down(skips[-1])
        x = self.bottleneck(x)
        for up, block in zip(self.ups, self.up_blocks, strict=True):
            x = block(up(x, skips.pop()))
        return self.head(x)
